"""The supervisor's process: `python -m control.supervision HOME`, the plan on standard input.

It leaves its caller, holds the installation's lock, and keeps the plan's services running until it is told
to stop.
"""

import logging
import os
import select
import signal
import sys
from pathlib import Path
from types import FrameType

from control.home import Failure, Home, HomeError, Installation, Phase
from control.locks import take
from control.logfiles import bound
from control.part import Part
from control.plan import Plan
from control.processes import birth

_HOUSEKEEPING = 2.0
"""Seconds between looks at the size of the logs and at the lock file."""

log = logging.getLogger("opsconductor.supervisor")


class Supervisor:
    """Keeps the parts running and their record current. Single-threaded: signals wake it."""

    def __init__(self, home: Home, plan: Plan, lock: int) -> None:
        self._home = home
        self._installation: Installation = plan.installation
        self._lock = lock
        self._parts = [Part(service, plan.backoff, home, self._save) for service in plan.services]
        self._stop_asked = False
        self._unsaved = False
        self._wake, self._woken = os.pipe()

    def run(self) -> None:
        """Start everything, keep it running, and stop it in reverse order in the end."""
        self._catch_signals()
        self._enter("starting")
        try:
            while not self._over():
                self._tick()
                self._sleep()
        finally:
            self._stop_all()

    def _stop_all(self) -> None:
        failure = self._failure()
        self._enter("stopping", failure)
        for part in reversed(self._parts):
            part.stop()
        self._enter("failed" if failure else "stopped", failure)

    def _tick(self) -> None:
        for part in self._parts:
            part.tick(self._may_start(part))
        if self._installation.phase == "starting" and all(part.healthy for part in self._parts):
            self._enter("ready")
        for part in self._parts:
            bound(part.record.log)
        if self._unsaved:
            self._save()

    def _over(self) -> bool:
        return self._stop_asked or self._failure() is not None or not self._owns_its_lock()

    def _failure(self) -> Failure | None:
        """A part that never became healthy fails the first start; later crashes are mended."""
        if self._installation.phase != "starting":
            return self._installation.failure
        failed = (part for part in self._parts if part.reason and not part.was_healthy)
        return next((Failure(service=part.service.name, reason=part.reason) for part in failed), None)

    def _may_start(self, part: Part) -> bool:
        needed = part.service.after
        return all(other.healthy for other in self._parts if other.service.name in needed)

    def _owns_its_lock(self) -> bool:
        """False once the folder was deleted: a new installation could then start beside this one."""
        try:
            return os.path.samestat(os.fstat(self._lock), os.stat(self._home.lock_file))
        except FileNotFoundError:
            return False

    def _enter(self, phase: Phase, failure: Failure | None = None) -> None:
        self._installation = self._installation.model_copy(update={"phase": phase, "failure": failure})
        log.info("%s", phase)
        self._save()

    def _save(self) -> None:
        records = tuple(part.record for part in self._parts)
        self._installation = self._installation.model_copy(update={"services": records})
        try:
            self._home.save(self._installation)
            self._unsaved = False
        except HomeError as error:
            # The services are worth more than their record, which is tried again.
            if not self._unsaved:
                log.error("the state can't be saved: %s", error)
            self._unsaved = True

    def _sleep(self) -> None:
        pauses = [part.pause(self._may_start(part)) for part in self._parts]
        if select.select([self._wake], [], [], min([_HOUSEKEEPING, *pauses]))[0]:
            os.read(self._wake, 4096)

    def _catch_signals(self) -> None:
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _wake_only)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask_to_stop)

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_asked = True


def _wake_only(_number: int, _frame: FrameType | None) -> None:
    """A handler is needed for the wake-up descriptor to be written to."""


def main() -> None:
    """Take the lock, fork away from the caller, supervise. What was called ends once we can be found."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    home = Home(Path(sys.argv[1]))
    plan = Plan.model_validate_json(sys.stdin.buffer.read())
    lock = take(home.lock_file, patience=2)
    if lock is None:
        sys.exit(f"another supervisor runs in {home.path}")
    known, told = os.pipe()
    if os.fork():
        os.close(told)
        os._exit(0 if os.read(known, 1) else 1)
    _write_down_who_we_are(lock)
    os.write(told, b"1")
    os.close(told)
    os.close(known)
    Supervisor(home, plan, lock).run()


def _write_down_who_we_are(lock: int) -> None:
    """For those who want to stop us, in the file whose lock says that we live."""
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()} {birth(os.getpid())}\n".encode())


if __name__ == "__main__":
    main()
