"""A report as JSON text of bounded size: first it loses old log lines, then large values, then items."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticSerializationError

from codegen.result import LogLine, Report, StepRecord

LARGEST_REPORT = 8 * 1024 * 1024
KEPT_LINES = 100
KEPT_LINE = 500


def fitted(report: Report, limit: int = LARGEST_REPORT) -> str:
    """The report as JSON of at most `limit` bytes where that can be; notes say what was left out."""
    text = ""
    for smaller in _smaller(report):
        text = dumped(smaller)
        if len(text) <= limit // 4 or len(text.encode()) <= limit:
            break
    return text


def dumped(report: Report) -> str:
    """The report as JSON, also when a value of it is none: that one becomes its text."""
    try:
        return report.model_dump_json()
    except PydanticSerializationError:
        # Something that is no JSON data, or half a character, which no text can carry.
        text = json.dumps(report.model_dump(mode="python"), default=_as_text, ensure_ascii=False)
        return text.encode(errors="replace").decode()


def _as_text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _smaller(report: Report) -> Iterator[Report]:
    yield report
    yield (report := _with_fewer_lines(report))
    for longest in (10_000, 200):
        yield (report := _with_smaller_values(report, longest))
    yield _without_items(report)


def _with_fewer_lines(report: Report) -> Report:
    lines = report.logs
    kept = [_cut(line) for line in lines[-KEPT_LINES:]]
    if len(lines) > KEPT_LINES:
        first = lines[-KEPT_LINES]
        left_out = len(lines) - KEPT_LINES
        note = LogLine(
            time=first.time,
            step=first.step,
            stream="log",
            text=f"{left_out} lines before this one were left out: the report was too large",
        )
        kept.insert(0, note)
    return report.model_copy(update={"logs": tuple(kept)})


def _cut(line: LogLine) -> LogLine:
    if len(line.text) <= KEPT_LINE:
        return line
    return line.model_copy(update={"text": f"{line.text[:KEPT_LINE]}… ({len(line.text) - KEPT_LINE} more)"})


def _with_smaller_values(report: Report, longest: int) -> Report:
    steps = {id: _with_smaller_record(record, longest) for id, record in report.steps.items()}
    outputs = {key: _noted(value, longest) for key, value in report.outputs.items()}
    return report.model_copy(update={"steps": steps, "outputs": outputs})


def _with_smaller_record(record: StepRecord, longest: int) -> StepRecord:
    error = record.error
    if error is not None and len(error.message) > longest:
        error = error.model_copy(update={"message": f"{error.message[:longest]}…"})
    smaller = {
        "result": _noted(record.result, longest),
        "outputs": {key: _noted(value, longest) for key, value in record.outputs.items()},
        "item": _noted(record.item, longest),
        "error": error,
        "items": tuple(_with_smaller_record(item, longest) for item in record.items),
    }
    return record.model_copy(update=smaller)


def _noted(value: Any, longest: int) -> Any:
    size = len(json.dumps(value, default=str))
    return f"left out: {size} characters, and the report was too large" if size > longest else value


def _without_items(report: Report) -> Report:
    steps = {id: record.model_copy(update={"items": ()}) for id, record in report.steps.items()}
    return report.model_copy(update={"steps": steps})
