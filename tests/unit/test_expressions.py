"""The language: what expressions and templates mean, what they refer to, and how they say what is wrong."""

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from codegen.expressions import (
    Expression,
    ExpressionError,
    ExpressionSyntaxError,
    ExpressionValueError,
    LimitExceeded,
    Reference,
    Template,
    parse_expression,
    parse_template,
    render_nested,
)


@dataclass(frozen=True)
class Run:
    id: str
    _token: str = "hidden"

    @property
    def short(self) -> str:
        return self.id[:2]

    def forget(self) -> str:
        return "forgotten"


class Record(BaseModel):
    status: str
    items: tuple[int, ...] = ()
    started_at: datetime | None = None


class Pair(NamedTuple):
    left: int
    right: int


SCOPE: dict[str, Any] = {
    "params": {"threshold": 80, "path": "/var/log", "none": None, "words": ["b", "A", "b"], "_id": 7},
    "steps": {"usage": {"status": "succeeded", "items": [{"outputs": {"percent": 91}}], "outputs": {}}},
    "record": Record(status="failed", items=(1, 2), started_at=datetime(2026, 1, 2, tzinfo=UTC)),
    "other": Record(status="failed", started_at=datetime(2026, 1, 2, tzinfo=UTC)),
    "run": Run("r-1"),
    "pair": Pair(1, 2),
    "index": 0,
    "users": [{"name": "Bo", "age": 9}, {"name": "al", "age": 3}, {"name": "Cy", "age": 9}],
}


OBJECTS = """[
  {
    "status": "failed",
    "items": [],
    "started_at": "2026-01-02T00:00:00+00:00"
  },
  {
    "id": "r-1"
  },
  1
]"""


def value_of(text: str) -> Any:
    return parse_expression(text).evaluate(SCOPE)


