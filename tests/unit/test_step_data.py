"""What steps hand on can always be written down, whatever a server or a function gave."""

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.document import parse
from codegen.result import Report
from steps import StepFailed, python
from steps.data import DEEPEST, json_data
from steps.scope import Scope, Surroundings
from steps.sound_text import sound_text
from steps.testing import Recorder, run

TEXTS = st.text(st.characters(codec=None, categories=None))


def nested(levels: int) -> Any:
    value: Any = "leaf"
    for _ in range(levels):
        value = [value]
    return value


@given(st.recursive(TEXTS | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_json_data_can_be_encoded(value: Any) -> None:
    """Halves of surrogate pairs are replaced, in keys too; all else stays."""
    written = repr(json_data(value, "it"))
    assert written == repr(json_data(json_data(value, "it"), "it"))
    Report.model_validate(
        {"success": True, "outputs": {"it": json_data(value, "it")}, "start_time": 0, "end_time": 0}
    ).model_dump_json()


@given(st.text())
def test_whole_characters_stay(text: str) -> None:
    """A text without halves is not touched."""
    assert sound_text(text) == text == json_data([text], "it")[0]


@pytest.mark.parametrize("levels", [DEEPEST + 2, 300, 5000])
def test_deep_data_is_refused(levels: int) -> None:
    """A report of it could not be written."""
    with pytest.raises(StepFailed, match="nested at most 200 levels deep"):
        json_data(nested(levels), "it")
    assert json_data(nested(DEEPEST), "it") == nested(DEEPEST)


async def test_a_function_can_not_spoil_the_report(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by what it returns, nor by the message it fails with."""
    (tmp_path / "half.py").write_text(
        "def good(): return ['a\\ud800b']\ndef bad(): raise ValueError('\\ud800')\n"
    )
    monkeypatch.chdir(tmp_path)
    scope = Scope(Surroundings(run_id="r", name="n"), "a")
    assert (await python(scope, "half:good")).result == ["a\ufffdb"]
    with pytest.raises(StepFailed, match="ValueError: \ufffd"):
        await python(scope, "half:bad")
    assert "half" not in sys.modules


@pytest.mark.parametrize("type_", ["fail", "notification"])
async def test_a_message_can_be_encoded(type_: str) -> None:
    """In the report and in the events."""
    half = "{{ '\"\\\\ud800\"' | from_json }}"
    recorder = Recorder()
    document = parse({"name": "n", "steps": [{"id": "a", "type": type_, "message": half}]})
    report = await run(document, listener=recorder)
    assert "\ufffd" in report.model_dump_json()
    assert [event.text for event in recorder.events if event.text] == ["\ufffd"]
