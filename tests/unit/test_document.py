"""Reading a document: what it means, where its mistakes stand, and what is said about them."""

import json
from pathlib import Path
from typing import Any

import pytest

from codegen.document import (
    accepted,
    canonical,
    digest,
    load,
    load_file,
    parse,
    placed,
    warnings,
    workflow_id,
)
from codegen.errors import DocumentError
from codegen.leaves import Command
from tests.unit.documents import FULL, document, refusal, refused, step

SMALL = "name: x\nsteps:\n  - {id: a, type: command, command: 'true'}\n"


def test_yaml_and_json_mean_the_same() -> None:
    """The language of a document is what it says, not how it is written."""
    workflow = load(FULL)
    assert load(json.dumps(canonical(workflow))) == workflow
    assert load(json.dumps(canonical(workflow), indent=2)) == workflow


def test_a_workflow_survives_its_canonical_form() -> None:
    """What was read, written and read again is the same workflow with the same digest."""
    workflow = load(FULL)
    again = parse(canonical(workflow))
    assert again == workflow
    assert digest(again) == digest(workflow)
    assert canonical(again) == canonical(workflow)


def test_the_canonical_form_says_only_what_the_document_says() -> None:
    """Defaults are left out, keys are the document's own, durations are seconds."""
    data = canonical(load("name: x\nsteps:\n- {id: a, type: wait, duration: 1m30s}\nfinally: []\n"))
    assert data == {"name": "x", "steps": [{"id": "a", "type": "wait", "duration": 90.0}], "finally": []}


def test_the_digest_follows_meaning_not_layout() -> None:
    """Order of keys, comments and the spelling of a duration change nothing; a value does."""
    first = load("name: x\nsteps:\n- {id: a, type: wait, duration: 90s}\n")
    same = load('# note\nsteps: [{"duration": 1m30s, "type": wait, "id": a}]\nname: "x"\n')
    other = load("name: x\nsteps:\n- {id: a, type: wait, duration: 91s}\n")
    assert digest(first) == digest(same) != digest(other)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Free disk space", "free_disk_space"),
        ("  Größe: 5 %! ", "groe_5"),
        ("重启服务", "workflow"),
        ("a" * 60, "a" * 40),
        ("../../etc/passwd\n", "etc_passwd"),
    ],
)
def test_the_id_is_a_plain_name_and_a_part_of_the_digest(name: str, slug: str) -> None:
    """It is good as a file name, whatever the workflow is called."""
    workflow = load(document(step("a"), name=name).replace('"name": "x",\n', "", 1))
    assert workflow_id(workflow) == f"{slug}-{digest(workflow)[:12]}"


def test_plain_scalars_follow_yaml_1_2() -> None:
    """`on` is a key, `yes` and dates are texts, numbers and null are what they look like."""
    text = "name: x\nsteps:\n- {id: a, type: set, on: localhost, values: {%s}}\n"
    values = (
        "a: yes, b: 2001-01-01, c: 0x1F, d: 010, e: 1e3, f: ~, g: True, h: !!str 5, i: .5, j: 12:30, k: on"
    )
    (only,) = canonical(load(text % values))["steps"]
    assert only["on"] == "localhost"
    assert list(only["values"].values()) == [
        "yes", "2001-01-01", 31, 10, 1000.0, None, True, "5", 0.5, "12:30", "on"
    ]  # fmt: skip


def test_anchors_and_merge_keys_save_typing() -> None:
    """A merged key counts unless the mapping has its own."""
    text = """\
name: x
metadata: {common: &common {timeout: 5s, cwd: /tmp}, more: &more {cwd: /}}
steps:
  - {<<: *common, id: a, type: command, command: ls, cwd: /var}
  - {<<: [*more, *common], id: b, type: command, command: ls}
"""
    first, second = load(text).steps
    assert isinstance(first, Command)
    assert isinstance(second, Command)
    assert (first.timeout, first.cwd) == (5.0, "/var")
    assert (second.timeout, second.cwd) == (5.0, "/")