def failure_of(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        parse_template(text).render(SCOPE)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("steps.usage.items[index].outputs.percent > params.threshold", True),
        ("steps['usage']['status']", "succeeded"),
        ("steps.usage.items.0.outputs.percent", 91),
        ("steps.usage.items[-1:] | length", 1),
        ("params.path[1:4]", "var"),
        ("params['_id']", 7),
        ("record.status", "failed"),
        ("record.items[1]", 2),
        ("record.started_at.year", 2026),
        ("run.id ~ run.short", "r-1r-"),
        ("pair.right", 2),
        ("'a\r\nb'", "a\r\nb"),
        ("1 < 2 < 3 and not 3 < 2", True),
        ("'a' in ['a', 'b'] and 'x' not in 'abc'", True),
        ("'yes' if params.none is none else 'no'", "yes"),
        ("'yes' if false", ""),
        ("{'a': [1, {'b': 2}]}", {"a": [1, {"b": 2}]}),
        ("{params.path: 1}", {"/var/log": 1}),
        ("7 // 2 + 2 ** 3 - 7 % 4", 8),
        ("10 / 4", 2.5),
        ("'ab' * 2 + 'c'", "ababc"),
        ("[1] + [2] * 2", [1, 2, 2]),
        ("'%s: %d%%' % ('disk', 91)", "disk: 91%"),
        ("params.nothing is defined or params.nothing.below is defined", False),
        ("params.nothing.below | default(3)", 3),
        ("params.none | default('x')", None),
        ("params.none | default('x', true)", "x"),
        (r"'\d\b\1\w'", r"\d\b\1\w"),
        (r"'tab\t\x41'", "tab\tA"),
    ],
)
def test_an_expression_has_the_value_that_jinja_users_expect(text: str, value: Any) -> None:
    """Lookups, operators, conditions and literals."""
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("params.path.upper()", "/VAR/LOG"),
        ("'a,b'.split(',')", ["a", "b"]),
        ("'a-b-c'.rsplit('-', 1)", ["a-b", "c"]),
        ("'a\\nb'.splitlines()", ["a", "b"]),
        ("' a '.strip() ~ 'b'.ljust(3, '.') ~ 'c'.rjust(3) ~ 'd'.zfill(3)", "ab..  c00d"),
        ("'abc'.replace('b', '-').startswith('a-')", True),
        ("'-'.join(['a', 1])", "a-1"),
        ("'b'.center(3, '*')", "*b*"),
        ("'one two'.title()", "One Two"),
        ("'abc'.find('c') + 'aba'.count('a')", 4),
        ("params.get('nothing', 5)", 5),
        ("{'a': 1}.items() == [('a', 1)]", True),
        ("{'a': 1}.keys() + {'a': 1}.values()", ["a", 1]),
        ("[1, 2, 1].count(1) + [5, 6].index(6)", 3),
        ("range(3) + range(1, 6, 2)", [0, 1, 2, 1, 3, 5]),
        ("dict({'a': 1}, b=2)", {"a": 1, "b": 2}),
        ("dict([('a', 1)])", {"a": 1}),
        ("steps.usage.items()[0]", ("status", "succeeded")),
    ],
)
def test_methods_and_functions(text: str, value: Any) -> None:
    """The harmless methods of texts, mappings and lists, and the three functions."""
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("' a ' | trim | upper", "A"),
        ("'xax' | trim('x')", "a"),
        ("'hELLO' | capitalize ~ ('ABC' | lower) ~ ('a b' | title)", "HelloabcA B"),
        ("'a%' | replace('%', '') | replace('a', 'b', 1)", "b"),
        ("'a' | center(3)", " a "),
        ("'a\\nb' | indent(2, true)", "  a\n  b"),
        ("'a\\n\\nb' | indent('> ', blank=true)", "a\n> \n> b"),
        ("'foo bar baz qux' | truncate(9)", "foo..."),
        ("'foo bar baz qux' | truncate(9, true)", "foo ba..."),
        ("'a bb ccc dddddd' | wordwrap(4)", "a bb\nccc\ndddd\ndd"),
        ("'aaaa  b\n\n c ' | wordwrap(4)", "aaaa\nb\n\nc "),
        ("'one two' | wordcount", 2),
        ("'%(a)s-%(b)03d' | format(a='x', b=7)", "x-007"),
        ("'%.1f|%5s|%-5s|' | format(1.25, 'a', 'b')", "1.2|    a|b    |"),
        ("'a b/c' | urlencode", "a%20b/c"),
        ("{'q': 'a b', 'r': '/'} | urlencode", "q=a+b&r=%2F"),
        (
            "13000 | filesizeformat ~ (1 | filesizeformat) ~ (13000 | filesizeformat(true))",
            "13.0 kB1 Byte12.7 KiB",
        ),
        ("'/a/b.txt' | basename ~ ('/a/b.txt' | dirname)", "b.txt/a"),
        ("'a b' | quote", "'a b'"),
        ("['a b', 'c'] | quote", "'a b' c"),
        ("'a b' | raw", "a b"),
        ("'a,b,c' | split(',', 1)", ["a", "b,c"]),
        ("' a  b ' | split", ["a", "b"]),
        ("'a\\nb' | splitlines", ["a", "b"]),
        ("[1, 'a'] | string", "[1, 'a']"),
        ("['Yes', 'off', '1', true, 0, none] | map('bool') | list", [True, False, True, True, False, False]),
        ("['7', '0x1f', 'x', 2.9, none] | map('int', 0) | list", [7, 0, 0, 2, 0]),
        ("'0x1f' | int(base=16) + ('z' | int(-1))", 30),
        ("'1.5' | float + ('z' | float(1))", 2.5),
        ("[2.5 | round, 2.25 | round(1, 'ceil'), 2.29 | round(1, 'floor')]", [2.0, 2.3, 2.2]),
        ("-3 | abs", 3),
    ],
)
def test_text_and_number_filters(text: str, value: Any) -> None:
    """As in Jinja, with the ones that operations need besides."""
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("params.words | sort", ["A", "b", "b"]),
        ("params.words | sort(case_sensitive=true, reverse=true)", ["b", "b", "A"]),
        ("users | sort(attribute='age,name') | map(attribute='name') | list", ["al", "Bo", "Cy"]),
        ("params.words | unique", ["b", "A"]),
        ("[1, 1.0, '1', true, [1], [1]] | unique", [1, "1", True, [1]]),
        ("['a', 'A'] | unique(case_sensitive=true)", ["a", "A"]),
        ("users | min(attribute='age') == users[1]", True),
        ("[3, 1, 2] | max", 3),
        ("[1, 2.5] | sum + (users | sum(attribute='age', start=1))", 25.5),
        ("[1, 2, 3] | join('-') ~ (users | join(',', attribute='name'))", "1-2-3Bo,al,Cy"),
        ("[1, 2, 3] | first + ([1, 2, 3] | last)", 4),
        ("{'a': 1} | first ~ ('xyz' | last)", "az"),
        ("[1, 2, 3] | reverse", [3, 2, 1]),
        ("'abc' | reverse", "cba"),
        ("[1, 2, 3] | batch(2, 0)", [[1, 2], [3, 0]]),
        ("range(5) | slice(2)", [[0, 1, 2], [3, 4]]),
        ("range(5) | slice(2, 'x')", [[0, 1, 2], [3, 4, "x"]]),
        ("users | groupby('age') | map(attribute='grouper') | list", [3, 9]),
        ("(users | groupby('age') | last).list | map(attribute='name') | list", ["Bo", "Cy"]),
        ("{'b': 1, 'A': 2} | dictsort", [("A", 2), ("b", 1)]),
        ("{'b': 1, 'a': 2} | dictsort(by='value')", [("b", 1), ("a", 2)]),
        ("{'a': 1} | items | list", [("a", 1)]),
        ("params.nothing | items", []),
        ("params.words | map('upper') | map('replace', 'B', 'x') | list", ["x", "A", "x"]),
        ("users | map(attribute='mail', default='-') | list", ["-", "-", "-"]),
        ("[0, 1, 2, 3] | select('odd') | list", [1, 3]),
        ("[0, 1, 2] | reject | list", [0]),
        ("users | selectattr('age', 'gt', 5) | map(attribute='name') | list", ["Bo", "Cy"]),
        ("users | rejectattr('age', 'eq', 9) | map(attribute='name') | list", ["al"]),
        ("'ab' | list", ["a", "b"]),
        ("users | count", 3),
        ("{'a': [1, none, 'é'], 'b': true} | to_json", '{"a": [1, null, "é"], "b": true}'),
        ("[other, run, pair.left] | to_json(2)", OBJECTS),
        ("[1] | tojson(indent=2)", "[\n  1\n]"),
        ("'{\"a\": [1]}' | from_json", {"a": [1]}),
    ],
)
def test_list_and_data_filters(text: str, value: Any) -> None:
    """Lists come out as lists, so that a value can be kept and sent."""
    assert value_of(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "3 is odd and 2 is even and 9 is divisibleby 3",
        "params is mapping and params.words is sequence and params.words is iterable",
        "1 is integer and 1.0 is float and 1 is number and true is not number and true is boolean",
        "true is true and false is false and none is none and 'a' is string",
        "'A' is upper and 'a' is lower and none is sameas none",
        "1 is in [1] and 1 is eq 1 and 1 is ne 2 and 2 is gt 1 and 2 is ge 2 and 1 is lt 2 and 1 is le 1",
        "params.nothing is undefined and nothing is undefined and params.path is defined",
        r"'host-12' is match('\w+-\d+') and 'a host-12' is not match('host')",
        r"'a Host-12' is search('host-\d', ignorecase=true)",
    ],
)
def test_tests(text: str) -> None:
    """`is` questions are answered with true and false."""
    assert value_of(text) is True


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ params.threshold }}", 80),
        ("  {{ params.words }}\n", ["b", "A", "b"]),
        ("{{ params.none }}", None),
        ("{{ 1 < 2 }}", True),
        ("{{ 1 < 2 }}, {{ 1 > 2 }}, {{ params.none }}", "true, false, null"),
        ("{{ [true, none] | join('+') ~ false ~ ('%s' | format(true)) }}", "true+nullfalsetrue"),
        ("{{ true | string | upper }}{{ 'n' ~ none }}", "TRUEnnull"),
        ("{{ 'a' }}{# said #}", "a"),
        ("{{ params.threshold }}%", "80%"),
        ("{{ index }}{{ index }}", "00"),
        ("{% if true %}{{ index }}{% endif %}", "0"),
        ("{% for word in params.words if word != 'A' %}{{ loop.index }}{{ word }} {% endfor %}", "1b 2b "),
        ("{% for x in [] %}{% else %}none{% endfor %}", "none"),
        ("{% for a, b in {'x': 1}.items() %}{{ a }}={{ b }}{% endfor %}", "x=1"),
        ("{% for x in [1, 2] %}{{ loop.cycle('a', 'b') }}{{ loop.last }}{% endfor %}", "afalsebtrue"),
        ("{% for _ in range(2) %}x{% endfor %}", "xx"),
        ("{% set x = 1 %}{% with y = 2 %}{{ x + y }}{% endwith %}", "3"),
        (
            "{% set a = namespace(n=0) %}{% for i in [1, 2] %}{% set a.n = a.n + i %}{% endfor %}{{ a.n }}",
            "3",
        ),
        ("{% set x %}a{{ index }}{% endset %}{{ x | upper }}", "A0"),
        ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ("a {%- if true %} b{% endif %}\n", "a b\n"),
        ("a\r\nb {{ index }}\r\n", "a\r\nb 0\r\n"),
        ("${#words[@]} {{ index }}", "${#words[@]} 0"),
        ("{{ '${#x}' }}", "${#x}"),
    ],
)
def test_a_template_keeps_the_type_of_a_single_value_and_is_text_otherwise(text: str, value: Any) -> None:
    """Exactly one `{{ }}`, white space around it aside, is the value itself."""
    rendered = parse_template(text).render(SCOPE)
    assert rendered == value
    assert type(rendered) is type(value)


