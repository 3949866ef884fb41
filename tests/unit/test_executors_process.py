"""Steps that run programs: real processes, and what becomes of them and of what they start."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steps import StepFailed, command, script
from steps.capture import KEPT_BYTES
from steps.errors import StepTimedOut
from steps.events import Event
from steps.places import MOST, room
from steps.scope import Outcome, Scope, Spot, Surroundings
from steps.survivors import Process
from steps.testing import Recorder
from tests.unit.waiting import wait_until


def scope(listener: Callable[[Event], None] | None = None, **params: Any) -> Scope:
    return Scope(Surroundings(run_id="run7", name="n", params=params, listener=listener or Recorder()), "a")


def alive(pid: int) -> bool:
    """Whether a process still does something; one that waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids(file: Path, count: int) -> Callable[[], bool]:
    return lambda: file.exists() and len(file.read_text().split()) == count


def exists(path: str) -> bool:
    return os.path.lexists(path)


def worker_program(text: str, timeout: float | None = None) -> str:
    """The source of a program that runs one command."""
    return (
        "import asyncio\n"
        "from steps import Scope, command\n"
        "from steps.scope import Surroundings\n"
        "scope = Scope(Surroundings(run_id='r', name='n'), 'a')\n"
        f"asyncio.run(command(scope, {text!r}, timeout={timeout}))\n"
    )


async def failure(running: Any) -> StepFailed:
    with pytest.raises(StepFailed) as raised:
        await running
    return raised.value


class TestCommand:
    """A text for the shell, or a list that no shell sees."""

    async def test_the_result(self) -> None:
        """Both streams as they were written, and the exit code; nothing that differs from run to run."""
        outcome = await command(scope(), "echo out; echo err >&2")
        assert outcome == Outcome({"stdout": "out\n", "stderr": "err\n", "exit_code": 0})

    async def test_a_list_is_not_seen_by_any_shell(self) -> None:
        """Each item is one argument, whatever is in it; a list among them is several."""
        arguments = ["printf", "<%s>", "$HOME", "a  b", "{{ params.x }}", "{{ params.many }}", "*", ""]
        outcome = await command(scope(x="; ls", many=[1, "two words"]), arguments)
        assert outcome.result["stdout"] == "<$HOME><a  b><; ls><1><two words><*><>"

    async def test_none_is_no_argument(self) -> None:
        """As in a text for the shell."""
        failed = await failure(command(scope(x=None), ["echo", "{{ params.x }}"]))
        assert failed.message == "argument 1 is none, which no program can take; add | default('', true)"

    async def test_lines_come_while_it_runs(self, tmp_path: Path) -> None:
        """The command waits for what its own first line sets off."""
        go = tmp_path / "go"

        def listen(event: Event) -> None:
            if event.text == "ready":
                go.touch()

        text = f"echo ready; while [ ! -e {go} ]; do sleep 0.01; done; echo gone"
        outcome = await command(scope(listen), text)
        assert outcome.result["stdout"] == "ready\ngone\n"

    async def test_lines_name_their_stream(self) -> None:
        """Standard output and standard error."""
        recorder = Recorder()
        await command(scope(recorder), "echo out; echo err >&2")
        assert {(event.stream, event.text) for event in recorder.events} == {
            ("stdout", "out"),
            ("stderr", "err"),
        }

    async def test_there_is_no_standard_input(self) -> None:
        """A command that reads gets nothing and does not hang."""
        assert (await command(scope(), "cat; echo end")).result["stdout"] == "end\n"

    async def test_the_working_directory(self, tmp_path: Path) -> None:
        """Given as a template."""
        outcome = await command(scope(x=str(tmp_path)), ["pwd"], cwd="{{ params.x }}")
        assert outcome.result["stdout"] == f"{tmp_path}\n"

    async def test_a_program_in_the_working_directory(self, tmp_path: Path) -> None:
        """A relative path starts there."""
        program = tmp_path / "run"
        program.write_text("#!/bin/sh\necho it ran\n")
        program.chmod(0o700)
        assert (await command(scope(), ["./run"], cwd=str(tmp_path))).result["stdout"] == "it ran\n"


