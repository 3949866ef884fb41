"""The whole output of steps in storage: masked, in order, little of it in memory, and no risk to a run."""

import asyncio
import errno
import os
import stat
import threading
import tracemalloc
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pytest

from codegen.document import parse
from codegen.result import Report
from steps import StepFailed, command, script
from steps.capture import KEPT_BYTES
from steps.child import LAST_WORDS, Valve, run_child
from steps.errors import StepTimedOut
from steps.interpreter import interpret
from steps.journal import Journal
from steps.masking import Mask
from steps.output_keeper import MOST_WAITING, Keeper, Outputs, Title
from steps.output_storage import (
    Folder,
    Sink,
    Storage,
    StorageFailed,
    from_environment,
    safe_name,
    storage_named,
)
from steps.scope import Scope, Surroundings
from steps.secret_values import FromMapping, Secrets
from steps.testing import Recorder
from tests.unit.waiting import wait_until

MB = 1_000_000


def scope(outputs: str | Outputs, listener: Any = None, step: str = "a", **secrets: str) -> Scope:
    found = Secrets(FromMapping(secrets))
    for secret in secrets.values():
        found.mask.add(secret)
    around = Surroundings(
        run_id="run7",
        name="n",
        listener=listener or Recorder(),
        outputs=outputs if isinstance(outputs, Outputs) else Outputs(outputs),
        journal=Journal("run7"),
        secrets=found,
    )
    return Scope(around, step)


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def run(folder: Path, recorder: Recorder, *steps: dict[str, Any], **keys: Any) -> Report:
    document = parse({"name": "n", "steps": list(steps), **keys})
    outputs = Outputs(str(folder))
    return await interpret(document, run_id="run7", listener=recorder, outputs=outputs).run()


class TestSteps:
    """What is stored of the steps of a run."""

    async def test_all_of_both_streams(self, tmp_path: Path) -> None:
        """Each in a file of its own, that only owner and group may read; the result says where."""
        outcome = await command(scope(str(tmp_path)), "echo out; echo err >&2; printf more")
        assert files(tmp_path) == {"run7/a.1.stdout": b"out\nmore", "run7/a.1.stderr": b"err\n"}
        assert outcome.result == {
            "stdout": "out\nmore",
            "stderr": "err\n",
            "exit_code": 0,
            "stored": {
                "stderr": {"where": f"{tmp_path}/run7/a.1.stderr", "bytes": 4},
                "stdout": {"where": f"{tmp_path}/run7/a.1.stdout", "bytes": 8},
            },
        }
        for file in (tmp_path / "run7").iterdir():
            assert stat.S_IMODE(file.stat().st_mode) & 0o137 == 0

    async def test_nothing_where_nothing_is_named(self, tmp_path: Path) -> None:
        """The result has what it always had."""
        outcome = await command(scope(""), "echo out", cwd=str(tmp_path))
        assert outcome.result == {"stdout": "out\n", "stderr": "", "exit_code": 0}
        assert files(tmp_path) == {}

    async def test_nothing_was_written(self, tmp_path: Path) -> None:
        """A stream without a byte has no file."""
        outcome = await command(scope(str(tmp_path)), "true")
        assert "stored" not in outcome.result
        assert files(tmp_path) == {}

    async def test_much_of_it(self, tmp_path: Path) -> None:
        """In order to the last byte, secrets hidden as in the result, which has the end; the log names it."""
        recorder = Recorder()
        here = scope(str(tmp_path), recorder, token="hunter2", other="second secret")
        program = "for n in range(200_000): print(n, 'is no hunter2', 'aHVudGVyMg==')"
        outcome = await script(here, program, language="python")
        whole = "".join(f"{n} is no *** ***\n" for n in range(200_000))
        stored = outcome.result["stored"]["stdout"]
        assert Path(stored["where"]).read_text() == whole
        assert stored["bytes"] == len(whole)
        assert whole.endswith(outcome.result["stdout"].partition("\n")[2])
        assert KEPT_BYTES // 2 < len(outcome.result["stdout"]) <= KEPT_BYTES
        assert recorder.lines("a")[-1] == f"All of stdout: {stored['where']} ({len(whole):,} bytes)"

    async def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        """They are stored as they came."""
        outcome = await command(scope(str(tmp_path), token="hunter2"), r"printf '\377\0hunter2\200'")
        assert files(tmp_path)["run7/a.1.stdout"] == b"\xff\0***\x80"
        assert outcome.result["stdout"] == "\ufffd\0***\ufffd"

    async def test_a_failure_and_a_timeout(self, tmp_path: Path) -> None:
        """They say where, too."""
        with pytest.raises(StepFailed) as failed:
            await command(scope(str(tmp_path)), "echo out; exit 3")
        with pytest.raises(StepTimedOut) as late:
            await command(scope(str(tmp_path), step="b"), "echo out; sleep 600", timeout=1)
        for raised, step in ((failed, "a"), (late, "b")):
            where = f"{tmp_path}/run7/{step}.1.stdout"
            assert raised.value.result["stored"] == {"stdout": {"where": where, "bytes": 4}}

    async def test_tries_and_executions(self, tmp_path: Path) -> None:
        """Each has files of its own, those of other documents below the step that runs them."""
        inner = {"name": "i", "steps": [{"id": "in", "type": "command", "command": "echo in"}]}
        report = await run(
            tmp_path,
            Recorder(),
            {"id": "a", "type": "command", "command": "echo a; false", "retry": {"attempts": 2, "delay": 0}},
            {
                "id": "b",
                "type": "command",
                "command": "echo {{ item }}",
                "for_each": ["x", "y"],
                "run_if": "failed",
            },
            {"id": "c", "type": "workflow", "workflow": "i", "for_each": [1], "run_if": "finished"},
            workflows={"i": inner},
        )
        assert report.steps["b"].status == "succeeded"
        assert files(tmp_path) == {
            "run7/a.1.stdout": b"a\n",
            "run7/a.2.stdout": b"a\n",
            "run7/b.0.1.stdout": b"x\n",
            "run7/b.1.1.stdout": b"y\n",
            "run7/c.0.in.1.stdout": b"in\n",
        }

    async def test_another_life_of_the_run(self, tmp_path: Path) -> None:
        """What an earlier one stored stays as it is; both streams of a try have one number."""
        await command(scope(str(tmp_path)), "echo before >&2")
        await command(scope(str(tmp_path)), "echo after; echo after >&2")
        assert files(tmp_path) == {
            "run7/a.1.stderr": b"before\n",
            "run7/a.2.stdout": b"after\n",
            "run7/a.2.stderr": b"after\n",
        }

    async def test_memory_does_not_grow_with_the_output(self, tmp_path: Path) -> None:
        """Of 48 MB, looked through for a secret and stored, a small part is in memory at any time."""
        here = scope(str(tmp_path), token="correct-horse-battery-staple")
        text = f"yes 'a line of some text' | head -c {48 * MB}"
        await command(here, "true")
        tracemalloc.start()
        try:
            outcome = await command(here, text)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert outcome.result["stored"]["stdout"]["bytes"] == 48 * MB
        assert peak < 12 * MB


