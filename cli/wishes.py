"""The options that say how a workflow is to run, apart because they import the whole language."""

from typing import Annotated

from cyclopts import Parameter

from codegen.workflow import EnginePreference

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
