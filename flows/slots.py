"""A run's slot: how Prefect counts the runs of a document, or of one key.

By a global concurrency limit for each key, and a lease for each run that holds a slot. A process that dies
no longer renews its lease, so its slot is free again when that has run out.
"""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import ConcurrencyLeaseHolder, FlowRun, StateType
from prefect.client.schemas.responses import ConcurrencyLimitWithLeaseResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectAlreadyExists, PrefectException, PrefectHTTPStatusError
from prefect.logging import get_run_logger

from codegen.concurrency import Claim

FAULTS = (httpx.HTTPError, PrefectException)
"""What it looks like when the server doesn't answer, or not as it should."""

_TAKEN, _GONE = 423, 410
_RENEWALS_PER_LEASE = 3
_SECONDS_TO_ANOTHER_RENEWAL = 5.0
_MOST_RUNS = 200  # in one answer
# By its name: a run's tags may be handed down to the flows that it calls.
_ROUTER = by.FlowFilter(name=by.FlowFilterName(any_=["route-workflow"]))
_GOING_ON = by.FlowRunFilterState(
    type=by.FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.CANCELLING, StateType.PAUSED])
)


@dataclass(frozen=True, slots=True)
class Slot:
    """One run's dealings with the limit of its claim. `seconds` is how long a lease lasts."""

    api: Api
    claim: Claim
    run_id: UUID
    seconds: float

    async def prepare(self) -> None:
        """Make the limit, or bring it up to date: the run that came last says how many."""
        name, limit = self.claim.limit_name, self.claim.terms.limit
        try:
            await self.api.upsert_global_concurrency_limit_by_name(name, limit)
        except ObjectAlreadyExists:  # another run has just made it
            await self.api.upsert_global_concurrency_limit_by_name(name, limit)

    async def take(self) -> UUID | None:
        """The lease of a slot; None if none is free."""
        try:
            answer = await self.api.increment_concurrency_slots_with_lease(
                names=[self.claim.limit_name],
                slots=1,
                mode="concurrency",
                lease_duration=self.seconds,
                holder=ConcurrencyLeaseHolder(type="flow_run", id=self.run_id),
            )
        except PrefectHTTPStatusError as error:
            if error.response.status_code == _TAKEN:
                return None
            raise
        granted = ConcurrencyLimitWithLeaseResponse.model_validate(answer.json())
        if granted.limits:
            return granted.lease_id
        await self.prepare()  # somebody has deleted it
        return await self.take()

    async def keep(self, lease: UUID) -> None:
        """Renew the lease again and again. A lease that is lost is told of; the run goes on."""
        while await self._renewed(lease):
            pass
        get_run_logger().warning(
            "This run has lost its slot of %r: Prefect could not be reached for too long. "
            "It goes on, and other runs may start beside it",
            self.claim.shown,
        )

    async def _renewed(self, lease: UUID) -> bool:
        """Whether the lease was renewed when it was time to."""
        await asyncio.sleep(self.seconds / _RENEWALS_PER_LEASE)
        while True:
            try:
                await self.api.renew_concurrency_lease(lease, self.seconds)
            except FAULTS as error:
                if isinstance(error, PrefectHTTPStatusError) and error.response.status_code == _GONE:
                    return False
                get_run_logger().debug("The lease could not be renewed, which is tried again: %s", error)
                await asyncio.sleep(_SECONDS_TO_ANOTHER_RENEWAL)
            else:
                return True

    async def give_back(self, lease: UUID) -> None:
        """Free the slot. The run has ended: what goes wrong here doesn't change how."""
        try:
            await self.api.release_concurrency_slots_with_lease(lease)
        except FAULTS as error:
            get_run_logger().warning(
                "The slot of %r could not be given back, and is free in %.0f s: %s",
                self.claim.shown,
                self.seconds,
                error,
            )

    async def runs(self, *tags: str) -> list[FlowRun]:
        """The router's runs with one of these tags that go on, in the order in which they started."""
        found = await self.api.read_flow_runs(
            flow_filter=_ROUTER,
            flow_run_filter=by.FlowRunFilter(tags=by.FlowRunFilterTags(any_=list(tags)), state=_GOING_ON),
            sort=FlowRunSort.START_TIME_ASC,
            limit=_MOST_RUNS,
        )
        return sorted(found, key=lambda run: (run.start_time is None, run.start_time, run.id))