class TestTrouble:
    """A storage that can't be used ends no run."""

    @pytest.mark.parametrize(
        ("named", "why"),
        [
            (
                "some/folder",
                "OPSCONDUCTOR_OUTPUT_STORAGE='some/folder' is no absolute path; give one, such as",
            ),
            ("/dev/null/there", "Not a directory (/dev/null/there"),
            ("nosuch://bucket", "Protocol not known: nosuch"),
        ],
    )
    async def test_it_is_told_once(self, named: str, why: str) -> None:
        """In the log of the first step that has output, and in the record of each."""
        recorder, outputs = Recorder(), Outputs(named)
        results = [
            (await command(scope(outputs, recorder, step), "echo out")).result for step in ("a", "b", "c")
        ]
        complaints = [event.text for event in recorder.events if event.stream == "log"]
        assert len(complaints) == 1
        assert complaints[0].startswith(f"The whole output is not stored: {why}")
        for result in results:
            assert result["stdout"] == "out\n"
            assert result["stored"]["stdout"]["bytes"] == 0
            assert result["stored"]["stdout"]["error"].startswith(why)

    async def test_what_was_stored_before_it_was_full_has_no_gap(self) -> None:
        """After the first piece that could not be written there is none, though there would be room."""
        full = Pretended(fails_at=3)
        keeper, told = kept(full)
        for piece in (b"1", b"2", b"3", b"4", b"5"):
            keeper.feed("stdout", piece)
        await keeper.close()
        assert full.written == [b"1", b"2"]
        assert full.abandoned
        assert told == ["The whole output is not stored: No space left on device. The run goes on without"]
        assert keeper.stored() == {
            "stdout": {"where": "there", "bytes": 2, "error": "No space left on device"}
        }

    async def test_one_that_never_answers_is_given_up(self) -> None:
        """What is written then is let go, and the child with it."""
        stuck = Pretended(stuck=True)
        valve = Valve()
        keeper, told = kept(stuck, valve, patience=0.2)
        try:
            keeper.feed("stdout", b"x" * MOST_WAITING)
            await valve.opened()
            keeper.feed("stdout", b"x" * 100 * MOST_WAITING)
            assert keeper.most_waiting == MOST_WAITING
            await asyncio.wait_for(keeper.close(600), 120)
        finally:
            stuck.go.set()
        assert told == [
            "The whole output is not stored: the storage has not answered for 0 s. The run goes on without"
        ]

    async def test_one_that_did_not_answer_is_not_tried_again(self) -> None:
        """Each step of the run would be held up by it anew; what they write says why it is nowhere."""
        stuck = Pretended(stuck=True)
        outputs, told = Only(stuck), list[str]()
        first, second = (
            Keeper(outputs, Title("r", name, 1), Mask(), Valve(), told.append, patience)
            for name, patience in (("a", 0.2), ("b", 600))
        )
        try:
            first.feed("stdout", b"out")
            await first.close()
            for stream in ("stdout", "stderr"):
                second.feed(stream, b"x" * 2 * MOST_WAITING)
            assert second.most_waiting == 0
            await second.close()
        finally:
            stuck.go.set()
        nowhere = {"where": None, "bytes": 0, "error": "the storage has not answered for 0 s"}
        assert second.stored() == {"stderr": nowhere, "stdout": nowhere}
        assert len(told) == 1

    async def test_one_that_was_hurried_is_tried_again(self) -> None:
        """A step that was cancelled gave it little time; that says nothing about the next one."""
        stuck = Pretended(stuck=True)
        outputs = Only(stuck)
        first, second = (
            Keeper(outputs, Title("r", name, 1), Mask(), Valve(), lambda _: None) for name in "ab"
        )
        first.feed("stdout", b"1")
        await first.close(0.1)
        stuck.go.set()
        second.feed("stdout", b"2")
        await second.close(600)
        assert b"2" in stuck.written


