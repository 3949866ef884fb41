"""Reads YAML 1.2 into plain data with places. Only what JSON knows: no dates, no tags of other languages."""

import math
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from codegen.reading.building import Builder
from codegen.reading.marks import START, Place

_TAG = "tag:yaml.org,2002:"
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
# The libyaml within ruamel.yaml.clib is 0.1.7: it knows no `{url: http://x}`, no %YAML 1.2 and no "\\/".
_ONLY_FAST_REFUSES = frozenset(
    {"found unexpected ':'", "found incompatible YAML document", "found unknown escape character"}
)
_MAY_BE_SPECIAL = frozenset("-+.0123456789~nNtTfF")
_KINDS = ("null", "bool", "int", "float", "str")


def read_yaml(text: str, file: str, *, pure: bool = False) -> Builder:
    """The builder that has taken the whole text; DocumentError where it can't be read on.

    The fast parser is tried first; what only it refuses is left to the pure one.
    """
    builder = Builder(file)
    try:
        _take(YAML(typ="safe", pure=pure).parse(text), builder)
    except MarkedYAMLError as error:
        if not pure and error.problem in _ONLY_FAST_REFUSES:
            return read_yaml(text, file, pure=True)
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else START
        raise builder.fatal(place, *_plainly(error, text, place)) from error
    except (YAMLError, ValueError, AssertionError, LookupError, TypeError) as error:
        # What else the parsers raise on malformed directives and escapes.
        raise builder.fatal(START, "this is no YAML that can be read", "check the file") from error
    return builder


def _take(events: Iterator[Any], builder: Builder) -> None:
    documents = 0
    for event in events:
        place = Place(event.start_mark.line + 1, event.start_mark.column + 1)
        match type(event).__name__:
            case "ScalarEvent":
                builder.scalar(_value(event, place, builder), event.value, place, event.anchor)
            case "MappingStartEvent":
                _check_tag(event, "map", place, builder)
                builder.open({}, place, event.anchor)
            case "SequenceStartEvent":
                _check_tag(event, "seq", place, builder)
                builder.open([], place, event.anchor)
            case "MappingEndEvent" | "SequenceEndEvent":
                builder.close()
            case "AliasEvent":
                builder.alias(event.anchor, place)
            case "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    raise builder.fatal(place, "a second document begins here", "write one document a file")


def _value(event: Any, place: Place, builder: Builder) -> Any:
    tag, text = event.tag, event.value
    if tag is None or tag == "!":
        return resolve(text) if tag is None and event.implicit[0] else text
    kind = str(tag).removeprefix(_TAG)
    if kind == "str":
        return text
    value = resolve(text)
    if kind not in _KINDS:
        _refuse_tag(str(tag), place, builder)
    elif kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    elif kind != {"NoneType": "null"}.get(type(value).__name__, type(value).__name__):
        builder.report(place, f"{text[:60]!r} is no {kind}", f"take the tag !!{kind} away")
    return value


def resolve(text: str) -> Any:
    """The value of a plain scalar by the core schema of YAML 1.2: `yes`, `on` and dates are texts."""
    if text[:1] not in _MAY_BE_SPECIAL and text:
        return text
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NO_NUMBER.fullmatch(text):
        return math.nan if text.lower() == ".nan" else math.inf
    return text


def _integer(text: str) -> int | float:
    if len(text) > 100:
        return math.inf
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _check_tag(event: Any, kind: str, place: Place, builder: Builder) -> None:
    if event.tag not in (None, "!", _TAG + kind):
        _refuse_tag(str(event.tag), place, builder)


def _refuse_tag(tag: str, place: Place, builder: Builder) -> None:
    shown = tag.replace(_TAG, "!!", 1)[:80]
    builder.report(place, f"the tag {shown} isn't allowed", "take it away; a document holds plain data")


def _plainly(error: MarkedYAMLError, text: str, place: Place) -> tuple[str, str]:
    """What a parser's complaint means, and what usually mends it."""
    problem = str(error.problem or error.context or "this is no YAML that can be read")
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    rest = line[place.column - 1 :]
    if rest.startswith("\t") or "tab" in problem or "\t" in line[: len(line) - len(line.lstrip())]:
        return "a tab stands where YAML wants spaces", "indent with spaces"
    if "mapping values are not allowed" in problem:
        return "a colon isn't allowed here", 'put a text that holds ": " in quotes, and check the indentation'
    if "cannot start any token" in problem:
        return f"a text can't begin with {rest[:1]!r}", "put it in quotes"
    if "unexpected end of stream" in problem:
        return "a quoted text doesn't end", "close the quotes"
    if "escape" in problem:
        return "unknown escape in a double-quoted text", r"use single quotes, or write \\ for one backslash"
    if "{{" in line:
        return "a value with {{ }} is read as YAML's own braces here", "put the whole text in quotes"
    return problem.replace("did not find expected", "expected"), "check the indentation, brackets and quotes"
