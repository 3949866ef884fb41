"""The smallest change of a document that would have led its score to the other engine."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from codegen.capability import LIMITS
from codegen.complexity import Amounts
from codegen.deciding.verdict import Verdict, judge, percent, turning_point
from codegen.policy import RoutingPolicy
from codegen.scoring.basis import counted
from codegen.scoring.features import ADVANCED_TYPES
from codegen.support import RUNNABLE

FARTHEST = 4096


@dataclass(frozen=True, slots=True)
class Edit:
    """A kind of change: the sizes it can have, the amounts after it, and how it is said."""

    sizes: range
    after: Callable[[int], Amounts]
    says: Callable[[int], str]
    effort: int = 0


def smallest_change(amounts: Amounts, policy: RoutingPolicy, verdict: Verdict) -> str:
    """One sentence on the change with the fewest edits, found by trying each kind on the amounts."""
    wanted = "prefect" if verdict.engine == "celery" else "celery"
    best: tuple[int, Edit, int] | None = None
    for edit in _more(amounts) if wanted == "prefect" else _less(amounts):
        limit = None if best is None else max(0, best[0] - edit.effort - edit.sizes.start)
        size = _smallest(edit.sizes[:limit], partial(_leads_to, wanted, policy, edit))
        if size:
            best = (edit.effort + size, edit, size)
    if best is None:
        return _no_single_change(verdict, policy)
    _, edit, size = best
    then = judge(edit.after(size), policy)
    return (
        f"With {edit.says(size)} it would be {then.level}{then.decisive_parts} ({percent(then.score)}) "
        f"and run on {wanted.capitalize()}."
    )


def _leads_to(engine: str, policy: RoutingPolicy, edit: Edit, size: int) -> bool:
    return judge(edit.after(size), policy).engine == engine


def _smallest(sizes: range, enough: Callable[[int], bool]) -> int | None:
    """The smallest size that is enough; a larger edit of the same kind only goes further the same way."""
    if not sizes or not enough(sizes[-1]):
        return None
    return sizes[bisect_left(sizes, True, key=enough)]


def _more(now: Amounts) -> Iterator[Edit]:
    """What brings a document nearer to Prefect."""
    several = range(1, FARTHEST)
    yield Edit(
        several, partial(_added, now, 1), lambda n: f"{counted(n, 'more step')} in a row after all others"
    )
    yield Edit(
        several,
        lambda n: replace(now, conditions=now.conditions + n),
        lambda n: f"{counted(n, 'more condition')} (when, run_if or a branch)",
    )
    yield Edit(
        several,
        lambda n: replace(now, safeguards=now.safeguards + n),
        lambda n: counted(n, "more retried or handler step"),
    )
    yield Edit(
        range(2, FARTHEST),
        lambda n: _added(now, n, 1),
        lambda n: f"{counted(n, 'more step')} side by side after all others",
    )
    # A step that an engine can't run decides by itself, whatever the score.
    limited = {name for kind, name in LIMITS if kind == "step type"}
    if advanced := sorted(ADVANCED_TYPES & RUNNABLE - limited):
        yield Edit(
            several,
            lambda n: replace(_added(now, 1, n), advanced=now.advanced + n),
            lambda n: f"{counted(n, 'more step')} of a type such as {advanced[0]} in a row after all others",
        )


def _added(now: Amounts, together: int, rows: int) -> Amounts:
    """The amounts with rows of steps after all others, each row waiting for the one before."""
    more = together * rows
    return replace(
        now,
        leaves=now.leaves + more,
        main=now.main + more,
        pairs=now.pairs + more * now.main + together**2 * (rows * (rows - 1) // 2),
        width=max(now.width, together),
    )


def _less(now: Amounts) -> Iterator[Edit]:
    """What brings a document nearer to Celery."""
    yield Edit(
        range(1, now.leaves),
        partial(_shortened, now),
        lambda n: counted(n, "leaf step") + " fewer at the end",
    )
    yield Edit(
        range(1, now.conditions + 1),
        lambda n: replace(now, conditions=now.conditions - n),
        lambda n: f"{n} of its {counted(now.conditions, 'condition')} left out",
    )
    yield Edit(
        range(1, now.safeguards + 1),
        lambda n: replace(now, safeguards=now.safeguards - n),
        lambda n: f"{n} of its {counted(now.safeguards, 'retry')} and handler steps left out",
    )
    yield Edit(
        range(1, now.advanced + 1),
        lambda n: replace(now, advanced=now.advanced - n),
        lambda n: f"{n} of its {counted(now.advanced, 'advanced feature')} left out",
    )
    in_a_row = replace(now, width=min(now.width, 1), pairs=_pairs_of_chain(now.leaves))
    yield Edit(
        range(1, 2), lambda _: in_a_row, lambda _: "all its steps in a row, one at a time", effort=now.leaves
    )
    plain = replace(in_a_row, conditions=0, advanced=0)
    yield Edit(
        range(1, 2),
        lambda _: plain,
        lambda _: "all its steps in a row, one at a time, without conditions and advanced features",
        effort=now.leaves + now.conditions + now.advanced,
    )


def _shortened(now: Amounts, fewer: int) -> Amounts:
    """At most what remains when the document ends earlier, whatever its order is."""
    left = now.leaves - fewer
    return replace(
        now, leaves=left, main=left, pairs=min(now.pairs, _pairs_of_chain(left)), width=min(now.width, left)
    )


def _pairs_of_chain(length: int) -> int:
    return length * (length - 1) // 2


def _no_single_change(verdict: Verdict, policy: RoutingPolicy) -> str:
    course = "fall to" if verdict.engine == "prefect" else "rise above"
    return (
        f"No one kind of change would do: its score of {percent(verdict.score)} would have to {course} "
        f"{percent(turning_point(verdict, policy))}."
    )
