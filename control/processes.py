"""Other processes: which one a pid belongs to, how to start one that is never lost, how to end a group."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

# The service starts only once its pid is written down: if the writer dies first, it reads an end and stops.
_GATE = 'read -r go && exec "$@" </dev/null'


def birth(pid: int) -> str | None:
    """What tells a process from a later one with its pid: the start time. None when it is dead."""
    return birth_from_proc(pid) if Path("/proc/self/stat").exists() else birth_from_ps(pid)


def birth_from_proc(pid: int) -> str | None:
    """Linux: the boot's id and the start in clock ticks since (fields 3 and 22 of proc(5)'s stat)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else f"{_boot()}:{fields[19].decode()}"


def birth_from_ps(pid: int) -> str | None:
    """Elsewhere: the start time to the second, as ps shows it."""
    shown = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
        check=False,
    ).stdout.split(maxsplit=1)
    return shown[1].strip() if len(shown) == 2 and not shown[0].startswith("Z") else None


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def is_same(pid: int | None, born: str | None) -> bool:
    """Whether the process recorded as (pid, birth) still lives."""
    return pid is not None and born is not None and birth(pid) == born


def spawn_gated(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own that waits for `open_gate` before it runs `command`."""
    return subprocess.Popen(
        ["/bin/sh", "-c", _GATE, "opsconductor", *command],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
    )


def open_gate(process: subprocess.Popen[bytes]) -> None:
    """Let a gated process run. One that has died meanwhile is found so by whoever waits for it."""
    if process.stdin is not None:
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(b"go\n")


def kill_group(group: int) -> None:
    """Kill what is left of a process group."""
    # macOS says EPERM of a group that holds only dead processes.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def stop_child(process: subprocess.Popen[bytes], number: int, grace: float) -> None:
    """Ask our child to end, then kill its whole group: at once when it has ended, or after `grace` seconds.

    Only the leader is asked: a pool's master must see its own children out.
    """
    process.send_signal(number)
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    kill_group(process.pid)
    process.wait()


def stop_stranger(pid: int, born: str, number: int, grace: float) -> None:
    """The same for a group leader that isn't our child."""
    if is_same(pid, born):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        wait_for(lambda: not is_same(pid, born), grace)
        kill_group(pid)
        wait_for(lambda: not is_same(pid, born), 5)


def wait_for(condition: Callable[[], bool], patience: float) -> bool:
    """Look every 50 ms until the condition holds; False when it still doesn't after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