def test_a_mistake_in_a_merged_key_stands_where_it_was_written() -> None:
    """Not where it was merged to."""
    step = "{<<: *c, id: a, type: fail, message: m}"
    text = f"metadata:\n  common: &c\n    timeout: soon\nname: x\nsteps:\n  - {step}\n"
    problem = refusal(text)
    assert (problem.path, problem.line, problem.column) == ("steps[0].timeout", 3, 14)


def test_a_boolean_or_integer_is_welcome_where_a_text_with_one_spelling_is_meant() -> None:
    """`when: true`, `PORT: 8080`, `[sleep, 1]`."""
    text = "name: x\nsteps:\n- {id: a, type: command, command: [sleep, 1], when: true, env: {PORT: 8080}}\n"
    (only,) = canonical(load(text))["steps"]
    assert (only["command"], only["when"], only["env"]) == (["sleep", "1"], "true", {"PORT": "8080"})


NO_JSON = [
    ('{"a": 1,}', 1, "JSON allows no comma after the last entry", "take it out"),
    ('{"a": [1,\n2,\n]}', 2, "JSON allows no comma after the last entry", "take it out"),
    ('{"a": 1, // one\n"b": 2}', 1, "JSON has no comments", "name the file .yaml"),
    ('{"a": 1\n/* one */}', 2, "JSON has no comments", "take it out"),
    ('# one\n{"a": 1}', 1, "JSON has no comments", "take it out"),
    ("{'a': 1}", 1, "JSON has no single quotes", 'write "..."'),
    ("{a: 1}", 1, 'JSON wants a key in double quotes, such as "name", here', "if it is YAML"),
    ('{"a" 1}', 1, "JSON wants a colon here", "if it is YAML"),
    ('{"a": 1', 1, "the JSON ends too early", "close what is open"),
    ('{"a": 1} {"b": 2}', 1, "this is no JSON: extra data", ""),
    ("name: x\nsteps: []", 1, "JSON wants a value here", "name the file .yaml if it is YAML"),
    ('{"a": "\t"}', 1, "a line end or a tab stands within quotes", r"\n or \t"),
]


@pytest.mark.parametrize(("text", "line", "message", "cure"), NO_JSON)
def test_a_json_file_holds_json(text: str, line: int, message: str, cure: str) -> None:
    """YAML would take commas and comments that other readers of the file don't; the place is told."""
    with pytest.raises(DocumentError) as caught:
        load(text, file="flow.JSON")
    (problem,) = caught.value.problems
    assert (problem.line, problem.file, problem.message) == (line, "flow.JSON", message)
    assert problem.column > 0
    assert cure in problem.cure


def test_json_in_other_files_may_be_as_yaml_has_it() -> None:
    """A flow mapping with a comma too many is good YAML."""
    assert load('{"name": "x", "steps": [{"id": "a", "type": "command", "command": "ls",},],}').name == "x"


