"""Checks of keys that don't go together, or that a kind of step can't have."""

from collections.abc import Iterator, Sequence

from codegen.checking.graph import Place
from codegen.checking.order_checks import MAIN
from codegen.errors import Problem
from codegen.groups import Group, Parallel, Step, walk
from codegen.leaves import Approval, Fail, Listen, Set, Stop, Validation, Wait
from codegen.reading.salvage import Lost
from codegen.scoring.basis import counted
from codegen.step import OnError

MOST_HANDLERS = 4
_ENDINGS = (Fail, Stop)
_CHANGE_NOTHING = (Set, Fail, Stop, Wait, Listen, Validation, Approval)


def check_keys(places: Sequence[Place], lost: Lost) -> Iterator[Problem]:
    """What single steps say that can't be done. Where a step could not be read whole, nothing is missed."""
    for place in places:
        yield from _judgement_of_a_group(place)
        yield from _second_start_of_a_group(place)
        yield from _ending_again(place)
        yield from _deep_handlers(place)
        if place.node.id in lost.damaged:
            continue
        yield from _undo(place)
        yield from _unreachable_wins(place)
        if lost.order:
            yield from _unreachable_join(place)
        if place.step.on_error is not None:
            yield from _no_recovery(place.path, place.step.on_error)


def _judgement_of_a_group(place: Place) -> Iterator[Problem]:
    if not isinstance(place.step, Group):
        return
    for key in ("failed_when", "succeeded_when"):
        if getattr(place.step, key) is not None:
            yield Problem(
                f"{place.path}.{key}",
                "a group has no result to judge",
                "add a validation step to it, or say what to do in on_error",
            )


def _second_start_of_a_group(place: Place) -> Iterator[Problem]:
    if isinstance(place.step, Group) and not place.step.idempotent:
        yield Problem(
            f"{place.path}.idempotent",
            "a group is not started again as a whole: its steps are, those that had not ended",
            "write it at the steps of which there must be no second start",
        )


def _ending_again(place: Place) -> Iterator[Problem]:
    step = place.step
    if not isinstance(step, _ENDINGS):
        return
    for key in ("repeat", "retry", "timeout"):
        if getattr(step, key) is not None:
            yield Problem(
                f"{place.path}.{key}", f"a {step.type} step is done once and takes no time", "leave it out"
            )


def _deep_handlers(place: Place) -> Iterator[Problem]:
    """Each is a block inside the other in generated code, and Python has a limit there."""
    depth = place.section.count(".on_error.steps") + place.section.count(".rollback")
    if place.step.on_error is not None and depth >= MOST_HANDLERS:
        yield Problem(
            f"{place.path}.on_error",
            f"on_error inside on_error, more than {MOST_HANDLERS} deep",
            "put what is to be done into one list",
        )


def _undo(place: Place) -> Iterator[Problem]:
    step = place.step
    if not step.rollback:
        return
    path = f"{place.path}.rollback"
    if not _is_undone(place):
        message = "this step runs when the undoing is over, so nothing would undo it"
        yield Problem(path, message, "leave it out; main steps are undone")
    elif isinstance(step, _CHANGE_NOTHING):
        yield Problem(
            path, f"a {step.type} step changes nothing, so there is nothing to undo", "leave it out"
        )
    elif isinstance(step, Group) and not any(map(_changes, _inside(step))):
        message = "no step of this group changes anything, so there is nothing to undo"
        yield Problem(path, message, "leave it out")


def _is_undone(place: Place) -> bool:
    """Whether its list runs before the undoing: main steps do, and what they do about their failures."""
    return place.root == MAIN and ".rollback" not in place.section


def _inside(step: Step) -> Iterator[Step]:
    return (inner for _, inner in walk((step,)) if inner is not step)


def _changes(step: Step) -> bool:
    return not isinstance(step, (Group, *_CHANGE_NOTHING))


def _unreachable_wins(place: Place) -> Iterator[Problem]:
    step = place.step
    if not isinstance(step, Parallel) or isinstance(step.wait_for, str):
        return
    if step.wait_for > len(step.steps):
        message = f"{step.wait_for} can't succeed: the group has only {counted(len(step.steps), 'step')}"
        yield Problem(f"{place.path}.wait_for", message, "write a smaller number, or all")


def _unreachable_join(place: Place) -> Iterator[Problem]:
    join, total = place.node.join, len(set(place.node.after))
    if join == "all":
        return
    path = f"{place.path}.join"
    if not total:
        yield Problem(path, "the step depends on nothing, so there is nothing to join", "add depends_on")
    elif join != "any" and join > total:
        message = f"the step depends on only {counted(total, 'step')}"
        yield Problem(path, message, f"write at most {total}, or all")


def _no_recovery(path: str, on_error: OnError) -> Iterator[Problem]:
    """Handlers among which one always fails never succeed, unless a `stop` may come first."""
    if not on_error.recover or any(isinstance(step, Stop) for _, step in walk(on_error.steps)):
        return
    for index, step in enumerate(on_error.steps):
        if isinstance(step, Fail) and _is_sure(step):
            yield Problem(
                f"{path}.on_error.recover",
                f'"{step.id}" (on_error.steps[{index}]) always fails, so the step never recovers',
                "take one of the two out",
            )


def _is_sure(step: Step) -> bool:
    """Whether nothing can keep it from running, or tolerate its failure, where all goes well before it."""
    is_asked = step.when is not None or step.run_if == "failed" or step.for_each is not None
    return step.enabled and not is_asked and not step.continue_on_error and step.on_error is None
