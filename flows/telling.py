"""Where a run's events go: into Prefect's logs what isn't there by itself, all of them to whoever listens."""

from prefect.logging import get_run_logger

from celery_bridge.relay import KEPT, NOT_RUN, LineBudget
from flows.session import Session
from steps.events import Event, Listener


def listener_for(session: Session) -> Listener:
    """A listener for the steps of a generated flow.

    A line lands in the log of the task run that wrote it, as far as the log can take it. A step that did
    not run has no task run: the flow's log tells of it, and in one line of all that are not run again. Steps
    of other documents, such as `deploy/copy`, have their own flow's log.
    """
    budget = LineBudget()

    def listen(event: Event) -> None:
        if session.outermost.left:
            return  # what ends now has not ended for the run
        session.tell(event)
        if "/" in event.step:
            return
        if event.kind == "line":
            if budget.take(event):
                budget.mend_gap(get_run_logger())
                get_run_logger().info("%s", event.text)
        elif event.kind == "kept":
            get_run_logger().info(KEPT, event.text)
        elif event.kind == "ended" and event.status in NOT_RUN:
            reason = f": {event.text}" if event.text else ""
            get_run_logger().info("%s %s%s", event.label, event.status, reason)

    return listen
