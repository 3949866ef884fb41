"""What the signatures of generated flows need beyond plain types."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from prefect import Flow
from pydantic import (
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import CoreSchema, core_schema

from codegen.parameters import Parameter, check_values
from codegen.secret_use import NAME


def _as_given(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    number = check(value)
    try:
        whole = int(value) if isinstance(value, str) else value
    except ValueError:
        return number
    return whole if isinstance(whole, int) and not isinstance(whole, bool) else number


AsGiven = WrapValidator(_as_given)
"""Marks a float that keeps a whole number whole: 3 stays 3, so a command says `3` and not `3.0`."""


class Only:
    """Marks the name of a secret, and says which names may be given: some, or those of a pattern.

    What doesn't fit is refused by a ParameterError. Pydantic's own errors show the value: somebody may give
    the secret itself.
    """

    def __init__(self, *names: str, pattern: str | None = None) -> None:
        self._declared = Parameter(secret=True, enum=names or None, pattern=pattern)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Takes the place of pydantic's own check."""
        return core_schema.with_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """What Prefect's form shows and its server checks."""
        declared = self._declared
        choices = {"enum": list(declared.enum)} if declared.enum else {}
        return {"type": "string", "pattern": declared.pattern or f"^(?:{NAME.pattern})$", **choices}

    def _checked(self, value: Any, info: ValidationInfo) -> str:
        name = str(info.field_name)
        return str(check_values({name: self._declared}, {name: value})[name])


SecretName = Annotated[str, Only()]
"""The name of a secret. Steps look it up where they need it; nothing else sees its value."""


def known(params: Mapping[str, Any], secret_params: Mapping[str, Any]) -> dict[str, Any]:
    """What steps know of a flow's parameters; ParameterError where one that is secret was given no name.

    Checked here, too: a flow may be called without Prefect's check of its parameters.
    """
    names = check_values(dict.fromkeys(secret_params, Parameter(secret=True)), secret_params)
    return {"params": {**params, **names}, "secret_params": frozenset(names)}


def arguments(flow: Flow[..., Any], given: Sequence[str] | None = None) -> dict[str, Any]:
    """The flow's arguments from the command line: `python check.py host=web-1 'ports=[80, 443]'`.

    Lists and mappings are JSON; Prefect makes numbers and truth values of the other texts.
    """
    words = sys.argv[1:] if given is None else given
    values: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in flow.parameters.properties:
            raise SystemExit(f"{word!r} sets no parameter; {_usage(flow)}")
        values[name] = _value(name, value, flow.parameters.properties[name])
    missing = [name for name in flow.parameters.required if name not in values]
    if missing:
        raise SystemExit(f"{', '.join(missing)}: a value is required; {_usage(flow)}")
    return values


def _value(name: str, text: str, schema: dict[str, Any]) -> Any:
    if schema.get("type") not in ("array", "object"):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise SystemExit(f"{name}={text}: {error}; write JSON, for example {name}='[1, 2]'") from error


def _usage(flow: Flow[..., Any]) -> str:
    return f"write name=value for: {', '.join(flow.parameters.properties) or 'none'}"
