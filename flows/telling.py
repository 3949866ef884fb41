"""Where a run's events go: output lines into Prefect's logs, all of them to whoever listens."""

from prefect.logging import get_run_logger

from flows.session import Session
from steps.events import Event, Listener


def listener_for(session: Session) -> Listener:
    """A listener for the steps of a generated flow. A line lands in the log of the task run that wrote it."""

    def listen(event: Event) -> None:
        if event.kind == "line":
            get_run_logger().info("%s", event.text)
        session.tell(event)

    return listen
