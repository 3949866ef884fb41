"""An examination as a whole: bounded, complete, without passwords, with one exit code."""

import io
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
from rich.console import Console

from cli.doctor import exit_code, table_of
from cli.failures import Exit
from cli.main import run_command
from control.home import Home
from control.options import Options
from doctor.checks import CHECKS, looks_at
from doctor.examination import Check, Look, Result, examine
from doctor.findings import Finding, NotSeen, State, doubt, fault, fine, skipped, without
from doctor.site import Site, find_bridge, passwords
from tests.acceptance.stack import free_port

PASSWORD = "hunter2/secret"


def see(answer: str) -> Look:
    """A look that sees this."""
    return Look("home", lambda: answer)


def judged(text: str) -> Iterator[Finding]:
    """All is well with what was seen."""
    yield fine(text)


def both(one: str, other: str) -> Iterator[Finding]:
    """Judges two looks."""
    yield fine(f"{one} and {other}")


def refuse(finding: Finding) -> NoReturn:
    """A look that sees nothing."""
    raise NotSeen(finding)


def found(results: list[Result]) -> list[tuple[str, State]]:
    """Checks and states."""
    return [(one.check, one.finding.state) for one in results]


def test_checks_get_what_looks_saw() -> None:
    """Each check judges the evidence that it needs, of one look or of several."""
    checks = (Check("home", "x", ("a",), judged), Check("home", "y", ("a", "b"), both))
    results = examine({"a": see("A"), "b": see("B")}, checks)
    assert [one.finding.what for one in results] == ["A", "A and B"]


def test_a_look_that_hangs_holds_up_nothing() -> None:
    """It is an error after its deadline; what needs it is skipped, all else is judged."""
    never = threading.Event()
    looks = {"a": see("A"), "b": Look("broker", never.wait, deadline=0.2)}
    checks = (Check("home", "x", ("a",), judged), Check("broker", "y", ("a", "b"), both))
    results = examine(looks, checks)
    never.set()
    assert found(results) == [("b", "error"), ("x", "ok"), ("y", "skipped")]
    assert "0.2 s" in results[0].finding.what
    assert results[0].finding.what in results[2].finding.cause


def test_looks_and_checks_that_fail() -> None:
    """A bug in one of them is told and leaves the others alone."""
    looks = {"a": see("A"), "b": Look("broker", lambda: 1 // 0)}
    checks = (
        Check("home", "x", ("a",), both),
        Check("home", "y", ("a",), judged),
        Check("broker", "z", ("b",), judged),
    )
    results = examine(looks, checks)
    assert found(results) == [("b", "error"), ("x", "error"), ("y", "ok"), ("z", "skipped")]
    assert "ZeroDivisionError" in results[0].finding.cause


def test_the_same_absence_is_told_once() -> None:
    """Several looks that miss the same thing have one finding between them."""
    away = fault("the broker is away", "refused", "start it")
    looks = {name: Look("broker", lambda: refuse(away)) for name in ("a", "b")}
    results = examine(looks, (Check("workers", "x", ("a", "b"), both),))
    assert found(results)[1:] == [("x", "skipped")]
    assert results[0].finding == away
    assert results[1].finding.cause == "the broker is away"


def test_no_password_is_told() -> None:
    """Neither in addresses nor elsewhere, in no part of a finding."""
    text = f"redis://user:{PASSWORD}@host/0 says {PASSWORD}"
    shown = without(doubt(text, text, text, url=text, many=[{"deep": text}], number=1), [PASSWORD])
    assert PASSWORD not in repr(shown)
    assert "redis://user:***@host/0" in shown.what
    assert shown.evidence["number"] == 1
    assert passwords("amqp://a:one%2Ftwo@h//;amqp://b:three@h//;redis://h/0") == {
        "one%2Ftwo",
        "one/two",
        "three",
    }


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([fine("a")], Exit.DONE),
        ([fine("a"), doubt("b", "c", "d"), skipped("e", "f")], Exit.DONE),
        ([fine("a"), fault("b", "c", "d")], Exit.FAILED),
        ([fault("b", "c", "d"), skipped("e", "f")], Exit.FAILED),
        ([skipped("e", "f")], Exit.UNREACHABLE),
        ([], Exit.UNREACHABLE),
    ],
)
def test_exit_code(findings: list[Finding], code: Exit) -> None:
    """1 for errors, 0 without, 3 where nothing at all could be judged."""
    assert exit_code([Result("home", "x", one) for one in findings]) == code


