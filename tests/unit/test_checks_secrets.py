"""Where a document may name secrets, and how."""

from typing import Any

import pytest

from codegen.checking.doubts import warnings
from codegen.document import parse
from codegen.errors import DocumentError, Problem

NOT_HERE = "secrets can't be used here: it would be stored or shown"
TOKEN = "{{ secrets.token }}"
OK = {"id": "a", "type": "command", "command": "true"}


def document(*steps: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"name": "n", "steps": list(steps) or [OK], **keys}


def problems(data: dict[str, Any]) -> list[Problem]:
    with pytest.raises(DocumentError) as refused:
        parse(data)
    return list(refused.value.problems)


@pytest.mark.parametrize(
    "step",
    [
        {"type": "command", "command": "c", "env": {"T": TOKEN}},
        {"type": "command", "command": f"echo {TOKEN}"},
        {"type": "command", "command": ["echo", TOKEN]},
        {"type": "script", "script": "s", "env": {"T": f"Bearer {TOKEN}"}, "args": [TOKEN]},
        {"type": "http", "url": f"https://h/{TOKEN}", "headers": {"A": "{{ 'Bearer ' ~ secrets.token }}"}},
        {"type": "http", "url": "u", "query": {"t": TOKEN}, "json": {"deep": [TOKEN]}},
        {"type": "http", "url": "u", "body": "{{ {'t': secrets.token} | to_json }}"},
        {"type": "http", "url": "https://me:{{ secrets.token | urlencode }}@h/"},
        {
            "type": "http",
            "url": "u",
            "body": "{% if params.x %}{{ secrets.one }}{% else %}{{ secrets.two }}{% endif %}",
        },
        {"type": "http", "url": "u", "body": "{{ secrets.one if params.x else secrets['two'] }}"},
        {"type": "python", "call": "m:f", "args": {"t": TOKEN}},
        {"type": "notification", "message": "m", "channel": "webhook", "url": TOKEN},
    ],
)
def test_a_secret_may_be_handed_on(step: dict[str, Any]) -> None:
    """To a program, a function or a server."""
    parse(document({"id": "a", **step}, parameters={"x": {"type": "boolean"}}))


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (document({"id": "a", "type": "set", "values": {"v": TOKEN}}), "steps[0].values.v"),
        (document({"id": "a", "type": "fail", "message": TOKEN}), "steps[0].message"),
        (document({"id": "a", "type": "stop", "message": TOKEN}), "steps[0].message"),
        (document({"id": "a", "type": "notification", "message": TOKEN}), "steps[0].message"),
        (
            document({"id": "a", "type": "notification", "message": TOKEN, "channel": "webhook", "url": "u"}),
            "steps[0].message",
        ),
        (document({"id": "a", "type": "validation", "that": "secrets.token == 'x'"}), "steps[0].that"),
        (document({**OK, "cwd": TOKEN}), "steps[0].cwd"),
        (document({**OK, "when": "secrets.token == 'x'"}), "steps[0].when"),
        (document({**OK, "on": TOKEN}), "steps[0].on"),
        (document({**OK, "for_each": "secrets.token"}), "steps[0].for_each"),
        (document({**OK, "for_each": [TOKEN]}), "steps[0].for_each[0]"),
        (document({**OK, "outputs": {"o": TOKEN}}), "steps[0].outputs.o"),
        (document({**OK, "failed_when": "secrets.token in result.stdout"}), "steps[0].failed_when"),
        (document({**OK, "succeeded_when": "secrets.token"}), "steps[0].succeeded_when"),
        (document({**OK, "repeat": {"until": "secrets.token", "max": 2}}), "steps[0].repeat.until"),
        (
            document({**OK, "on_error": {"when": "secrets.token", "steps": [OK | {"id": "h"}]}}),
            "steps[0].on_error.when",
        ),
        (
            document({"id": "a", "type": "condition", "when": "secrets.token", "then": [OK | {"id": "b"}]}),
            "steps[0].when",
        ),
        (
            document(
                {"id": "a", "type": "switch", "value": "secrets.token", "cases": {"x": [OK | {"id": "b"}]}}
            ),
            "steps[0].value",
        ),
        (document(outputs={"o": TOKEN}), "outputs.o"),
    ],
)
def test_a_secret_may_not_be_kept_or_shown(data: dict[str, Any], path: str) -> None:
    """The problem has the path, and the cure says where it can go."""
    [problem] = problems(data)
    assert (problem.path, problem.message) == (path, NOT_HERE)
    assert problem.cure.startswith("hand it to a step where it is used: env of a command or script")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ secrets.token | upper }}", "a secret can only be hidden as it is"),
        ("{{ secrets.token[:4] }}", "a secret can only be hidden as it is"),
        ("{{ secrets.token.split(',') }}", "a secret can only be hidden as it is"),
        ("{{ secrets.token | default('x') }}", "a secret can only be hidden as it is"),
        ("{{ 'y' if secrets.token else 'n' }}", "a secret can only be hidden as it is"),
        ("{% set t = secrets.token %}{{ t }}", "a secret can only be hidden as it is"),
        ("{{ secrets.token | urlencode | urlencode }}", "a secret can only be hidden as it is"),
        ("{{ secrets }}", "secrets are named one by one"),
        ("{{ secrets[name] }}", "secrets are named one by one"),
        ("{{ secrets.token.x }}", 'a secret is a text and has no "x"'),
        ("{{ secrets.Token }}", '"Token" is no name of a secret'),
        ("{{ secrets['a/b'] }}", '"a/b" is no name of a secret'),
        ("{{ secrets['..'] }}", '".." is no name of a secret'),
    ],
)
def test_a_secret_is_handed_on_as_it_is(text: str, message: str) -> None:
    """What is made of it otherwise could not be hidden."""
    [problem] = problems(document({**OK, "env": {"T": text}}))
    assert problem.path == "steps[0].env.T"
    assert problem.message.startswith(message)


