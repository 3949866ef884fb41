"""What a run is asked to do, checked before anything is started: document, values, targets, decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cli.sources import opened
from cli.values import parameter_values
from codegen.decision import Decision
from codegen.document import canonical
from codegen.routing import decide
from codegen.targets import check_targets
from codegen.workflow import EnginePreference, Workflow


@dataclass(frozen=True, slots=True)
class Request:
    """A checked request for a run."""

    workflow: Workflow
    values: dict[str, Any]
    targets: tuple[str, ...]
    engine: EnginePreference
    force: bool
    decision: Decision

    def parameters(self) -> dict[str, Any]:
        """The parameters of the router's flow."""
        return {
            "workflow": canonical(self.workflow),
            "parameters": self.values,
            "targets": list(self.targets),
            "engine_preference": self.engine,
            "force_engine": self.force,
        }


def checked(
    file: str,
    *,
    engine: EnginePreference,
    force: bool,
    params: Sequence[str],
    targets: Sequence[str],
) -> Request:
    """The request that a command line makes. Raises what the language refuses."""
    workflow = opened(file)
    values = parameter_values(workflow.parameters, params)
    where = check_targets(targets)
    return Request(workflow, values, where, engine, force, decision_on(workflow, engine, force, where))


def decision_on(
    workflow: Workflow, engine: EnginePreference, force: bool, targets: Sequence[str] = ()
) -> Decision:
    """Which engine the workflow goes to, by the default policy; without targets, with its own."""
    where = check_targets(targets or workflow.targets)
    return decide(
        workflow.model_copy(update={"targets": where}), engine_preference=engine, force_engine=force
    )
