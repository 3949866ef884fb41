"""Knowing, starting and ending other processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from control.processes import birth, birth_from_proc, birth_from_ps, open_gate, spawn_gated, wait_for

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize("look", [birth, birth_from_ps, pytest.param(birth_from_proc, marks=on_linux)])
def test_birth_tells_a_living_process(look: Callable[[int], str | None]) -> None:
    """The same for as long as the process lives; None once it is dead, collected or not."""
    process = subprocess.Popen(["sleep", "1000"])
    first = look(process.pid)
    assert first
    assert look(process.pid) == first
    process.kill()
    assert wait_for(lambda: look(process.pid) is None, 60)
    process.wait()
    assert look(process.pid) is None


@on_linux
def test_births_differ(tmp_path: Path) -> None:
    """Two processes are told apart, also when the second bears a name that looks like a stat line."""
    odd = tmp_path / "a) R 1 (b"
    odd.symlink_to("/bin/sleep")
    process = subprocess.Popen([odd, "1000"])
    assert birth_from_proc(process.pid) not in (None, birth_from_proc(os.getpid()))
    process.kill()
    process.wait()


def test_gated_process_runs_only_when_let(tmp_path: Path) -> None:
    """It waits; let go, it runs the command as given, in a session of its own, with nothing to read."""
    log = (tmp_path / "log").open("wb")
    with log:
        command = ("/bin/sh", "-c", 'echo "$1"; cat; echo end', "x", "a  'b\" $c")
        process = spawn_gated(command, dict(os.environ), tmp_path, log)
    assert os.getsid(process.pid) == process.pid
    assert (tmp_path / "log").read_text() == ""
    open_gate(process)
    assert process.wait() == 0
    assert (tmp_path / "log").read_text() == "a  'b\" $c\nend\n"


def test_gated_process_never_runs_without_its_starter(tmp_path: Path) -> None:
    """When the starter dies before it could write down the pid, the command is not run."""
    with (tmp_path / "log").open("wb") as log:
        process = spawn_gated(("touch", str(tmp_path / "ran")), dict(os.environ), tmp_path, log)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait() != 0
    assert not (tmp_path / "ran").exists()


def test_opening_the_gate_of_a_dead_process_is_harmless(tmp_path: Path) -> None:
    """Its end is found by whoever waits for it."""
    with (tmp_path / "log").open("wb") as log:
        process = spawn_gated(("true",), dict(os.environ), tmp_path, log)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    open_gate(process)
    assert process.returncode == -signal.SIGKILL
