"""How far the clocks of two machines are apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from doctor.findings import Finding, doubt, fault, fine

APART = 2.0
FAR_APART = 60.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Another machine's clock: seconds ahead of ours (negative: behind), give or take `uncertain` seconds."""

    ahead: float
    uncertain: float

    @classmethod
    def read(cls, theirs: float, asked_at: float, took: float, *, grain: float = 0.0) -> Self:
        """From a time stamp got by a question asked at `asked_at` that took `took` seconds.

        `grain`: what the time stamp was cut down to.
        """
        return cls(theirs + grain / 2 - (asked_at + took / 2), took / 2 + grain / 2)

    @property
    def surely(self) -> float:
        """The seconds that they are apart at least."""
        return max(0.0, abs(self.ahead) - self.uncertain)


def judge_clock(clock: Clock | None, whose: str) -> Iterator[Finding]:
    """The clocks of `whose` machine and ours."""
    if clock is None:
        return
    evidence = {"seconds_ahead": round(clock.ahead, 3), "uncertain": round(clock.uncertain, 3)}
    way = "ahead of" if clock.ahead > 0 else "behind"
    what = f"the clock of {whose} is {clock.surely:.0f} s or more {way} this machine's"
    cure = "have all machines keep the time by NTP (`timedatectl set-ntp true`, chrony)"
    if clock.surely >= FAR_APART:
        cause = "messages expire too early or too late, schedules start at another time than they say"
        yield fault(what, cause, cure, **evidence)
    elif clock.surely >= APART:
        yield doubt(what, "the order of log lines and the times of steps are wrong by that", cure, **evidence)
    else:
        yield fine(f"the clock of {whose} goes with this machine's", **evidence)
