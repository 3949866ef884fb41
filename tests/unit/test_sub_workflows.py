"""Documents that run others: what is refused before a run, and where names lead."""

from pathlib import Path
from typing import Any

import pytest

from cli.sources import opened
from codegen.document import canonical, digest, parse, warnings
from codegen.errors import DocumentError
from codegen.render import render
from codegen.scoring.features import features_of
from flows.documents import resolved, understood
from steps.interpreter import interpret
from steps.testing import Recorder, run
from tests.unit.documents import step

SUB: dict[str, Any] = {
    "name": "Sub",
    "parameters": {"n": {"type": "integer", "maximum": 9}, "m": {"default": "x"}},
    "steps": [{"id": "a", "type": "set", "values": {"v": "{{ params.n }}"}}],
    "outputs": {"v": "{{ steps.a.outputs.v }}"},
}


def call(name: str = "sub", id: str = "x", **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "workflow", "workflow": name, **more}


def document(*steps: dict[str, Any], **workflows: Any) -> dict[str, Any]:
    return {"name": "Main", "steps": list(steps), "workflows": workflows}


def simple(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "Simple", "steps": list(steps) or [step("s")], **more}


def refusals(data: dict[str, Any]) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse(data)
    return [str(problem) for problem in caught.value.problems]


def test_what_is_handed_over_must_fit() -> None:
    """Unknown parameters, constants of the wrong type, values that are left out."""
    assert refusals(document(call(parameters={"n": "u", "q": 2}), sub=SUB)) == [
        "steps[0].parameters.n: 'u' is no integer (\"sub\" takes an integer to 9)",
        'steps[0].parameters.q: "sub" has no parameter "q" (it has: n, m)',
    ]
    assert refusals(document(call(), sub=SUB)) == [
        'steps[0].workflow: "sub" requires the parameter "n" (give it an integer to 9)'
    ]


def test_the_queue_is_that_of_the_document_around_it() -> None:
    """A document can't be run where its own workers are not."""
    held = simple(queue="linux", workflows={"deep": simple(queue="gpu")})
    found = refusals(document(call(), sub=held))
    assert [one.partition(": ")[0] for one in found] == [
        "workflows.sub.queue",
        "workflows.sub.workflows.deep.queue",
    ]
    assert '"linux"' in found[0]
    assert "say the same queue" in found[0]
    parse({**document(call(), sub=simple(queue="linux"), none=simple()), "queue": "linux"})


def test_templates_are_checked_when_they_are_filled_in() -> None:
    """Nobody knows before what they give."""
    parse(document(call(parameters={"n": "{{ name }}"}), sub=SUB))


def test_warnings_look_into_the_documents_that_are_held() -> None:
    """With the path from the top; targets may come from the step that runs it."""
    quoted = {"id": "a", "type": "command", "command": "echo {{ name | raw }}", "on": "targets"}
    held = simple(quoted, workflows={"deep": simple(step("b", enabled=False))})
    assert [problem.path for problem in warnings(parse(document(call(), sub=held)))] == [
        "workflows.sub.steps[0].command",
        "workflows.sub.workflows.deep.steps",
    ]


def test_what_this_version_cannot_run_is_refused_in_a_document_that_is_held() -> None:
    """It is named with its path from the top."""
    held = simple({"id": "q", "type": "container", "image": "i"}, triggers={"event": {"name": "x"}})
    found = refusals(document(call(), sub=held))
    assert [one.partition(": ")[0] for one in found] == [
        "workflows.sub.steps[0].type",
        "workflows.sub.triggers",
    ]


def test_targets_must_be_reachable() -> None:
    """As those of a run."""
    (problem,) = refusals(document(call(targets=["web-1"], parameters={"n": 1}), sub=SUB))
    assert problem.startswith("steps[0].targets[0]: target web-1 can't be reached")


def test_the_outputs_are_known() -> None:
    """Those that the other document has, and those of the step itself."""
    asks = step("y", "set", values={"z": "{{ steps.x.outputs.w }}"})
    assert refusals(document(call(parameters={"n": 1}), asks, sub=SUB)) == [
        'steps[1].values.z: step "x" has no output "w" (it has: v)'
    ]
    parse(document(call(parameters={"n": 1}, outputs={"w": "{{ result.success }}"}), asks, sub=SUB))


def test_mistakes_inside_have_their_place() -> None:
    """Malformed, and well-formed but wrong."""
    assert refusals(document(step("s"), k=simple(step("a", "sett"), stepz=1), **{"a b": SUB}))[1:] == [
        'workflows.k.steps[0]: unknown step type "sett" (did you mean "set"?)',
        'workflows.k.stepz: unknown key "stepz" (did you mean "steps"?)',
    ]
    wrong = step("a", "set", values={"v": "{{ params.b }}"})
    assert refusals(document(step("s"), k=simple(wrong))) == [
        'workflows.k.steps[0].values.v: no parameter is named "b" (declare it under parameters)'
    ]


@pytest.mark.parametrize(
    ("workflows", "circle"),
    [
        ({"a": simple(call("a"))}, "a -> a"),
        ({"a": simple(call("b")), "b": simple(call("c")), "c": simple(call("a"))}, "a -> b -> c -> a"),
        ({"a": simple(call("b"), workflows={"b": simple(call("a"))})}, "a -> b -> a"),
    ],
)
def test_a_document_must_not_run_itself(workflows: dict[str, Any], circle: str) -> None:
    """Directly or not."""
    (problem,) = refusals(document(call("a"), **workflows))
    assert f"a document must not run itself, and this one does: {circle} (" in problem


