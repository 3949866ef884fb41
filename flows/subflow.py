"""The documents that a generated flow runs: each is a flow of its own, run as a subflow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from codegen.document import accepted
from codegen.naming import title
from codegen.render import flow_arguments
from codegen.result import Report
from codegen.sub_workflows import Library
from flows.approvals import desk_of
from flows.celery_apps import tasks_from_flow
from flows.configuration import registry
from flows.prefect_events import PrefectEvents
from flows.secret_blocks import run_secrets
from flows.session import Session, entered
from steps.errors import StepFailed
from steps.journal import Journal
from steps.output_keeper import Outputs
from steps.output_storage import from_environment
from steps.scope import Errand, Surroundings


def surrounded(session: Session, workflows: Mapping[str, Any], **known: Any) -> Surroundings:
    """What the steps of a generated flow see; `workflows` are the documents that its file brings along."""
    errand = session.errand
    own = {} if errand is not None else {name: accepted(data) for name, data in workflows.items()}
    return Surroundings(
        run_id=session.run_id,
        library=Library(own) if errand is None else errand.library,
        run_document=lambda inner: Subflow(inner, session),
        path="" if errand is None else errand.path,
        secrets=run_secrets() if errand is None else errand.secrets,
        journal=session.journal or Journal(session.run_id) if errand is None else errand.journal,
        outputs=Outputs(from_environment()) if errand is None else errand.outputs,
        events=PrefectEvents(session.outermost.run_id),
        celery=tasks_from_flow(),
        ask=desk_of(session.outermost.run_id).ask,
        **known,
    )


class Subflow:
    """A document's own generated flow as a part of the run of another one."""

    def __init__(self, errand: Errand, around: Session) -> None:
        self._errand = errand
        self._session = Session(
            errand.run_id, errand.listener, errand=errand, around=around, registry=around.registry
        )

    def cancel(self) -> None:
        """End in order what runs."""
        self._session.cancel()

    async def run(self) -> Report:
        """Generate the flow, or take it from the registry, and run it."""
        errand = self._errand
        flows = self._session.registry or registry()
        entry = await asyncio.to_thread(flows.get_or_create, errand.workflow)
        flow = await asyncio.to_thread(flows.load, entry)
        flow = flow.with_options(flow_run_name=lambda: title(errand.workflow.name), persist_result=False)
        self._session.source = entry.source
        arguments = flow_arguments(errand.workflow, errand.parameters, errand.targets)
        with entered(self._session):
            state = await flow(**arguments, return_state=True)
        if self._session.report is None:
            raise StepFailed(f"the generated flow ended without a report: {state.name}: {state.message}")
        return self._session.report
