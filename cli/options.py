"""The options that several commands share."""

from typing import Annotated

from cyclopts import Parameter

from codegen.workflow import EnginePreference

File = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True, help="A path, - for standard input, or a name in the document folders."
    ),
]
Run = Annotated[
    str, Parameter(help="A flow run's id, the beginning of a recent one's, or a run's name (the latest one).")
]
Json = Annotated[
    bool,
    Parameter(
        name="--json",
        negative="",
        show_default=False,
        help="JSON on standard output, all else on standard error.",
    ),
]
Engine = Annotated[
    EnginePreference,
    Parameter(name="--engine", help="The engine you would like; auto lets the score decide."),
]
Force = Annotated[
    bool,
    Parameter(
        name="--force",
        negative="",
        show_default=False,
        help="Insist on that engine, whatever score and policy say.",
    ),
]
Parameters = Annotated[
    list[str] | None,
    Parameter(
        name=["--param", "-p"],
        negative="",
        allow_leading_hyphen=True,
        help="A parameter's value as name=value; again for each. Arrays and objects are JSON.",
    ),
]
Targets = Annotated[
    list[str] | None,
    Parameter(name="--target", negative="", help="A target instead of the document's own; again for each."),
]
