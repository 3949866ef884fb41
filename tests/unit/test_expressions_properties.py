"""What holds for every text and every value."""

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.expressions import (
    ExpressionError,
    ExpressionSyntaxError,
    Template,
    parse_expression,
    parse_template,
)

SHELLS = [shell for shell in ("sh", "bash") if shutil.which(shell)]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=10,
)
SHELL_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
HOSTILE_TEXT = st.text("'\"`$\\(){}#;&|<>*?~!\n\t aE0", max_size=15)
TOKENS = st.sampled_from(
    [
        *[
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "{%-",
            "-%}",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "|",
            "~",
            ".",
            ",",
            ":",
        ],
        *[
            "if",
            "else",
            "elif",
            "endif",
            "for",
            "in",
            "endfor",
            "set",
            "endset",
            "with",
            "endwith",
            "recursive",
        ],
        *[
            "and",
            "or",
            "not",
            "is",
            "is not",
            "a",
            "b",
            "loop",
            "x",
            "params",
            "range",
            "namespace",
            "_",
            "__class__",
        ],
        *[
            "raw",
            "endraw",
            "macro",
            "block",
            "include",
            "call",
            "upper",
            "default",
            "map",
            "join",
            "format",
            "items",
        ],
        *[
            "+",
            "-",
            "*",
            "**",
            "/",
            "//",
            "%",
            "==",
            "!=",
            "<",
            ">",
            "=",
            "1",
            "0",
            "2.5",
            "1e9",
            "'a'",
            '"b"',
        ],
        *["'", '"', "\\", "\n", "\r", " ", "$", "`", "true", "none", "\x1c", "é", "\udc80", "\0"],
    ]
)
TEXTS = (
    st.text(max_size=60)
    | st.lists(TOKENS, max_size=25).map(" ".join)
    | st.lists(TOKENS, max_size=25).map("".join)
)
EXPRESSIONS = st.lists(TOKENS, max_size=15).map(" ".join)
SCOPE: dict[str, Any] = {"a": 1, "b": [1, "x", None], "x": "text", "params": {"a": {"b": 2}}}


def problem_of(act: Callable[[], object]) -> ExpressionError | None:
    """The error of the language that `act` raises, if any; every other one is a failure."""
    try:
        act()
    except ExpressionError as error:
        return error
    return None


@settings(max_examples=500)
@given(TEXTS)
def test_a_template_is_read_or_refused_as_syntax(text: str) -> None:
    """Never another error; and what is read can be rendered, or says why not."""
    refusal = problem_of(lambda: parse_template(text))
    if refusal is not None:
        assert isinstance(refusal, ExpressionSyntaxError)
        assert refusal.text == text
        return
    template = parse_template(text)
    assert all(reference.path[0] in template.names for reference in template.references)
    for render in (template.render, template.render_shell):
        failure = problem_of(partial(render, SCOPE))
        assert failure is None or failure.text == text


@settings(max_examples=500)
@given(EXPRESSIONS)
def test_an_expression_means_the_same_within_braces(text: str) -> None:
    """The same value, or the same problem."""
    refusal = problem_of(lambda: parse_expression(text))
    if refusal is not None:
        assert isinstance(refusal, ExpressionSyntaxError)
        return
    expression, template = parse_expression(text), Template(f"{{{{ {text} }}}}")
    failure = problem_of(lambda: expression.evaluate(SCOPE))
    if failure is None:
        assert template.render(SCOPE) == expression.evaluate(SCOPE)
    else:
        same = problem_of(lambda: template.render(SCOPE))
        assert same is not None
        assert same.problem == failure.problem


@given(TEXTS)
def test_text_without_markup_is_its_own_rendering(text: str) -> None:
    """Byte for byte, and so is what `raw` encloses."""
    if parse_is_constant(text):
        assert parse_template(text).render({}) == text
    elif "endraw" not in text and "\r" not in text:
        assert parse_template("{% raw %}" + text + "{% endraw %}").render({}) == text


def parse_is_constant(text: str) -> bool:
    """Whether there is nothing in the text that Jinja would read."""
    return not any(mark in text for mark in ("{{", "{%", "{#"))


@given(JSON)
def test_a_single_value_keeps_its_type(value: Any) -> None:
    """For everything that JSON can say."""
    rendered = parse_template("{{ params.v }}").render({"params": {"v": value}})
    assert rendered == value
    assert type(rendered) is type(value)


@given(JSON)
def test_json_goes_there_and_back(value: Any) -> None:
    """`to_json` and `from_json` undo each other."""
    assert parse_expression("v | to_json | from_json").evaluate({"v": value}) == value


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=25, deadline=None)
@given(values=st.lists(SHELL_TEXT | HOSTILE_TEXT, min_size=1, max_size=40))
def test_a_shell_gets_every_value_exactly(shell: str, values: list[str]) -> None:
    """As words, within both kinds of quotes, in here-documents and in substitutions within quotes."""
    template = parse_template(
        "printf '%s\\0' {{ params.v }} a\"{{ params.v }}\" 'b{{ params.v }}'\n"
        "printf '%s\\0' \"$(printf '%s.' {{ params.v }})\"\n"
        # Indented: dash misreads a line that begins as the delimiter does and goes on beyond ASCII.
        "cat <<'END_OF_TEXT'\n {{ params.v }}.\nEND_OF_TEXT\n"
        "cat <<END_OF_TEXT\n {{ params.v }}.\nEND_OF_TEXT\n"
        "printf '\\0'\n"
    )
    script = "".join(template.render_shell({"params": {"v": value}}) for value in values)
    script += parse_template("printf '%s\\0' {{ values }}").render_shell({"values": values})
    finished = subprocess.run([shell], input=script.encode(), capture_output=True, check=True, env={})
    expected = [text for v in values for text in (v, f"a{v}", f"b{v}", f"{v}.", f" {v}.\n {v}.\n")] + values
    assert finished.stdout.decode().split("\0")[:-1] == expected


@given(st.lists(st.text("'\"`$\\()#;&|<>\n aE_=x1[]", max_size=6), max_size=12), HOSTILE_TEXT)
def test_any_text_before_a_value_is_understood_or_refused(pieces: list[str], value: str) -> None:
    """Never another error."""
    text = "".join(pieces) + "{{ v }}"
    failure = problem_of(lambda: parse_template(text).render_shell({"v": value}))
    assert failure is None or failure.text == text
