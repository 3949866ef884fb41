"""Documents that mean harm, or are none: refused quickly, with a place, and never in another way."""

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.document import canonical, load, load_file, parse
from codegen.errors import DocumentError, Problem
from codegen.limits import MOST_BYTES, MOST_DEPTH, MOST_NODES
from codegen.reading.json_source import mark_json
from codegen.reading.yaml_source import read_yaml
from codegen.workflow import Workflow
from tests.unit.documents import FULL, refusal, refused, step

LAUGHS = "a: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
    f"{now}: &{now} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, now in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize("length", [10, 5_000])
def test_a_file_that_is_no_document_is_told_in_a_few_lines(length: int) -> None:
    """However many keys it has, and however long they are."""
    data: dict[str, object] = {"k" * length + f"zq{number}": number for number in range(100)}
    with pytest.raises(DocumentError) as caught:
        load(json.dumps(data))
    told = {problem.message[:24] for problem in caught.value.problems}
    assert told == {'"name" is missing', '"steps" is missing', "100 unknown keys: " + '"kkkkk'}
    assert len(str(caught.value)) < 2_500


def test_a_few_unknown_keys_are_told_one_by_one() -> None:
    """Each in its place; so is each that looks like one that exists."""
    keys = {f"zq{number}": 1 for number in range(5)} | {"descriptoin": "x", "taggs": []}
    with pytest.raises(DocumentError) as caught:
        load(
            json.dumps({"name": "x", "steps": [{"id": "a", "type": "wait", "duration": 1}], **keys}, indent=1)
        )
    assert [problem.path for problem in caught.value.problems] == list(keys)


def test_a_bomb_of_aliases_is_refused_while_it_is_small() -> None:
    """Ten to the tenth values are never built."""
    problem = refusal(LAUGHS)
    assert f"more than {MOST_NODES:,} values" in problem.message
    assert 4 <= problem.line <= 6


def test_a_long_text_repeated_by_aliases_is_refused() -> None:
    """Few values, but more characters than a document may hold."""
    problem = refusal(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 20)}]\n")
    assert "characters, aliases expanded" in problem.message
    assert problem.line == 2


def test_a_bomb_of_merge_keys_is_refused() -> None:
    """Merged keys count each time."""
    keys = ", ".join(f"k{i}: 1" for i in range(500))
    text = f"a: &a {{{keys}}}\nb: [{', '.join(['{<<: *a}'] * 200)}]\n"
    assert f"more than {MOST_NODES:,} values" in refusal(text).message


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "&a [*a]", "a: &a {<<: *a}"])
def test_a_value_that_contains_itself_is_refused(text: str) -> None:
    """YAML could say it, JSON can't."""
    assert "stands inside what it repeats" in refusal(text).message


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "- " * 100_000,
        "{a: " * 100_000,
        '{"a":' * 400 + "1" + "}" * 400,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        "a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40,
    ],
)
def test_deep_nesting_is_refused_at_the_limit(text: str) -> None:
    """Without a recursion error, at the place where it gets too deep."""
    problem = refusal(text)
    assert problem.message == f"the document is nested more than {MOST_DEPTH} levels deep"
    assert problem.line
    assert problem.column > MOST_DEPTH / 2


def test_too_many_values_are_refused_in_yaml_and_json() -> None:
    """With the place of the first that is too much."""
    for text in ("a:\n" + "- 1\n" * MOST_NODES, json.dumps({"a": [1] * MOST_NODES}, indent=0)):
        problem = refusal(text)
        assert f"more than {MOST_NODES:,} values" in problem.message
        assert problem.line > MOST_NODES - 10


def test_a_large_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    """Fifty megabytes, of which none is there; the message has the size and the limit."""
    file = tmp_path / "big.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(50_000_000)
    with pytest.raises(DocumentError) as caught:
        load_file(file)
    (problem,) = caught.value.problems
    assert problem.message == f"the document has 50,000,000 bytes; at most {MOST_BYTES:,} are allowed"
    assert str(problem).startswith(f"{file}:1:1: ")