@pytest.mark.parametrize("text", ["", "plain", "100% }} %}", "${#x} {x}", "a\r\n", "x" * 100_000])
def test_text_without_markup_is_constant(text: str) -> None:
    """It is returned as it is, however long."""
    template = parse_template(text)
    assert template.is_constant
    assert template.render({}) is text
    assert template.render_shell({}) is text
    assert not template.names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ steps.usage.outputs.percent }}", 'steps.usage.outputs has no "percent"; there is nothing'),
        (
            "{{ steps.usage.statu }}",
            'steps.usage has no "statu"; it has: status, items, outputs; did you mean "status"?',
        ),
        ("{{ step.usage }}", 'there is no "step" here; known: params, steps, record, other, run'),
        ("{{ params.none.x }}", 'params.none is none, so it has no "x"'),
        ("{{ params.path.x }}", 'params.path is str, so it has no "x"'),
        ("{{ params.words.x }}", "pick an item, as in params.words[0]"),
        ("{{ params.words[5] }}", "params.words has 3 items, so there is no [5]"),
        (
            "{{ record.state }}",
            'record has no "state"; it has: status, items, started_at; did you mean "status"?',
        ),
        ("{{ run.forget }}", 'run has no "forget"; it has: id'),
        ("{{ run['_token'] }}", 'run has no "_token"'),
        ("{{ record['__class__'] }}", 'record has no "__class__"'),
        ("{{ params.nothing.below.that + 1 }}", 'params has no "nothing"'),
        ("{{ params.nothing.upper() }}", 'params has no "nothing"'),
        ("{{ params[nothing] }}", 'there is no "nothing" here'),
        ("{{ params[[1]] }}", "params has no entries by list"),
        ("{{ params.words[1.5] }}", "params.words is list and has no entries by float"),
        ("{{ params.nothing }}", "use | default(...) if it may be absent"),
        ("{% if params.nothing %}{% endif %}", 'params has no "nothing"'),
        ("{% if false %}{% set late = 1 %}{% endif %}{{ late }}", 'there is no "late" here'),
        ("{% for x in [1] %}{{ loop.previtem }}{% endfor %}", "there is no previous item"),
        ("{{ 'a' < 3 }}", "cannot compare str with int: str < int (convert one with | int or | string)"),
        ("{{ params.none > 3 }}", "cannot compare none with int"),
        (
            "{{ 'a' + 1 }}",
            'cannot use "+" between str and int (convert one of them, with `| int` or `| string`)',
        ),
        ("{{ -'a' }}", "wrong kind of value"),
        ("{{ 1 / 0 }}", "this divides by zero"),
        ("{{ 1e308 * 10 }}", "this makes a number too large to write down"),
        ("{{ 2.0 ** 5000 }}", "a number is too large"),
        ("{{ (-8) ** 0.5 }}", "gives no real number"),
        ("{{ 5 | length }}", "int has no length"),
        ("{{ 5 | join }}", "int has no items to go through"),
        ("{% for x in 5 %}{% endfor %}", "int has no items to go through"),
        ("{{ 5 | items }}", "int has no keys"),
        ("{{ 5[1:] }}", "int can't be cut"),
        ("{{ {[1]: 2} }}", "list can't be a key"),
        ("{{ index.upper() }}", 'index is int and has no method "upper"'),
        ("{{ 'maybe' | bool }}", "neither true nor false"),
        ("{{ 'a' | replace('a') }}", "replace missing 1 required positional argument: 'new'"),
        ("{{ [] | first }}", "there is no first item"),
        ("{{ [] | max }}", "there is nothing to choose from"),
        ("{{ [] | map }}", "map needs a filter or an attribute"),
        ("{{ [1] | map('uper') | list }}", 'there is no filter "uper" (did you mean "upper"?)'),
        ("{{ ['a'] | map('raw') | list }}", "map cannot apply raw"),
        ("{{ [1] | select('od') | list }}", 'there is no test "od"'),
        ("{{ [1] | batch(0) }}", "must be at least 1"),
        ("{{ 'x' | from_json }}", "the text is not JSON: Expecting value at line 1, column 1"),
        ("{{ '%d' | format('x') }}", "%d cannot show str"),
        ("{{ '%s' | format }}", "more places than values"),
        ("{{ '%s' | format(1, 2) }}", "more values than places"),
        ("{{ '%q' | format(1) }}", '"%q" is no place of a format'),
        ("{{ 'a' is match('(') }}", "has a ( without its )"),
        ("{% set ns = namespace() %}{{ ns }}", "a namespace or loop is not a value"),
        ("{% set ns = namespace(a=1) %}{{ ns.b }}", 'ns has no "b"; it has: a'),
        ("{% for x in [1] %}{{ [loop] }}{% endfor %}", "a namespace or loop is not a value"),
        ("{{ [1, none] | sort }}", "cannot compare"),
    ],
)
def test_what_is_wrong_is_said_in_words(text: str, message: str) -> None:
    """The message names what there is, the text it stands in, and a cure; never a bare Python error."""
    error = failure_of(text)
    assert isinstance(error, ExpressionValueError)
    assert message in str(error)
    assert f'in "{text}"' in str(error)
    assert error.text == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ a", "unexpected end of template"),
        ("{{ a b }}", "expected token 'end of {{ }}', got 'b'"),
        ("docker -f '{{.State}}'", "between {% raw %} and {% endraw %}"),
        ("{% if a %}", "innermost block that needs to be closed is 'if'"),
        ("{% nope %}", "unknown tag 'nope'"),
        ("{# a", "missing end of comment"),
        ("{% include 'x' %}", "there is no {% include %} here"),
        ("{% import 'x' as y %}", "there is no {% import %} here"),
        ("{% from 'x' import y %}", "there is no {% from %} here"),
        ("{% extends 'x' %}", "there is no {% extends %} here"),
        ("{% block a %}{% endblock %}", "there is no {% block %} here"),
        ("{% macro a() %}{{ a() }}{% endmacro %}", "there is no {% macro %} here"),
        ("{% call f() %}{% endcall %}", "there is no {% call %} here"),
        ("{% filter upper %}{% endfilter %}", "there is no {% filter %} here"),
        ("{% autoescape true %}{% endautoescape %}", "there is no {% autoescape %} here"),
        ("{% for a in b recursive %}{% endfor %}", "loops can't be recursive"),
        ("{% for loop in b %}{% endfor %}", '"loop" can\'t be used as a name'),
        ("{% set x | upper %}{% endset %}", "a set block takes no filter"),
        ("{% set _x = 1 %}", '"_x" starts with an underscore'),
        ("{% set ns._x = 1 %}", '"_x" starts with an underscore'),
        ("{{ ''.__class__.__mro__ }}", "starts with an underscore and is private"),
        ("{{ x._source }}", 'a key is written ["_key"]'),
        ("{{ self }}", '"self" can\'t be used as a name'),
        ("{{ x | uper }}", 'there is no filter "uper" (did you mean "upper"?)'),
        ("{{ x | _text }}", 'there is no filter "_text"'),
        ("{{ x | random }}", 'there is no filter "random"'),
        ("{{ x is _weigh }}", 'there is no test "_weigh"'),
        ("{{ x is callable }}", 'there is no test "callable"'),
        ("{{ now() }}", 'there is no function "now" (functions: dict, namespace, range)'),
        ("{{ '{0.__class__}'.format(1) }}", 'there is no method "format"'),
        ("{{ x.clear() }}", 'there is no method "clear"'),
        ("{{ x['upper']() }}", "only functions and methods can be called"),
        ("{{ range(1)(2) }}", "only functions and methods can be called"),
        ("{{ f(a=1, a=2) }}", '"a" is given twice'),
        ("{{ dict(__debug__=1) }}", '"__debug__" starts with an underscore'),
        ("{{ 1e999 }}", "a number is too large"),
    ],
)
def test_what_the_language_does_not_have_is_refused_when_it_is_read(text: str, message: str) -> None:
    """Nothing has to run to find out."""
    with pytest.raises(ExpressionSyntaxError) as caught:
        parse_template(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the expression is empty"),
        (" \n", "the expression is empty"),
        ("{{ a }}", "leave out the {{ and }} around it"),
        ("a b", "unexpected 'b' after the expression"),
        ("a }} b", "unexpected '}}' after the expression"),
        ("a = 1", "unexpected '=' after the expression"),
        ("a ==", "the expression ends too early"),
        ("f(", "the expression ends too early"),
    ],
)
def test_a_bare_expression_that_is_none_is_refused(text: str, message: str) -> None:
    """`when: "{{ x }}"` is a common slip, and is told how to be mended."""
    with pytest.raises(ExpressionSyntaxError) as caught:
        parse_expression(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "names", "paths"),
    [
        (
            "steps.usage.outputs.percent > params.threshold",
            "params steps",
            "steps.usage.outputs.percent params.threshold",
        ),
        ("steps['usage'].items[index].outputs.x", "index steps", "steps.usage.items index"),
        ("params.path.upper() ~ name", "name params", "params.path name"),
        ("steps.a.get('x')", "steps", "steps.a"),
        ("range(params.n) | map('int') | list", "params", "params.n"),
        ("1 + 2", "", ""),
        ("x[params.key]", "params x", "x params.key"),
        ("x[1:params.n]", "params x", "x params.n"),
        ("x if y.z else w | default(v.u)", "v w x y", "x y.z w v.u"),
    ],
)
def test_an_expression_tells_what_it_refers_to(text: str, names: str, paths: str) -> None:
    """References go as far as they are written out: a method is none, and an index ends them."""
    expression = parse_expression(text)
    assert expression.names == set(names.split())
    assert expression.references == {Reference(tuple(path.split("."))) for path in paths.split()}


