"""What the signatures of generated flows need beyond plain types."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from prefect import Flow
from pydantic import Field, ValidatorFunctionWrapHandler, WrapValidator

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


SecretName = Annotated[str, Field(json_schema_extra={"pattern": f"^(?:{NAME.pattern})$"})]
"""The name of a secret. Steps look it up where they need it; nothing else sees its value."""


def known(params: Mapping[str, Any], secret_params: Mapping[str, Any]) -> dict[str, Any]:
    """What steps know of a flow's parameters; ParameterError where one that is secret was given no name.

    Checked here and not by pydantic, whose errors show the value: somebody may give the secret itself.
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