def test_every_check_needs_looks_that_there_are(tmp_path: Path) -> None:
    """And every look is needed by some check."""
    site = Site(Home(tmp_path), {}, Options(), None, ())
    looks = looks_at(site, partial(find_bridge, site))
    assert {name for check in CHECKS for name in check.needs} == set(looks)
    assert len({(check.part, check.name, check.needs) for check in CHECKS}) == len(CHECKS)


def test_where_the_broker_is(tmp_path: Path) -> None:
    """The environment's, with results where that is a Redis; a RabbitMQ alone lacks a place for results."""

    def site(**environment: str) -> Site:
        return Site(Home(tmp_path), environment, Options.from_environment(environment), None, ())

    bridge = find_bridge(site(OPSCONDUCTOR_BROKER_URL="redis://host/3", OPSCONDUCTOR_QUEUE="ours"))
    assert (bridge.settings.result_backend, bridge.settings.queue) == ("redis://host/3", "ours")
    with pytest.raises(NotSeen) as rabbit:
        find_bridge(site(OPSCONDUCTOR_BROKER_URL="amqp://guest:guest@host//"))
    assert rabbit.value.finding.state == "error"
    assert "OPSCONDUCTOR_RESULT_BACKEND" in rabbit.value.finding.cure
    with pytest.raises(NotSeen) as none:
        find_bridge(site())
    assert none.value.finding.state == "skipped"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without servers, documents and home."""
    monkeypatch.chdir(tmp_path)
    for name in ("PREFECT_API_URL", "OPSCONDUCTOR_BROKER_URL", "OPSCONDUCTOR_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path / "home"))
    return monkeypatch


def test_where_nothing_is(elsewhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One error, with its cure; everything that needs a server is skipped, not wrong."""
    assert run_command(["doctor", "--json"]) == Exit.FAILED
    told = json.loads(capsys.readouterr().out)
    assert told["healthy"] is False
    errors = [one for one in told["findings"] if one["state"] == "error"]
    assert [one["check"] for one in errors] == ["services"]
    assert "opsconductor up" in errors[0]["cure"]
    assert told["counts"]["skipped"] > 5
    assert sum(told["counts"].values()) == len(told["findings"])


def test_servers_that_are_away(elsewhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Dead ports are named with what to correct, and no password is printed."""
    port = free_port()
    elsewhere.setenv("PREFECT_API_URL", f"http://127.0.0.1:{port}/api")
    elsewhere.setenv("OPSCONDUCTOR_BROKER_URL", f"redis://:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{port}/0")
    assert run_command(["doctor"]) == Exit.FAILED
    said = capsys.readouterr()
    assert f"http://127.0.0.1:{port}/api can't be used" in said.out
    assert "correct PREFECT_API_URL" in said.out
    assert f"redis://:***@127.0.0.1:{port}/0 can't be reached" in said.out
    assert "correct OPSCONDUCTOR_BROKER_URL" in said.out
    assert "hunter2" not in said.out + said.err
    assert "2 errors" in said.err


def test_a_setting_that_can_not_be_used(
    elsewhere: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is the error; servers are not looked for at a wrong place."""
    elsewhere.setenv("OPSCONDUCTOR_BROKER_URL", "kafka://host")
    assert run_command(["doctor", "--json"]) == Exit.FAILED
    told = json.loads(capsys.readouterr().out)
    first = told["findings"][0]
    assert (first["part"], first["state"]) == ("settings", "error")
    assert "OPSCONDUCTOR_BROKER_URL" in first["what"]
    assert "redis://" in first["cure"]
    assert told["counts"]["error"] == 1


def test_how_it_is_shown() -> None:
    """By part, with symbol, cause and cure; what was not checked for one and the same reason is one row."""
    results = [
        Result("broker", "eviction", fault("evicts", "full", "noeviction")),
        Result("home", "folder", fine("is there")),
        Result("workers", "pool", skipped("not checked: pool", "nobody is there")),
        Result("workers", "clock", skipped("not checked: clock", "nobody is there")),
    ]
    console = Console(file=io.StringIO(), width=200, color_system=None)
    with console.capture() as capture:
        console.print(table_of(results))
    lines = [line.split("│") for line in capture.get().splitlines() if line.startswith("│")]
    rows = [[cell.strip() for cell in cells if cell.strip()] for cells in lines]
    assert rows == [
        ["Home"],
        ["✓", "is there"],
        ["Broker"],
        ["✗", "evicts", "full", "noeviction"],
        ["Workers"],
        ["?", "not checked: pool, clock", "nobody is there"],
    ]
