"""Static checks: what a well-formed document may not say, each with its place and a cure."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.checking.checks import MOST_STEPS, check
from codegen.checking.name_checks import ERROR
from codegen.checking.references import RECORD
from codegen.document import load, warnings
from codegen.errors import DocumentError
from codegen.result import StepError, StepRecord
from tests.unit.documents import FULL, document, refusal, refused, step


def says(text: str, *, on: str = "here", **keys: Any) -> dict[str, Any]:
    """A step with a template."""
    return step(on, "set", values={"v": text}, **keys)


def test_a_document_without_mistakes_passes() -> None:
    """And there is nothing to warn of."""
    assert warnings(load(FULL)) == ()


def test_an_id_is_used_once_in_the_whole_document() -> None:
    """Nested steps and handlers count; both places are named."""
    text = document(
        step("a"),
        step("g", "sequential", steps=[step("a")]),
        finally_=None,
    ).replace(',\n"finally_": null', f',\n"finally": [\n{json.dumps(step("g"))}]')
    told = [(one.path, one.message, one.line) for one in refused(text)]
    assert told == [
        ("steps[1].steps[0].id", 'the id "a" is used twice, here and at steps[0]', 4),
        ("finally[0].id", 'the id "g" is used twice, here and at steps[1]', 6),
    ]


def test_twins_side_by_side_do_not_wait_for_themselves() -> None:
    """The second one follows the first only because it says nothing; that its id is taken is told once."""
    told = [(one.path, one.message) for one in refused(document(step("a"), step("a")))]
    assert told == [("steps[1].id", 'the id "a" is used twice, here and at steps[0]')]


def test_handlers_of_a_step_count_for_ids_too() -> None:
    """Wherever a step stands."""
    text = document(step("a", on_error={"steps": [step("b")]}), step("b"))
    assert 'the id "b" is used twice' in "".join(problem.message for problem in refused(text))


@pytest.mark.parametrize(
    ("steps", "path", "message", "cure"),
    [
        (
            [step("usage"), step("b", depends_on=["usgae"])],
            "steps[1].depends_on[0]",
            'no step has the id "usgae"',
            'did you mean "usage"?',
        ),
        ([step("a", depends_on=["zz"])], "steps[0].depends_on[0]", "no step has", "ids: a"),
        ([step("a", depends_on=["a"])], "steps[0].depends_on[0]", '"a" depends on itself', "take it out"),
        (
            [step("g", "sequential", steps=[step("a", depends_on=["g"])])],
            "steps[0].steps[0].depends_on[0]",
            '"g" contains this step',
            "take it out",
        ),
        (
            [step("g", "parallel", steps=[step("a")], depends_on=["a"])],
            "steps[0].depends_on[0]",
            '"a" is inside this step',
            "take it out",
        ),
    ],
)
def test_a_dependency_is_another_step(steps: list[Any], path: str, message: str, cure: str) -> None:
    """Neither unknown, nor the step itself, nor around or inside it; and no circle is told on top."""
    problem = refusal(document(*steps))
    assert problem.path == path
    assert message in problem.message
    assert cure in problem.cure


@pytest.mark.parametrize(
    ("here", "there"), [("steps", "on_failure"), ("on_failure", "steps"), ("finally", "on_failure")]
)
def test_a_dependency_is_in_the_same_list(here: str, there: str) -> None:
    """Main steps, on_failure and finally are run one after the other."""
    data = {"name": "x", "steps": [step("m")], here: [step("h", depends_on=["t"])], there: [step("t")]}
    problem = refusal(json.dumps(data))
    assert problem.path == f"{here}[0].depends_on[0]"
    assert '"t" belongs to' in problem.message
    assert problem.cure


@pytest.mark.parametrize(
    ("steps", "circle"),
    [
        ([step("a", depends_on=["b"]), step("b", depends_on=["a"])], "a -> b -> a"),
        ([step("a", depends_on=["b"]), step("b")], "a -> b -> a"),
        (
            [step("a", depends_on=["c"]), step("b", depends_on=["a"]), step("c", depends_on=["b"])],
            "a -> c -> b -> a",
        ),
        (
            [step("g", "parallel", steps=[step("a", depends_on=["x"])]), step("x", depends_on=["g"])],
            "a -> x -> g -> a",
        ),
        (
            [step("g", "parallel", depends_on=["x"], steps=[step("a")]), step("x", depends_on=["a"])],
            "g -> x -> a -> g",
        ),
        (
            [
                step("g", "sequential", depends_on=[], steps=[step("a", depends_on=["b"])]),
                step("h", "sequential", depends_on=[], steps=[step("b", depends_on=["g"])]),
            ],
            "a -> b -> g -> a",
        ),
    ],
)
def test_steps_that_wait_for_each_other_are_a_circle(steps: list[Any], circle: str) -> None:
    """Left-out dependencies and groups, which begin before their steps and end after them, count."""
    problem = refusal(document(*steps))
    assert problem.message == f"these steps wait for each other: {circle}"
    assert problem.path.endswith("depends_on")
    assert "take one of the dependencies away" in problem.cure


def test_each_knot_is_told_and_what_follows_it_is_not() -> None:
    """Two circles are two problems."""
    steps = [
        step("a", depends_on=["b"]),
        step("b", depends_on=["a"]),
        step("c", depends_on=["d", "b"]),
        step("d", depends_on=["c"]),
        step("e", depends_on=["c"]),
    ]
    assert [problem.path for problem in refused(document(*steps))] == [
        "steps[0].depends_on",
        "steps[2].depends_on",
    ]


def test_a_long_circle_is_shortened() -> None:
    """Ten thousand ids are no message."""
    size = 3000
    steps = [step(f"s{i}", depends_on=[f"s{(i + 1) % size}"]) for i in range(size)]
    assert len(refusal(document(*steps)).message) < 200


@pytest.mark.parametrize(
    "steps",
    [
        [step("a"), says("{{ steps.a.status }}")],
        [step("a"), step("b"), says("{{ steps.a.status }}")],
        [
            step("g", "parallel", steps=[step("a"), step("b")]),
            says("{{ steps.a.status }} {{ steps.g.status }}"),
        ],
        [step("a"), step("g", "parallel", steps=[says("{{ steps.a.status }}")])],
        [
            step("a"),
            step("c", "condition", when="steps.a.status == 'x'", then=[says("{{ steps.a.status }}")]),
        ],
        [says("{{ steps.a.status }}", depends_on=["a"]), step("a", depends_on=[])],
        [step("a", outputs={"o": "{{ result.x }}"}), says("{{ steps.a.outputs.o }}")],
        [step("a", "set"), says("{{ steps.a.outputs.a }}")],
        [step("a", on="localhost"), says("{{ steps.a['items'][0].outputs.o }}")],
        [step("a"), says("{% for s in ['a'] %}{{ steps[s].status }}{% endfor %}")],
        [says("{% set x = 1 %}{{ x }} {{ range(3) }}")],
        [says("{{ item }} {{ index }} {{ target }}", for_each="[1]")],
        [says("{{ params.p }} {{ targets }} {{ name }} {{ run.id }}")],
    ],
)
def test_what_has_ended_by_then_may_be_named(steps: list[Any]) -> None:
    """A step sees every step that it waits for, directly or not."""
    load(document(*steps, parameters={"p": {}}))


@pytest.mark.parametrize(
    ("steps", "message", "cure"),
    [
        ([says("{{ steps.b.status }}"), step("b")], 'may run before "b" has ended', "add depends_on: [b]"),
        (
            [step("a"), says("{{ steps.b.status }}", depends_on=["a"]), step("b", depends_on=["a"])],
            'may run before "b" has ended',
            "add depends_on: [a, b]",
        ),
        (
            [step("g", "parallel", steps=[step("a"), says("{{ steps.a.status }}")])],
            'may run before "a" has ended',
            "add depends_on: [a]",
        ),
        (
            [step("c", "condition", then=[step("a")], **{"else": [says("{{ steps.a.status }}")]})],
            'may run before "a" has ended',
            "add depends_on: [a]",
        ),
        (
            [step("g", "sequential", steps=[says("{{ steps.g.status }}")])],
            '"g" contains this step and ends after it',
            "before this one",
        ),
        ([says("{{ steps.here.status }}")], '"here" refers to its own record', "use result in outputs"),
        ([step("usage"), says("{{ steps.usgae.status }}")], "no step has the id", 'did you mean "usage"?'),
        ([step("a"), says("{{ steps.a.stats }}")], 'record has no "stats"', 'did you mean "status"?'),
        (
            [step("a", outputs={"percent": "{{ result }}"}), says("{{ steps.a.outputs.precent }}")],
            'step "a" has no output "precent"',
            'did you mean "percent"?',
        ),
        (
            [step("a"), says("{{ steps.a.outputs.o }}")],
            'step "a" declares no outputs',
            "add outputs: {o: ...}",
        ),
        ([step("a", "set"), says("{{ steps.a.outputs.b }}")], 'has no output "b"', "it has: a"),
        (
            [step("g", "parallel", steps=[step("a")]), says("{{ steps.g.outputs.b }}")],
            'group "g" declares no outputs',
            "add outputs: {b: ...} to it, or refer to a step inside it",
        ),
        (
            [step("a", for_each=[1]), says("{{ steps.a.result.stdout }}")],
            '"a" runs more than once',
            "write steps.a.items[index].result.stdout",
        ),
        ([says("{{ params.treshold }}")], "no parameter is named", 'did you mean "threshold"?'),
        ([says("{{ threshold }}")], 'unknown name "threshold"', "write params.threshold"),
        ([step("a"), says("{{ a.status }}")], 'unknown name "a"', "write steps.a"),
        ([says("{{ param.threshold }}")], 'unknown name "param"', 'did you mean "params"?'),
        ([says("{{ zzzz }}")], 'unknown name "zzzz"', "names known here: name, params, run"),
        ([says("{{ secrets.token }}")], "secrets can't be used here", "hand it to a step where it is used"),
        ([says("{{ result }}")], '"result" isn\'t known here', "outputs, failed_when"),
        ([says("{{ item }}")], '"item" isn\'t known here', "for_each"),
        ([says("{{ index }}", when="index == 1")], '"index" isn\'t known here', "for_each"),
        ([says("{{ target }}")], '"target" isn\'t known here', "'on'"),
        ([says("{{ error.message }}")], '"error" isn\'t known here', "on_failure"),
        ([says("{{ run.ib }}")], 'a run has no "ib"', "it has: id"),
        ([step("a", for_each="item.x")], '"item" isn\'t known here', "for_each"),
        ([step("a", for_each=["{{ item }}"])], '"item" isn\'t known here', "for_each"),
        ([step("a", when="result.x")], '"result" isn\'t known here', "outputs"),
        ([step("a", "validation", that=["x == 1"])], 'unknown name "x"', "names known here"),
        ([step("a", "http", url="u", json={"a": ["{{ x }}"]})], 'unknown name "x"', "names known here"),
    ],
)
def test_a_name_that_is_not_known_is_refused(steps: list[Any], message: str, cure: str) -> None:
    """Unknown at all, unknown here, or unknown by then."""
    problems = refused(document(*steps, parameters={"threshold": {}}))
    assert message in problems[0].message
    assert cure in problems[0].cure
    assert all(problem.line for problem in problems)


def test_handlers_see_what_has_run_before_them() -> None:
    """on_failure: the main steps; finally: those of on_failure too; both: the error."""
    seen = "{{ error.message }} {{ steps.a.status }} {{ steps.%s.status }}"
    load(
        json.dumps(
            {
                "name": "x",
                "steps": [step("a"), step("b")],
                "on_failure": [says(seen % "b", on="f")],
                "finally": [says(seen % "f", on="z")],
            }
        )
    )


@pytest.mark.parametrize(
    ("place", "text", "message"),
    [
        ("steps", "{{ steps.f.status }}", '"f" belongs to on_failure, which runs later if at all'),
        ("steps", "{{ steps.z.status }}", '"z" belongs to finally, which runs later if at all'),
        ("on_failure", "{{ steps.z.status }}", '"z" belongs to finally, which runs later if at all'),
        ("finally", "{{ error.mesage }}", 'an error has no "mesage"'),
    ],
)
def test_no_step_sees_what_runs_later(place: str, text: str, message: str) -> None:
    """And an error has only the keys it has."""
    data: dict[str, Any] = {
        "name": "x",
        "steps": [step("a")],
        "on_failure": [step("f")],
        "finally": [step("z")],
    }
    data[place].append(says(text, on="here"))
    assert message in refusal(json.dumps(data)).message


def test_outputs_of_a_run_come_from_main_steps() -> None:
    """Of any of them, as all have ended by then."""
    load(
        document(
            step("a"), step("b", depends_on=[]), outputs={"x": "{{ steps.a.status }} {{ steps.b.status }}"}
        )
    )
    problem = refusal(document(step("a"), outputs={"x": "{{ steps.f.status }}"}, on_failure=[step("f")]))
    assert (problem.path, problem.cure) == ("outputs.x", "use a main step")
    assert "result" in refusal(document(step("a"), outputs={"x": "{{ result }}"})).message


def test_the_keys_of_records_and_errors_are_those_that_a_run_leaves() -> None:
    """Checks and runs agree."""
    assert set(RECORD) == set(StepRecord.model_fields)
    assert set(ERROR) == set(StepError.model_fields)


@pytest.mark.parametrize(
    ("keys", "path"),
    [({"targets": ["localhost", "web-1"]}, "targets[1]"), ({"targets": ["10.0.0.1"]}, "targets[0]")],
)
def test_targets_are_this_machine(keys: dict[str, Any], path: str) -> None:
    """Other machines can't be reached by this version."""
    problem = refusal(document(step("a", on="targets"), **keys))
    assert problem.path == path
    assert "can't be reached by this version, which runs on this machine only" in problem.message
    assert problem.cure == "use localhost or a name ending in .localhost"


