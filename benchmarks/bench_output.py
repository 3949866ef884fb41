"""What a step costs that writes a GB, beside the same command without us: time, and the most memory.

    python benchmarks/bench_output.py [BYTES]

The baselines are the command with its output in a file, and a pipe that is read and thrown away. Then the
command is a step of a workflow, told, kept and stored as ever; with a secret known to the run, and without.
Each is a process of its own, and its memory that of this process, not of the command.
"""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from codegen.workflow import Workflow
from steps.events import Event
from steps.interpreter import interpret
from steps.output_keeper import Outputs
from steps.secret_values import FromMapping, Secrets

GB = 1_000_000_000
COMMANDS = {
    "short lines": "yes | head -c {bytes}",
    "one line": "head -c {bytes} /dev/zero | tr '\\0' x",
    "no text": "head -c {bytes} /dev/urandom",
}
READ_AT_ONCE = 65_536


def into_a_file(command: str, folder: Path) -> None:
    """The baseline: the shell writes the file."""
    with (folder / "plain").open("wb") as file:
        subprocess.run(["/bin/sh", "-c", command], stdout=file, check=True)


def thrown_away(command: str, _folder: Path) -> None:
    """The other baseline: what it costs to read so much."""
    with subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdout is not None
        while child.stdout.read(READ_AT_ONCE):
            pass


def step(command: str, folder: Path, *, stored: bool, secret: bool) -> None:
    """The command as a step; `secret`: the run knows one, so all is looked through for it."""
    known = "{{ secrets.token }}" if secret else "nothing"
    document = Workflow.model_validate(
        {
            "name": "bench",
            "steps": [{"id": "big", "type": "command", "command": command, "env": {"TOKEN": known}}],
        }
    )
    run = interpret(
        document,
        run_id="bench",
        listener=_nobody,
        secrets=Secrets(FromMapping({"token": "correct-horse-battery-staple"})),
        outputs=Outputs(str(folder) if stored else ""),
    )
    report = asyncio.run(run.run())
    if not report.success:
        sys.exit(f"the step failed: {report.error}")


WAYS: dict[str, Callable[[str, Path], None]] = {
    "to a file, without us": into_a_file,
    "read, thrown away": thrown_away,
    "step": lambda command, folder: step(command, folder, stored=False, secret=False),
    "step, stored": lambda command, folder: step(command, folder, stored=True, secret=False),
    "step, stored, masked": lambda command, folder: step(command, folder, stored=True, secret=True),
}


def _nobody(event: Event) -> None:
    """Hears what would go to the log."""


def measured(way: str, command: str) -> None:
    """Done in this process, which is there for nothing else: seconds, and MB beyond those it began with."""
    before = _most_memory()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        WAYS[way](command, Path(folder))
        seconds = time.perf_counter() - started
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    memory = _most_memory()
    print(f"{way:24}{seconds:8.2f} s{memory:8.0f} MB (+{memory - before:.0f}){size / 1e6:12.1f} MB")


def _most_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main(size: int) -> None:
    """Measure and print."""
    print(f"{size:,} bytes of output: time, the most memory (beyond that of the imports), what was stored")
    for name, command in COMMANDS.items():
        print(f"\n{name}: {command.format(bytes=size)}")
        for way in WAYS:
            arguments = [sys.executable, __file__, way, command.format(bytes=size)]
            subprocess.run(arguments, check=True, env=dict(os.environ))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measured(*sys.argv[1:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else GB)
