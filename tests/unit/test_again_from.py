"""From which steps of a document a run can be tried again."""

from typing import Any

import pytest

from codegen.again import why_not_from
from codegen.document import parse


def leaf(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "command", "command": "true", **more}


DOCUMENT = parse(
    {
        "name": "x",
        "steps": [
            leaf(
                "copy",
                on_error={"steps": [leaf("tell", on_error={"steps": [leaf("shout")]})]},
                rollback=[leaf("remove")],
            ),
            {"id": "both", "type": "parallel", "steps": [leaf("one", rollback=[leaf("back")]), leaf("two")]},
        ],
        "on_failure": [leaf("alarm")],
        "finally": [leaf("report", on_error={"steps": [leaf("again")]})],
    }
)


@pytest.mark.parametrize("start", ["copy", "both", "one", "two", "alarm", "report"])
def test_steps_of_its_lists(start: str) -> None:
    """Those inside groups, and those for the end of a run."""
    assert why_not_from(DOCUMENT, start) is None


@pytest.mark.parametrize(
    ("start", "owner"),
    [("tell", "copy"), ("shout", "copy"), ("remove", "copy"), ("back", "one"), ("again", "report")],
)
def test_steps_that_deal_with_what_another_one_did(start: str, owner: str) -> None:
    """Are done again with that one, which is named."""
    told = why_not_from(DOCUMENT, start)
    assert told == (
        f"{start!r} deals with what {owner!r} did, and is done again with that",
        f"name {owner!r}",
    )


@pytest.mark.parametrize(("start", "perhaps"), [("cpoy", ", did you mean 'copy'"), ("zzz", "")])
def test_names_that_no_step_has(start: str, perhaps: str) -> None:
    """What may have been meant, and what there is."""
    known = "copy, both, one, two, alarm, report"
    assert why_not_from(DOCUMENT, start) == (f"it has no step {start!r}{perhaps}", f"name one of: {known}")
