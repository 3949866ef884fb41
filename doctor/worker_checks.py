"""Judges the workers of our queues."""

from collections.abc import Callable, Iterator

from doctor.clocks import judge_clock
from doctor.findings import Finding, doubt, fault, fine, skipped
from doctor.versions import numbers
from doctor.workers import WorkersSeen

_DEFAULT_MULTIPLIER = 4
_OPEN = ("pickle", "application/x-python-serialize", "yaml", "application/x-yaml")


def judge_worker_versions(seen: WorkersSeen, ours: dict[str, str]) -> Iterator[Finding]:
    """Both ends of the bridge are of one make."""
    for worker in seen.workers:
        theirs = {"celery": worker.celery, **worker.versions} if worker.celery else dict(worker.versions)
        evidence = {"worker": worker.name, "theirs": theirs, "ours": ours}
        if not worker.introduced:
            cause = "it doesn't know the command that asks for it"
            yield skipped(f"the version of OpsConductor on {worker.name} is not known", cause, **evidence)
        elif theirs["opsconductor"] != ours["opsconductor"]:
            yield doubt(
                f"{worker.name} has OpsConductor {theirs['opsconductor']}, here it is {ours['opsconductor']}",
                "it may not know all that documents say, or run it by other rules",
                "install the same version there and start the worker anew",
                **evidence,
            )
        elif numbers(theirs["celery"])[:2] != numbers(ours["celery"])[:2]:
            what = f"{worker.name} has Celery {theirs['celery']}, here it is {ours['celery']}"
            yield doubt(what, "only equal ones were tested", "install the same version there", **evidence)
        else:
            yield fine(f"{worker.name} has our versions", **evidence)


def judge_acknowledging(seen: WorkersSeen) -> Iterator[Finding]:
    """Late acknowledging without rejecting loses tasks whose process is killed."""
    for worker, conf in seen.settings:
        late, rejects = conf.get("task_acks_late"), conf.get("task_reject_on_worker_lost")
        evidence = {"worker": worker.name, "task_acks_late": late, "task_reject_on_worker_lost": rejects}
        if late and not rejects:
            yield doubt(
                f"{worker.name} acknowledges late, but not when a process of its pool is killed",
                "a task of your own whose process dies (out of memory, kill -9) is lost as if it had ended; "
                "workflows are not: they say for themselves what they need",
                "set task_reject_on_worker_lost where your tasks may run twice, else unset task_acks_late",
                **evidence,
            )
        else:
            yield fine(f"{worker.name} loses no task of a killed process by its settings", **evidence)


def judge_prefetching(seen: WorkersSeen) -> Iterator[Finding]:
    """A worker takes what it can begin, no more."""
    for worker, conf in seen.settings:
        multiplier = conf.get("worker_prefetch_multiplier", _DEFAULT_MULTIPLIER)
        held = worker.prefetched
        spare = held - worker.processes if held and worker.processes else None
        evidence = {
            "worker": worker.name,
            "worker_prefetch_multiplier": multiplier,
            "prefetch_count": held,
            "processes": worker.processes,
        }
        greedy = spare > 0 if spare is not None else multiplier != 1
        if greedy and not conf.get("worker_disable_prefetch"):
            yield doubt(
                f"{worker.name} takes more messages than it has processes",
                f"with worker_prefetch_multiplier={multiplier} workflows wait behind long ones",
                "start it with `--prefetch-multiplier 1`, or set worker_prefetch_multiplier=1",
                **evidence,
            )
        else:
            yield fine(f"{worker.name} takes only what it can begin", **evidence)


def judge_serializers(seen: WorkersSeen) -> Iterator[Finding]:
    """A message is data: it can't name code to run."""
    for worker, conf in seen.settings:
        accepted = [str(one) for one in conf.get("accept_content") or ("json",)]
        evidence = {"worker": worker.name, "accept_content": accepted}
        takes_json = {"json", "application/json"} & set(accepted)
        if opened := [one for one in accepted if one in _OPEN]:
            yield fault(
                f"{worker.name} accepts {', '.join(opened)}",
                "whoever can write to the broker can run any code on the worker",
                "set accept_content=['json'], task_serializer='json' and result_serializer='json'",
                **evidence,
            )
        elif not takes_json:
            cause = "workflows are sent as JSON; it refuses them, and they wait without end"
            yield fault(
                f"{worker.name} doesn't accept JSON", cause, "add 'json' to its accept_content", **evidence
            )
        else:
            yield fine(f"{worker.name} accepts {', '.join(accepted)}", **evidence)


