"""Documents such as people write, from a single step to a build-out: what the score must suit."""

from typing import Any

from codegen.workflow import Workflow
from tests.unit.random_documents import Spec, step, workflow

RETRY = {"attempts": 3}


def beside(id: str, *steps: Spec) -> Spec:
    """A parallel group."""
    return {"id": id, "type": "parallel", "steps": list(steps)}


def chain(length: int) -> Workflow:
    """Plain steps, each waiting for the one before."""
    return workflow([step(f"s{n}") for n in range(length)])


def layers(
    count: int, size: int, retried: int = 0, conditional: int = 0, last: str = "command"
) -> list[Spec]:
    """Parallel groups in a row; in each some steps are retried, some conditional, one of another type."""
    return [beside(f"g{layer}", *_layer(layer, size, retried, conditional, last)) for layer in range(count)]


def _layer(layer: int, size: int, retried: int, conditional: int, last: str) -> list[Spec]:
    steps = [step(f"s{layer}_{n}") for n in range(size)]
    for one in steps[:retried]:
        one["retry"] = RETRY
    for one in steps[:conditional]:
        one["when"] = "params.x"
    if last == "container":
        steps[-1] = {"id": steps[-1]["id"], "type": "container", "image": "busybox"}
    return steps


HANDLERS: dict[str, Any] = {"on_failure": [step("undo"), step("page")]}


def disk_check() -> Workflow:
    """Three steps, one of them retried, one conditional."""
    return workflow([step("usage", retry=RETRY), step("clean", when="params.x"), step("tell")])


def log_cleanup() -> Workflow:
    """Four steps."""
    return workflow([step("find", retry=RETRY), step("pack", when="params.x"), step("delete"), step("tell")])


def tls_expiry() -> Workflow:
    """One step for several hosts, then a notification."""
    hosts = ["a.example", "b.example", "c.example", "d.example", "e.example", "f.example"]
    return workflow([step("check", for_each=hosts), step("tell", when="params.x")])


def backup() -> Workflow:
    """Backup with verification."""
    names = ["space", "dump", "checksum", "restore", "compare"]
    steps = [step(name) for name in names] + [step("prune", when="params.x")]
    steps[1]["retry"] = RETRY
    return workflow(steps, on_failure=[step("page")], **{"finally": [step("unlock")]})


def rolling_restart() -> Workflow:
    """Three targets one by one, with checks before and after."""
    each = {"on": "targets", "max_parallel": 1}
    steps = [
        step("preflight"),
        step("drain", **each),
        step("restart", **each, retry=RETRY),
        step("verify", **each, retry=RETRY),
        step("tell", when="params.x"),
    ]
    return workflow(steps, targets=["a", "b", "c"], on_failure=[step("undrain", **each), step("page")])


def triage() -> Workflow:
    """Fourteen steps and a handler: probes side by side, then what they call for."""
    probes = [step(name, retry=RETRY) for name in ("ping", "dns", "http")] + [step("disk"), step("memory")]
    severity = {
        "id": "severity",
        "type": "condition",
        "when": "params.x",
        "then": [step("page"), step("snapshot"), step("restart", retry=RETRY)],
        "else": [step("ticket")],
    }
    steps = [
        step("alert"),
        beside("probes", *probes),
        step("gather", run_if="finished"),
        severity,
        step("verify", when="params.x"),
        beside("close", step("note"), step("tell")),
    ]
    return workflow(steps, on_failure=[step("escalate")])


def build_out() -> Workflow:
    """A hundred steps in ten layers, most of them retried."""
    return workflow(layers(10, 10, retried=6), **HANDLERS)


def everything() -> Workflow:
    """A hundred steps in ten layers, retried, conditional, with containers."""
    return workflow(layers(10, 10, retried=7, conditional=3, last="container"), **HANDLERS)