def test_on_is_targets_a_local_name_or_a_template() -> None:
    """What a template gives is known only in the run."""
    for on in ("targets", "localhost", "db.localhost", "127.0.0.2", "{{ params.where }}"):
        load(document(step("a", on=on), parameters={"where": {}}, targets=["localhost"]))
    assert refusal(document(step("a", on="db"))).path == "steps[0].on"


def test_what_this_version_can_not_run_is_refused_by_name() -> None:
    """In the same report as everything else."""
    canary = {"canary": 1}
    text = document(
        step("a", "container", image="i"),
        step("b", rollout=canary, depends_on=["c"], on_error={"steps": [step("h", rollout=canary)]}),
        triggers={"event": {"name": "e"}},
    )
    assert [problem.path for problem in refused(text)] == [
        "steps[0].type",
        "steps[1].depends_on[0]",
        "steps[1].on_error.steps[0].rollout",
        "steps[1].rollout",
        "triggers",
    ]


@pytest.mark.parametrize(
    ("steps", "path", "message"),
    [
        ([step("a", command="ls {{ params.p | raw }}")], "steps[0].command", "unquoted"),
        ([step("a", "script", script="ls {{ params.p | raw }}")], "steps[0].script", "unquoted"),
        (
            [step("a", "script", language="python", script="print({{ params.p }})")],
            "steps[0].script",
            "pasted into this Python script",
        ),
        ([step("a", continue_on_error=True), step("b")], "steps[1]", 'blocked if "a" fails'),
        ([step("a", on="targets")], "steps[0].on", "names no targets"),
    ],
)
def test_what_may_not_be_meant_is_warned_of(steps: list[Any], path: str, message: str) -> None:
    """The document runs all the same."""
    (problem,) = warnings(load(document(*steps, parameters={"p": {}})))
    assert problem.path == path
    assert message in problem.message
    assert problem.cure


