"""No text can hang, fill the memory or leave the sandbox, whatever its author had in mind."""

import subprocess
import sys
from typing import Any

import pytest

from codegen.expressions import (
    ExpressionError,
    ExpressionSyntaxError,
    LimitExceeded,
    parse_expression,
    parse_template,
)

GROWING = "{% set ns = namespace(x=%s) %}{% for i in range(60) %}{% set ns.x = %s %}{% endfor %}{{ %s }}"


def growing(start: str, step: str, use: str = "ns.x") -> str:
    """A text that lets a value grow sixty times."""
    before, between, middle, after = GROWING.split("%s")
    return before + start + between + step + middle + use + after


HOSTILE = {
    "a loop over a huge range": "{% for i in range(10**9) %}{% endfor %}",
    "a range beyond machine size": "{{ range(10**30) | length }}",
    "nested loops": "{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}",
    "many loops": "{% for i in range(400) %}{{ range(1000) | map('string') | length }}{% endfor %}",
    "select over ranges": "{% for i in range(400) %}{{ range(1000) | select('odd') | length }}{% endfor %}",
    "a long body": "{% for i in range(100000) %}" + "{{ i.x.y | default(1) }}" * 100 + "{% endfor %}",
    "a long condition": "{% for i in range(100000) if " + " ~ ".join(["i"] * 500) + " %}{% endfor %}",
    "much output": "{% for i in range(100000) %}" + "x" * 1000 + "{% endfor %}",
    "much output kept": "{% set y %}{% for i in range(100000) %}" + "x" * 1000 + "{% endfor %}{% endset %}",
    "output of long values": "{% for i in range(100) %}{{ 'x' * 100000 }}{% endfor %}",
    "a text times a number": "{{ 'a' * 10**10 }}",
    "a number times a text": "{{ 10**10 * 'a' }}",
    "a list times a number": "{{ [1] * 10**9 }}",
    "a tuple times a number": "{{ (1, 2) * 10**9 }}",
    "a tower of powers": "{{ 10 ** (10 ** 10) }}",
    "a product of powers": "{{ 2 ** 13000 * 2 ** 13000 }}",
    "a number in hex": "{{ ('f' * 1000000) | int(base=16) }}",
    "a text doubled": growing("'a'", "ns.x ~ ns.x"),
    "a text added to itself": growing("'a'", "ns.x + ns.x"),
    "a list added to itself": growing("[1]", "ns.x + ns.x", "1"),
    "a list within a list, written": growing("[1]", "[ns.x, ns.x]"),
    "a list within a list, compared": growing("[1]", "[ns.x, ns.x]", "ns.x == ns.x"),
    "a list within a list, searched": growing("[1]", "[ns.x, ns.x]", "5 in ns.x"),
    "a list within a list, as a test": growing("[1]", "[ns.x, ns.x]", "ns.x is eq ns.x"),
    "a list within a list, sorted": growing("[1]", "[ns.x, ns.x]", "ns.x | sort | length"),
    "a list within a list, counted": growing("[1]", "[ns.x, ns.x]", "ns.x.count([1])"),
    "a list within a list, changed": growing(
        "[1]", "[ns.x, ns.x]", "1 }}{% for i in [1] %}{{ loop.changed(ns.x) }}{% endfor %}{{ 1"
    ),
    "a list within a list, as JSON": growing("[1]", "[ns.x, ns.x]", "ns.x | to_json"),
    "a list within a list, in lower case": growing("[1]", "[ns.x, ns.x]", "ns.x is lower"),
    "a list within a list, unique": growing("[1]", "[ns.x, ns.x]", "[ns.x] | unique"),
    "a list within a list, grouped": growing("[1]", "[ns.x, ns.x]", "[ns.x, ns.x] | min"),
    "a tuple within a tuple, as a key": growing("(1,)", "(ns.x, ns.x)", "ns.x in {}"),
    "a mapping within a mapping": growing("{}", "{'a': ns.x, 'b': ns.x}"),
    "batches of batches": growing("[1]", "([ns.x] * 2) | batch(1)"),
    "a format with a wide place": "{{ '%1000000000d' | format(1) }}",
    "a format with a precise place": "{{ '%.1000000000f' | format(1) }}",
    "a format that repeats its value": "{{ ('%(a)s' * 1000) | format(a='x' * 10000) }}",
    "the % operator": "{{ '%1000000000d' % 1 }}",
    "the % operator in a test": "{{ '%1000000000d' is divisibleby 2 }}",
    "a format of many wide places": "{{ ('%(a)999s' * 110000) % {'a': 1} }}",
    "a long text from the right": "{{ ('a' * 500000).rfind('ab' ~ 'a' * 250000) }}",
    "a long separator from the right": "{{ ('a' * 500000).rsplit('ab' ~ 'a' * 250000) }}",
    "many characters to strip": "{{ ('a' * 500000).strip('b' * 500000 ~ 'a') }}",
    "many characters to trim": "{{ ('a' * 500000) | trim('b' * 500000 ~ 'a') }}",
    "center": "{{ 'a' | center(10**10) }}",
    "ljust": "{{ 'a'.ljust(10**10) }}",
    "rjust": "{{ 'a'.rjust(10**10) }}",
    "zfill": "{{ 'a'.zfill(10**10) }}",
    "replace": "{{ ('a' * 1000).replace('', 'x' * 10000) }}",
    "the replace filter": "{{ ('a' * 10000) | replace('a', 'x' * 1000) }}",
    "join": "{{ ('x' * 1000000).join('aaa') }}",
    "the join filter": "{{ range(10000) | join('x' * 1000) }}",
    "indent": "{{ ('\\n' * 10000) | indent(1000, blank=true) }}",
    "wordwrap": "{{ ('a' * 200000) | wordwrap(1, 'x' * 100) }}",
    "batch": "{{ [1] | batch(10**9, 0) }}",
    "slice": "{{ [1] | slice(10**9) | list }}",
    "a list of characters": "{{ ('x' * 1000000) | list }}",
    "lines": "{{ ('\\n' * 1000000).splitlines() }}",
    "JSON with margins": "{% set ns = namespace(x=range(1000)) %}{% for i in range(300) %}"
    "{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | to_json(8) }}",
    "rounding": "{{ 5 | round(-10**9) }}",
    "a pattern that goes back": "{{ ('a' * 90000) is match('(a|b|ab)*(a|b)*(a|b)*(a|b)*(a|b)*(a|b)*c') }}",
    "a pattern on a long text": "{{ ('a' * 100001) is match('a') }}",
    "a large pattern": "{{ 'a' is match('((a{1000}){1000}){1000}') }}",
    "a long pattern": "{{ 'a' is match('a' * 1001) }}",
    "a replacement that repeats a group": "{{ ('a' * 50000) | regex_replace('(a+)', '\\\\1' * 10000) }}",
    "a replacement of nothing": "{{ ('a' * 90000) | regex_replace('', 'x' * 1000) }}",
    "deep data": growing(
        "[1]", "[ns.x]", "1 }}{% for i in range(5000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x"
    ),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_meets_a_limit(text: str) -> None:
    """Before it has taken much time: what it asks for is counted, not waited for."""
    with pytest.raises(LimitExceeded):
        parse_template(text).render({})


def test_hostile_commands_take_little_memory() -> None:
    """All of them together, as shell commands, stay below what a worker has to spare."""
    program = """
import resource
from codegen.expressions import LimitExceeded, parse_template
from tests.unit.test_expressions_limits import HOSTILE

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for text in HOSTILE.values():
    try:
        raise SystemExit(parse_template(text).render_shell({}))
    except LimitExceeded:
        continue
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    kilobytes = int(finished.stdout) // (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 300_000


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(100000) %}{% endfor %}",
        "{% for i in range(300) %}{% for j in range(300) %}x{% endfor %}{% endfor %}",
        "{{ range(100000) | map('string') | join }}",
        "{{ 'x' * 1048576 }}",
        "{{ 2 ** 13999 }}",
        "{{ ('a ' * 500000) | wordwrap(10**9) }}",
        "{{ ('a' * 1000000).rpartition('b' * 100) }}",
        "{{ ('ab' * 45000) | regex_replace('b', 'c') }}",
        "{% set n = namespace(x=[]) %}{% for i in range(999) %}{% set n.x = n.x + [i] %}{% endfor %}x",
        "{{ '(a+)+$' }}{{ ('a' * 90000) is search('(a+)+b') }}",
    ],
)
def test_large_but_sane_texts_are_rendered(text: str) -> None:
    """The limits leave room for what people do."""
    assert parse_template(text).render({}) is not None


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "(" * 30 + "1" + ")" * 30,
        "[" * 5000,
        "{1:" * 5000,
        "not " * 5000 + "1",
        "-" * 5000 + "1",
        "1" + " + 1" * 5000,
        "1" + " if 1 else 1" * 5000,
        "a" + "[0]" * 5000,
        "a" + ".b" * 5000,
        "a" + " | upper" * 5000,
        "a" + " is odd" * 5000,
        "a or " * 100 + "a",
        "[" + "1," * 20_000 + "]",
        "9" * 5000,
        "0x" + "f" * 9000,
        "1e999",
        "'" + "x" * 70_000 + "'",
    ],
    ids=lambda text: text[:10],
)
def test_a_text_too_deep_or_too_long_is_a_syntax_error(text: str) -> None:
    """Never a RecursionError or a crash of Python's parser."""
    with pytest.raises(ExpressionSyntaxError):
        parse_expression(text)
    with pytest.raises(ExpressionSyntaxError):
        parse_template("{{ " + text + " }}")


@pytest.mark.parametrize(
    ("opening", "closing"),
    [("{% if a %}", "{% endif %}"), ("{% for a in b %}", "{% endfor %}"), ("{% with %}", "{% endwith %}")],
)
@pytest.mark.parametrize("depth", [60, 3000])
def test_blocks_nested_too_deep_are_a_syntax_error(opening: str, closing: str, depth: int) -> None:
    """When the text is read, not when Python compiles it."""
    with pytest.raises(ExpressionSyntaxError):
        parse_template(opening * depth + closing * depth)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 20 + "1" + ")" * 20,
        "1" + " + 1" * 40,
        " ~ ".join(["1"] * 1000),
        "{% for a in [1] %}" * 8 + "{{ a }}" + "{% endfor %}" * 8,
        "{% if true %}" * 40 + "1" + "{% endif %}" * 40,
        "{% if false %}" + "{% elif false %}" * 1000 + "{% endif %}1",
        "[" * 20 + "1" + "]" * 20,
    ],
    ids=lambda text: text[:10],
)
def test_what_may_be_nested_can_also_be_evaluated(text: str) -> None:
    """What is read without complaint compiles, also far down in a stack of calls."""
    source = text if text.startswith("{%") else "{{ " + text + " }}"

    def deep(frames: int) -> Any:
        return deep(frames - 1) if frames else parse_template(source).render({})

    assert deep(sys.getrecursionlimit() - 750) is not None


