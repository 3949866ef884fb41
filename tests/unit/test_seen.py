"""What is said of a text that can't be evaluated in a run: with the values that it saw."""

from dataclasses import dataclass
from typing import Any

import pytest

from codegen.expressions import ExpressionError, parse_expression, parse_template
from steps.masking import Mask
from steps.seen import shown, unusable

NAMES: dict[str, Any] = {
    "params": {"limit": 3, "list": [1, "b"], "none": None, "huge": 10**9999, "hosts": {"a": 1}},
    "steps": {"a": {"outputs": {"n": "4 %", "long": "x" * 500, "key": "t0p-s3cret-key and more"}}},
    "secrets": {"token": "t0p-s3cret-key"},
    "item": 0.5,
}
MASK = Mask()
MASK.add("t0p-s3cret-key")


def said(text: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text).evaluate(NAMES)
    return unusable(caught.value, parse_expression, NAMES, MASK).message


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("steps.a.outputs.n + params.limit", 'params.limit is 3, steps.a.outputs.n is "4 %"'),
        ("params.list + item", 'item is 0.5, params.list is [1, "b"]'),
        ("params.none + 1", "params.none is null"),
        ("steps.a.outputs.long + 1", f'steps.a.outputs.long is "{"x" * 58}…'),
        ("steps.a.outputs.key + 1", 'steps.a.outputs.key is "*** and more"'),
    ],
)
def test_the_values_are_told(text: str, values: str) -> None:
    """As JSON, in the order of their names, cut short; what is secret is hidden first."""
    message = said(text)
    assert message.endswith(f"; {values}")
    assert f'in "{text}"' in message
    assert "s3cret" not in message


@pytest.mark.parametrize(
    "text", ["secrets.token + 1", "params.hosts + 1", "params.huge + 'a'", "steps.a.outputs.q + 1", "1 + 'a'"]
)
def test_what_is_no_plain_value_is_not_told(text: str) -> None:
    """Nor a secret, nor what isn't there: that is what the message is about."""
    assert said(text).endswith(f'in "{text}"')


@dataclass
class Holder:
    """Something that tells what it holds."""

    key: str


@pytest.mark.parametrize(
    "held", [Holder("t0p-s3cret-key"), [Holder("t0p-s3cret-key")], {"a": Holder("x")}, b"x"]
)
def test_what_a_list_holds_is_told_where_it_can_be_masked(held: object) -> None:
    """A record in it would be written in words of its own."""
    assert shown([1, held], MASK) is None
    assert shown(["t0p-s3cret-key", {"a": [None, True, 0.5]}], MASK) == '["***", {"a": [null, true, 0.5]}]'


def test_of_many_names_some_are_told() -> None:
    """So that the message stays one that people read."""
    names = {"params": {f"p{number}": number for number in range(9)}}
    text = " + ".join(f"params.p{number}" for number in range(9)) + " + 'a'"
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text).evaluate(names)
    message = unusable(caught.value, parse_expression, names, Mask()).message
    assert message.endswith("params.p3 is 3, and 5 more names")


def test_a_template_tells_them_too() -> None:
    """Also for what it says of a shell command."""
    text = "df {{ steps.a.outputs.n + 1 }}"
    for render in (parse_template(text).render, parse_template(text).render_shell):
        with pytest.raises(ExpressionError) as caught:
            render(NAMES)
        assert unusable(caught.value, parse_template, NAMES, MASK).message.endswith('n is "4 %"')
