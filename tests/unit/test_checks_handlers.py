"""What handlers, undos and groups may name, and what may name them."""

import json
from typing import Any

import pytest

from codegen.document import load, warnings
from tests.unit.documents import document, refusal, step


def says(id: str, text: str, **keys: Any) -> dict[str, Any]:
    """A step with a template."""
    return step(id, "set", values={"v": text}, **keys)


def handling(*steps: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """What is done about a failure."""
    return {"on_error": {"steps": list(steps), **keys}}


def status(id: str) -> str:
    """A template that names a step."""
    return f"{{{{ steps.{id}.status }}}}"


GROUP = step("g", "sequential", steps=[step("one"), step("two")])


@pytest.mark.parametrize("text", [status("a"), status("b"), status("h1"), "{{ error.message }}"])
def test_a_handler_sees_its_step_and_what_had_ended_before_it(text: str) -> None:
    """And the handlers before it, and the error."""
    load(document(step("a"), step("b", **handling(step("h1"), says("h2", text)))))


@pytest.mark.parametrize("text", [status("a"), status("b"), status("u1")])
def test_an_undo_sees_its_step_and_what_had_ended_before_it(text: str) -> None:
    """It runs later, but a document says what holds for sure."""
    load(document(step("a"), step("b", rollback=[step("u1"), says("u2", text)])))


@pytest.mark.parametrize("key", ["on_error", "rollback"])
def test_those_of_a_group_see_the_steps_inside_it(key: str) -> None:
    """All of them have ended."""
    steps = [says("h", status("one") + status("two") + status("g"))]
    load(document({**GROUP, key: {"steps": steps} if key == "on_error" else steps}))


@pytest.mark.parametrize(
    ("steps", "message", "cure"),
    [
        (
            [step("b", **handling(says("h", status("late")))), step("late")],
            'may run before "late" has ended',
            'add depends_on: [late] to "b"',
        ),
        (
            [step("g", "sequential", steps=[step("b", **handling(says("h", status("g"))))])],
            '"g" contains this step and ends after it',
            "before this one",
        ),
        (
            [step("b", **handling(step("h"))), says("c", status("h"))],
            '"h" belongs to on_error of "b", which runs only if it is needed',
            "name it in on_failure or finally",
        ),
        (
            [step("b", rollback=[step("u")]), says("c", status("u"))],
            '"u" belongs to rollback of "b", which runs only if it is needed',
            "name it in on_failure or finally",
        ),
        (
            [step("b", **handling(step("h"))), step("c", **handling(says("k", status("h"))))],
            '"h" belongs to on_error of "b"',
            "name it in on_failure or finally",
        ),
        ([step("b", rollback=[says("u", "{{ error.message }}")])], '"error" isn\'t known here', "on_error"),
        ([step("b", **handling(says("h", "{{ item }}")))], '"item" isn\'t known here', "for_each"),
        ([step("b", **handling(step("h"), when="result.x"))], '"result" isn\'t known here', "steps.b.result"),
    ],
)
def test_what_need_not_have_run_may_not_be_named(
    steps: list[dict[str, Any]], message: str, cure: str
) -> None:
    """Handlers run only after a failure, and see nothing that comes later."""
    problem = refusal(document(*steps))
    assert message in problem.message
    assert cure in problem.cure


def test_on_failure_and_finally_see_handlers_and_undos() -> None:
    """Those of the main steps, and `finally` those of `on_failure`; the other way round nothing."""
    main = step("a", rollback=[step("u")], **handling(step("h", **handling(step("hh")))))
    seen = status("h") + status("hh") + status("u")
    data = {
        "name": "x",
        "steps": [main],
        "on_failure": [says("f", seen, **handling(says("fh", seen + status("a"))))],
        "finally": [says("z", seen + status("fh"))],
    }
    load(json.dumps(data))
    data["on_failure"] = [says("f", status("zh"))]
    data["finally"] = [step("z", **handling(step("zh")))]
    problem = refusal(json.dumps(data))
    assert problem.message == '"zh" belongs to on_error of "z", which runs later if at all'


def test_the_outputs_of_a_run_are_made_of_main_steps() -> None:
    """Not of handlers, which may not have run."""
    problem = refusal(document(step("a", **handling(step("h"))), outputs={"o": status("h")}))
    assert problem.message == '"h" belongs to on_error of "a"; outputs are made of main steps'


@pytest.mark.parametrize(
    ("steps", "path", "cure"),
    [
        (
            [step("a"), step("b", **handling(step("h", depends_on=["a"])))],
            "steps[1].on_error.steps[0].depends_on[0]",
            'take it out; the steps of on_error of "b" start when "b" has failed',
        ),
        (
            [step("b", **handling(step("h", depends_on=["b"])))],
            "steps[0].on_error.steps[0].depends_on[0]",
            'take it out; the steps of on_error of "b" start when "b" has failed',
        ),
        (
            [step("b", rollback=[step("u", depends_on=["h"])], **handling(step("h")))],
            "steps[0].rollback[0].depends_on[0]",
            'the steps of rollback of "b" start when "b" has succeeded and the workflow failed later',
        ),
        (
            [step("b", **handling(step("h"))), step("c", depends_on=["h"])],
            "steps[1].depends_on[0]",
            "depend on steps of the same list only",
        ),
    ],
)
def test_handlers_depend_on_steps_of_their_own_list(
    steps: list[dict[str, Any]], path: str, cure: str
) -> None:
    """They start when what they deal with has happened."""
    problem = refusal(document(*steps))
    assert problem.path == path
    assert cure in problem.cure


@pytest.mark.parametrize("key", ["on_error", "rollback"])
@pytest.mark.parametrize("fan_out", [{"for_each": [1]}, {"on": "localhost"}])
def test_handlers_of_a_step_that_fans_out_see_its_target_and_item(key: str, fan_out: dict[str, Any]) -> None:
    """Each execution has its own, also inside groups among the handlers."""
    steps = [step("p", "parallel", steps=[says("h", "{{ target }} {{ item }} {{ index }}")])]
    handlers: Any = {"steps": steps} if key == "on_error" else steps
    load(document(step("a") | fan_out | {key: handlers}))


def test_a_handler_sees_the_record_of_its_own_execution() -> None:
    """An undo runs when all executions are over, and sees them as others do."""
    load(document(step("a", for_each=[1], **handling(says("h", "{{ steps.a.result.stdout }}")))))
    problem = refusal(document(step("a", for_each=[1], rollback=[says("u", "{{ steps.a.result.stdout }}")])))
    assert problem.message == '"a" runs more than once; what each run gave is in its items'
    load(document(step("a", for_each=[1], rollback=[says("u", "{{ steps.a.items[index].result.stdout }}")])))


def test_what_is_read_when_a_group_has_ended_may_name_the_steps_in_it() -> None:
    """`outputs`, `repeat` and `on_error.when`; `when`, `value`, `for_each` and `on` are read before."""
    load(
        document(
            {
                **GROUP,
                "outputs": {"o": status("one")},
                "repeat": {"until": "steps.two.status == 'succeeded'", "max": 2},
                **handling(step("h"), when="steps.one.result.exit_code == 3 and steps.g.error.message"),
            }
        )
    )
    for key, text in (("when", "steps.one.status"), ("for_each", "[steps.one]"), ("on", status("one"))):
        problem = refusal(document({**GROUP, key: text}))
        assert (problem.path, problem.message) == (
            f"steps[0].{key}",
            'this step may run before "one" has ended',
        )


def test_a_leaf_names_itself_only_where_its_failure_is_dealt_with() -> None:
    """Its record is made when it has ended; until then there is `result`."""
    load(document(step("a", **handling(step("h"), when="steps.a.result.exit_code == 3"))))
    problem = refusal(document(step("a", outputs={"o": status("a")})))
    assert problem.cure == "use result in outputs"


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("steps[0].outputs.o", {"outputs": {"o": "{{ result }}"}}),
        ("steps[0].repeat.until", {"repeat": {"until": "result", "max": 2}}),
    ],
)
def test_a_group_has_no_result(path: str, keys: dict[str, Any]) -> None:
    """What a step inside it gave is there under its name."""
    problem = refusal(document({**GROUP, **keys}))
    assert problem.path == path
    assert problem.cure == "a group has no result; name a step inside it: steps.<id>.result"


