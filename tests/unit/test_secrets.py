"""Secrets in runs: they reach what they are for, and nothing tells them."""

import json
import logging
import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen.document import parse
from codegen.result import Report
from steps import StepFailed
from steps.acting import Actors
from steps.capture import KEPT_BYTES
from steps.executor import rehearsed
from steps.interpreter import interpret
from steps.testing import Recorder, run
from tests.unit.http_server import serving

VALUE = "hunter2 'q\" $HOME"
PRINTS = "printf '%s\\n' \"$T\"; printf '%s\\n' \"$T\" >&2"


def step(id: str, type: str, **keys: Any) -> dict[str, Any]:
    return {"id": id, "type": type, **keys}


def prints(id: str = "a", script: str = PRINTS, **keys: Any) -> dict[str, Any]:
    return step(id, "script", script=script, env={"T": "{{ secrets.token }}"}, **keys)


async def told(
    *steps: dict[str, Any], secrets: Mapping[str, str] | None = None, **keys: Any
) -> tuple[Report, str]:
    """The report of a run, and all that it told, as one text."""
    recorder = Recorder()
    document = parse({"name": "n", "steps": list(steps), **keys})
    report = await run(document, listener=recorder, secrets=secrets or {"token": VALUE})
    texts = [*(json.dumps(event.to_json(), ensure_ascii=False) for event in recorder.events)]
    return report, "\n".join([*texts, report.model_dump_json(), repr(report), repr(recorder.events)])


async def test_a_program_gets_it_and_its_output_hides_it() -> None:
    """In lines, in the result, in outputs, and in what is kept of the log."""
    report, all_told = await told(
        prints(
            "a", f'{PRINTS}; [ "$T" = "hunter2 \'q\\" \\$HOME" ]', outputs={"said": "{{ result.stdout }}"}
        ),
        outputs={"said": "{{ steps.a.outputs.said }}"},
    )
    assert report.success
    assert report.outputs == {"said": "***\n"}
    assert [line.text for line in report.logs] == ["***", "***"]
    assert "hunter2" not in all_told


async def test_a_failure_hides_it_in_every_try() -> None:
    """In the text of the retry, the error, and what handlers see."""
    report, all_told = await told(
        prints(
            "a",
            'echo "no such user: $T" >&2; exit 1',
            retry={"attempts": 2, "delay": 0},
            on_error={"steps": [step("h", "set", values={"v": "{{ error.message }}"})]},
        ),
    )
    assert report.error is not None
    assert report.error.message == "exit code 1: no such user: ***"
    assert report.steps["h"].outputs == {"v": "exit code 1: no such user: ***"}
    assert "hunter2" not in all_told


async def test_it_is_hidden_in_later_steps_too() -> None:
    """Also in those that don't ask for it."""
    report, all_told = await told(prints(), step("b", "command", command=["echo", VALUE.upper()]))
    assert report.steps["b"].result["stdout"] == "***\n"
    assert "HUNTER2" not in all_told


@pytest.mark.parametrize("command", ["echo {{ secrets.token }}", ["echo", "{{ secrets.token }}"]])
async def test_on_a_command_line_it_is_one_argument(command: Any) -> None:
    """Quoted for the shell, whatever it holds."""
    report, _ = await told(step("a", "command", command=command))
    assert report.steps["a"].result["stdout"] == "***\n"


async def test_a_server_gets_it_everywhere() -> None:
    """In address, headers, query and body; what comes back is hidden."""
    with serving() as server:
        report, all_told = await told(
            step(
                "a",
                "http",
                method="POST",
                url=server.url + "/echo/{{ secrets.token | urlencode }}",
                headers={"X-Token": "Bearer {{ secrets.plain }}"},
                query={"t": "{{ secrets.token }}"},
                json={"deep": ["{{ secrets.token }}"]},
            ),
            secrets={"token": VALUE, "plain": "p4ssw0rd"},
        )
    assert report.success
    [request] = server.requests
    assert request["headers"]["x-token"] == "Bearer p4ssw0rd"
    assert request["query"] == [("t", VALUE)]
    assert json.loads(request["body"]) == {"deep": [VALUE]}
    assert "hunter2" not in all_told
    assert "p4ssw0rd" not in all_told


async def test_no_library_logs_an_address(caplog: pytest.LogCaptureFixture) -> None:
    """HTTP clients log each request with its whole address, and workers write that into their logs."""
    caplog.set_level(logging.DEBUG)
    with serving() as server:
        await told(
            step(
                "a",
                "http",
                url=server.url + "/redirect/echo/{{ secrets.token }}",
                headers={"X": "{{ secrets.token }}"},
            ),
            step(
                "b",
                "notification",
                message="m",
                channel="webhook",
                url=server.url + "/echo/{{ secrets.token }}",
            ),
            secrets={"token": "hunter22"},
        )
    assert [request["path"] for request in server.requests][-1] == "/echo/hunter22"
    assert "hunter" not in caplog.text


