"""What a run shows in Prefect beside its tasks: the decision and the generated source."""

from uuid import UUID

from prefect import get_client
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from codegen.decision import Decision
from codegen.explain import factor_rows, markdown
from codegen.naming import run_name
from flows.session import Session


async def show_decision(decision: Decision, name: str, run_id: UUID, tags: set[str]) -> set[str]:
    """The decision as a table artifact and as tags of the run, which gets the document's name.

    `tags` are those that the run has besides; gives all that it has then.
    """
    await acreate_table_artifact(table=factor_rows(decision), key="decision", description=markdown(decision))
    shown = tags | {f"engine:{decision.engine}", f"level:{decision.level}"}
    async with get_client() as client:
        await client.update_flow_run(run_id, name=run_name(name), tags=sorted(shown))
    return shown


async def show_source(session: Session, name: str) -> None:
    """The generated Python of the subflow that this runs in, which Prefect's UI doesn't show by itself.

    Of a document that several steps or executions run, the first subflow shows it: it costs a request.
    """
    source, shown = session.source, session.outermost.sources
    if source is None or source in shown:
        return
    shown.add(source)
    await acreate_markdown_artifact(
        markdown=f"```python\n{source}\n```\n",
        key="generated-flow",
        description=f"The flow generated from {name}",
    )
