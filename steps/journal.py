"""What the executions of a run did, kept where the death of the process that runs it does not reach.

A run that goes on after such a death does again nothing that has ended: each execution takes what the
journal tells of it, in the same order, and only what is missing is done. A run that is tried again after
its end keeps what `steps.again` lets it keep.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import Any
from uuid import uuid4

from codegen.result import StepRecord, StepStatus
from steps.entries import Entry, Kind, Nowhere, Store
from steps.errors import StepFailed
from steps.keys import Turns, around, key_of, parted

Keep = Callable[[Sequence[Entry], str | None], list[Entry]]
"""What a new try of the run keeps of the entries before, given the step from which on all is done again."""


class Journal:
    """One life of a run: reads what the lives before left, writes what this one does."""

    def __init__(
        self,
        run_id: str = "",
        store: Store | None = None,
        entries: Iterable[Entry] = (),
        *,
        attempt: int = 1,
        again_from: str | None = None,
        forgotten: bool = False,
    ) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self.abandoned = False
        self.owners: Mapping[str, str] = {}  # of a step that deals with what another one did: that one
        self._unknown = uuid4().hex
        self._store = store or Nowhere()
        self._entries = list(entries)
        self._numbers = count()
        self._number: dict[str, int] = {}
        self._turns = Turns()
        self._left: dict[str, deque[tuple[int, Entry]]] = defaultdict(deque)
        self._ends: dict[str, deque[tuple[int, Entry]]] = defaultdict(deque)
        self._cuts: dict[tuple[str, int, int], StepRecord] = {}
        self._over: Counter[str] = Counter()
        self._ahead: Counter[str] = Counter()
        self._inside: dict[str, list[Entry]] = defaultdict(list)
        starts = [entry for entry in self._entries if entry.kind == "start"]
        self.continued = any(start.attempt == attempt for start in starts)
        if not self.continued:
            starts.append(self._write("start", again_from=again_from, forgotten=forgotten))
        self._starts = starts
        self._forgotten = any(start.forgotten for start in starts)
        told = [entry.kind for entry in self._entries if entry.kind != "cancel"]
        self.died = self.continued and told[-1] != "waits"  # else it was left in order
        self._asked: dict[str, datetime] = {}
        self._cancelled: Counter[str] = Counter()
        self._note_cancellations()

    def _note_cancellations(self) -> None:
        for entry in self._entries:
            if entry.kind == "cancel" and entry.attempt == self.attempt:
                self._cancelled[entry.key] += 1
                self._asked.setdefault(entry.key, entry.time)
            elif entry.kind == "tried":
                del self._cancelled[entry.key]  # that end is known, and is not come to again

    @property
    def began(self) -> datetime:
        """When this try of the run began, be it in an earlier life."""
        return self._starts[-1].time

    @property
    def is_later(self) -> bool:
        """Whether there was a life of the run before this one."""
        return self.continued or self.attempt > 1

    def asked_to_end(self, run_id: str) -> datetime | None:
        """When an earlier life was first told to end this try of the run."""
        return self._asked.get(run_id)

    @property
    def left(self) -> int:
        """How many ends of executions have not been taken yet."""
        return sum(map(len, self._left.values()))

    @property
    def has_past(self) -> bool:
        """Whether there was a life of this try before, or something is kept of the try before."""
        return self.continued or self.left > 0

    def cancelled(self, run_id: str) -> bool:
        """Whether an earlier life was told to end the run; of one inside it this holds for one try."""
        was = self._cancelled[run_id] > 0
        self._cancelled[run_id] -= was
        return was

    def is_to_end(self, key: str) -> bool:
        """Whether an execution runs another document, and an earlier life had begun it and not seen its end.

        Then that document is only brought to its end: what was done there may have to be undone.
        """
        if not self._inside.get(key):
            return False
        self._cancelled[key] = max(1, self._cancelled[key])
        return True

    def abandon(self) -> None:
        """Another process has the run: nothing more is done about its end, nor written down, here."""
        self.abandoned = True

    def settle(self, run_id: str, keep: Keep) -> list[Entry]:
        """Have the entries at hand that hold for a run, which may be one inside the run; which they are.

        That of an inner one may come again: a later try of its step finds what the try before left.
        """
        if run_id == self.run_id:
            mine, self._entries = self._entries, []
        else:
            mine = self._inside.pop(run_id, [])
        mine = [entry for entry in mine if entry.key.startswith(f"{run_id}.")]
        held: list[Entry] = []
        for start in self._starts:
            if start.attempt > 1:
                held = keep(held, start.again_from if run_id == self.run_id else None)
            held += [entry for entry in mine if entry.attempt == start.attempt]
        for entry in held:
            self._have_at_hand(entry, run_id)
        return held

    def _have_at_hand(self, entry: Entry, run_id: str) -> None:
        step, place, deeper = parted(entry.key, run_id)
        if deeper:
            self._inside[key_of(run_id, step, place)].append(entry)
        elif entry.kind in ("begun", "tried"):
            self._left[entry.key].append((next(self._numbers), entry))
            self._ahead.update(around(entry.key))
            self._inside.pop(entry.key, None)  # it was a part of what has ended now
        elif entry.kind == "ended":
            self._ends[entry.key].append((next(self._numbers), entry))
        elif entry.kind == "cut" and entry.record is not None:
            times = len(self._ends[entry.key]) + self._over[entry.key]
            self._cuts[entry.key, times, entry.record.attempts] = entry.record

    def past(self, key: str) -> Entry | None:
        """What an earlier life tells of the next execution with this key; `begun`: not how it ended."""
        left = self._left.get(key)
        if not left:
            return None
        number, entry = left.popleft()
        self._ahead.subtract(around(key))
        if entry.kind == "begun" and left and left[0][1].kind == "tried":
            return self.past(key)
        self._number[key] = number
        self._turns.end(key)
        return entry

    def is_ahead(self, keys: Iterable[str]) -> bool:
        """Whether an earlier life tells of further executions of these steps, or inside these executions."""
        return any(self._ahead[key] > 0 for key in keys)

    def number(self, key: str) -> int:
        """Which of all ends, be it in an earlier life, the last one of this execution was."""
        return self._number.get(key, 0)

    def mark(self, key: str) -> str:
        """What tells the execution under way from all others of the run with this key, in every life of it.

        Where other lives can't know what this one does, it is one that never comes again.
        """
        life = self._unknown if self._forgotten or isinstance(self._store, Nowhere) else self.attempt
        return f"{life}.{self.turn(key)}"

    def turn(self, key: str) -> str:
        """What tells the execution under way from others with this key; each try of the run begins anew."""
        return self._turns.of(key)

    async def held(self) -> None:
        """Something begins. Returns once that is right here: another process may have the run by now."""
        await self._store.held()

    def all_ended(self, key: str) -> None:
        """The executions of a step that fans out are over; the next ones are in another round around it."""
        self._turns.end_all(key)

    async def begin(self, key: str) -> None:
        """An execution begins of which there must be no second one. Returns once that is safe."""
        if self._forgotten:
            raise StepFailed(
                "not started: the run has begun before, and what it did then is not known here any more. "
                "Find out, then start the workflow anew"
            )
        await self._store.secure(Entry("begun", key, self.attempt))

    def tried(self, key: str, record: StepRecord, *, stops: bool = False) -> None:
        """All tries of an execution are over."""
        self._number[key] = next(self._numbers)
        self._turns.end(key)
        self._write("tried", key, record=record, stops=stops)

    def was_cut(self, key: str, attempt: int) -> StepRecord | None:
        """What an earlier life tells of steps inside this execution that were then ended from outside."""
        return self._cuts.get((key, self._over[key], attempt))

    def cut(self, key: str, record: StepRecord) -> None:
        """Steps inside an execution are ended from outside, as the record says."""
        self._write("cut", key, record=record)

    def ended(self, key: str, status: StepStatus, *, tried: bool) -> None:
        """An execution is over, with all that was done about its failure; a group's is not `tried` before."""
        self._over[key] += 1
        if not tried:
            self._turns.end(key)
        ends = self._ends.get(key)
        number, past = ends.popleft() if ends else (0, None)
        if past is not None and past.status == status:
            self._number[key] = number
            return
        self._number[key] = next(self._numbers)
        self._write("ended", key, status=status)

    def cancel(self, run_id: str) -> None:
        """The run, or one inside it, was cancelled: later lives only bring it to its end."""
        self._write("cancel", run_id)

    def over(self) -> None:
        """The run has ended: what comes after is another try."""
        self._write("over")

    def _write(self, kind: Kind, key: str = "", **more: Any) -> Entry:
        entry = Entry(kind, key, self.attempt, **more)
        if not self.abandoned:
            self._store.add(entry)
        return entry
