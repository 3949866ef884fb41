"""Sets as the bits of integers."""

from collections.abc import Iterable


def in_at_least(number: int, sets: Iterable[int]) -> int:
    """What is in at least so many of the sets: binary counters, one for each bit, added side by side."""
    planes: list[int] = []
    for carry in sets:
        for place, plane in enumerate(planes):
            planes[place], carry = plane ^ carry, plane & carry
        if carry:
            planes.append(carry)
    if number >> len(planes):
        return 0
    greater, equal = 0, -1
    for place in reversed(range(len(planes))):
        if number >> place & 1:
            equal &= planes[place]
        else:
            greater |= equal & planes[place]
            equal &= ~planes[place]
    return greater | equal