@pytest.mark.parametrize(
    ("text", "names", "paths"),
    [
        ("{{ a.b }}{{ c }}", "a c", "a.b c"),
        ("{% for x in a.b %}{{ x.y }}{{ loop.index }}{{ c }}{% endfor %}", "a c", "a.b c"),
        ("{% set x = a %}{{ x.y }}", "a", "a"),
        ("{% with x = a.b %}{{ x }}{% endwith %}{{ x.z }}", "a x", "a.b x.z x"),
        ("{% if a %}{% set ns.x = b %}{% endif %}", "a b", "a b"),
        ("{% raw %}{{ a }}{% endraw %}", "", ""),
    ],
)
def test_a_template_tells_which_names_it_needs_from_outside(text: str, names: str, paths: str) -> None:
    """Names that it sets itself are not among them."""
    template = parse_template(text)
    assert template.names - {"ns"} == set(names.split())
    assert {reference for reference in template.references if reference.path != ("ns",)} == {
        Reference(tuple(path.split("."))) for path in paths.split()
    }


@pytest.mark.parametrize(
    ("text", "uses_raw"),
    [("{{ a | raw }}", True), ("{% set x = (a | raw) ~ 1 %}", True), ("{{ raw }}", False), ("raw", False)],
)
def test_a_template_tells_whether_it_opts_out_of_quoting(text: str, uses_raw: bool) -> None:
    """So that a validator can warn of it."""
    assert parse_template(text).uses_raw is uses_raw