def test_a_large_text_is_refused() -> None:
    """Bytes count, not characters."""
    assert "bytes; at most" in refusal("é" * (MOST_BYTES // 2 + 1)).message
    assert "bytes; at most" in refusal(" " * (MOST_BYTES + 1)).message


@pytest.mark.parametrize(
    ("data", "message", "line", "column"),
    [
        (b"name: \xff\n", "the file is not UTF-8", 1, 7),
        ("name: x\n".encode("utf-16"), "the file is UTF-16", 1, 1),
        (b"\xef\xbb\xbfname: x\n", "byte order mark", 1, 1),
        (b"name: x\nsteps: \0\n", "the text holds a NUL character", 2, 8),
        (b"name: x\x1b[2J\n", "the character U+001B", 1, 8),
        (b"", "the document is empty", 1, 1),
        (b" \n\n", "the document is empty", 1, 1),
        (b"# nothing but a note\n", "not nothing", 1, 1),
    ],
)
def test_a_file_that_holds_no_text_is_refused(
    tmp_path: Path, data: bytes, message: str, line: int, column: int
) -> None:
    """With the place of the first wrong byte."""
    file = tmp_path / "flow.yaml"
    file.write_bytes(data)
    with pytest.raises(DocumentError) as caught:
        load_file(file)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.cure
    assert (problem.line, problem.column) == (line, column)


@pytest.mark.parametrize(("name", "message"), [("none.yaml", "No such file"), ("", "this is a folder")])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    """Like any other problem of a document."""
    with pytest.raises(DocumentError, match=message):
        load_file(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "cure"),
    [
        ("name: x\nsteps:\n\t- id: a\n", 3, 1, "a tab stands where YAML wants spaces", "indent with spaces"),
        ("name: a: b\n", 1, 8, "a colon isn't allowed here", "quotes"),
        ("name: @x\n", 1, 7, "a text can't begin with '@'", "quotes"),
        ("name: 'x\n", 2, 1, "a quoted text doesn't end", "close the quotes"),
        ('name: "\\q"\n', 1, 9, "unknown escape", "single quotes"),
        ("name: {{ x }}\n", 1, 8, "a mapping or a list can't be a key", "quotes"),
        ("name: [1, 2\n", 2, 1, "expected", "brackets"),
        ("a: *b\n", 1, 4, "*b repeats an anchor that doesn't exist", "write &b"),
        ("a: 1\na: 2\n", 2, 1, 'the key "a" is written twice', "the first is in line 1"),
        ("a: !!python/object:os.system x\n", 1, 4, "the tag !!python/object:os.system isn't", "take it away"),
        ("a: !include x\n", 1, 4, "the tag !include isn't allowed", "take it away"),
        ("a: !!binary aGk=\n", 1, 4, "the tag !!binary isn't allowed", "take it away"),
        ("a: !!set {b}\n", 1, 4, "the tag !!set isn't allowed", "take it away"),
        ("a: !!timestamp 2001-01-01\n", 1, 4, "the tag !!timestamp isn't allowed", "take it away"),
        ("a: !!int x\n", 1, 4, "'x' is no int", "take the tag !!int away"),
        ("a: .nan\n", 1, 4, "nan is no JSON number", "finite"),
        ("a: -.inf\n", 1, 4, "inf is no JSON number", "finite"),
        ("a: 1e999\n", 1, 4, "inf is no JSON number", "finite"),
        (f"a: {2**63}\n", 1, 4, "whole numbers go up to", "quotes"),
        (f"a: {'9' * 10_000}\n", 1, 4, "inf is no JSON number", "finite"),
        ('{"a": NaN}', 1, 7, "nan is no JSON number", "finite"),
        ('{"a": 1,\n"a": 2}', 2, 1, 'the key "a" is written twice', "the first is in line 1"),
        ('{"a": "\\ud800"}', 1, 7, "half of a surrogate pair", "take it out"),
        ('{"a": "\\u0000"}', 1, 7, "NUL", "take it out"),
        ('a: "\\0"', 1, 4, "NUL", "take it out"),
    ],
)
def test_what_is_no_plain_data_is_refused_in_its_place(
    text: str, line: int, column: int, message: str, cure: str
) -> None:
    """Among other problems, as the rest of the document is looked at too where it can be."""
    told = [problem for problem in refused(text) if message in problem.message]
    assert [(problem.line, problem.column) for problem in told] == [(line, column)]
    assert cure in told[0].cure


@pytest.mark.parametrize(
    "value", [{1: 2}, {("a",): 1}, {"a": b"x"}, {"a": {1, 2}}, {"a": math.inf}, {"a": object()}]
)
def test_data_that_json_can_not_hold_is_refused(value: Any) -> None:
    """Where a caller hands over data of its own."""
    with pytest.raises(DocumentError):
        parse({"name": "x", "steps": [step("a")], "metadata": value})


def test_data_that_contains_itself_is_refused() -> None:
    """Without a recursion error and without end."""
    deep: list[Any] = []
    deep.append(deep)
    wide: list[Any] = []
    wide += [wide] * 50
    for value in (deep, wide):
        with pytest.raises(DocumentError, match=r"nested more|more than"):
            parse({"name": "x", "steps": [step("a")], "metadata": {"m": value}})


@pytest.mark.parametrize("value", [None, [], "x", 5])
def test_only_a_mapping_is_a_document(value: Any) -> None:
    """Whatever a form hands over."""
    with pytest.raises(DocumentError, match="a document is a mapping"):
        parse(value)


def test_ten_thousand_mistakes_are_told_in_time() -> None:
    """Guessing what was meant is bounded."""
    lines = "".join(
        f"- {{id: s{i}, type: command, command: ls, depends_on: [xs{i}], unknwn{i}: 1}}\n"
        for i in range(8000)
    )
    assert len(refused(f"name: x\nsteps:\n{lines}")) == 1001


@pytest.mark.parametrize(
    "text",
    [
        FULL,
        "a: {b: 'c', \"d\": [e, ~, 1]}\n",
        "- &x a\n- *x\n",
        "? a\n: b\n",
        "a: |\n  b\n\n  c\n",
        "# c\n---\na: >-\n  b\n",
    ],
)
def test_both_parsers_read_the_same(text: str) -> None:
    """The fast one and the pure one give the same data in the same places."""
    fast, pure = read_yaml(text, ""), read_yaml(text, "", pure=True)
    assert fast.marks.root == pure.marks.root
    assert _places(fast.marks) == _places(pure.marks)


@pytest.mark.parametrize("text", ["{url: http://localhost:80/x}", "%YAML 1.2\n---\na: 1\n", 'a: "\\/"'])
def test_what_the_fast_parser_does_not_know_is_read_all_the_same(text: str) -> None:
    """The pure one takes over."""
    assert read_yaml(text, "").marks.root == read_yaml(text, "", pure=True).marks.root


def test_places_in_json_are_those_of_yaml() -> None:
    """Two ways to find a place, one place."""
    text = json.dumps(canonical(load(FULL)), indent=2)
    assert _places(mark_json(text, "").marks) == _places(read_yaml(text, "").marks)


def _places(marks: Any) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    todo: list[tuple[tuple[str | int, ...], Any]] = [((), marks.root)]
    while todo:
        path, node = todo.pop()
        found.append((str(path), (marks.locate(path), marks.locate(path, at_key=True))))
        entries = (
            node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        )
        todo += [((*path, key), value) for key, value in entries]
    return found


def _outcome(text: str) -> Workflow | tuple[Problem, ...]:
    try:
        return load(text)
    except DocumentError as error:
        return error.problems


@settings(deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_any_text_is_a_workflow_or_refused(text: str) -> None:
    """Nothing but a DocumentError, which has at least one problem with a line."""
    outcome = _outcome(text)
    assert isinstance(outcome, Workflow) or all(problem.line for problem in outcome)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*"{}[]:,-&*!|>'\"%@`#?~\n\t ", "a", "<<", "1", "---", "...", "{{", "}}", "steps"]),
        max_size=40,
    )
)
def test_any_punctuation_is_a_workflow_or_refused(pieces: list[str]) -> None:
    """What trips parsers is tried in all combinations."""
    outcome = _outcome("".join(pieces))
    assert not isinstance(outcome, Workflow)
    assert outcome
    assert all(problem.line for problem in outcome)