MALFORMED = [
    ("comand: ls", "steps[0].comand", 4, 5, 'unknown key "comand"', 'did you mean "command"?'),
    ("needs: [b]", "steps[0].needs", 4, 5, 'unknown key "needs"', 'did you mean "depends_on"?'),
    ("chdir: /", "steps[0].chdir", 4, 5, 'unknown key "chdir"', 'did you mean "cwd"?'),
    ("retry: 3", "steps[0].retry", 4, 12, "expected a mapping, got 3", "such as {attempts: 3"),
    ("rollback: {a: 1}", "steps[0].rollback", 4, 5, "got a mapping", "write a list of steps"),
    ("zzz: 1", "steps[0].zzz", 4, 5, 'unknown key "zzz"', "a command step has: command, cwd, env, and"),
    ("finally_: []", "steps[0].finally_", 4, 5, 'unknown key "finally_"', ""),
    ("retry: {attempts: three}", "steps[0].retry.attempts", 4, 23, 'expected an integer, got "three"', ""),
    ("retry: {attempts: true}", "steps[0].retry.attempts", 4, 23, "expected an integer, got true", ""),
    ('retry: {attempts: "3"}', "steps[0].retry.attempts", 4, 23, 'expected an integer, got "3"', "write 3"),
    ("retry: {attempts: 0}", "steps[0].retry.attempts", 4, 23, "0 is too small", "at least 1"),
    ("retry: {attempts: 2000}", "steps[0].retry.attempts", 4, 23, "2000 is too large", "at most 1000"),
    ("retry: {tries: 3}", "steps[0].retry.tries", 4, 13, 'unknown key "tries"', "it has: attempts, delay"),
    ("retry: often", "steps[0].retry", 4, 12, 'expected a mapping, got "often"', ""),
    ("timeout: soon", "steps[0].timeout", 4, 14, "'soon' is no duration", "write 90, 90s"),
    ("depends_on: b", "steps[0].depends_on", 4, 17, 'expected a list, got "b"', "write [b]"),
    ("continue_on_error: 'yes'", "steps[0].continue_on_error", 4, 24, "expected true or false", "write true"),
    ("cwd: 5", "steps[0].cwd", 4, 10, "expected a text, got 5", "put it in quotes"),
    ("cwd: {a: 1}", "steps[0].cwd", 4, 5, "expected a text, got a mapping", ""),
    ("run_if: succeded", "steps[0].run_if", 4, 13, 'got "succeded"', 'did you mean "succeeded"?'),
    ("join: al", "steps[0].join", 4, 11, 'expected "all" or "any" or an integer, got "al"', "mean"),
    ("join: 0", "steps[0].join", 4, 11, "0 is too small", "at least 1"),
    ("for_each: 5", "steps[0].for_each", 4, 15, "expected a list or a text, got 5", "such as range(5)"),
    ("outputs: {a b: x}", "steps[0].outputs[\"a b\"]", 4, 15, '"a b" is no identifier', "letters"),
    ("outputs: {a: [1]}", "steps[0].outputs.a", 4, 15, "expected a text, got a list", ""),
    ("outputs: {a: '{{ x'}", "steps[0].outputs.a", 4, 18, "unexpected end of template", ""),
    ("when: '{{ a }}'", "steps[0].when", 4, 11, "bare expression", "leave out the {{ and }}"),
    ("when: 1 +", "steps[0].when", 4, 11, "ends too early", 'complete "1 +"'),
    ("when: a b", "steps[0].when", 4, 11, "unexpected 'b' after the expression", "put texts in quotes"),
    ("when: a ==", "steps[0].when", 4, 11, "ends too early", 'complete "a =="'),
    ("when: (a", "steps[0].when", 4, 11, "ends too early", 'complete "(a"'),
    ("env: {A: {b: 1}}", "steps[0].env.A", 4, 11, "expected a text, got a mapping", ""),
    ("env: {A: 1.10}", "steps[0].env.A", 4, 14, "expected a text, got 1.1", "put it in quotes"),
    ("on_error: {steps: []}", "steps[0].on_error.steps", 4, 16, "it is empty", "write at least one entry"),
    ("id2: 5\n    id2: 6", "steps[0].id2", 5, 5, 'the key "id2" is written twice', "the first is in line 4"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "path", "row", "column", "message", "cure"), MALFORMED)
def test_a_malformed_key_is_told_in_plain_words(
    line: str, path: str, row: int, column: int, message: str, cure: str
) -> None:
    """The problem has the path as written, the place of the key or value, and a cure."""
    problems = refused(f"name: x\nsteps:\n  - type: command\n    {line}\n    id: a\n    command: ls\n")
    first = problems[-1]
    assert (first.path, first.line, first.column, first.file) == (path, row, column, "flow.yaml")
    assert message in first.message
    assert cure in first.cure


