"""What tests of judgements have in common."""

from collections.abc import Iterable

from doctor.findings import Finding, State


def states(findings: Iterable[Finding]) -> list[State]:
    """The states alone."""
    return [one.state for one in findings]


def the(findings: Iterable[Finding], state: State, *words: str) -> Finding:
    """The only finding: of this state, with these words in it, and never a trouble without cause and cure."""
    found = list(findings)
    assert states(found) == [state], found
    one = found[0]
    text = " ".join((one.what, one.cause, one.cure))
    assert [word for word in words if word not in text] == [], text
    if state in ("warning", "error"):
        assert one.what, one
        assert one.cause, one
        assert one.cure, one
    if state == "skipped":
        assert one.cause, one
    return one
