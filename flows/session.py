"""One routed run as its parts share it: its id, who listens, and how it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from codegen.registry import Registry
from codegen.result import Report
from steps.events import Event, Listener, ignore, now
from steps.journal import Journal
from steps.scope import Errand


@dataclass(slots=True)
class Session:
    """Lives as long as one run of the router, or one run of a generated flow by itself.

    The run of a document that another one runs has an `errand`, and a session `around` it. `registry` is
    where its flow is kept, unless that is the installation's; `journal` knows what earlier lives of it did.
    """

    run_id: str
    listener: Listener = ignore
    report: Report | None = None
    cancelled: bool = False
    asked_at: datetime | None = None
    """When it was first asked to end."""
    left: bool = False
    """This process leaves the run, which another one goes on with."""
    errand: Errand | None = None
    around: Session | None = None
    registry: Registry | None = None
    journal: Journal | None = None
    source: str | None = None
    """The generated Python that its flow run shows."""
    sources: set[str] = field(default_factory=set)
    """Those that this run shows already, in the session of the whole run."""
    watched: dict[UUID, Session] = field(default_factory=dict)
    """The subflows that run now, in the session of the whole run: what a cancellation of each is to end."""
    _cancels: list[Callable[[], object]] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        """Pass an event on to whoever listens."""
        self.listener(event)

    def cancel(self) -> None:
        """Ask all work of the run to end. Asked again it does nothing: that would cut clean-up short."""
        if self.cancelled:
            return
        self.cancelled, self.asked_at = True, now()
        for cancel in self._cancels:
            cancel()

    @contextmanager
    def as_subflow(self, run_id: str) -> Iterator[None]:
        """Inside the block a cancellation of this flow run ends what belongs to the session."""
        watched, id = self.outermost.watched, UUID(run_id)
        watched[id] = self
        try:
            yield
        finally:
            del watched[id]

    @property
    def outermost(self) -> Session:
        """The session of the whole run."""
        return self if self.around is None else self.around.outermost

    async def unless_left(self, work: Awaitable[Report]) -> Report | None:
        """The report; None where this process leaves the run."""
        try:
            return await work
        except asyncio.CancelledError:
            if not self.outermost.left:
                raise
        return None

    @contextmanager
    def cancels(self, cancel: Callable[[], object]) -> Iterator[None]:
        """Call `cancel` when the run is cancelled while the block runs."""
        self._cancels.append(cancel)
        if self.cancelled:
            cancel()
        try:
            yield
        finally:
            self._cancels.remove(cancel)


OnOpened = Callable[[Session], None]

_current: ContextVar[Session | None] = ContextVar("opsconductor_session", default=None)
_listener: ContextVar[Listener] = ContextVar("opsconductor_listener", default=ignore)
_on_opened: ContextVar[OnOpened | None] = ContextVar("opsconductor_on_opened", default=None)


def current() -> Session | None:
    """The session this code runs in."""
    return _current.get()


@contextmanager
def entered(session: Session) -> Iterator[Session]:
    """Make a session the current one."""
    token = _current.set(session)
    try:
        yield session
    finally:
        _current.reset(token)


@contextmanager
def listening(listener: Listener, on_opened: OnOpened | None = None) -> Iterator[None]:
    """Sessions opened inside the block tell their events to `listener`; `on_opened` gets each of them."""
    heard, told = _listener.set(listener), _on_opened.set(on_opened)
    try:
        yield
    finally:
        _listener.reset(heard)
        _on_opened.reset(told)


def opened(run_id: str) -> Session:
    """A new session that tells its events to the surrounding listener."""
    session = Session(run_id, _listener.get())
    if (on_opened := _on_opened.get()) is not None:
        on_opened(session)
    return session