@pytest.mark.parametrize(
    ("one", "path", "message", "cure"),
    [
        ("{id: a, type: comand}", "steps[0]", 'unknown step type "comand"', 'did you mean "command"?'),
        ("{id: a, type: shell}", "steps[0]", 'unknown step type "shell"', 'did you mean "command"?'),
        ("{id: a, run: ls}", "steps[0]", '"type" is missing', "add type: command"),
        ("{id: a, type: zzzzz}", "steps[0]", 'unknown step type "zzzzz"', "step types: set, fail"),
        ("{id: a, type: 5}", "steps[0]", '"type" must be a text, not 5', "step types: set"),
        ("{id: a, command: ls}", "steps[0]", '"type" is missing', "add type: command"),
        ("{id: a}", "steps[0]", '"type" is missing', "step types: set"),
        ("{type: set, values: {a: 1}}", "steps[0].id", '"id" is missing', "add id: the step's name"),
        ("{id: a, type: set}", "steps[0].values", '"values" is missing', "add values: the values"),
        ("{id: a, type: set, values: {}}", "steps[0].values", "it is empty", "at least one entry"),
        ("{id: 5, type: fail, message: m}", "steps[0].id", "expected a text, got 5", "quotes"),
        ("{id: a-b, type: fail, message: m}", "steps[0].id", '"a-b" is no identifier', "letters"),
        ("ls -l", "steps[0]", 'expected a mapping, got "ls -l"', "a step is a mapping such as"),
        ("[ls]", "steps[0]", "expected a mapping, got a list", "a step is a mapping such as"),
        ("{id: a, type: command, command: 5}", "steps[0].command", "expected a text or a list, got 5", ""),
        ("{id: a, type: command, command: {b: 1}}", "steps[0].command", "got a mapping", ""),
        ("{id: a, type: command, command: [ls, 1.5]}", "steps[0].command[1]", "expected a text", "quotes"),
        ("{id: a, type: command, command: ' '}", "steps[0].command", "the command is empty", "write a"),
        ("{id: a, type: command, command: []}", "steps[0].command", "the command is empty", "write a"),
        ("{id: a, type: command, command: '{{ x'}", "steps[0].command", "unexpected end", ""),
        ("{id: a, type: script, script: ''}", "steps[0].script", "it is empty", "write a text"),
        ("{id: a, type: python, call: sqrt}", "steps[0].call", '"sqrt" names no function', "package.mod"),
        ("{id: a, type: http, url: u, method: get}", "steps[0].method", 'got "get"', 'mean "GET"?'),
        ("{id: a, type: http, url: u, json: {}, body: b}", "steps[0].body", "exclude each other", "keep"),
        ("{id: a, type: http, url: u, json: {b: ['{{']}}", "steps[0].json.b[0]", "unexpected", ""),
        ("{id: a, type: validation, that: []}", "steps[0].that", "it is empty", "at least one"),
        ("{id: a, type: validation, that: [ok, 5]}", "steps[0].that[1]", "expected a text, got 5", ""),
        ("{id: a, type: sequential, steps: []}", "steps[0].steps", "it is empty", "at least one entry"),
        ("{id: a, type: condition, when: ok}", "steps[0].then", '"then" is missing', "add then"),
        ("{id: a, type: parallel, steps: [{id: b}]}", "steps[0].steps[0]", '"type" is missing', "types"),
        (
            "{id: a, type: switch, value: x, cases: {'a b': [{id: b, type: st}]}}",
            'steps[0].cases["a b"][0]', 'unknown step type "st"', 'did you mean "set"?',
        ),
        ("{id: a, type: sequential, steps: [{id: b, type: fail, message: m, retry: {tries: 1}}]}",
            "steps[0].steps[0].retry.tries", 'unknown key "tries"', "it has: attempts",
        ),
    ],
)  # fmt: skip
def test_a_malformed_step_is_one_problem(one: str, path: str, message: str, cure: str) -> None:
    """One mistake, one problem: no union members, no lists that are short for lack of valid items."""
    beside = ("this version", "unknown name")
    found = refused(f"name: x\nsteps:\n- {one}\n")
    told = [problem for problem in found if not any(text in problem.message for text in beside)]
    assert [problem.path for problem in told] == [path]
    assert message in told[0].message
    assert cure in told[0].cure
    assert told[0].line == 3


OF_A_KIND = [
    ("type: validation, that: '1 +'", "that", "ends too early", 'complete "1 +"'),
    ("type: validation, that: [a, '1 +']", "that[1]", "ends too early", 'complete "1 +"'),
    ("type: validation, that: 5", "that", "expected a text or a list, got 5", "write an expression"),
    ("type: http, url: u, expect_status: abc", "expect_status", 'a list, got "abc"', "such as [200, 404]"),
    ("type: http, url: u, expect_status: 200", "expect_status", "a list, got 200", "write [200]"),
    ("type: http, url: u, expect_status: ['200']", "expect_status[0]", 'got "200"', "write 200, without"),
    ("type: command, command: 5", "command", "expected a text or a list, got 5", "such as df -h, or a list"),
    ("type: command, command: true", "command", "expected a text or a list, got true", "such as df -h"),
]