def test_outputs_of_a_group_can_be_named() -> None:
    """As those of any step."""
    group = {**GROUP, "outputs": {"first": status("one")}}
    load(document(group, says("c", "{{ steps.g.outputs.first }}")))
    problem = refusal(document(group, says("c", "{{ steps.g.outputs.frist }}")))
    assert problem.cure == 'did you mean "first"?'
    problem = refusal(document({**group, "for_each": [1]}, says("c", "{{ steps.g.outputs.first }}")))
    assert problem.cure == "write steps.g.items[index].outputs.first"


def test_a_step_inside_a_group_that_fans_out_has_a_record_for_each_execution() -> None:
    """Seen from outside; from inside the same execution it is a plain record."""
    inner = [
        step("a", outputs={"o": "1"}),
        says("b", "{{ steps.a.outputs.o }}"),
        step("c", for_each=[1], outputs={"o": "{{ steps.a.outputs.o }}"}),
        says("d", "{{ steps.c.items[0].outputs.o }}"),
    ]
    group = step("g", "sequential", for_each=[1, 2], outputs={"o": "{{ steps.a.outputs.o }}"}, steps=inner)
    load(
        document(
            group, says("z", "{{ steps.a.items[0].outputs.o }}{{ steps.c.items[0].items[0].outputs.o }}")
        )
    )
    problem = refusal(document(group, says("z", "{{ steps.a.outputs.o }}")))
    assert problem.message == '"a" runs more than once because "g" does; what each run gave is in its items'
    assert problem.cure == "write steps.a.items[index].outputs.o"
    problem = refusal(document(group, says("z", "{{ steps.c.result.stdout }}")))
    assert problem.cure == "write steps.c.items[index].items[index].result.stdout"
    problem = refusal(document(group, outputs={"o": "{{ steps.a.outputs.o }}"}))
    assert problem.cure == "write steps.a.items[index].outputs.o"


def test_a_group_that_runs_its_steps_once_has_plain_records_inside() -> None:
    """Of the last round or try."""
    group = step("g", "sequential", retry={}, steps=[step("a", outputs={"o": "1"})])
    load(document(group, says("z", "{{ steps.a.outputs.o }}")))


def test_handlers_in_an_always_list_take_their_error_for_given() -> None:
    """There is one: that of the step they belong to."""
    handler = step("h", "notification", message="{{ error.message }}")
    always = [step("z", **handling(handler, when="error.message"))]
    assert warnings(load(document(step("a"), **{"finally": always}))) == ()
