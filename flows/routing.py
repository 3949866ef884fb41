"""What the router does: understand, decide, show the decision, run, report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from prefect.exceptions import Pause
from prefect.logging import get_logger, get_run_logger
from prefect.runtime import flow_run

from celery_bridge.errors import BridgeError
from celery_bridge.never_started import never_started
from codegen.concurrency import claim_of
from codegen.decision import Decision
from codegen.document import accepted, canonical
from codegen.explain import sentence
from codegen.parameters import check_values
from codegen.routing import decide
from codegen.targets import check_targets
from codegen.workflow import EnginePreference, Workflow
from flows.admission import admitted
from flows.again import clear_away, start_asked_for
from flows.artifacts import show_decision
from flows.configuration import routing_policy
from flows.documents import understood
from flows.endings import WAITING_IS_NO_ERROR, ended_by, unsuccessful
from flows.engines import ENGINES, Job
from flows.guard import guarded
from flows.journals import Book, opened_book
from flows.results import asked_for, result_of
from flows.session import Session, entered, opened
from flows.suspension import PutOff, taken_up


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to be run, as they said it."""

    workflow: str | Mapping[str, Any]
    parameters: Mapping[str, Any]
    targets: Sequence[str]
    engine_preference: EnginePreference
    force_engine: bool


async def routed(wish: Wish) -> Any:
    """Run a workflow on the engine that suits it. Gives a `RunResult`, in a state unless it succeeded.

    Raises Prefect's Pause where nothing is left but to wait for people: then the run comes back.
    """
    session = opened(str(flow_run.id))
    again = flow_run.run_count > 1
    try:
        with entered(session):
            async with guarded(session), opened_book(session, again=again) as book:
                if again:
                    await taken_up(session, book)
                return await _routed(wish, session, book, again=again)
    except PutOff as later:
        get_logger("prefect.flow_runs").addFilter(WAITING_IS_NO_ERROR)
        raise Pause(state=later.state) from None
    except BridgeError as error:
        return ended_by(error)


async def _routed(wish: Wish, session: Session, book: Book, *, again: bool) -> Any:
    document = understood(wish.workflow) if book.about is None else accepted(book.about["document"])
    values = check_values(document.parameters, wish.parameters)
    where = check_targets(wish.targets or document.targets)
    claim = claim_of(document, values, where, session.run_id)
    decision = await _decision(wish, document.model_copy(update={"targets": where}), book)
    start = None
    if again:
        if not book.waits:  # else it was left in order
            await clear_away(session.run_id)
        start = await start_asked_for(document, session.run_id, flow_run.run_count)
    get_run_logger().info("%s", sentence(decision))
    show = partial(show_decision, decision, document.name, UUID(session.run_id))
    async with admitted(claim, session, set(flow_run.tags), show) as refusal:
        if refusal is None:
            book.begin(document=canonical(document), engine=decision.engine)
            job = Job(document, values, where, session, book, again=again, again_from=start)
            report = await ENGINES[decision.engine](job)
        else:
            report = never_started(canonical(document))
            if not session.cancelled:
                report = report.model_copy(update={"receipt": None})  # other runs were in the way
    report = asked_for(report, session.asked_at)
    result = result_of(document, decision, report, session.run_id, refusal)
    return unsuccessful(report, result.error_message, result) or result


async def _decision(wish: Wish, document: Workflow, book: Book) -> Decision:
    """Which engine; a run that has begun stays where it is."""
    policy = await routing_policy()
    decision = decide(
        document, policy=policy, engine_preference=wish.engine_preference, force_engine=wish.force_engine
    )
    begun_on = None if book.about is None else book.about["engine"]
    if begun_on in (None, decision.engine):
        return decision
    return decide(document, policy=policy, engine_preference=begun_on, force_engine=True)
