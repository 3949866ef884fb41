"""One service under supervision: started, watched until healthy, started again when it crashes."""

import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from subprocess import Popen

from control.home import Home, ServiceRecord
from control.logfiles import bound
from control.plan import Backoff, Service
from control.processes import birth, kill_group, open_gate, spawn_gated, stop_child
from control.silence import LOOK_EVERY, LOOKS, Silence

log = logging.getLogger("opsconductor.supervisor")


class Part:
    """A service, its process, and when it is due for what."""

    def __init__(
        self,
        service: Service,
        backoff: Backoff,
        home: Home,
        changed: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service = service
        self.record: ServiceRecord = service.record(home.log_file(service.name))
        self.reason = ""
        """Why it last failed."""
        self._backoff = backoff
        self._home = home
        self._changed = changed
        self._clock = clock
        self._silence = Silence(clock())
        self._process: Popen[bytes] | None = None
        self._crashes = 0
        self._healthy_since: float | None = None
        self._due = 0.0

    @property
    def healthy(self) -> bool:
        return self.record.state == "running"

    @property
    def was_healthy(self) -> bool:
        """Whether it has ever been."""
        return self._healthy_since is not None

    def tick(self, ready_to_start: bool) -> None:
        """Do what is due. `ready_to_start`: the services it needs are healthy."""
        if self._process is not None:
            self._watch(self._process)
        elif ready_to_start and self._clock() >= self._due:
            self._start()

    def pause(self, ready_to_start: bool) -> float:
        """Seconds after which it should be looked at again; a process that ends wakes us by itself."""
        if self._process is not None:
            return 3600.0 if self.healthy else 0.1
        return max(0.0, self._due - self._clock()) if ready_to_start else 3600.0

    def stop(self) -> None:
        """End the process, if any, and its whole group."""
        if self._process is not None:
            log.info("stopping %s", self.service.name)
            stop_child(self._process, self.service.stop_signal, self.service.grace)
            self._process = None
        self._note(state="stopped", pid=None, birth=None)

    def _start(self) -> None:
        log.info("starting %s", self.service.name)
        try:
            self._process = self._spawn()
        except OSError as error:
            self._crashed(f"it can't be started ({error})")
            return
        self._due = self._clock() + self.service.start_timeout
        self._note(
            state="restarting" if self._crashes else "starting",
            pid=self._process.pid,
            birth=birth(self._process.pid),
            started_at=datetime.now(UTC),
            restarts=self.record.restarts + (1 if self._crashes else 0),
        )
        open_gate(self._process)

    def _spawn(self) -> Popen[bytes]:
        self.service.health.prepare()
        file = self.record.log
        bound(file)
        with open(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as stream:
            return spawn_gated(self.service.command, self.service.environment, self._home.work, stream)

    def _watch(self, process: "Popen[bytes]") -> None:
        status = process.poll()
        if status is not None:
            kill_group(process.pid)
            self._crashed(f"it ended with {_ending(status)}")
        elif not self.healthy and self.service.health.passes():
            log.info("%s is ready", self.service.name)
            self._healthy_since = self._clock()
            self._silence = Silence(self._healthy_since)
            self._note(state="running")
        elif not self.healthy and self._clock() > self._due:
            stop_child(process, self.service.stop_signal, self.service.grace)
            self._crashed(f"it was not ready within {self.service.start_timeout:g} s")
        elif self.healthy and self._is_frozen():
            stop_child(process, self.service.stop_signal, self.service.grace)
            self._crashed(f"it has not answered for {LOOKS * LOOK_EVERY:g} s")

    def _is_frozen(self) -> bool:
        """Whether it lives and has answered nobody for long."""
        if self._silence.is_due(self._clock()):
            answered = self.service.health.still_answers()
            if not answered:
                log.warning("%s does not answer", self.service.name)
            self._silence.note(answered=answered, now=self._clock())
        return self._silence.is_too_long

    def _crashed(self, reason: str) -> None:
        now = self._clock()
        if (
            self.healthy
            and self._healthy_since is not None
            and now - self._healthy_since >= self._backoff.calm
        ):
            self._crashes = 0
        self._crashes += 1
        self._process = None
        self.reason = reason
        delay = self._backoff.delay(self._crashes)
        self._due = now + delay
        log.warning("%s crashed: %s; it is started again in %g s", self.service.name, reason, delay)
        self._note(state="restarting", pid=None, birth=None, started_at=None)

    def _note(self, **changes: object) -> None:
        self.record = self.record.model_copy(update=changes)
        self._changed()


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit code {status}"