def test_a_secret_on_a_command_line_is_warned_of() -> None:
    """In env nobody sees it."""
    workflow = parse(
        document(
            {**OK, "command": f"curl -u {TOKEN} h"},
            {"id": "b", "type": "script", "script": "s", "args": [TOKEN], "env": {"T": TOKEN}},
        )
    )
    assert [(one.path, one.cure) for one in warnings(workflow)] == [
        ("steps[0].command", 'hand it over by env: {TOKEN: "{{ secrets.token }}"}'),
        ("steps[1].args", 'hand it over by env: {TOKEN: "{{ secrets.token }}"}'),
    ]


PASSWORD = "{{ params.password }}"
SECRET = {"password": {"secret": True}, "host": {}}
IS_SECRET = f'the parameter "password" is a secret, and {NOT_HERE}'
SUB = {"name": "s", "parameters": SECRET, "steps": [{"id": "s", "type": "command", "command": "true"}]}


@pytest.mark.parametrize(
    "keys",
    [
        {"env": {"T": PASSWORD}},
        {"env": {"T": "{{ params.host | upper ~ ':' ~ params['password'] }}"}},
        {"env": {"T": "{% if params.host == 'a' %}{{ params.password | urlencode }}{% endif %}"}},
        {"command": ["echo", PASSWORD]},
        {"command": "echo {{ params.password }} {{ params.host[:3] }}"},
        {"when": "params.host", "outputs": {"o": "{{ params.host }}"}},
    ],
)
def test_a_secret_parameter_may_be_handed_on(keys: dict[str, Any]) -> None:
    """Where secrets may; the others are parameters like any."""
    parse(document({**OK, **keys}, parameters=SECRET))


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (document({"id": "a", "type": "set", "values": {"v": PASSWORD}}), "steps[0].values.v"),
        (document({"id": "a", "type": "fail", "message": f"no {PASSWORD}"}), "steps[0].message"),
        (document({**OK, "when": "params.password == 'x'"}), "steps[0].when"),
        (document({**OK, "when": "params['password'] is defined"}), "steps[0].when"),
        (document({**OK, "on": PASSWORD}), "steps[0].on"),
        (document({**OK, "cwd": PASSWORD}), "steps[0].cwd"),
        (document({**OK, "outputs": {"o": PASSWORD}}), "steps[0].outputs.o"),
        (
            document({"id": "a", "type": "workflow", "workflow": "s", "targets": [PASSWORD]}),
            "steps[0].targets[0]",
        ),
        (document(outputs={"o": PASSWORD}), "outputs.o"),
        (document(concurrency={"key": PASSWORD}), "concurrency.key"),
        (
            document(finally_=None) | {"finally": [{"id": "f", "type": "stop", "message": PASSWORD}]},
            "finally[0].message",
        ),
    ],
)
def test_a_secret_parameter_may_not_be_kept_or_shown(data: dict[str, Any], path: str) -> None:
    """Just like a secret."""
    data.pop("finally_", None)
    workflows = {"s": {**SUB, "parameters": {}}} if "workflow" in data["steps"][0].values() else {}
    [problem] = problems(data | {"parameters": SECRET, "workflows": workflows})
    assert (problem.path, problem.message) == (path, IS_SECRET)
    assert problem.cure.startswith("hand it to a step where it is used")


