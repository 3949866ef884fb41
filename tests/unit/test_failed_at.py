"""The place of the step that failed, in the file that was run."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.failed_at import failed_at
from codegen.document import load_file
from codegen.result import RunResult, StepError, StepRecord
from codegen.routing import decide

TEXT = """\
name: Fails
steps:
  - {id: first, type: command, command: ["true"]}
  - id: breaks
    type: command
    command: ["false"]
"""


@pytest.mark.parametrize(("now", "column"), [(TEXT, 5), (None, None), ("steps: [", None)])
def test_the_place_is_told_where_it_can_be(tmp_path: Path, now: str | None, column: int | None) -> None:
    """The file may be gone by the end of the run, or be no document any more: that is no failure."""
    file = tmp_path / "fails.yaml"
    file.write_text(TEXT)
    workflow = load_file(file)
    error = StepError(message="exit code 1", step="breaks")
    moment = datetime.now(UTC)
    result = RunResult(
        workflow_id="fails",
        engine_used="celery",
        success=False,
        execution_id="r",
        start_time=moment,
        end_time=moment,
        duration_seconds=0,
        steps_completed=1,
        total_steps=2,
        error_message="step 'breaks' failed: exit code 1",
        decision=decide(workflow),
        steps={"first": StepRecord(status="succeeded"), "breaks": StepRecord(status="failed", error=error)},
    )
    if now is None:
        file.unlink()
    else:
        file.write_text(now)
    assert failed_at(str(file), workflow, result) == (f"{file}:4:{column}" if column else None)
