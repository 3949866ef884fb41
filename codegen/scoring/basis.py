"""In words: what each factor was computed from."""

from collections import Counter
from math import sqrt

from codegen.decision import FactorName
from codegen.scoring.extent import Extent
from codegen.scoring.fanout import UNKNOWN
from codegen.scoring.features import Features


def chain_of(pairs: int) -> float:
    """The length of the plain chain that has this many ordered pairs."""
    return (1 + sqrt(1 + 8 * pairs)) / 2


def counted(number: int, noun: str) -> str:
    """`1 leaf step`, `4 branches`, `2 retries`, `3 steps with rollout`."""
    return f"{number} {noun if number == 1 else _plural(noun)}"


def basis_of(extent: Extent, features: Features) -> dict[FactorName, str]:
    """One sentence with the numbers for each factor."""
    return {
        "step_count": _steps(extent, features.unknown),
        "dependency_complexity": _order(extent),
        "parallel_execution": _width(extent.width),
        "conditional_logic": _uses(features.conditions, "no conditions"),
        "error_handling": _uses(features.safeguards, "no retries, handlers or rollback"),
        "advanced_features": _uses(features.advanced, "no advanced features"),
    }


def _steps(extent: Extent, unknown: int) -> str:
    text = counted(extent.leaves, "leaf step")
    if extent.leaves > extent.written:
        text += f" ({extent.written} written, {extent.leaves - extent.written} from fan-out)"
    if unknown:
        text += f"; {counted(unknown, 'fan-out')} of unknown width, counted as {UNKNOWN}"
    return text


def _order(extent: Extent) -> str:
    if not extent.pairs:
        return "no leaf step waits for another"
    length = f"{chain_of(extent.pairs):.1f}".removesuffix(".0")
    return (
        f"{counted(extent.pairs, 'pair')} of leaf steps in a fixed order, as in a plain chain of {length}; "
        f"longest chain {extent.depth}, {counted(extent.edges, 'edge')} without redundant ones, "
        f"{counted(extent.joins, 'join')}"
    )


def _width(width: int) -> str:
    return "one leaf step at a time" if width < 2 else f"up to {width} leaf steps at once"


def _uses(count: Counter[str], none: str) -> str:
    return ", ".join(counted(number, name) for name, number in sorted(count.items())) or none


def _plural(noun: str) -> str:
    first, separator, rest = noun.partition(" with ")
    if first.endswith("ry"):
        return first[:-1] + "ies" + separator + rest
    return first + ("es" if first.endswith("ch") else "s") + separator + rest
