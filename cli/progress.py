"""Shows a run's steps as they go: a moving view on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Lock

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from cli.output import printable
from steps.events import Event, now

_MARKS = {
    "succeeded": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "cancelled": ("■", "yellow"),
    "skipped": ("-", "dim"),
    "retrying": ("↻", "yellow"),
}
_MOST_SHOWN = 12


class Progress:
    """Hears a run's events and writes one line per start, output line, retry and end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun: dict[str, Event] = {}
        self._lock = Lock()
        self._moving = console.is_terminal
        self._spinner = Spinner("dots")

    def __call__(self, event: Event) -> None:
        """A listener of the run. May be called from any thread."""
        with self._lock:
            line = self._line(event)
            if event.kind == "started":
                self._begun[event.label] = event
            elif event.kind == "ended":
                self._begun.pop(event.label, None)
        if line is not None:
            self._console.print(line)

    def say(self, text: str) -> None:
        """A message among the lines."""
        self._console.print(Text(printable(text), style="yellow"))

    def abandoned(self, text: str) -> None:
        """The last message of a process that leaves without ending the view."""
        self.say(text)
        self._console.show_cursor()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show what is running below the lines while the block runs, where that is possible."""
        if not self._moving:
            yield
            return
        with Live(self, console=self._console, refresh_per_second=8, transient=True, redirect_stdout=False):
            yield

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The steps that run now, for the moving view."""
        with self._lock:
            begun = list(self._begun.values())
        moment = now()
        frame = self._spinner.render(console.get_time())
        rows = [Text.assemble(str(frame), " ", _running(one, moment)) for one in begun[:_MOST_SHOWN]]
        hidden = len(begun) - len(rows)
        more = [Text(f"  and {hidden} more", style="dim")] if hidden > 0 else []
        yield Group(*rows, *more)

    def _line(self, event: Event) -> Text | None:
        label = printable(event.label)
        match event.kind:
            case "started":
                return None if self._moving else Text(f"  {label} started{_position(event)}")
            case "line":
                return Text(f"  {label} | {printable(event.text)}", style="dim")
            case "kept":
                return Text(f"  Kept from before: {printable(event.text)}", style="dim")
            case "retrying":
                return _marked("retrying", f"{label} is tried again", event.text)
            case "ended":
                since = self._begun.get(event.label)
                took = f" in {(event.time - since.time).total_seconds():.1f} s" if since else ""
                return _marked(event.status, f"{label} {event.status}{took}", event.text)


def _running(started: Event, moment: datetime) -> Text:
    seconds = max(0.0, (moment - started.time).total_seconds())
    return Text(f"{printable(started.label)}{_position(started)} {seconds:.0f} s", style="cyan")


def _position(event: Event) -> str:
    return f" ({printable(event.position)})" if event.position else ""


def _marked(status: str, text: str, reason: str) -> Text:
    mark, style = _MARKS.get(status, ("·", ""))
    line = Text.assemble((mark, style), " ", text)
    if reason:
        line.append(f": {printable(reason)}", style=style)
    return line