async def test_an_address_with_a_secret_is_not_shown_in_errors() -> None:
    """Neither that of a request nor that of a webhook, also where the secret holds a `?`."""
    with serving() as server:
        url = server.url + "/status/500?x={{ secrets.token }}"
        for kind in (
            step("a", "http", url=url),
            step("a", "http", url="http://{{ secrets.token }}/"),
            step("a", "http", url=server.url + "/{{ secrets.token }}"),
            step("a", "notification", message="m", channel="webhook", url=url),
            step("a", "notification", message="m", channel="webhook", url="http://{{ secrets.token }}/"),
        ):
            _, all_told = await told(kind, secrets={"token": "Hunter2?X"})
            assert "hunter" not in all_told.lower().replace("hunter2_", "")


async def test_a_function_gets_it_and_its_answer_hides_it() -> None:
    """Also in an exception."""
    report, all_told = await told(
        step("a", "python", call="builtins:dict", args={"got": "{{ secrets.token }}"}),
        step("b", "python", call="builtins:int", args={"x": "{{ secrets.token }}"}, continue_on_error=True),
        step("c", "python", call="json:loads", args={"s": "{{ secrets.token }}"}, continue_on_error=True),
    )
    assert report.steps["a"].result == {"got": "***"}
    assert "hunter2" not in all_told


async def test_what_a_cut_leaves_of_it_is_hidden() -> None:
    """A stream of which only the end is kept, and a line that is too long."""
    secret = "0123456789abcdefghijklmnop"
    for filler in range(KEPT_BYTES - 30, KEPT_BYTES - 1, 4):
        script = f'printf "%s" "$T"; head -c {filler} /dev/zero | tr "\\0" .'
        report, _ = await told(prints("a", script), secrets={"token": secret})
        stdout = report.steps["a"].result["stdout"]
        assert set(stdout) <= set(".*"), stdout[:40]
    for filler in range(65536 - 24, 65536, 5):
        script = f'head -c {filler} /dev/zero | tr "\\0" .; echo "$T"'
        report, _ = await told(prints("a", script), secrets={"token": secret})
        assert set(report.logs[0].text) <= set(".*"), report.logs[0].text[-40:]


async def test_an_unknown_secret_fails_the_step_that_needs_it() -> None:
    """The one before it has run."""
    report, _ = await told(step("a", "set", values={"v": 1}), step("b", "http", url="{{ secrets.nowhere }}"))
    assert report.steps["a"].status == "succeeded"
    assert report.error is not None
    assert report.error.message == "secret 'nowhere': not found; looked for the given secrets"


PARAMETERS = {"password": {"secret": True}, "host": {"default": "h"}}
GIVEN = step("a", "command", command="echo $T {{ params.host }}", env={"T": "{{ params.password }}"})


async def test_a_secret_parameter_names_what_a_program_gets() -> None:
    """The run knows its name, the program its value, and what it tells hides that."""
    recorder = Recorder()
    document = parse({"name": "n", "parameters": PARAMETERS, "steps": [GIVEN]})
    report = await run(
        document,
        parameters={"password": "db_password"},
        listener=recorder,
        secrets={"db_password": "hunter2 x"},
    )
    assert report.steps["a"].result["stdout"] == "*** h\n"
    told = [json.dumps(event.to_json()) for event in recorder.events]
    assert "hunter2" not in "\n".join([*told, report.model_dump_json(), repr(report), repr(recorder.events)])


async def test_a_missing_secret_of_a_parameter_names_both() -> None:
    """As the failure of the step that needs it."""
    document = parse({"name": "n", "parameters": PARAMETERS, "steps": [GIVEN]})
    report = await run(document, parameters={"password": "nowhere"}, secrets={"db_password": VALUE})
    assert report.steps["a"].status == "failed"
    assert report.error is not None
    assert report.error.message == (
        "parameter 'password': secret 'nowhere': not found; looked for the given secrets"
    )


async def test_documents_hand_on_the_names_of_secrets() -> None:
    """Looked up by the step that needs one, however deep it lies."""
    inner = {
        "name": "i",
        "parameters": {"key": {"secret": True}},
        "steps": [prints() | {"env": {"T": "{{ params.key }}"}}],
    }
    outer = {
        "name": "o",
        "parameters": {"secret": {"secret": True, "default": "db_password"}},
        "workflows": {"inner": inner},
        "steps": [step("b", "workflow", workflow="inner", parameters={"key": "{{ params.secret }}"})],
    }
    recorder = Recorder()
    report = await run(parse(outer), listener=recorder, secrets={"db_password": "hunter2 x"})
    assert report.success
    assert recorder.lines("b/a") == ["***", "***"]


