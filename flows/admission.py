"""Whether and when a run may start: what it does where all slots of its claim are taken.

It waits, gives up, or takes the place of older runs. Until then nothing of its document has started.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from prefect import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.logging import get_run_logger
from prefect.states import Cancelling

from celery_bridge.background import alongside
from codegen.concurrency import Claim
from flows.configuration import concurrency_lease
from flows.session import Session
from flows.slots import FAULTS, Slot
from steps.events import Event

SECONDS_BETWEEN_TRIES = 1.0
_MOST_NAMED = 5

Show = Callable[[set[str]], Awaitable[set[str]]]
"""Shows the run in Prefect with these tags; gives all the tags that it has then."""


@asynccontextmanager
async def admitted(
    claim: Claim | None, session: Session, tags: set[str], show: Show
) -> AsyncIterator[str | None]:
    """Hold a slot of the claim while the block runs. Gives the reason where the run is not to start."""
    if claim is None:
        await show(tags)
        yield None
        return
    async with get_client() as api:
        slot = Slot(api, claim, UUID(session.run_id), concurrency_lease())
        lease = await _Entrance(slot, session, tags, show).lease()
        if isinstance(lease, str):
            yield lease
            return
        try:
            async with alongside(slot.keep(lease)):
                yield None
        finally:
            await slot.give_back(lease)


@dataclass(frozen=True, slots=True)
class _Entrance:
    """Where a run asks for its slot."""

    slot: Slot
    session: Session
    tags: set[str]
    show: Show

    async def lease(self) -> UUID | str:
        """The lease of a slot, or why there is none. By then the run is shown with its tags."""
        await self.slot.prepare()
        if (lease := await self.slot.take()) is not None:
            await self._keeping(lease, self.show(self.slot.claim.tagged(self.tags, self.slot.claim.tag)))
            return lease
        if self.slot.claim.terms.on_conflict != "cancel":
            return await self._waited()
        holders = await self.slot.runs(self.slot.claim.tag)
        await self.show(self.slot.claim.tagged(self.tags, None))
        return f"Cancelled, because {_taken(self.slot.claim)}: {_named(holders)}"

    async def _waited(self) -> UUID | str:
        claim, api = self.slot.claim, self.slot.api
        tags = await self.show(claim.tagged(self.tags, claim.waiting_tag))
        if (lease := await self._freed()) is not None:
            held = sorted(claim.tagged(tags, claim.tag))
            await self._keeping(lease, api.update_flow_run(self.slot.run_id, tags=held))
            self._tell(f"Got a slot of {claim.shown!r}")
            return lease
        return f"Cancelled while it waited, because {_taken(claim)}; nothing had started"

    async def _keeping(self, lease: UUID, telling: Awaitable[object]) -> None:
        """Give the lease back if Prefect can't be told of it: the run fails by that."""
        try:
            await telling
        except BaseException:
            await self.slot.give_back(lease)
            raise

    async def _freed(self) -> UUID | None:
        """The lease of a slot, once there is one; None if the run is cancelled before."""
        stop, told = asyncio.Event(), ""
        with self.session.cancels(stop.set):
            self._tell(await self._situation())
            while not stop.is_set():
                try:
                    if self.slot.claim.terms.on_conflict == "replace":
                        await self._make_way()
                    if (lease := await self.slot.take()) is not None:
                        return lease
                except FAULTS as error:
                    if str(error) != told:
                        told = str(error)
                        get_run_logger().warning("Prefect could not be asked for a slot: %s", error)
                await _elapsed(SECONDS_BETWEEN_TRIES, stop)
        return None

    async def _situation(self) -> str:
        """What this run waits for, and how many before it."""
        claim = self.slot.claim
        holders = await self.slot.runs(claim.tag)
        waiting = _before(await self.slot.runs(claim.waiting_tag), self.slot.run_id)
        return f"Waiting, because {_taken(claim)}: {_named(holders)}; {len(waiting)} waited already"

    async def _make_way(self) -> None:
        """Cancel all but the newest runs, which have room, the oldest first: this one too, if overtaken."""
        claim = self.slot.claim
        runs = await self.slot.runs(claim.tag, claim.waiting_tag)
        for run in runs[: max(0, len(runs) - claim.terms.limit)]:
            if run.state_type is not StateType.CANCELLING:
                self._tell(f"Cancelling {_named([run])}, because {_named(runs[-1:])} takes its place")
                message = f"Replaced by run {runs[-1].id} of {claim.shown!r}"
                await self.slot.api.set_flow_run_state(run.id, Cancelling(message=message))

    def _tell(self, text: str) -> None:
        get_run_logger().info("%s", text)
        self.session.tell(Event("line", "concurrency", text=text))


def _before(runs: Sequence[FlowRun], run_id: UUID) -> list[FlowRun]:
    """Those that started before this one."""
    ids = [run.id for run in runs]
    return list(runs[: ids.index(run_id)]) if run_id in ids else []


def _taken(claim: Claim) -> str:
    limit = claim.terms.limit
    return f"{limit} {'run' if limit == 1 else 'runs'} of {claim.shown!r} at most may go on at once"


def _named(runs: Sequence[FlowRun]) -> str:
    named = [f"{run.name} ({run.id})" for run in runs[:_MOST_NAMED]]
    more = len(runs) - len(named)
    return ", ".join([*named, *([f"{more} more"] if more else [])]) or "another one is just starting"


async def _elapsed(seconds: float, stop: asyncio.Event) -> None:
    """Wait, but not longer than until the event."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