def judge_pool(seen: WorkersSeen) -> Iterator[Finding]:
    """The pool of processes is the one in which everything works."""
    for worker in seen.workers:
        kind = worker.pool.removeprefix("celery.concurrency.").partition(":")[0]
        evidence = {"worker": worker.name, "pool": worker.pool, "processes": worker.processes}
        if kind == "prefork":
            yield fine(f"{worker.name} runs workflows in {worker.processes} processes", **evidence)
        elif not kind:
            yield skipped(f"the pool of {worker.name} is not known", "it doesn't tell", **evidence)
        else:
            yield doubt(
                f"{worker.name} has the pool {kind!r}",
                _about(kind),
                "start it with `--pool prefork`",
                **evidence,
            )


def _about(kind: str) -> str:
    if kind == "solo":
        return (
            "it runs one workflow at a time, and answers nobody meanwhile: it then looks as if it were away"
        )
    if kind == "thread":
        return "Celery can't end what runs in a thread; workflows see by themselves that they are cancelled"
    return "it was not tested: workflows need an event loop of their own, which green threads may disturb"


def judge_state_db(seen: WorkersSeen) -> Iterator[Finding]:
    """Revoked tasks of an application stay revoked when the worker is started anew."""
    for worker in seen.workers:
        evidence = {"worker": worker.name, "state_db": worker.state_db}
        if not worker.introduced:
            cause = "it doesn't know the command that asks for it"
            yield skipped(f"whether {worker.name} remembers revoked tasks is not known", cause, **evidence)
        elif worker.state_db or not worker.has_other_tasks:
            yield fine(f"{worker.name} forgets nothing that was cancelled", **evidence)
        else:
            yield doubt(
                f"{worker.name} forgets revoked tasks when it is started anew",
                "a task of your own that was cancelled while it waited then runs; workflows don't",
                "start it with `--statedb FILE`",
                **evidence,
            )


def judge_same_results(seen: WorkersSeen, same: Callable[[str, str], bool]) -> Iterator[Finding]:
    """Workers report to where runs listen."""
    for worker in seen.workers:
        evidence = {"worker": worker.name, "theirs": worker.result_backend, "ours": seen.result_backend}
        if worker.introduced and worker.result_backend is None:
            cause = "its result backend is no Redis, and neither is its broker"
            cure = "set OPSCONDUCTOR_RESULT_BACKEND in its environment"
            yield fault(f"{worker.name} has nowhere to report to", cause, cure, **evidence)
        elif worker.result_backend is not None and not same(worker.result_backend, seen.result_backend):
            yield doubt(
                f"{worker.name} reports to another address than the one that runs listen at",
                "unless both are the same server and database, runs never hear of their end",
                "set OPSCONDUCTOR_RESULT_BACKEND to one address everywhere",
                **evidence,
            )
        elif worker.result_backend is not None:
            yield fine(f"{worker.name} reports to where runs listen", **evidence)


def judge_worker_clocks(seen: WorkersSeen) -> Iterator[Finding]:
    """The workers' clocks against ours."""
    for worker in seen.workers:
        yield from judge_clock(worker.clock, worker.name)


def judge_answers(seen: WorkersSeen) -> Iterator[Finding]:
    """A worker that says which queues it takes from, and nothing more."""
    for worker in seen.workers:
        kept = [
            what for what, told in (("settings", worker.conf is not None), ("pool", worker.pool)) if not told
        ]
        if kept:
            yield skipped(
                f"{worker.name} does not tell its {' and its '.join(kept)}",
                "it is busy, or refuses remote control; what follows from them is not judged",
                worker=worker.name,
            )
