"""What a cancel stopped, in words."""

from codegen.result import Report


def cancellation(report: Report) -> str:
    """One sentence: which steps were ended, how many never started."""
    cancelled = [(id, record) for id, record in report.steps.items() if record.status == "cancelled"]
    stopped = [id for id, record in cancelled if record.started_at]
    waiting = len(cancelled) - len(stopped)
    ended = f"stopped {', '.join(stopped)}" if stopped else "nothing was running"
    return f"Cancelled: {ended}; {waiting} {'step' if waiting == 1 else 'steps'} did not start"