def test_ten_levels_are_deep_enough() -> None:
    """The eleventh is refused."""

    def chain(length: int) -> dict[str, Any]:
        inner = {f"d{i}": simple(call(f"d{i + 1}")) for i in range(1, length)}
        return document(call("d1"), **inner, **{f"d{length}": simple()})

    parse(chain(10))
    (problem,) = refusals(chain(11))
    assert problem.startswith("steps[0].workflow: documents may run each other 10 levels deep")


def test_documents_of_the_folders_are_carried_along(tmp_path: Path) -> None:
    """With those that they run; the text is the same however often it is resolved."""
    (tmp_path / "outer.yaml").write_text(
        "name: Outer\nsteps: [{id: i, type: workflow, workflow: inner}]\n", "utf-8"
    )
    (tmp_path / "inner.yaml").write_text("name: Inner\nsteps: [{id: w, type: wait, duration: 1}]\n", "utf-8")
    whole = understood(document(call("outer")), [tmp_path])
    assert list(whole.workflows) == ["outer", "inner"]
    assert digest(resolved(parse(canonical(whole)), [])) == digest(whole)


def test_what_is_nowhere_is_refused(tmp_path: Path) -> None:
    """With the place, and the names there are."""
    (tmp_path / "there.yaml").write_text("name: T\nsteps: [{id: w, type: wait, duration: 1}]\n", "utf-8")
    with pytest.raises(DocumentError) as caught:
        understood(document(call("outer"), outer=simple(call("gone"))), [tmp_path])
    (problem,) = caught.value.problems
    assert problem.path == "workflows.outer.steps[0].workflow"
    assert problem.message.startswith("no document is named 'gone' in ")
    assert problem.cure == "known: there; or define it under workflows"


def test_files_that_run_each_other_are_refused(tmp_path: Path) -> None:
    """Each is well-formed by itself."""
    for one, other in (("a", "b"), ("b", "a")):
        text = f"name: {one}\nsteps: [{{id: s, type: workflow, workflow: {other}}}]\n"
        (tmp_path / f"{one}.yaml").write_text(text, "utf-8")
    with pytest.raises(DocumentError, match="b -> a -> b"):
        understood("a", [tmp_path])


def test_the_commands_say_in_which_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of what is known only once the other document has been read."""
    monkeypatch.setenv("OPSCONDUCTOR_WORKFLOWS", str(tmp_path))
    (tmp_path / "sub.yaml").write_text("name: S\nsteps: [{id: w, type: wait, duration: 1}]\n", "utf-8")
    main = tmp_path / "main.yaml"
    main.write_text(
        "name: M\nsteps:\n  - id: x\n    type: workflow\n    workflow: sub\n    parameters: {n: 1}\n", "utf-8"
    )
    with pytest.raises(DocumentError) as caught:
        opened(str(main))
    assert [(problem.path, problem.line) for problem in caught.value.problems] == [
        ("steps[0].parameters.n", 6)
    ]


def test_defaults_belong_to_their_document() -> None:
    """Those of the one around are not inherited."""
    data = document(step("s"), sub=simple(step("t"), defaults={"retry": {"attempts": 2}}))
    whole = parse(data | {"defaults": {"timeout": 5}})
    inner = whole.workflows["sub"].steps[0]
    assert (inner.timeout, inner.retry and inner.retry.attempts) == (None, 2)


def test_the_file_brings_them_along_only_if_it_runs_some() -> None:
    """What nobody runs is left behind."""
    assert "WORKFLOWS" in render(parse(document(call(parameters={"n": 1}), sub=SUB)))
    assert "WORKFLOWS" not in render(parse(document(step("s"), sub=SUB)))


async def test_lines_are_kept_by_the_run_around() -> None:
    """Under the name of both steps."""
    says = step("say", "notification", message="hello {{ item }}", for_each=[1, 2])
    recorder = Recorder()
    whole = parse(document(call("sub", for_each=["a"]), sub=simple(says)))
    report = await interpret(whole, run_id="r", listener=recorder).run()
    assert [(line.step, line.index, line.text) for line in report.logs] == [
        ("x [0]/say", 0, "hello 1"),
        ("x [0]/say", 1, "hello 2"),
    ]
    assert recorder.started() == ["x [0]", "x [0]/say [0]", "x [0]/say [1]"]


async def test_steps_have_idempotency_keys_of_their_own() -> None:
    """The run of a step's document is named after that step of its run."""
    tells = simple(
        step("k", "set", values={"id": "{{ run.id }}"}), outputs={"id": "{{ steps.k.outputs.id }}"}
    )
    report = await interpret(parse(document(call("sub"), sub=tells)), run_id="r").run()
    assert report.steps["x"].outputs == {"id": "r.x"}


async def test_what_did_not_come_along_fails_the_step() -> None:
    """A run that nobody prepared ends with a reason."""
    report = await run(parse(document(call("gone"))))
    assert report.steps["x"].error is not None
    assert report.steps["x"].error.message.startswith("no document named 'gone' came with this one")


def test_the_score_counts_it_as_one_advanced_step() -> None:
    """However many steps it has inside."""
    features = features_of(parse(document(call(parameters={"n": 1}), sub=SUB)))
    assert features.advanced == {"workflow step": 1}
