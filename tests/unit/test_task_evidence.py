"""When a task of somebody's app is called lost, of which nothing is stored."""

from dataclasses import replace

import pytest

from celery_bridge.task_evidence import RESULTS_KEPT, Evidence

GONE = Evidence(age=RESULTS_KEPT, attending=1, has_holder=False, waiting=0)


def test_what_is_nowhere_after_a_day_is_lost() -> None:
    """Its end would have been forgotten by now."""
    assert GONE.is_lost
    told = GONE.told("shop.pay (7)", "shop")
    assert told.startswith("shop.pay (7) was sent 24 hours ago; no worker has it, it is not in queue 'shop'")


@pytest.mark.parametrize(
    "evidence",
    [
        replace(GONE, age=RESULTS_KEPT - 1),
        replace(GONE, attending=0),
        replace(GONE, has_holder=True),
        replace(GONE, waiting=1),
        replace(GONE, waiting=None),
    ],
)
def test_silence_alone_decides_nothing(evidence: Evidence) -> None:
    """Its end may still be stored, its worker may be away, have it or come to it, or nobody was asked."""
    assert not evidence.is_lost