ODD_VALUES: list[Any] = [
    *(None, True, 0, -1, 2**70, 1.5, [], {}, [[]], ["usage", "usage"], [{"type": "set"}], {"id": "usage"}),
    *("", "{{", "{{ steps.usage.result }}", "usage", "x" * 300, "on", "ünï", "\u0000", "steps"),
    {"type": "set", "id": "a", "values": {"a": 1}},
]


@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_any_mutation_of_a_document_is_a_workflow_or_refused(data: st.DataObject) -> None:
    """Something dropped, renamed, replaced or moved somewhere: never another exception."""
    mutated = copy.deepcopy(canonical(load(FULL)))
    for _ in range(data.draw(st.integers(1, 3))):
        _mutate(mutated, data)
    outcome = _outcome(json.dumps(mutated, indent=1))
    if isinstance(outcome, Workflow):
        assert parse(canonical(outcome)) == outcome
    else:
        assert outcome
        assert all(problem.line for problem in outcome)


def _mutate(root: dict[str, Any], data: st.DataObject) -> None:
    holders: list[Any] = [root]
    for holder in holders:
        entries = holder.values() if isinstance(holder, dict) else holder
        holders += [entry for entry in entries if isinstance(entry, dict | list) and entry]
    holder = data.draw(st.sampled_from(holders), label="holder")
    keys = sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))
    if not keys:
        return
    key = data.draw(st.sampled_from(keys), label="key")
    match data.draw(st.sampled_from(["drop", "rename", "replace", "move"]), label="how"):
        case "drop":
            del holder[key]
        case "rename" if isinstance(holder, dict):
            holder[data.draw(st.sampled_from(["id", "type", "x", "steps", "on", "if", "{{", ""]))] = (
                holder.pop(key)
            )
        case "move":
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(holders), label="what"))
        case _:
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(ODD_VALUES), label="value"))


@pytest.mark.parametrize("wrong", [[[{"q": 1}]], 1.5])
def test_one_malformed_value_is_one_problem_wherever_it_is(wrong: Any) -> None:
    """What it hides is not held against the rest: no cascades."""
    whole = canonical(load(FULL))
    for path in _paths(whole, ()):
        broken = copy.deepcopy(whole)
        holder: Any = broken
        for part in path[:-1]:
            holder = holder[part]
        holder[path[-1]] = wrong
        outcome = _outcome(json.dumps(broken))
        assert isinstance(outcome, Workflow) or len(outcome) == 1, "\n".join(map(str, outcome))


def _paths(node: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from _paths(value, (*path, key))


def test_a_valid_document_stays_valid_in_any_order_of_keys() -> None:
    """Mappings have no order."""
    data = canonical(load(FULL))
    assert load(json.dumps(data, sort_keys=True)) == load(FULL)
