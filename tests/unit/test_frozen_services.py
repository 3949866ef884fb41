"""A service that lives and answers nobody any more."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from control.health import Health, PrefectAnswers, ReadyFile
from control.home import Home
from control.part import Part
from control.plan import Backoff, Service
from control.ports import first_free
from control.processes import wait_for
from control.silence import LOOK_EVERY, LOOKS, Silence

PATIENCE = 180.0
# Answers until it is told not to, and then lives on.
SCRIPT = """
import json, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

port, home, mute = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])

class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if mute.exists() else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"home": home}).encode())

HTTPServer(("127.0.0.1", port), Answers).serve_forever()
"""


class Clock:
    """Goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A part under a clock of its own."""

    def __init__(self, folder: Path, health: Health, *arguments: str) -> None:
        self.clock = Clock()
        self.mute = folder / "mute"
        service = Service(
            name="server",
            command=(sys.executable, "-c", SCRIPT, *arguments, str(folder), str(self.mute)),
            environment=dict(os.environ),
            health=health,
            start_timeout=PATIENCE,
        )
        home = Home(folder / "home")
        home.create()
        self.part = Part(service, Backoff(first=0), home, lambda: None, self.clock)

    def becomes_ready(self) -> bool:
        self.part.tick(ready_to_start=True)
        return self.part.healthy

    def looks(self, times: int) -> None:
        """Go on for so many looks."""
        for _ in range(times):
            self.clock.now += LOOK_EVERY + 1
            self.part.tick(ready_to_start=True)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A server that runs and answers."""
    port = first_free()
    health = PrefectAnswers(api_url=f"http://127.0.0.1:{port}/api", home=tmp_path)
    watched = Watched(tmp_path, health, str(port))
    try:
        assert wait_for(watched.becomes_ready, PATIENCE)
        yield watched
    finally:
        watched.part.stop()


def test_a_server_that_has_not_answered_for_long_is_started_again(watched: Watched) -> None:
    """Once ten looks in a row have found no answer, and not before."""
    first = watched.part.record.pid
    watched.mute.touch()
    watched.looks(LOOKS - 1)
    assert (watched.part.healthy, watched.part.record.pid) == (True, first)
    watched.looks(1)
    assert watched.part.reason == "it has not answered for 300 s"
    watched.mute.unlink()
    assert wait_for(watched.becomes_ready, PATIENCE)
    assert watched.part.record.pid != first
    assert watched.part.record.restarts == 1
    watched.looks(LOOKS)
    assert watched.part.healthy


def test_an_answer_in_between_is_enough(watched: Watched) -> None:
    """A server that is slow now and then is left alone."""
    first = watched.part.record.pid
    for _ in range(3):
        watched.mute.touch()
        watched.looks(LOOKS - 4)
        watched.mute.unlink()
        watched.looks(3)  # more than one, since the machine may stand still during a look
    assert (watched.part.healthy, watched.part.record.pid) == (True, first)


def test_who_only_says_that_it_began_is_not_asked_again(tmp_path: Path) -> None:
    """A worker that drains has withdrawn its file, and works."""
    ready = tmp_path / "ready"
    watched = Watched(tmp_path, ReadyFile(path=ready), str(first_free()))
    try:
        watched.becomes_ready()
        ready.touch()
        assert watched.becomes_ready()
        ready.unlink()
        watched.looks(2 * LOOKS)
        assert watched.part.healthy
    finally:
        watched.part.stop()


def test_a_machine_that_stood_still_counts_for_one_look() -> None:
    """However long it did: nobody looked meanwhile, so nobody knows that there was no answer."""
    silence = Silence(now=0)
    for moment in (3_600, 7_200, 10_800):
        assert silence.is_due(moment)
        silence.note(answered=False, now=moment)
        assert not silence.is_due(moment)
    assert not silence.is_too_long