async def test_only_what_is_handed_on_sees_what_a_parameter_names() -> None:
    """Anything else has the name, also where a generated flow was changed by hand."""
    from steps import set_values
    from steps.scope import Scope, Surroundings
    from steps.secret_values import FromMapping, Secrets

    around = Surroundings(
        "r",
        "n",
        params={"password": "db_password"},
        secret_params=frozenset({"password"}),
        secrets=Secrets(FromMapping({"db_password": VALUE})),
    )
    outcome = await set_values(
        Scope(around, "a"), values={"v": "{{ params.password }}", "all": "{{ params }}"}
    )
    assert outcome.outputs == {"v": "db_password", "all": {"password": "db_password"}}
    assert "hunter2" not in repr(around)


async def test_a_child_does_not_inherit_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets those that it is handed."""
    monkeypatch.setenv("OPSCONDUCTOR_SECRET_TOKEN", VALUE)
    report, _ = await told(step("a", "command", command="env"))
    assert "hunter2" not in report.steps["a"].result["stdout"]
    assert os.environ["OPSCONDUCTOR_SECRET_TOKEN"] == VALUE


async def test_rehearsals_look_nothing_up() -> None:
    """Whatever a secret is called, it is `***`."""
    document = parse({"name": "n", "steps": [step("a", "command", command="echo {{ secrets.nowhere }}")]})
    seen: list[Mapping[str, Any]] = []

    class Watching(Actors):
        async def __call__(self, model: Any, function: Any, scope: Any, values: Mapping[str, Any]) -> Any:
            seen.append(values)
            return await super().__call__(model, function, scope, values)

    with rehearsed(Watching({})):
        report = await interpret(document, run_id="r").run()
    assert report.success
    assert seen == [{"command": "echo '***'"}]
    assert (await run(document, leaves={})).success


async def test_rehearsals_pretend_what_a_parameter_names() -> None:
    """It is `***`, too."""
    document = parse({"name": "n", "parameters": PARAMETERS, "steps": [GIVEN]})
    seen: list[Mapping[str, Any]] = []

    class Watching(Actors):
        async def __call__(self, model: Any, function: Any, scope: Any, values: Mapping[str, Any]) -> Any:
            seen.append(values)
            return await super().__call__(model, function, scope, values)

    with rehearsed(Watching({})):
        report = await interpret(document, run_id="r", parameters={"password": "nowhere"}).run()
    assert report.success
    assert seen == [{"command": "echo $T h", "env": {"T": "***"}}]


async def test_what_is_not_handed_on_sees_no_secrets() -> None:
    """Also where a generated flow was changed by hand, and no check has seen it."""
    from steps import fail
    from steps.scope import Scope, Surroundings
    from steps.secret_values import FromMapping, Secrets

    secrets = Secrets(FromMapping({"token": VALUE}))
    scope = Scope(Surroundings("r", "n", secrets=secrets), "a")
    for text in ("{{ secrets.token }}", "{{ secrets['token'] }}"):
        with pytest.raises(StepFailed, match='there is no "secrets" here'):
            await fail(scope, message=text)
        with pytest.raises(StepFailed, match='there is no "secrets" here'):
            scope.render(text)


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="*\0\r")
SCRIPTS = st.sampled_from(
    [
        'printf %s "$T"',
        'printf %s "$T$T"',
        'printf "%s\\n" "$T" >&2; exit 3',
        'set -x; : "$T"',
        'printf %s "$T" | base64 -w0',
        'printf %s "x$T" | base64 -w0; exit 1',
    ]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(CHARACTERS, min_size=8, max_size=16), SCRIPTS)
async def test_no_secret_is_ever_told(value: str, script: str) -> None:
    """Whatever it holds and whatever a program does with it: no event, record or report has it."""
    recorder = Recorder()
    document = parse({"name": "n", "steps": [prints("a", script)]})
    report = await run(document, listener=recorder, secrets={"token": value})
    texts = [text for event in recorder.events for text in (event.text, event.status)]
    record = report.steps["a"]
    assert record.status in ("succeeded", "failed")
    texts += [line.text for line in report.logs]
    texts += [record.result["stdout"], record.result["stderr"], record.error.message if record.error else ""]
    from base64 import b64encode

    for text in texts:
        assert value not in text
        assert b64encode(value.encode()).decode().rstrip("=")[:-2] not in text