class TestBackPressure:
    """A storage slower than the step holds it up."""

    async def test_little_waits_to_be_stored(self, tmp_path: Path) -> None:
        """The child stands still while nothing is taken, and goes on where it was."""
        slow, valve, mark = Pretended(stuck=True), Valve(), tmp_path / "over"
        keeper, told = kept(slow, valve)
        child = asyncio.create_task(child_of(f"yes 0123456 | head -c {8 * MB}; touch {mark}", keeper, valve))
        await wait_until(lambda: keeper.most_waiting >= MOST_WAITING)
        assert not mark.exists()
        slow.go.set()
        await child
        await keeper.close()
        assert mark.exists()
        assert keeper.most_waiting < 2 * MOST_WAITING
        assert b"".join(slow.written) == b"0123456\n" * MB
        assert told == []

    async def test_the_last_words_are_waited_for(self, tmp_path: Path) -> None:
        """The child has ended, and what it wrote last is still in the pipe."""
        slow, valve, mark = Pretended(stuck=True), Valve(), tmp_path / "over"
        keeper, _ = kept(slow, valve)
        size = MOST_WAITING + 40_000
        child = asyncio.create_task(
            child_of(f"head -c {size} /dev/zero; sleep 0.1; touch {mark}", keeper, valve)
        )
        await wait_until(mark.exists)
        ended = asyncio.get_running_loop().time()
        await wait_until(lambda: asyncio.get_running_loop().time() > ended + LAST_WORDS + 0.2)
        slow.go.set()
        await child
        await keeper.close()
        assert sum(map(len, slow.written)) == size

    async def test_a_cancellation_does_not_wait_for_the_storage(self, tmp_path: Path) -> None:
        """The child is ended while it is held up."""
        slow, valve = Pretended(stuck=True), Valve()
        keeper, _ = kept(slow, valve)
        child = asyncio.create_task(child_of("echo $$; exec yes", keeper, valve))
        await wait_until(lambda: keeper.most_waiting >= MOST_WAITING)
        child.cancel()
        await asyncio.wait([child])
        assert child.cancelled()
        slow.go.set()
        await keeper.close()
        pid = int(b"".join(slow.written).split(b"\n")[0])
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


