"""The words for each way a document can be malformed."""

import json
import re
from collections.abc import Mapping
from typing import Any

from codegen.celery_leaf import Chord, Signature
from codegen.defaults import Defaults
from codegen.fields import Model
from codegen.groups import STEP_TYPES
from codegen.parameters import Parameter
from codegen.paths import Path
from codegen.reading.elsewhere import KEYS_ELSEWHERE, STEP_TYPES_ELSEWHERE, TYPES_ELSEWHERE
from codegen.reading.key_help import KEY_HELP
from codegen.step import OnError, Repeat, Retry, Rollout, StepBase
from codegen.suggestions import Suggestions
from codegen.support import NOT_BUILT_STEP_KEYS, NOT_BUILT_WORKFLOW_KEYS, RUNNABLE
from codegen.workflow import Concurrency, Engine, EventTrigger, Schedule, Triggers, WebhookTrigger, Workflow

_DIGITS = re.compile(r"[0-9]{1,18}")
OFFERED = tuple(name for name in STEP_TYPES if name in RUNNABLE)
_TYPES = {
    "string_type": "a text",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "int_parsing": "an integer",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_NESTED: dict[str, type[Model]] = {
    "retry": Retry,
    "repeat": Repeat,
    "rollout": Rollout,
    "on_error": OnError,
    "concurrency": Concurrency,
    "triggers": Triggers,
    "schedule": Schedule,
    "event": EventTrigger,
    "webhook": WebhookTrigger,
    "engine": Engine,
    "defaults": Defaults,
    "chord": Chord,
    "body": Signature,
}
_OF_SIGNATURES = ("chain", "group", "header")
_EXAMPLES = {
    "command": "write a command line such as df -h, or a list of arguments such as [df, -h]",
    "expect_status": "write a list of integers such as [200, 404]",
    "for_each": "write a list such as [a, b], or an expression that gives one, such as range(5)",
    "on_error": "write a mapping such as {steps: [...], recover: true}",
    "repeat": "write a mapping such as {until: result.exit_code == 0, max: 10}",
    "retry": "write a mapping such as {attempts: 3, delay: 5s}",
    "rollback": "write a list of steps",
    "that": "write an expression such as params.port > 1024, or a list of them",
}
_YES_NO = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}


def offered_keys(model: type[Model]) -> list[str]:
    """Those keys of a model that this version can run."""
    refused = NOT_BUILT_WORKFLOW_KEYS if model is Workflow else NOT_BUILT_STEP_KEYS
    return [key for key in keys_of(model) if key not in refused]


def keys_of(model: type[Model]) -> list[str]:
    """A model's keys as a document writes them."""
    return [field.alias or name for name, field in model.model_fields.items()]


