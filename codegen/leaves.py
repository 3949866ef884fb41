"""The leaf steps: what each kind is told. A step's own keys become its executor's keyword arguments."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from codegen.celery_leaf import CeleryTask as CeleryTask
from codegen.event_leaves import Emit as Emit
from codegen.event_leaves import Listen as Listen
from codegen.fields import (
    Argument,
    DocumentName,
    Duration,
    Expression,
    Flaw,
    FlawedError,
    Identifier,
    Model,
    Nested,
    NotBlank,
    Positive,
    ShellTemplate,
    Template,
    Text,
    TextKind,
)
from codegen.leaf import Leaf as Leaf
from codegen.step import StepBase

HttpMethod = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Set(Leaf):
    """Computes values; they are the step's result and its outputs."""

    type: Literal["set"]
    values: dict[Identifier, Nested] = Field(min_length=1)


class Fail(Leaf):
    """Fails with a message."""

    type: Literal["fail"]
    message: Template


class Stop(Leaf):
    """Ends the run early, successfully: steps not yet started are skipped."""

    type: Literal["stop"]
    message: Template = ""


class Command(Leaf):
    """Runs a command: a text for the shell, or a list of arguments that no shell sees."""

    type: Literal["command"]
    command: ShellTemplate | tuple[Argument, ...]
    cwd: Template | None = None
    env: dict[str, Argument] = Field(default_factory=dict)

    @field_validator("command")
    @classmethod
    def _not_empty(cls, command: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not command or (isinstance(command, str) and not command.strip()):
            raise FlawedError(Flaw((), "the command is empty", "write a command line or a list of arguments"))
        return command


class Script(Leaf):
    """Runs a script of several lines with an interpreter; in shell scripts values are quoted."""

    type: Literal["script"]
    language: Literal["bash", "sh", "python"] = "bash"
    script: Annotated[ShellTemplate, NotBlank]
    args: tuple[Argument, ...] = ()
    cwd: Template | None = None
    env: dict[str, Argument] = Field(default_factory=dict)


class Http(Leaf):
    """Sends one HTTP request; fails on another status than expected (default: 200 to 399)."""

    type: Literal["http"]
    url: Template
    method: HttpMethod = "GET"
    headers: dict[str, Argument] = Field(default_factory=dict)
    query: dict[str, Nested] = Field(default_factory=dict)
    json_body: Nested = Field(default=None, alias="json")
    body: Template | None = None
    expect_status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = ()
    verify_tls: bool = True
    follow_redirects: bool = True

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.json_body is not None and self.body is not None:
            raise FlawedError(Flaw(("body",), "json and body exclude each other", "keep one"))
        return self


class Python(Leaf):
    """Calls an importable function, `package.module:function`, in a process of its own."""

    type: Literal["python"]
    call: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")
    args: dict[Identifier, Nested] = Field(default_factory=dict)


class Container(Leaf):
    """Runs a container and removes it."""

    type: Literal["container"]
    image: Template
    command: tuple[Argument, ...] = ()
    env: dict[str, Argument] = Field(default_factory=dict)
    volumes: tuple[Template, ...] = ()
    network: str | None = None


class FileTransfer(Leaf):
    """Copies files to or from a target."""

    type: Literal["file_transfer"]
    direction: Literal["push", "pull"] = "push"
    source: Template
    destination: Template
    mode: str | None = None


class Service(Leaf):
    """Starts, stops, restarts or asks about a unit of the init system."""

    type: Literal["service"]
    unit: Template
    action: Literal["start", "stop", "restart", "status"]


class Validation(Leaf):
    """Fails unless every expression of `that` is true."""

    type: Literal["validation"]
    that: Expression | Annotated[tuple[Expression, ...], Field(min_length=1)]
    message: Template | None = None


class Notification(Leaf):
    """Tells people something: `log` writes it to the run's log, `webhook` posts it to `url`."""

    type: Literal["notification"]
    channel: Literal["log", "webhook"] = "log"
    message: Template
    url: Template | None = None

    @model_validator(mode="after")
    def _url_for_webhooks(self) -> Self:
        if self.channel == "webhook" and self.url is None:
            raise FlawedError(Flaw(("url",), "channel webhook has no url", "say where to post the message"))
        if self.channel != "webhook" and self.url is not None:
            raise FlawedError(Flaw(("url",), f"channel {self.channel} has no use for a url", "leave it out"))
        return self


class Wait(Leaf):
    """Waits."""

    type: Literal["wait"]
    duration: Duration


class Approval(Leaf):
    """Waits for a person's yes. `on_timeout`: what it counts as when nobody has answered in time."""

    type: Literal["approval"]
    message: Annotated[Template, NotBlank]
    approvers: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()
    on_timeout: Literal["fail", "approve"] = "fail"


class SubWorkflow(Leaf):
    """Runs another document."""

    type: Literal["workflow"]
    workflow: DocumentName
    parameters: dict[Identifier, Nested] = Field(default_factory=dict)
    targets: tuple[Template, ...] | None = None


class NetworkCheck(Leaf):
    """Probes a host: ping, TCP, DNS, HTTP or the expiry of a TLS certificate."""

    type: Literal["network_check"]
    check: Literal["ping", "tcp", "dns", "http", "tls"]
    host: Template
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    days_left: Positive | None = None


class NetworkCapture(Leaf):
    """Captures packets."""

    type: Literal["network_capture"]
    interface: Template
    filter: Template = ""
    duration: Duration
    max_packets: Positive | None = None


class NetworkMonitor(Leaf):
    """Watches hosts for a while."""

    type: Literal["network_monitor"]
    hosts: tuple[Template, ...]
    interval: Duration
    duration: Duration


class ProtocolAnalysis(Leaf):
    """Analyses a capture."""

    type: Literal["protocol_analysis"]
    capture: Template
    protocols: tuple[str, ...] = ()


class AiDiagnosis(Leaf):
    """Asks a language model about what the run has seen."""

    type: Literal["ai_diagnosis"]
    question: Template
    context: dict[str, Nested] = Field(default_factory=dict)


LEAF_TYPES: tuple[type[Leaf], ...] = tuple(Leaf.__subclasses__())
COMMON_KEYS = frozenset(StepBase.model_fields) | {"type"}


def own_fields(step: Leaf) -> dict[str, Any]:
    """The keys that only this kind of step has, where they differ from their default."""
    return {
        name: _plain(getattr(step, name))
        for name in type(step).model_fields
        if name not in COMMON_KEYS and name in step.model_fields_set
    }


def _plain(value: Any) -> Any:
    """Models within a key as the data that they were read from."""
    if isinstance(value, Model):
        return value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return [*map(_plain, value)] if isinstance(value, tuple) and any(map(_is_model, value)) else value


def _is_model(value: Any) -> bool:
    return isinstance(value, Model)


def text_kind(model: type[Leaf], key: str, given: Mapping[str, Any]) -> TextKind | None:
    """How the text of one key is read; a script that no shell reads takes its values as they are."""
    kind = _text_kinds(model).get(key)
    if kind == "shell" and given.get("language") == "python":
        return "template"
    return kind


@cache
def _text_kinds(model: type[Leaf]) -> dict[str, TextKind]:
    kinds = {
        key: _kind_in(field.metadata) or _kind_within(field.annotation)
        for key, field in model.model_fields.items()
        if key not in COMMON_KEYS
    }
    return {key: kind for key, kind in kinds.items() if kind}


def _kind_in(metadata: Iterable[Any]) -> TextKind | None:
    return next((part.kind for part in metadata if isinstance(part, Text)), None)


def _kind_within(annotation: Any) -> TextKind | None:
    found = _kind_in(getattr(annotation, "__metadata__", ()))
    return found or next(filter(None, map(_kind_within, get_args(annotation))), None)