@pytest.mark.parametrize(
    ("more", "warned"),
    [
        ({"message": "{{ error.message }}"}, True),
        ({"message": "{{ error.message }}", "when": "error"}, False),
        ({"message": "{{ error.message | default('none') }}"}, False),
        ({"message": "{{ error is none }}"}, False),
    ],
)
def test_an_always_step_that_takes_an_error_for_given_is_warned_of(
    more: dict[str, Any], warned: bool
) -> None:
    """After a success `error` is none, and the step would fail the run."""
    always = [step("last", "notification", **more)]
    found = warnings(load(document(step("a"), **{"finally": always})))
    assert [problem.path for problem in found] == ["finally[0].message"] * warned


@pytest.mark.parametrize(
    "steps",
    [
        [step("a", command=["ls", "{{ params.p }}"])],
        [step("a", "script", language="python", script="print(1)")],
        [step("a", continue_on_error=True), step("b", run_if="finished")],
        [step("a", continue_on_error=True), step("b", depends_on=[])],
    ],
)
def test_what_is_meant_is_not_warned_of(steps: list[Any]) -> None:
    """The cures of the warnings cure them."""
    assert warnings(load(document(*steps, parameters={"p": {}}))) == ()


def test_where_no_quoting_is_safe_a_value_is_refused() -> None:
    """In a command; a Python script quotes nothing."""
    assert refusal(document(step("a", command="echo `ls {{ name }}`"))).path == "steps[0].command"
    load(document(step("a", "script", language="python", script="# `{{ name }}`")))