@pytest.mark.parametrize(("keys", "path", "message", "cure"), OF_A_KIND)
def test_a_wrong_value_of_a_kind_of_step_has_a_cure(keys: str, path: str, message: str, cure: str) -> None:
    """It shows what to write instead."""
    (problem,) = refused(f"name: x\nsteps:\n  - {{id: a, {keys}}}\n")
    assert (problem.path, problem.line) == (f"steps[0].{path}", 3)
    assert message in problem.message
    assert cure in problem.cure


@pytest.mark.parametrize(
    ("written", "meant"),
    [("str", "string"), ("int", "integer"), ("Bool", "boolean"), ("list", "array"), ("dict", "object")],
)
def test_types_of_other_languages_are_understood(written: str, meant: str) -> None:
    """Parameters have those of JSON Schema."""
    (problem,) = refused(
        f"name: x\nparameters: {{p: {{type: {written}}}}}\nsteps: [{{id: a, type: wait, duration: 1}}]\n"
    )
    assert (problem.path, problem.cure) == ("parameters.p.type", f'did you mean "{meant}"?')


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("steps: [{id: a, type: fail, message: m}]", "name", '"name" is missing'),
        ("name: x", "steps", '"steps" is missing'),
        ("name: x\nsteps:", "steps", "expected a list, got nothing"),
        ("name: x\nsteps: []", "steps", "it is empty"),
        ("name: x\nsteps: {id: a}", "steps", "expected a list, got a mapping"),
        ("name: ' '\nsteps: [{id: a, type: fail, message: m}]", "name", "it is empty"),
        ("name: 5\nsteps: [{id: a, type: fail, message: m}]", "name", "expected a text, got 5"),
        ("- 1", "", "not a list"),
        ("just text", "", "not a single value"),
        ("---\n...", "", "not nothing"),
        ("name: x\n---\nname: y", "name", "a second document begins here"),
    ],
)
def test_a_malformed_document_is_told_in_plain_words(text: str, path: str, message: str) -> None:
    """At the top too."""
    problem = refusal(text)
    assert path in (problem.path, "name")
    assert message in problem.message
    assert problem.line


@pytest.mark.parametrize(
    "at",
    [
        *(
            "",
            "steps[0]",
            "parameters.p",
            "engine",
            "steps[0].retry",
            "steps[1].steps[0]",
            "steps[2].then[0]",
        ),
        *("steps[2].else[0]", "finally[0]", "concurrency", "steps[0].on_error"),
        "steps[0].on_error.steps[0]",
    ],
)
def test_an_unknown_key_is_found_at_every_depth(at: str) -> None:
    """And only that is wrong with the document."""
    data = {
        "name": "x",
        "parameters": {"p": {}},
        "engine": {},
        "concurrency": {"limit": 1},
        "steps": [
            step("a", retry={}, on_error={"steps": [step("b")]}),
            step("c", "sequential", steps=[step("d")]),
            step("e", "condition", then=[step("f")], **{"else": [step("g")]}),
        ],
        "finally": [step("h")],
    }
    node: Any = data
    for part in at.replace("]", "").replace("[", ".").split(".") if at else []:
        node = node[int(part)] if isinstance(node, list) else node[part]
    node["unknwn"] = 1
    problems = refused(json.dumps(data, indent=1))
    assert [problem.path for problem in problems] == [f"{at}.unknwn".removeprefix(".")]
    assert 'unknown key "unknwn"' in problems[0].message
    assert problems[0].cure
    assert json.dumps(data, indent=1).splitlines()[problems[0].line - 1].strip().startswith('"unknwn"')


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    """Malformed keys, unknown names, circles and duplicates: a malformed step hides none of the others."""
    text = """\
name: x
steps:
  - {id: a, type: comand, command: ls}
  - {id: b, type: command, command: "{{ params.nope }}", timeout: soon}
  - {id: c, type: set, values: {v: "{{ steps.a.result.x }}"}}
  - {id: b, type: set, values: {v: "{{ steps.d.result }}"}, retry: {attempts: 0}}
  - {id: e, type: command, command: ls, depends_on: [zz]}
finaly: []
"""
    told = [(problem.line, problem.path) for problem in refused(text)]
    assert told == [
        (3, "steps[0]"),
        (4, "steps[1].command"),
        (4, "steps[1].timeout"),
        (6, "steps[3].id"),
        (6, "steps[3].retry.attempts"),
        (6, "steps[3].values.v"),
        (7, "steps[4].depends_on[0]"),
        (8, "finaly"),
    ]


