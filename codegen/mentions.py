"""What a text refers to, remembered longer than the parsed text: checking a document asks twice."""

from dataclasses import dataclass
from functools import lru_cache

from codegen.expressions import Expression, Template, parse_expression, parse_template

SHORT = 1000  # characters
KEPT = 16_384  # short texts


@dataclass(frozen=True, slots=True)
class Mentions:
    """The names that a text needs, what it names below them, whether it opts out of quoting, and whether it
    hands secrets on as they are."""

    names: frozenset[str]
    paths: tuple[tuple[str, ...], ...]
    uses_raw: bool = False
    keeps_secrets: bool = True


def of_expression(text: str) -> Mentions:
    """What a bare expression refers to; ExpressionError if it can't be read."""
    return _short_expression(text) if len(text) <= SHORT else _expression(text)


def of_template(text: str) -> Mentions:
    """What a template refers to; ExpressionError if it can't be read."""
    return _short_template(text) if len(text) <= SHORT else _template(text)


def _expression(text: str) -> Mentions:
    parsed = parse_expression(text)
    return Mentions(parsed.names, _paths(parsed))


def _template(text: str) -> Mentions:
    parsed = parse_template(text)
    return Mentions(parsed.names, _paths(parsed), parsed.uses_raw, parsed.keeps_secrets)


def _paths(parsed: Expression | Template) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted(reference.path for reference in parsed.references))


_short_expression = lru_cache(KEPT)(_expression)
_short_template = lru_cache(KEPT)(_template)
