"""The page on what each engine can run: fresh, complete, and of one mind with the router."""

from pathlib import Path

import pytest

from codegen import engine_table
from codegen.capability import LIMITS, Kind
from codegen.engine_table import constructs, table
from codegen.groups import STEP_TYPES
from codegen.support import RUNNABLE


def rows() -> dict[str, list[str]]:
    """The rows of the table by heading and construct."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in table().splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("| `") and "`type` | meaning" not in line:
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            found[f"{heading}: {cells[0].strip('`')}"] = cells[1:]
    return found


def test_the_committed_page_is_fresh() -> None:
    """Change the table, then run `python -m codegen.engine_table`."""
    assert engine_table.main(["--check"]) == 0


def test_the_check_finds_a_stale_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what stands between the marks is renewed."""
    file = tmp_path / "engines.md"
    monkeypatch.setattr(engine_table, "FILE", file)
    file.write_text(f"# Mine\n{engine_table.BEGIN}\nold\n{engine_table.END}\nthe rest\n", encoding="utf-8")
    assert engine_table.main(["--check"]) == 1
    assert "out of date; run: python -m codegen.engine_table" in capsys.readouterr().err
    assert engine_table.main([]) == 0
    assert engine_table.main(["--check"]) == 0
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# Mine\n")
    assert text.endswith("\nthe rest\n")
    assert "\nold\n" not in text


def test_a_page_without_its_marks_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can tell which part of it is generated."""
    file = tmp_path / "engines.md"
    monkeypatch.setattr(engine_table, "FILE", file)
    file.write_text("# Mine\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has lost the lines"):
        engine_table.main([])
    assert file.read_text(encoding="utf-8") == "# Mine\n"


@pytest.mark.parametrize("kind", list(engine_table.HEADINGS))
def test_every_construct_has_a_row(kind: Kind) -> None:
    """With what it means."""
    found = rows()
    for name, meaning in constructs(kind).items():
        assert meaning
        assert f"{engine_table.HEADINGS[kind]}: {name}" in found


def test_every_limit_is_shown_with_its_reason() -> None:
    """An engine that can't honour a construct has a bold no."""
    found = rows()
    for (kind, name), limits in LIMITS.items():
        _, celery, prefect, why = found[f"{engine_table.HEADINGS[kind]}: {name}"]
        assert ("celery" not in limits) or celery == "**no**"
        assert ("prefect" not in limits) or prefect == "**no**"
        assert all(reason in why for reason in limits.values())


def test_what_this_version_refuses_is_on_neither_engine() -> None:
    """And what it runs without limits is on both."""
    found = rows()
    for name in STEP_TYPES:
        _, celery, prefect, why = found[f"Step types: {name}"]
        if name not in RUNNABLE:
            assert (celery, prefect) == ("**no**", "**no**")
            assert why.startswith("not in this version")
        elif ("step type", name) not in LIMITS:
            assert (celery, prefect, why) == ("yes", "yes", "")
