"""The options that several commands share."""

from typing import Annotated

from cyclopts import Parameter

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
