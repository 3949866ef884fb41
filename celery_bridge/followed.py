"""One run as its follower knows it. Told what was read and when, it says where the run stands."""

import asyncio
import json
from collections.abc import Callable, Iterable
from logging import INFO, WARNING

from celery_bridge.channel import Claim, Fields, Keys, Refusal, after, read
from celery_bridge.errors import BridgeError, EngineFailed, WorkerLost
from codegen.result import Report
from steps.events import Event, Listener

Notice = Callable[[str, int], None]
"""Hears what becomes of a run besides its events: a text and its level of logging."""

FIRST_SWEEP = 0.25
LAST_SWEEP = 5.0
# A task that ends while the result backend is away reads as failed for a moment.
BELIEVED_AFTER = 2.0
TOLD_AFTER = 5.0
# By then the copy that a broker hands out by itself has been taken, where there is one (see `lease`).
SENT_AGAIN_AFTER = 15.0
_ENDED_WITHOUT_REPORT = ("FAILURE", "REVOKED")


def no_notice(text: str, level: int) -> None:
    """For who wants no notices."""


class Followed:
    """What is known of a run: whether it began, what it told, how it ended."""

    def __init__(self, keys: Keys, listener: Listener, notice: Notice, lost_after: float) -> None:
        self.keys = keys
        self.next_id = "-"
        self.began = asyncio.Event()
        self.orphaned = asyncio.Event()
        """Its message is to be sent again: nobody has it, or runs the run any more."""
        self.report: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self.sweep_at = 0.0
        self._interval = FIRST_SWEEP
        self._listener = listener
        self._notice = notice
        self._lost_after = lost_after
        self._celery = ""
        self._next_number = 0
        self._silent_since: float | None = None
        self._ended_since: float | None = None
        self._told_of_silence = False
        self._send_again_after = SENT_AGAIN_AFTER

    async def ended(self) -> Report:
        """Wait for the end: the report, or EngineFailed. Cancelling the wait leaves the rest as it is."""
        return await asyncio.shield(self.report)

    def take(self, entries: Iterable[tuple[str, Fields]]) -> None:
        """Entries of the stream, in order."""
        for id, fields in entries:
            self.next_id = after(id)
            self._silent_since = None
            try:
                self._mind_gap(fields)
                self._enter(fields)
            except Exception as error:  # noqa: BLE001 - of this run's listener: it must not end the other runs
                self.end(error)

    def hear(self, payload: str, now: float) -> None:
        """Celery's own word on the task: what it stores for it."""
        state, detail = _state(payload)
        if state in _ENDED_WITHOUT_REPORT:
            self._celery = detail
            if self._ended_since is None:
                self._ended_since = now
                self.sweep_at = now
        else:
            self._ended_since = None

    def judge(self, *, leased: bool, now: float) -> None:
        """Give the run up when nobody runs it any more and nothing was reported."""
        if leased or self.report.done():
            self._silent_since, self._told_of_silence = None, False
            return
        if self._silent_since is None:
            self._silent_since, self._send_again_after = now, SENT_AGAIN_AFTER
        silent = now - self._silent_since
        if self._ended_since is not None and min(silent, now - self._ended_since) >= BELIEVED_AFTER:
            self.end(EngineFailed(f"Celery ended the run without a report: {self._celery}"))
        elif self.began.is_set() and silent >= self._lost_after:
            self.end(_lost(silent))
        elif self.began.is_set() and silent >= self._send_again_after:
            self._send_again_after = silent + SENT_AGAIN_AFTER  # the worker that gets it may die, too
            self.orphaned.set()
        elif self.began.is_set() and silent >= TOLD_AFTER and not self._told_of_silence:
            self._told_of_silence = True
            self._notice(
                "Its worker shows no sign of life. Another one is to go on; the run is given up "
                f"unless one does within {self._lost_after:.0f} s",
                WARNING,
            )

    def swept(self, *, found: bool, now: float) -> None:
        """Plan the next sweep: soon where a wake-up got lost or the run is new, else ever later."""
        hurry = found or self._ended_since is not None
        self._interval = FIRST_SWEEP if hurry else min(LAST_SWEEP, self._interval * 2)
        self.sweep_at = now + self._interval

    def out_of_reach(self, now: float) -> None:
        """The server is away: silence says nothing, and wake-ups may be lost."""
        self._silent_since = None
        self._interval = FIRST_SWEEP
        self.sweep_at = now + FIRST_SWEEP

    def _mind_gap(self, fields: Fields) -> None:
        """Say what the stream had no room for until it was read. Each process that runs it counts anew."""
        if "event" not in fields:
            return
        number = int(fields.get("number", 0))  # older workers don't count
        missing = number - (self._next_number or 1)
        if missing > 0:
            self._notice(f"… {missing} events left out: they came faster than they were read", WARNING)
        self._next_number = number + 1 if number else 0

    def _enter(self, fields: Fields) -> None:
        match read(fields):
            case Claim(worker):
                if self.began.is_set():
                    self._notice(f"Its worker died: {worker} goes on with the workflow", WARNING)
                else:
                    self._notice(f"Received by {worker}", INFO)
                self.began.set()
                self.orphaned.clear()
            case Event() as event:
                self.began.set()  # its claim may be gone where there was much to tell
                self._listener(event)
            case Report() as report:
                if not self.report.done():
                    self.report.set_result(report)
            case Refusal(message):
                self.end(EngineFailed(f"The worker could not run the workflow: {message}"))

    def end(self, error: Exception) -> None:
        """It ended without a report."""
        if not self.report.done():
            self.report.set_exception(error)


def _lost(silent: float) -> BridgeError:
    return WorkerLost(
        f"The worker that ran the workflow has shown no sign of life for {silent:.0f} s, so what it did last "
        "is unknown. Look at the worker's log, then run the workflow again."
    )


def _state(payload: str) -> tuple[str, str]:
    """The state and what explains it, of what Celery stores for a task."""
    try:
        stored = json.loads(payload)
    except ValueError:
        stored = None
    if not isinstance(stored, dict):
        return "", ""  # a result in another format: its app isn't ours, and the stream tells enough
    state, result = str(stored.get("status", "")), stored.get("result")
    if isinstance(result, dict) and "exc_type" in result:
        message = result.get("exc_message")
        text = " ".join(map(str, message)) if isinstance(message, list) else str(message)
        hint = (
            " (start the worker with `-I celery_bridge.tasks`)"
            if result["exc_type"] == "NotRegistered"
            else ""
        )
        return state, f"{result['exc_type']}: {text}{hint}"
    return state, state.lower()
