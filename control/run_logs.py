"""The log of a run and of everything below it, read at once or as it grows."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import PrefectClient as Api
from prefect.client.schemas import filters as by
from prefect.client.schemas.objects import FlowRun, Log
from prefect.client.schemas.sorting import LogSort

from control.run_tree import PAGE, all_pages, family, names_of_tasks
from control.runs import RunLog

_POSITION = re.compile(r"(?P<step>.+) started \((?P<position>step \d+ of \d+)\)")
OnLog = Callable[[RunLog], None]

_LATE = timedelta(seconds=10)
"""Lines arrive in batches of each process: one may come that much later than a younger one of another."""


class LogReader:
    """Reads what is new each time; `since`: only what was written from then on."""

    def __init__(self, api: Api, root: FlowRun, since: datetime | None = None) -> None:
        self._api, self._root = api, root
        self._seen: set[UUID] = set()
        self._newest = since + _LATE if since else None
        self._names: dict[UUID, str] = {}
        self.last_line: datetime | None = None
        """When the line was written with which Prefect ends the log of a run, or of a try of it."""

    async def new(self) -> list[RunLog]:
        """The lines that came since the last call, in the order of their time."""
        flows = await family(self._api, self._root)
        self._names.update({flow.id: flow.name for flow in flows})
        logs = [log for log in await self._read([flow.id for flow in flows]) if log.id not in self._seen]
        if not logs:
            return []
        self._seen.update(log.id for log in logs)
        newest = max(log.timestamp for log in logs)
        self._newest = max(newest, self._newest or newest)
        self.last_line = max((log.timestamp for log in logs if self._is_last(log)), default=self.last_line)
        unknown = {log.task_run_id for log in logs if log.task_run_id} - self._names.keys()
        self._names.update(await names_of_tasks(self._api, unknown))
        return [self._line(log) for log in sorted(logs, key=lambda log: log.timestamp)]

    async def pass_on(self, on_log: OnLog | None) -> None:
        """Hand each new line to `on_log`; without one nothing is read."""
        for line in await self.new() if on_log else ():
            if on_log:
                on_log(line)

    def _is_last(self, log: Log) -> bool:
        own = log.flow_run_id == self._root.id and log.task_run_id is None
        return own and log.message.startswith("Finished in state")

    async def _read(self, flows: Sequence[UUID]) -> list[Log]:
        since = by.LogFilterTimestamp(after_=self._newest - _LATE) if self._newest else None
        wanted = by.LogFilter(flow_run_id=by.LogFilterFlowRunId(any_=list(flows)), timestamp=since)

        async def page(offset: int) -> list[Log]:
            return await self._api.read_logs(wanted, limit=PAGE, offset=offset, sort=LogSort.TIMESTAMP_ASC)

        return await all_pages(page)

    def _line(self, log: Log) -> RunLog:
        names = (self._names.get(id) for id in (log.task_run_id, log.flow_run_id) if id)
        source = next((name for name in names if name), "")
        return RunLog(str(log.id), log.timestamp, log.level, source, log.message)


async def position(api: Api, root: FlowRun) -> str:
    """Which step began last, and how far the run is with it; empty where its newest log lines don't tell."""
    wanted = by.LogFilter(flow_run_id=by.LogFilterFlowRunId(any_=[root.id]))
    for log in await api.read_logs(wanted, limit=PAGE, sort=LogSort.TIMESTAMP_DESC):
        if found := _POSITION.fullmatch(log.message):
            return f"{found['step']} ({found['position']})"
    return ""