class TestFailures:
    """In plain words, with what there was."""

    @pytest.mark.parametrize(
        ("text", "message", "exit_code"),
        [
            ("exit 3", "exit code 3", 3),
            ("echo first >&2; echo '  last  ' >&2; echo >&2; exit 4", "exit code 4: last", 4),
            ("kill -KILL $$", "killed by SIGKILL", -9),
            ("kill -SEGV $$", "killed by SIGSEGV", -11),
        ],
    )
    async def test_an_exit_code(self, text: str, message: str, exit_code: int) -> None:
        """The last line of standard error says most."""
        failed = await failure(command(scope(), text))
        assert (failed.message, failed.result["exit_code"]) == (message, exit_code)

    async def test_what_it_wrote_is_in_the_result(self) -> None:
        """Also when it fails."""
        failed = await failure(command(scope(), "echo out; echo err >&2; exit 1"))
        assert failed.result == {"stdout": "out\n", "stderr": "err\n", "exit_code": 1}

    @pytest.mark.parametrize(
        ("arguments", "more", "message"),
        [
            (["no-such-program"], {}, "program 'no-such-program' not found on PATH"),
            (["{{ [] }}"], {}, "the list of arguments is empty; its first one names the program"),
            (["/no/such"], {}, "program '/no/such' does not exist or is not executable"),
            (["ls"], {"env": {"PATH": "/nowhere"}}, "program 'ls' not found on PATH"),
            (["ls"], {"cwd": "/no/such"}, "working directory '/no/such' does not exist"),
            (
                ["ls", "a\0b"],
                {},
                "a command, argument or variable holds a NUL character, which no program can take",
            ),
            (
                ["ls"],
                {"env": {"A=B": "c"}},
                "'A=B' is no name for an environment variable; use letters, digits and _",
            ),
        ],
    )
    async def test_what_cannot_start(self, arguments: list[str], more: dict[str, Any], message: str) -> None:
        """Said before anything is started."""
        assert (await failure(command(scope(), arguments, **more))).message == message