@pytest.mark.parametrize(
    "text",
    [
        "''['__class__']",
        "[]['append']",
        "{}['update']",
        "params['__class__']",
        "params['items']['__func__']",
        "cycler",
        "joiner",
        "lipsum",
        "namespace",
        "dict",
        "function",
        "function['__globals__']",
        "kind['mro']",
        "module['path']",
        "'a' | map(attribute='__class__') | list",
        "['a'] | map(attribute='__class__.__mro__') | map('string') | list",
        "['a'] | sort(attribute='__class__') | groupby('__class__')",
        "'%(a)s' | format(**params.items)",
    ],
)
def test_nothing_leads_out_of_the_sandbox(text: str) -> None:
    """Neither attributes of Python objects nor functions, whichever way they are asked for."""
    scope = {"params": {}, "function": parse_expression, "kind": str, "module": sys}
    with pytest.raises(ExpressionError):
        parse_expression(text).evaluate(scope)


def test_values_of_the_scope_can_not_be_changed() -> None:
    """Methods that change a list or mapping don't exist."""
    for method in (
        "append(1)",
        "clear()",
        "update({})",
        "pop()",
        "sort()",
        "extend([1])",
        "setdefault('a', 1)",
    ):
        with pytest.raises(ExpressionSyntaxError, match="there is no method"):
            parse_expression(f"params.{method}")
