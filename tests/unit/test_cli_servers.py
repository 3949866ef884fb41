"""Which servers a command talks to."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.failures import Unavailable
from cli.servers import find_server, prepare_run, prepare_submission
from control.home import Home, Installation
from control.locks import take
from control.options import BadSetting
from control.reach import Unreachable
from tests.unit.http_server import serving

VALKEY = "redis://:secret@127.0.0.1:4322/0"


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment of its own, with a home in it and nothing else of ours."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "OPSCONDUCTOR_")) and name.lower() != "no_proxy"
    }
    environment = kept | {"OPSCONDUCTOR_HOME": str(tmp_path / "home")}
    monkeypatch.setattr(os, "environ", environment)
    return environment


class Running:
    """A home that looks as it does while an installation runs: its lock is held, its record says ready."""

    def __init__(self, api: str) -> None:
        self.api = api
        self.home = Home.from_environment().create()
        lock = take(self.home.lock_file, 0)
        assert lock is not None
        self._lock = lock

    def says(self, *, broker: str = VALKEY, embedded: bool = True) -> None:
        """Record an installation with this broker, and a Prefect server of its own or the user's."""
        self.home.save(
            Installation(
                prefect_api_url=self.api,
                prefect_ui_url=self.api.removesuffix("/api"),
                prefect_embedded=embedded,
                broker_url=broker,
                result_backend=VALKEY,
                broker_embedded=True,
                phase="ready",
            )
        )

    def end(self) -> None:
        os.close(self._lock)


@pytest.fixture
def running(environment: dict[str, str]) -> Iterator[Running]:
    """An installation that is taken to run."""
    with serving() as server:
        running = Running(f"{server.url}/api")
        running.says()
        yield running
        running.end()


def tell(text: str) -> None:
    """Nothing is started in these tests, so nothing is told."""
    raise AssertionError(text)


def test_the_built_in_server_is_found(running: Running, environment: dict[str, str]) -> None:
    """Prefect's client is pointed at it, and reaches it without a proxy."""
    environment["NO_PROXY"] = "example.org"
    find_server()
    assert environment["PREFECT_API_URL"] == running.api
    assert environment["PREFECT_UI_URL"] == running.api.removesuffix("/api")
    assert environment["NO_PROXY"] == environment["no_proxy"] == "example.org,127.0.0.1,localhost"


def test_a_profile_of_the_users_does_not_get_in_the_way(
    running: Running, environment: dict[str, str]
) -> None:
    """A key and a profile for another server are not used with the built-in one."""
    environment |= {"PREFECT_API_KEY": "pnu_x", "PREFECT_PROFILE": "cloud", "PREFECT_HOME": "/elsewhere"}
    prepare_submission(tell)
    assert "PREFECT_API_KEY" not in environment
    assert "PREFECT_PROFILE" not in environment
    assert environment["PREFECT_HOME"] == str(running.home.prefect)


def test_a_server_of_the_users_keeps_its_profile(running: Running, environment: dict[str, str]) -> None:
    """An installation that was started for the user's Prefect leaves key and profile as they are."""
    running.says(embedded=False)
    environment |= {"PREFECT_API_KEY": "pnu_x", "PREFECT_PROFILE": "cloud"}
    find_server()
    assert (environment["PREFECT_API_KEY"], environment["PREFECT_PROFILE"]) == ("pnu_x", "cloud")
    assert "PREFECT_HOME" not in environment


def test_nothing_runs(environment: dict[str, str]) -> None:
    """The message says how to start it."""
    with pytest.raises(Unavailable, match="opsconductor up"):
        find_server()


def test_the_users_settings_come_first(running: Running, environment: dict[str, str]) -> None:
    """Whoever wants Prefect's own lines on the terminal gets them; what is not set is set for a run."""
    environment["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "DEBUG"
    prepare_run("prefect", tell)
    assert environment["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "DEBUG"
    assert environment["PREFECT_TASKS_DEFAULT_NO_CACHE"] == "true"


def test_results_of_a_broker_that_keeps_none(running: Running, environment: dict[str, str]) -> None:
    """With the user's RabbitMQ the built-in store keeps the results, for the worker and for the run."""
    rabbit = "amqp://guest:guest@rabbit//"
    environment["OPSCONDUCTOR_BROKER_URL"] = rabbit
    running.says(broker=rabbit)
    prepare_run("celery", tell)
    assert environment["OPSCONDUCTOR_RESULT_BACKEND"] == VALKEY


@pytest.mark.parametrize("named", ["", "redis://elsewhere/1"])
def test_results_are_not_moved_without_need(
    named: str, running: Running, environment: dict[str, str]
) -> None:
    """A store that the user names stays; without a broker of the user's nothing is set."""
    if named:
        environment |= {"OPSCONDUCTOR_BROKER_URL": VALKEY, "OPSCONDUCTOR_RESULT_BACKEND": named}
    prepare_run("celery", tell)
    assert environment.get("OPSCONDUCTOR_RESULT_BACKEND", "") == named


@pytest.mark.parametrize("prepare", [find_server, lambda: prepare_submission(tell)])
def test_the_users_server_must_answer(prepare: object, running: Running, environment: dict[str, str]) -> None:
    """The built-in one doesn't stand in for it."""
    assert callable(prepare)
    environment["PREFECT_API_URL"] = "http://127.0.0.1:1/api"
    with pytest.raises(Unreachable, match="PREFECT_API_URL"):
        prepare()


def test_a_setting_that_cannot_be_used(environment: dict[str, str]) -> None:
    """It is named before anything is started."""
    environment["PREFECT_API_URL"] = "localhost:4200"
    with pytest.raises(BadSetting, match="PREFECT_API_URL"):
        prepare_run("celery", tell)