class TestEnvironment:
    """What a program inherits."""

    async def test_ours_stays_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Addresses with passwords, keys and our own settings are not passed on; the rest is."""
        hidden = {
            "OPSCONDUCTOR_HOME": "/secret",
            "OPSCONDUCTOR_BROKER_URL": "redis://:secret@x",
            "CELERY_BROKER_URL": "redis://:secret@x",
            "CELERY_RESULT_BACKEND": "redis://:secret@x",
            "PREFECT_API_KEY": "secret",
            "PREFECT_API_AUTH_STRING": "admin:secret",
            "PREFECT_SERVER_API_AUTH_STRING": "admin:secret",
            "PREFECT_API_DATABASE_PASSWORD": "secret",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://me:secret@x/db",
            "PREFECT_CLIENT_CUSTOM_HEADERS": '{"Authorization": "secret"}',
            "PREFECT_REDIS_MESSAGING_PASSWORD": "secret",
        }
        for name, value in hidden.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SOMETHING_ELSE", "seen")
        monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
        stdout = (await command(scope(), ["env"])).result["stdout"]
        assert "secret" not in stdout
        assert "SOMETHING_ELSE=seen" in stdout.splitlines()
        assert "PREFECT_API_URL=http://127.0.0.1:4200/api" in stdout.splitlines()
        assert f"PATH={os.environ['PATH']}" in stdout.splitlines()

    async def test_given_variables(self) -> None:
        """Filled in; they go before what is inherited."""
        env = {"HOME": "/elsewhere", "COUNT": "{{ params.x }}"}
        outcome = await command(scope(x=3), "echo $HOME $COUNT", env=env)
        assert outcome.result["stdout"] == "/elsewhere 3\n"

    async def test_booleans_are_words_of_json(self) -> None:
        """Wherever a program is told one."""
        where = scope(on=True, off=False)
        outcome = await command(where, "echo {{ params.on }} $OFF", env={"OFF": "{{ params.off }}"})
        assert outcome.result["stdout"] == "true false\n"
        outcome = await command(where, ["echo", "{{ params.on }}", "--x={{ params.off }}"])
        assert outcome.result["stdout"] == "true --x=false\n"

    async def test_the_idempotency_key(self) -> None:
        """The same for every try of the same step of the same run, and for one item only."""
        where = Scope(Surroundings(run_id="run7", name="n"), "a", spots=(Spot(2, 3),))
        for _ in range(2):
            assert (await command(where, "echo $OPSCONDUCTOR_STEP_KEY")).result["stdout"] == "run7.a.2\n"


class TestScript:
    """Several lines for an interpreter."""

    @pytest.mark.parametrize(
        ("language", "text"),
        [
            ("bash", 'words=(a b)\necho "${words[1]}" "$1"'),
            ("sh", 'echo b "$1"'),
            ("python", "import sys\nprint('b', sys.argv[1])"),
        ],
    )
    async def test_languages(self, language: Any, text: str) -> None:
        """With arguments."""
        outcome = await script(scope(x="c d"), text, language=language, args=["{{ params.x }}"])
        assert outcome.result == {"stdout": "b c d\n", "stderr": "", "exit_code": 0}

    async def test_python_is_ours(self) -> None:
        """The one that runs us, with its packages."""
        outcome = await script(scope(), "import sys; print(sys.executable)", language="python")
        assert outcome.result["stdout"] == f"{sys.executable}\n"

    async def test_the_file_is_for_us_alone_and_gone_afterwards(self) -> None:
        """Scripts may hold secrets."""
        outcome = await script(scope(), 'echo "$0"; stat -c %a "$(dirname "$0")"')
        file, mode = outcome.result["stdout"].split()
        assert mode == "700"
        assert not exists(os.path.dirname(file))

    async def test_a_failing_script(self) -> None:
        """Fails as a command does, and leaves no file."""
        failed = await failure(script(scope(), 'echo "$0"; exit 5'))
        assert failed.message == "exit code 5"
        assert not exists(failed.result["stdout"].strip())


class TestOutput:
    """However much it is."""

    async def test_fifty_megabytes_are_bounded(self) -> None:
        """The end is kept, the rest is counted, the lines are limited, and memory does not grow with it."""
        recorder = Recorder()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        outcome = await command(scope(recorder), "yes | head -c 50000000; echo end")
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        stdout = outcome.result["stdout"]
        assert stdout.endswith("y\nend\n")
        assert len(stdout) == KEPT_BYTES
        assert outcome.result["truncated"] == {"stdout": 50_000_004 - KEPT_BYTES}
        assert len(recorder.events) < 1_000_000
        assert grown < 40_000

    async def test_a_single_endless_line(self) -> None:
        """Is cut."""
        recorder = Recorder()
        outcome = await command(scope(recorder), "head -c 5000000 /dev/zero | tr '\\0' x")
        assert len(outcome.result["stdout"]) == KEPT_BYTES
        assert [len(line) for line in recorder.lines("a")] == [64 * 1024 + 3]

    async def test_bytes_that_are_no_text(self) -> None:
        """Are replaced, and the rest stays."""
        assert (await command(scope(), "printf 'a\\377b'")).result["stdout"] == "a\ufffdb"


class TestEndings:
    """Timeout, cancellation and worse end a step together with everything it started."""

    async def test_a_timeout_keeps_what_there_was(self) -> None:
        """Partial output, no exit code."""
        with pytest.raises(StepTimedOut) as raised:
            await command(scope(), "echo before; echo why >&2; sleep 600", timeout=1.5)
        assert raised.value.message == "timed out after 1.5s"
        assert raised.value.result == {"stdout": "before\n", "stderr": "why\n", "exit_code": None}

    async def test_a_timeout_ends_the_children_of_children(self, tmp_path: Path) -> None:
        """Also those in the background that hold the output open."""
        file = tmp_path / "pids"
        grandchild = f"sh -c 'echo $$ >> {file}; sleep 600; true'"
        text = f"{grandchild} & echo $$ >> {file}; sleep 600 & echo $! >> {file}; wait"
        with pytest.raises(StepTimedOut):
            await command(scope(), text, timeout=1.5)
        found = [int(pid) for pid in file.read_text().split()]
        assert len(found) == 3
        await wait_until(lambda: not any(map(alive, found)))

    async def test_who_ignores_the_polite_signal_is_killed(self, tmp_path: Path) -> None:
        """After the grace."""
        file = tmp_path / "pids"
        text = f"trap '' TERM; echo $$ > {file}; while true; do sleep 0.1; done"
        with pytest.raises(StepTimedOut):
            await command(scope(), text, timeout=1.5)
        await wait_until(lambda: not alive(int(file.read_text())))

    async def test_who_listens_may_clean_up(self, tmp_path: Path) -> None:
        """Within the grace."""
        file = tmp_path / "cleaned"
        text = f"trap 'touch {file}; exit 0' TERM; echo up; while true; do sleep 0.05; done"
        with pytest.raises(StepTimedOut):
            await command(scope(), text, timeout=1.5)
        assert file.exists()

    async def test_who_closed_the_output_may_clean_up_too(self, tmp_path: Path) -> None:
        """The grace is for the process, not for what it writes."""
        ready, cleaned = tmp_path / "ready", tmp_path / "cleaned"
        text = (
            f"trap 'sleep 0.2; touch {cleaned}; exit 0' TERM; exec >/dev/null 2>&1; "
            f"touch {ready}; while true; do sleep 0.05; done"
        )
        running = asyncio.create_task(command(scope(), text))
        await wait_until(ready.exists)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert cleaned.exists()

    @pytest.mark.parametrize("turns", range(10))
    async def test_cancelling_at_any_moment_of_the_start(self, turns: int, tmp_path: Path) -> None:
        """Neither hangs nor leaves anything behind, however many turns of the loop it has had."""
        file = tmp_path / "pids"
        text = f"echo $$ >> {file}; sleep 600 & echo $! >> {file}; wait"
        running = asyncio.create_task(command(scope(), text))
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        found = file.read_text().split() if file.exists() else []
        await wait_until(lambda: not any(alive(int(pid)) for pid in found))

    async def test_cancelling_ends_everything(self, tmp_path: Path) -> None:
        """And comes through only when it has."""
        file = tmp_path / "pids"
        running = asyncio.create_task(
            command(scope(), f"echo $$ >> {file}; sleep 600 & echo $! >> {file}; wait")
        )
        await wait_until(pids(file, 2))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        found = [int(pid) for pid in file.read_text().split()]
        assert not alive(found[0])
        await wait_until(lambda: not any(map(alive, found)))

    async def test_what_left_the_group_is_ended_too(self, tmp_path: Path) -> None:
        """Politely at first, then for good."""
        file, cleaned = tmp_path / "pids", tmp_path / "cleaned"
        polite = f"trap 'touch {cleaned}; exit' TERM; echo $$ >> {file}; while :; do sleep 0.05; done"
        stubborn = f"trap '' TERM; echo $$ >> {file}; while :; do sleep 0.05; done"
        text = "; ".join(f'setsid sh -c "{one}" >/dev/null 2>&1 &' for one in (polite, stubborn))
        text = text.replace("&;", "&").replace("$$", "\\$\\$")
        running = asyncio.create_task(command(scope(), f"{text} sleep 600"))
        await wait_until(pids(file, 2))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert not any(alive(int(pid)) for pid in file.read_text().split())
        assert cleaned.exists()

    async def test_what_an_earlier_step_left_in_the_background_is_not_ended(self, tmp_path: Path) -> None:
        """It belongs to an execution that has ended by itself, of the same step even."""
        file, here = tmp_path / "pids", scope()
        await command(here, f"setsid sleep 600 >/dev/null 2>&1 & echo $! > {file}")
        with pytest.raises(StepTimedOut):
            await command(here, "sleep 600", timeout=0.5)
        pid = int(file.read_text())
        assert alive(pid)
        os.kill(pid, signal.SIGKILL)

    async def test_who_cannot_be_ended_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the system lets nobody end it, as with what runs as somebody else."""
        monkeypatch.setattr("steps.child.GRACE", 0.1)
        monkeypatch.setattr("steps.child.GONE_WITHIN", 0.5)
        nobody = Process(2**30, "stubborn", escaped=True)

        async def always(mark: str, group: int) -> list[Process]:
            return [nobody]

        monkeypatch.setattr("steps.child.running", always)
        here, told = scope(), f"still running: stubborn (process {nobody.pid})"
        with pytest.raises(StepTimedOut) as raised:
            await command(here, "sleep 600", timeout=0.5)
        assert raised.value.message == f"timed out after 500ms; {told}"
        assert here.unconfirmed == told

    async def test_a_second_cancel_kills_without_grace(self, tmp_path: Path) -> None:
        """Whoever insists gets it."""
        file = tmp_path / "pids"
        text = f"trap '' TERM; echo $$ > {file}; while true; do sleep 0.05; done"
        running = asyncio.create_task(command(scope(), text))
        await wait_until(pids(file, 1))
        running.cancel()
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await wait_until(lambda: not alive(int(file.read_text())))

    async def test_a_child_left_in_the_background_holds_nobody_up(self, tmp_path: Path) -> None:
        """The step has succeeded when its command has; a service it started lives on."""
        file = tmp_path / "pids"
        outcome = await command(scope(), f"sleep 600 & echo $! > {file}; echo started")
        assert outcome.result["stdout"] == "started\n"
        pid = int(file.read_text())
        assert alive(pid)
        os.kill(pid, signal.SIGKILL)

    async def test_when_we_are_killed_our_children_end_too(self, tmp_path: Path) -> None:
        """A worker that dies without a word leaves nothing running."""
        file = tmp_path / "pids"
        text = f"echo $$ >> {file}; sleep 600 & echo $! >> {file}; wait"
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", worker_program(text))
        await wait_until(pids(file, 2))
        worker.kill()
        await worker.wait()
        found = [int(pid) for pid in file.read_text().split()]
        await wait_until(lambda: not any(map(alive, found)))

    async def test_also_when_we_are_killed_while_they_clean_up(self, tmp_path: Path) -> None:
        """Who was asked to end, and does not, does not outlive us either."""
        file, asked = tmp_path / "pids", tmp_path / "asked"
        text = f"trap 'touch {asked}' TERM; echo $$ >> {file}; while true; do sleep 0.05; done"
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", worker_program(text, timeout=1))
        await wait_until(asked.exists)
        worker.kill()
        await worker.wait()
        await wait_until(lambda: not alive(int(file.read_text())))

    async def test_a_limit_around_a_step_that_just_starts(self) -> None:
        """A cancellation that had to wait for the start is still the one of the limit."""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await command(scope(), "sleep 600")

    async def test_last_words_are_heard(self) -> None:
        """A child that writes right after its parent has ended."""
        text = "(while kill -0 $$ 2>/dev/null; do :; done; echo late) & echo early"
        assert (await command(scope(), text)).result["stdout"] == "early\nlate\n"

    async def test_no_descriptor_is_left_open(self) -> None:
        """After success, failure, timeout and a child that stays behind."""

        def count() -> int:
            return len(os.listdir("/proc/self/fd"))

        await command(scope(), "true")
        before = count()
        for _ in range(3):
            await command(scope(), "true")
            await failure(command(scope(), "exit 1"))
            await failure(command(scope(), "sleep 600", timeout=0.05))
            left = await command(scope(), "sleep 600 & echo $!")
            os.kill(int(left.result["stdout"]), signal.SIGKILL)
        await wait_until(lambda: count() <= before)


async def test_more_children_than_places_take_turns() -> None:
    """All of them run in the end."""
    outcomes = await asyncio.gather(*(command(scope(), f"echo {number}") for number in range(MOST + 20)))
    assert [int(outcome.result["stdout"]) for outcome in outcomes] == list(range(MOST + 20))


@pytest.mark.parametrize(
    ("descriptors", "expected"),
    [(64, 1), (256, 32), (1024, 160), (100_000, MOST), (resource.RLIM_INFINITY, MOST)],
)
def test_places_follow_the_limit_on_open_files(descriptors: int, expected: int) -> None:
    """Some are kept free for everything else."""
    assert room(descriptors) == expected


async def test_a_timeout_does_not_count_the_wait_for_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is about how long the command takes."""
    monkeypatch.setattr("steps.places.MOST", 1)
    sleeper = asyncio.create_task(command(scope(), "sleep 2.5"))
    await asyncio.sleep(0)
    outcome = await command(scope(), "echo mine", timeout=2)
    assert outcome.result["stdout"] == "mine\n"
    await sleeper