def test_what_a_malformed_part_hides_is_not_held_against_the_rest() -> None:
    """Ids, outputs and parameters that can't be read exist all the same."""
    text = """\
name: x
parameters: {p: {type: strin}}
steps:
  - {id: a, type: sequental, steps: [{id: b, type: command, command: ls}]}
  - {id: c, type: command, command: ls, outputs: {"o o": x}}
  - {id: d, type: command, depends_on: [b], command: "{{ params.p }} {{ steps.c.outputs.oo }}"}
  - {id: e, type: command, depends_on: d, command: "{{ steps.c.status }}"}
"""
    assert [problem.path for problem in refused(text)] == [
        "parameters.p.type", "steps[0]", 'steps[1].outputs["o o"]', "steps[3].depends_on"
    ]  # fmt: skip


def test_a_thousand_problems_are_enough() -> None:
    """What is beyond is counted."""
    steps = "".join(f"- {{id: s{i}, type: fail, message: m, k{i}: 1}}\n" for i in range(1500))
    problems = refused(f"name: x\nsteps:\n{steps}")
    assert len(problems) == 1001
    assert problems[-1].message == "500 more problems"


def test_parsed_data_gives_the_same_problems_without_lines() -> None:
    """A form's parameters have no file."""
    text = document(step("a", comand="x"), step("b", "set", depends_on=["zz"]))
    with pytest.raises(DocumentError) as caught:
        parse(json.loads(text))
    assert [(one.path, one.message, one.line) for one in caught.value.problems] == [
        (one.path, one.message, 0) for one in refused(text)
    ]


def test_warnings_can_be_given_their_places() -> None:
    """In YAML and in JSON."""
    text = "name: x\nsteps:\n  - id: a\n    type: command\n    command: ls {{ name | raw }}\n"
    (warning,) = placed(warnings(load(text)), text, file="flow.yaml")
    assert str(warning).startswith("flow.yaml:5:14: steps[0].command: '| raw'")
    text = json.dumps(canonical(load(text)), indent=1)
    (warning,) = placed(warnings(load(text)), text)
    assert text.splitlines()[warning.line - 1].strip().startswith('"command"')


def test_problems_of_a_file_can_be_jumped_to(tmp_path: Path) -> None:
    """`file:line:column: path: message (cure)`."""
    file = tmp_path / "flow.yaml"
    file.write_text(SMALL.replace("'true'", "'true', comand: x"))
    with pytest.raises(DocumentError) as caught:
        load_file(file)
    assert str(caught.value) == (
        f'{file}:3:45: steps[0].comand: unknown key "comand" (did you mean "command"?)'
    )
    file.write_text(SMALL)
    assert load_file(file) == load(SMALL)


def test_a_run_that_began_is_not_held_up_by_later_rules() -> None:
    """What was allowed when it began and is refused by now is read; what can't be read is told as ever."""
    steps = [
        {"id": "f", "type": "fail", "message": "no"},
        {"id": "c", "type": "wait", "duration": "1s", "join": "any", "depends_on": ["f"]},
    ]
    document = {"name": "n", "steps": steps}
    with pytest.raises(DocumentError, match="can never be met"):
        parse(document)
    assert [one.id for one in accepted(document).steps] == ["f", "c"]
    for unread in ({"name": "n", "steps": [{"id": "f", "type": "nothing"}]}, [document]):
        with pytest.raises(DocumentError):
            accepted(unread)  # type: ignore[arg-type] # that it is no mapping is what is asked