def test_reading_is_done_once() -> None:
    """The same text gives the same object."""
    assert parse_expression("a + 1") is parse_expression("a + 1")
    assert parse_template("{{ a }}") is parse_template("{{ a }}")
    assert parse_template("{{ a }}" + "x" * 5000) is parse_template("{{ a }}" + "x" * 5000)
    assert repr(parse_expression("a")) == repr(Expression("a"))
    assert repr(Template("{{ a }}")) == "Template('{{ a }}')"


def test_the_same_expression_can_be_evaluated_with_different_values() -> None:
    """Nothing of one evaluation is left in the next, the budget included."""
    expression = parse_expression("range(60000) | map('string') | list | length + n")
    assert [expression.evaluate({"n": n}) for n in range(3)] == [60000, 60001, 60002]


def test_a_reference_is_the_very_object_of_the_scope() -> None:
    """What is only named is neither copied nor measured, however large it is."""
    large = ["x" * 1000] * 1_000_000
    assert parse_template("{{ params.large }}").render({"params": {"large": large}}) is large


def test_names_that_nobody_asks_for_are_not_read() -> None:
    """A scope may be a mapping that reads values, such as secrets, when they are asked for."""

    class Lazy(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            if key == "secrets":
                raise AssertionError("read a secret")
            return {"a": 1}[key]

        def __iter__(self) -> Iterator[str]:
            return iter(("a", "secrets"))

        def __len__(self) -> int:
            return 2

    assert parse_expression("a + 1").evaluate(Lazy()) == 2


def test_nested_data_is_rendered_text_by_text() -> None:
    """Keys stay; single values keep their type; what isn't text is left alone."""
    data = {"{{ a }}": ["{{ a }}", {"b": "is {{ a }}"}, 3, None], "t": ("{{ a }}",)}
    assert render_nested(data, {"a": 1}) == {"{{ a }}": [1, {"b": "is 1"}, 3, None], "t": [1]}


def test_nested_data_must_not_be_bottomless() -> None:
    """It says so in its own words."""
    data: list[Any] = []
    for _ in range(5000):
        data = [data]
    with pytest.raises(ExpressionValueError, match="more than 100 levels deep"):
        render_nested(data, {})


def test_an_error_names_the_line_of_a_longer_text() -> None:
    """And shows that line instead of the whole text."""
    text = "first line {{ 1 }}\n" * 10 + "the bad one {{ params.x + 1 }}\n" + "more\n" * 50
    error = failure_of(text)
    assert error.line == 11
    assert str(error).endswith('in "the bad one {{ params.x + 1 }}", line 11')
    with pytest.raises(ExpressionSyntaxError) as caught:
        parse_template("a\n\n{% nope %}")
    assert caught.value.line == 3


def test_a_long_text_is_shortened_in_messages() -> None:
    """To about 120 characters."""
    error = failure_of("{{ params.x }}" + "y" * 1000)
    assert len(str(error)) < 400
    assert "…" in str(error)


def test_messages_never_hold_values() -> None:
    """They may be secret; keys are shown, values and the texts of Python's own errors are not."""
    scope = {"secrets": {"token": "hunter2"}, "n": 1}
    for text in (
        "secrets.token.x",
        "secrets.tokn",
        "secrets.token + n",
        "secrets.token > n",
        "secrets.token | from_json",
        "secrets.token | bool",
        "'%d' % secrets.token",
        "[].index(secrets.token)",
        "secrets.token.index('z')",
    ):
        with pytest.raises(ExpressionValueError) as caught:
            parse_expression(text).evaluate(scope)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("kind", [ExpressionSyntaxError, ExpressionValueError, LimitExceeded])
def test_errors_travel_between_processes(kind: type[ExpressionError]) -> None:
    """As they were, cause aside."""
    error = pickle.loads(pickle.dumps(kind("{{ a }}", "this is wrong", 1, "mend it")))
    assert type(error) is kind
    assert str(error) == 'this is wrong (mend it), in "{{ a }}"'
    assert (error.text, error.problem, error.line, error.cure) == ("{{ a }}", "this is wrong", 1, "mend it")


def test_errors_keep_their_cause() -> None:
    """For who has to find out more."""
    with pytest.raises(ExpressionValueError) as caught:
        value_of("1 / 0")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
