"""The page that says which engine can honour what, generated from the table that the router decides by.

`python -m codegen.engine_table [--check]`
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from codegen.capability import LIMITS, Kind
from codegen.decision import ENGINES, EngineName
from codegen.groups import STEP_TYPES
from codegen.reading.key_help import KEY_HELP
from codegen.reading.wording import keys_of
from codegen.step import StepBase
from codegen.support import NOT_BUILT_STEP_KEYS, NOT_BUILT_WORKFLOW_KEYS, RUNNABLE
from codegen.workflow import Workflow

FILE = Path(__file__).parent.parent / "docs" / "reference" / "engines.md"
BEGIN = "<!-- Generated from codegen/capability.py: python -m codegen.engine_table -->"
END = "<!-- The end of what is generated. -->"
NOT_BUILT = "not in this version"

HEADINGS: dict[Kind, str] = {
    "step type": "Step types",
    "step key": "Keys of every step",
    "document key": "Keys of the document",
}


def table() -> str:
    """Every construct of the language, and which engine can honour it."""
    return "\n\n".join("\n".join((f"## {heading}", "", *_rows(kind))) for kind, heading in HEADINGS.items())


def page(now: str) -> str:
    """The page with its generated part renewed. ValueError where its marks are gone."""
    before, begin, rest = now.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/reference/{FILE.name} has lost the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def main(arguments: Sequence[str]) -> int:
    """Renew the page, or with `--check` say whether it is up to date."""
    now = FILE.read_text(encoding="utf-8")
    fresh = page(now)
    if "--check" not in arguments:
        FILE.write_text(fresh, encoding="utf-8")
        return 0
    if now == fresh:
        return 0
    sys.stderr.write(f"docs/reference/{FILE.name} is out of date; run: python -m codegen.engine_table\n")
    return 1


def constructs(kind: Kind) -> Mapping[str, str]:
    """The constructs of a kind, each with what it does or means."""
    match kind:
        case "step type":
            return {name: _first_sentence(model.__doc__ or "") for name, model in STEP_TYPES.items()}
        case "step key":
            return {key: KEY_HELP["Step"][key] for key in keys_of(StepBase)}
        case "document key":
            return {key: KEY_HELP["Workflow"][key] for key in keys_of(Workflow)}


def _first_sentence(text: str) -> str:
    return f"{text.split('. ')[0].splitlines()[0].rstrip('.')}."


def _rows(kind: Kind) -> Iterator[str]:
    word = "`type`" if kind == "step type" else "key"
    yield f"| {word} | meaning | {' | '.join(engine.capitalize() for engine in ENGINES)} | why not |"
    yield f"| --- | --- |{' --- |' * len(ENGINES)} --- |"
    for name, meaning in constructs(kind).items():
        limits = LIMITS.get((kind, name), {})
        built = _is_built(kind, name)
        able = ["yes" if built and engine not in limits else "**no**" for engine in ENGINES]
        cells = (f"`{name}`", meaning, *able, _why_not(built, limits))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _is_built(kind: Kind, name: str) -> bool:
    if kind == "step type":
        return name in RUNNABLE
    return name not in (NOT_BUILT_STEP_KEYS if kind == "step key" else NOT_BUILT_WORKFLOW_KEYS)


def _why_not(built: bool, limits: Mapping[EngineName, str]) -> str:
    reasons = [] if built else [NOT_BUILT]
    return "; ".join([*reasons, *(f"{engine.capitalize()}: {why}" for engine, why in limits.items())])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