@pytest.mark.parametrize(
    ("text", "message", "cure"),
    [
        (
            "{{ params.password | upper }}",
            "a secret can only be hidden as it is",
            "write {{ params.password }}, ",
        ),
        (
            "{{ params.password[:4] }}",
            "a secret can only be hidden as it is",
            "write {{ params.password }}, ",
        ),
        ("{{ 'y' if params['password'] else 'n' }}", "a secret can only be hidden as it is", "write "),
        ("{% set t = params.password %}{{ t }}", "a secret can only be hidden as it is", "write "),
        ("{{ params.password.x }}", 'a secret is a text and has no "x"', "write params.password"),
        ("{{ params }}", "one of the parameters is a secret", "write params.<name>"),
        ("{{ params[name] }}", "one of the parameters is a secret", "write params.<name>"),
        ("{% set p = params %}{{ p.password | upper }}", "one of the parameters is a secret", "write "),
        ("{{ params.get('password') }}", "one of the parameters is a secret", "write params.<name>"),
        ("{{ params | to_json }}", "one of the parameters is a secret", "write params.<name>"),
    ],
)
def test_a_secret_parameter_is_handed_on_as_it_is(text: str, message: str, cure: str) -> None:
    """What is made of it otherwise could not be hidden."""
    [problem] = problems(document({**OK, "env": {"T": text}}, parameters=SECRET))
    assert problem.path == "steps[0].env.T"
    assert problem.message.startswith(message)
    assert problem.cure.startswith(cure)


def test_parameters_are_not_kept_as_a_whole() -> None:
    """Not where a secret is among them."""
    [problem] = problems(document(parameters=SECRET, outputs={"all": "{{ params }}"}))
    assert problem.message == "one of the parameters is a secret, so they are named one by one"
    parse(document(parameters={"host": {}}, outputs={"all": "{{ params }}"}))


def handing(**parameters: Any) -> dict[str, Any]:
    given = {"password": "db_password", "host": "h", **parameters}
    step = {"id": "a", "type": "workflow", "workflow": "s", "parameters": given}
    return document(step, parameters=SECRET, workflows={"s": SUB})


@pytest.mark.parametrize("value", [PASSWORD, "{{params.password}}", "db_password", "{{ params.host }}_key"])
def test_a_secret_parameter_takes_the_name_of_a_secret_from_around(value: str) -> None:
    """That of a secret parameter there, one that is written out, or one that is put together."""
    parse(handing(password=value))


@pytest.mark.parametrize(
    ("data", "place", "message", "cure"),
    [
        (
            handing(host=PASSWORD),
            "host",
            '"password" is a secret, and the parameter "host" of "s" is none',
            "write secret: true for host there",
        ),
        (
            handing(password=f"x{PASSWORD}"),
            "password",
            'this makes something else of "password"',
            "write {{ params.password }}",
        ),
        (
            handing(password="{{ params.password | trim }}"),
            "password",
            'something else of "password"',
            "write {{ params",
        ),
        (
            handing(password="{{ secrets.token }}"),
            "password",
            NOT_HERE,
            "declare the parameter there as a secret, and",
        ),
        (
            handing(password="Correct horse"),
            "password",
            "the value is no name of a secret",
            '"s" takes the name of a secret',
        ),
    ],
)
def test_only_its_name_is_handed_to_another_document(
    data: dict[str, Any], place: str, message: str, cure: str
) -> None:
    """And only to a parameter that is a secret there, too."""
    [problem] = problems(data)
    assert problem.path == f"steps[0].parameters.{place}"
    assert message in problem.message
    assert problem.cure.startswith(cure)


def test_a_secret_parameter_on_a_command_line_is_warned_of() -> None:
    """As any secret."""
    workflow = parse(
        document({**OK, "command": f"curl -u {PASSWORD} {{{{ params.host }}}}"}, parameters=SECRET)
    )
    assert [(one.path, one.cure) for one in warnings(workflow)] == [
        ("steps[0].command", 'hand it over by env: {PASSWORD: "{{ params.password }}"}'),
    ]