class TestPlaces:
    """Where things can be stored."""

    @pytest.fixture
    def memory(self) -> Iterator[Any]:
        """What fsspec has in memory."""
        store = fsspec.filesystem("memory")
        yield store
        store.rm("/logs", recursive=True)

    async def test_a_bucket(self, memory: Any) -> None:
        """Anything that fsspec knows the way to; further tries find their number."""
        address = "memory://logs/ops"
        for text in ("echo one", "echo two"):
            outcome = await command(scope(address, token="hunter2"), f"{text} hunter2")
        where = "memory://logs/ops/run7/a.2.stdout"
        assert outcome.result["stored"] == {"stdout": {"where": where, "bytes": 8}}
        assert memory.cat("/logs/ops/run7/a.1.stdout") == b"one ***\n"
        assert memory.cat("/logs/ops/run7/a.2.stdout") == b"two ***\n"

    async def test_a_part_of_an_object_is_none(self) -> None:
        """A bucket has what is whole: nothing is said to be there that isn't."""
        full = Pretended(fails_at=2)
        full.stays = False
        keeper, _ = kept(full)
        for piece in (b"1", b"2"):
            keeper.feed("stdout", piece)
        await keeper.close()
        assert full.abandoned
        assert not full.closed
        error = "No space left on device"
        assert keeper.stored() == {"stdout": {"where": None, "bytes": 0, "error": error}}

    async def test_an_address_of_real_folders(self, tmp_path: Path) -> None:
        """The folder of the run is made there."""
        outcome = await command(scope(f"local://{tmp_path}/output"), "echo out")
        assert files(tmp_path) == {"output/run7/a.1.stdout": b"out\n"}
        assert outcome.result["stored"]["stdout"]["where"] == f"local://{tmp_path}/output/run7/a.1.stdout"

    async def test_a_password_in_the_address(self, memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is nowhere in records, log and messages, neither where all goes well nor where it doesn't."""

        def opened(address: str) -> tuple[Any, str]:
            if "nowhere" in address:
                raise ValueError(f"can't reach {address}")
            return memory, "/logs"

        monkeypatch.setattr("fsspec.core.url_to_fs", opened)
        recorder, much = Recorder(), "head -c 10000 /dev/zero"
        for host, error in (("there", None), ("nowhere", "can't reach webhdfs://ops:***@nowhere/logs")):
            outcome = await command(scope(f"webhdfs://ops:t0p-s3cret@{host}/logs", recorder), much)
            stored = outcome.result["stored"]["stdout"]
            assert stored.get("error") == error
            assert stored["where"] == (None if error else f"webhdfs://ops:***@{host}/logs/run7/a.1.stdout")
            assert "s3cret" not in str(outcome.result)
        assert "s3cret" not in str(recorder.events)

    def test_the_environment(self) -> None:
        """What it says, without spaces around."""
        assert from_environment({}) == ""
        assert from_environment({"OPSCONDUCTOR_OUTPUT_STORAGE": " /srv/output "}) == "/srv/output"

    def test_a_folder_by_its_address(self, tmp_path: Path) -> None:
        """Files of this machine need no fsspec."""
        assert isinstance(storage_named(f"file://{tmp_path}"), Folder)
        assert isinstance(storage_named("~/output"), Folder)

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("0196-run.a.2", "0196-run.a.2"),
            ("../etc/passwd", "%2E.%2Fetc%2Fpasswd"),
            (".", "%2E"),
            ("", "%"),
            ("a b", "a%20b"),
        ],
    )
    def test_names_stay_where_they_belong(self, text: str, name: str) -> None:
        """Whatever the id of a run is, its folder is one folder below ours."""
        assert safe_name(text) == name

    def test_long_names_are_not_mixed_up(self) -> None:
        """They are cut to what file systems take, and differ."""
        one, other = safe_name("x" * 300), safe_name("x" * 301)
        assert one != other
        assert len(one) <= 150


class Pretended:
    """A storage in memory: that fails at a piece, or is stuck until `go`."""

    where = "there"
    stays = True

    def __init__(self, *, fails_at: int = 0, stuck: bool = False) -> None:
        self.written: list[bytes] = []
        self.closed = self.abandoned = False
        self.go = threading.Event()
        self._fails_at = fails_at
        if not stuck:
            self.go.set()

    def free(self, folder: str, name: str, first: int) -> int:
        return first

    def open(self, folder: str, name: str) -> Sink:
        return self

    def write(self, data: bytes) -> None:
        self.go.wait()
        if len(self.written) + 1 == self._fails_at:
            raise StorageFailed(os.strerror(errno.ENOSPC))
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def abandon(self) -> None:
        self.abandoned = True


class Only(Outputs):
    """Has one storage."""

    def __init__(self, storage: Storage) -> None:
        super().__init__("this one")
        self._storage = storage

    def storage(self) -> Storage:
        return self._storage


def kept(storage: Storage, valve: Valve | None = None, patience: float = 600) -> tuple[Keeper, list[str]]:
    told: list[str] = []
    keeper = Keeper(Only(storage), Title("r", "a", 1), Mask(), valve or Valve(), told.append, patience)
    return keeper, told


async def child_of(text: str, keeper: Keeper, valve: Valve) -> int:
    feed = partial(keeper.feed, "stdout")
    arguments = ["/bin/sh", "-c", text]
    return await run_child(
        arguments,
        cwd=None,
        env=os.environ,
        stdout=feed,
        stderr=feed,
        timeout=None,
        survived=lambda _: None,
        valve=valve,
    )