class Wording:
    """Tells mistakes of one document."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self._suggestions = Suggestions()

    def tell(self, kind: str, path: Path, context: Mapping[str, Any]) -> tuple[str, str]:
        """Message and cure."""
        match kind:
            case "extra_forbidden":
                return self._unknown_key(path)
            case "missing":
                return f'"{path[-1]}" is missing', self._what_to_add(path)
            case "union_tag_invalid":
                return self._unknown_type(path)
            case "union_tag_not_found":
                return '"type" is missing', self._missing_type(path)
            case "literal_error" | "no_member":
                return self._no_choice(path, context)
            case "flaw":
                return context["message"], context["cure"]
            case "value_error":
                return _split(str(context["error"]))
            case "string_pattern_mismatch":
                return _misfit(self._value(path), str(context["pattern"]))
            case "bad_key":
                return _misfit(path[-1], str(context.get("pattern", "")))
            case _ if kind in _TYPES:
                return self._wrong_type(_TYPES[kind], path)
            case _:
                return _out_of_bounds(kind, context, self._value(path))

    def _value(self, path: Path) -> Any:
        value = self._data
        for part in path:
            value = value[part]
        return value

    def _unknown_key(self, path: Path) -> tuple[str, str]:
        key, keys = str(path[-1]), offered_keys(self._model(path[:-1]))
        if (meant := KEYS_ELSEWHERE.get(key)) in keys:
            return f'unknown key "{key}"', f'did you mean "{meant}"?'
        closest = self._suggestions.closest(key, keys)
        cure = f'did you mean "{closest}"?' if closest else self._what_it_has(path[:-1])
        return f'unknown key "{key:.80}"', cure

    def _unknown_type(self, path: Path) -> tuple[str, str]:
        given = self._value((*path, "type"))
        if not isinstance(given, str):
            return f'"type" must be a text, not {_shown(given)}', f"step types: {', '.join(OFFERED)}"
        closest = STEP_TYPES_ELSEWHERE.get(given.lower()) or self._suggestions.closest(given, OFFERED)
        cure = f'did you mean "{closest}"?' if closest else f"step types: {', '.join(OFFERED)}"
        return f'unknown step type "{given:.80}"', cure

    def _missing_type(self, path: Path) -> str:
        keys = [str(key) for key in self._value(path)]
        named = [key for key in keys if key in OFFERED] or [
            "command" for key in keys if KEYS_ELSEWHERE.get(key) == "command"
        ]
        return f"add type: {named[0]}" if len(named) == 1 else f"step types: {', '.join(OFFERED)}"

    def _model(self, path: Path) -> type[Model]:
        """Whose keys a mapping has."""
        own = path
        while own[:1] == ("workflows",):
            own = own[2:]
        if not own:
            return Workflow
        last = own[-1]
        if isinstance(last, int):
            if _is_signature(own):
                return Signature
            return STEP_TYPES[self._value(path)["type"]]
        return Parameter if own[:-1] == ("parameters",) else _NESTED[last]

    def _what_it_has(self, path: Path) -> str:
        model = self._model(path)
        if not issubclass(model, StepBase):
            return f"it has: {', '.join(offered_keys(model))}"
        own = [key for key in keys_of(model) if key not in StepBase.model_fields and key != "type"]
        return f"a {self._value(path)['type']} step has: {', '.join(own)}, and the keys that every step has"

    def _what_to_add(self, path: Path) -> str:
        model, key = self._model(path[:-1]), str(path[-1])
        about = KEY_HELP.get(model.__name__, {}).get(key) or KEY_HELP["Step"][key]
        return f"add {key}: {about[0].lower()}{about[1:].rstrip('.')}"

    def _wrong_type(self, expected: str, path: Path) -> tuple[str, str]:
        value = self._value(path)
        message = f"expected {expected}, got {_shown(value)}"
        if example := _example(path, value):
            return message, example
        if expected in ("an integer", "a number") and isinstance(value, str) and _DIGITS.fullmatch(value):
            return message, f"write {value}, without quotes"
        if expected == "a text" and isinstance(value, int | float):
            return message, "put it in quotes"
        if expected == "a list" and isinstance(value, str) and len(value) < 60:
            return message, f"write [{value}]"
        if expected == "true or false" and isinstance(value, str):
            return message, f"write {_YES_NO.get(value.lower(), 'true or false')}, without quotes"
        return message, self._example_of_mapping(path) if expected == "a mapping" else ""

    def _example_of_mapping(self, path: Path) -> str:
        if not path or not isinstance(path[-1], int):
            return ""
        if _is_signature(path):
            return "a task is a mapping such as {task: shop.add, args: [1, 2]}"
        return "a step is a mapping such as {id: check, type: command, command: uptime}"

    def _no_choice(self, path: Path, context: Mapping[str, Any]) -> tuple[str, str]:
        value = self._value(path)
        choices = context.get("choices") or [context["expected"]]
        named = [_TYPES.get(choice, choice.replace("'", '"')) for choice in choices]
        expected = " or ".join(dict.fromkeys(named))
        known = [word for choice in choices for word in choice.split("'")[1::2]]
        meant = self._meant(value, known) if isinstance(value, str) else None
        cure = f'did you mean "{meant}"?' if meant else _example(path, value)
        return f"expected {expected}, got {_shown(value)}", cure

    def _meant(self, word: str, known: list[str]) -> str | None:
        alias = TYPES_ELSEWHERE.get(word.lower())
        return alias if alias in known else self._suggestions.closest(word, known)


def _is_signature(path: Path) -> bool:
    return len(path) > 1 and path[-2] in _OF_SIGNATURES


def _split(message: str) -> tuple[str, str]:
    """`90x is no duration; write 90s` holds its cure."""
    said, _, cure = message.partition("; ")
    return said, cure


def _example(path: Path, value: Any) -> str:
    """What to write under a key of a step, where its value is nothing that it can be."""
    if len(path) < 2 or not isinstance(path[-2], int):
        return ""
    if path[-1] == "expect_status" and isinstance(value, int) and not isinstance(value, bool):
        return f"write [{value}]"
    return _EXAMPLES.get(str(path[-1]), "")


def _misfit(value: Any, pattern: str) -> tuple[str, str]:
    shown = _shown(value)
    if pattern.startswith("^[A-Za-z][A-Za-z0-9_]*"):
        return f"{shown} is no identifier", "use letters, digits and _, beginning with a letter"
    if ":" in pattern:
        return f"{shown} names no function", "write package.module:function"
    if pattern.startswith("^[^"):
        return f"{shown} names no task", "write its name as its app knows it, without spaces and {{ }}"
    if pattern.startswith("^[a-z0-9]+"):
        return f"{shown} names no block", "use lower-case letters, digits and -"
    return f"{shown} doesn't fit", f"it must match {pattern}"


def _out_of_bounds(kind: str, context: Mapping[str, Any], value: Any) -> tuple[str, str]:
    match kind:
        case "too_short" | "string_too_short":
            return "it is empty", "write at least one entry" if kind == "too_short" else "write a text"
        case "too_long" | "string_too_long":
            return f"it is too long: {len(value):,}", f"at most {context['max_length']:,} are allowed"
        case "greater_than_equal" | "greater_than":
            return f"{_shown(value)} is too small", f"at least {context.get('ge', context.get('gt'))}"
        case "less_than_equal" | "less_than":
            return f"{_shown(value)} is too large", f"at most {context.get('le', context.get('lt'))}"
        case _:
            return f"{_shown(value)} can't be used here", ""


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
