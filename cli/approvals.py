"""`approve` and `deny`: answer what a run waits for, as Prefect's form does."""

import asyncio
import getpass
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from cli import output
from cli.failures import Exit
from cli.options import Json, Run
from cli.servers import find_server

if TYPE_CHECKING:
    from control.questions import OpenQuestion

Step = Annotated[
    str,
    Parameter(help="What the answer is for, where the run waits for several: a step, as its log names it."),
]
Comment = Annotated[str, Parameter(help="Why; it is kept with the answer.")]
By = Annotated[
    str, Parameter(show_default=False, help="Who answers, instead of the name of this system's user.")
]


def approve(
    run: Run, step: Step | None = None, /, *, comment: Comment = "", by: By = "", as_json: Json = False
) -> int:
    """Say yes to what a run waits for. A name means the only unfinished run of that name."""
    return _answer(run, step, approve=True, comment=comment, by=by, as_json=as_json)


def deny(
    run: Run, step: Step | None = None, /, *, comment: Comment = "", by: By = "", as_json: Json = False
) -> int:
    """Say no to what a run waits for: the step fails, with your comment as the reason."""
    return _answer(run, step, approve=False, comment=comment, by=by, as_json=as_json)


def _answer(run: str, step: str | None, *, approve: bool, comment: str, by: str, as_json: bool) -> int:
    find_server()
    by = by or getpass.getuser()
    question = asyncio.run(_given(run, step, approve, by, comment))
    if as_json:
        output.print_json({**asdict(question), "approved": approve, "by": by, "comment": comment})
    else:
        word = "Approved" if approve else "Denied"
        output.write_text(output.printable(f"{word} {question.about}: {question.message}"))
    return Exit.DONE


async def _given(reference: str, step: str | None, approve: bool, by: str, comment: str) -> "OpenQuestion":
    from control.client import PrefectClient

    async with PrefectClient() as client:
        run = await client.find(reference, unfinished=True)
        return await client.answer(run.id, step, approve=approve, by=by, comment=comment)