def test_there_are_at_most_ten_thousand_steps() -> None:
    """Counted before anything else is checked."""
    steps = [{"id": f"s{i}", "type": "wait", "duration": 1} for i in range(MOST_STEPS + 1)]
    assert refusal(json.dumps({"name": "x", "steps": steps})).message == (
        "the document has 10,001 steps; at most 10,000 are allowed"
    )


def test_ten_thousand_steps_in_a_chain_are_checked_without_recursion() -> None:
    """Each names the first, which it sees through all the others."""
    steps = [step("s0"), *(step(f"s{i}", "wait", duration=1, when="steps.s0.status") for i in range(1, 5000))]
    assert check(load(document(*steps))) == []


@settings(deadline=None)
@given(steps=st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=5), data=st.data())
def test_checks_never_fail_otherwise(steps: list[str], data: st.DataObject) -> None:
    """Whatever depends on and names whatever, duplicates included."""
    names = st.sampled_from(["a", "b", "c", "d"])
    built = [
        says(
            f"{{{{ steps.{data.draw(names)}.status }}}}",
            on=id,
            depends_on=data.draw(st.lists(names, max_size=2)),
        )
        for id in steps
    ]
    nested = step(data.draw(names), "parallel", steps=built)
    try:
        load(document(nested, *built))
    except DocumentError as error:
        assert all(problem.line and problem.path for problem in error.problems)  # noqa: PT017
