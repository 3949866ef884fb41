"""A child process that ends together with everything it started, also when this process is killed.

The child gets a session of its own, so one signal reaches its whole process group. Inside that group
waits a guard that reads from a pipe: when our end closes without a word, because we were killed or
crashed, it kills the group. As a member of the group it also keeps the kernel from giving the group's
number to a stranger. It costs 1 ms per child and needs no `preexec_fn`, which is unsafe beside threads;
PDEATHSIG would reach the child alone, and only on Linux.
A process that leaves the group by itself (`setsid`, a daemon) is found by what it inherited (`survivors`)
where the child is ended, but not where we are killed.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from uuid import uuid4

from steps.survivors import MARK, Process, running, told

GRACE = 2.0
LAST_WORDS = 0.5
GONE_WITHIN = 5.0
LOOK_EVERY = 0.02
LEAST_LOOKS = 10
"""Also on a machine on which one look takes seconds."""
_GUARDED = (
    "exec 3<&0 </dev/null; "
    '( ( trap "" TERM INT HUP; exec >/dev/null 2>&1; read -r _ <&3 || kill -s KILL -- -$$ ) & ); '
    'exec "$@" 3<&-'
)

Feed = Callable[[bytes], None]


class Valve:
    """Lets a child's output in. While it is shut the child waits, as soon as the pipe is full."""

    def __init__(self) -> None:
        self._pipes: tuple[asyncio.ReadTransport, ...] = ()
        self._is_open = asyncio.Event()
        self._is_open.set()

    def connect(self, transport: asyncio.SubprocessTransport) -> None:
        """Stand between this child and us."""
        pipes = (transport.get_pipe_transport(number) for number in (1, 2))
        self._pipes = tuple(pipe for pipe in pipes if isinstance(pipe, asyncio.ReadTransport))
        if not self._is_open.is_set():
            self.shut()

    def shut(self) -> None:
        """Let nothing in."""
        self._is_open.clear()
        for pipe in self._pipes:
            pipe.pause_reading()

    def open(self) -> None:
        """Let in what comes."""
        if not self._is_open.is_set():
            self._is_open.set()
            for pipe in self._pipes:
                pipe.resume_reading()

    async def opened(self) -> None:
        """Wait while it is shut."""
        await self._is_open.wait()


async def run_child(
    arguments: Sequence[str],
    *,
    cwd: str | None,
    env: Mapping[str, str],
    stdout: Feed,
    stderr: Feed,
    timeout: float | None,
    survived: Callable[[str], None],
    valve: Valve | None = None,
) -> int:
    """Run to the end and return the exit code, negative for a signal.

    TimeoutError after `timeout` seconds. On timeout and cancellation the whole group and what left it get
    TERM, and KILL two seconds later; `survived` hears of what could not be ended even so. What the child
    leaves behind in the background after an end of its own lives on, but is not heard.
    A `valve` that is shut holds the child up.
    """
    valve = valve or Valve()
    child = await _start(arguments, cwd, env, _Ears({1: stdout, 2: stderr}))
    try:
        valve.connect(child.transport)
        async with asyncio.timeout(timeout):
            await asyncio.wait((child.ears.exited,))
        await valve.opened()  # more than a full pipe is let in before it is shut again
        await child.ended(LAST_WORDS)
    except BaseException:
        try:
            await child.kill()
        finally:
            if (left := child.left) != []:
                survived("it was not seen to end" if left is None else told(left))
        raise
    finally:
        child.close()
    return child.exit_code


class _Ears(asyncio.SubprocessProtocol):
    """Hears what the child writes and when it ends. Only for `asyncio.wait`: `await` would cancel."""

    def __init__(self, feeds: Mapping[int, Feed]) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.silent: asyncio.Future[None] = loop.create_future()
        self._feeds = dict(feeds)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._feeds[fd](data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002
        del self._feeds[fd]
        if not self._feeds and not self.silent.done():
            self.silent.set_result(None)

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)


async def _start(arguments: Sequence[str], cwd: str | None, env: Mapping[str, str], ears: _Ears) -> "_Child":
    """A cancellation waits until the child is there: asyncio, interrupted while it connects the pipes,
    kills the child alone and then waits for ever for grandchildren to close them."""
    spawning = asyncio.create_task(_spawn(arguments, cwd, env, ears))
    interrupted = False
    while not spawning.done():
        try:
            await asyncio.wait({spawning})
        except asyncio.CancelledError:
            interrupted = True
            _this_task().uncancel()
    if interrupted:
        _this_task().cancel()
    return spawning.result()


def _this_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a child process is started by a task")
    return task


async def _spawn(arguments: Sequence[str], cwd: str | None, env: Mapping[str, str], ears: _Ears) -> "_Child":
    theirs, ours = os.pipe()
    mark = uuid4().hex
    try:
        transport, _ = await asyncio.get_running_loop().subprocess_exec(
            lambda: ears,
            *("/bin/sh", "-c", _GUARDED, "guard", *arguments),
            stdin=theirs,
            cwd=cwd,
            env={**env, MARK: mark},
            start_new_session=True,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return _Child(transport, ears, ours, mark)


class _Child:
    """A running child process."""

    def __init__(self, transport: asyncio.SubprocessTransport, ears: _Ears, guard: int, mark: str) -> None:
        self.ears = ears
        self.left: list[Process] | None = None
        """What still ran after it was killed; None: that was not looked for to the end."""
        self._mark = mark
        self.transport = transport
        self._guard = guard

    @property
    def exit_code(self) -> int:
        code = self.transport.get_returncode()
        return -signal.SIGKILL if code is None else code

    async def ended(self, patience: float) -> None:
        """The child has exited and nobody holds its output open any more, or patience is over."""
        await asyncio.wait((self.ears.exited, self.ears.silent), timeout=patience)

    async def kill(self) -> None:
        """End the whole group, and what left it. Where even this is interrupted, without grace."""
        clock = asyncio.get_running_loop().time
        patient_until = clock() + GRACE
        try:
            self._signal(signal.SIGTERM)
            for process in await self._escaped():
                process.signal(signal.SIGTERM)
            await self.ended(GRACE)
            while clock() < patient_until and await self._escaped():  # noqa: ASYNC110 - no children of ours
                await asyncio.sleep(LOOK_EVERY)
        finally:
            self._signal(signal.SIGKILL)
            await self._gone(clock() + GONE_WITHIN)

    async def _gone(self, patient_until: float) -> None:
        """Kill whoever is left until nobody is: who just started another process has left that one, too."""
        clock = asyncio.get_running_loop().time
        await asyncio.wait((self.ears.exited,), timeout=GONE_WITHIN)
        looks = 0
        while (left := await self._running()) and (looks < LEAST_LOOKS or clock() < patient_until):
            for process in left:
                process.signal(signal.SIGKILL)
            await asyncio.sleep(LOOK_EVERY)
            looks += 1
        self.left = left

    async def _running(self) -> list[Process]:
        return await running(self._mark, self.transport.get_pid())

    async def _escaped(self) -> list[Process]:
        return [process for process in await self._running() if process.escaped]

    def close(self) -> None:
        """Let the guard go and close the pipes."""
        with suppress(OSError):  # the guard was killed with its group
            os.write(self._guard, b"\n")
        os.close(self._guard)
        self.transport.close()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.transport.get_pid(), number)
