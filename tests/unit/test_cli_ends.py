"""Many runs are ended: in which order, and what the trouble with one means for the others."""

from collections.abc import Mapping, Sequence

from cli.ends import end_all
from control.runs import RunStatus


def run(id: str, state: str = "RUNNING") -> RunStatus:
    return RunStatus(id, id, state, state, "", (), None, None, "")


class World:
    """Runs of which some died and some give trouble: `{"dead1": "bring"}`."""

    def __init__(self, **trouble: str) -> None:
        self.done: list[str] = []
        self._trouble = trouble

    def end(self, *ids: str) -> list[RunStatus | str]:
        """Whoever gave trouble by its error's text."""
        ended = end_all(
            [run(id) for id in ids],
            is_without_process=self._is_without_process,
            ask=self._asked,
            bring_to_its_end=lambda one: self._do("bring", one.id),
            ended=self._ended,
        )
        return [str(one) if isinstance(one, Exception) else one for one in ended]

    def _is_without_process(self, one: RunStatus) -> bool:
        self._fail("look", one.id)
        return one.id.startswith("dead")

    def _asked(self, ids: Sequence[str]) -> Mapping[str, Exception]:
        return {id: error for id in ids if (error := self._tried("ask", id)) is not None}

    def _ended(self, ids: Sequence[str]) -> Mapping[str, RunStatus | Exception]:
        return {id: self._tried("await", id) or run(id, "CANCELLED") for id in ids}

    def _tried(self, what: str, id: str) -> Exception | None:
        try:
            self._do(what, id)
        except ValueError as error:
            return error
        return None

    def _do(self, what: str, id: str) -> None:
        self.done.append(f"{what} {id}")
        self._fail(what, id)

    def _fail(self, what: str, id: str) -> None:
        if self._trouble.get(id) == what:
            raise ValueError(f"{id}: can't {what}")


def test_who_has_a_process_is_asked_first() -> None:
    """What the others did is undone then, and then all ends are waited for."""
    world = World()
    assert world.end("dead1", "live1", "live2") == [
        run(id, "CANCELLED") for id in ("dead1", "live1", "live2")
    ]
    assert world.done == [
        "ask live1",
        "ask live2",
        "bring dead1",
        "ask dead1",
        "await dead1",
        "await live1",
        "await live2",
    ]


def test_trouble_with_one_is_no_others() -> None:
    """Each has its own outcome, wherever it went wrong."""
    world = World(dead1="bring", live1="ask", live2="await", odd="look")
    assert world.end("dead1", "live1", "odd", "dead2", "live2", "live3") == [
        "dead1: can't bring",
        "live1: can't ask",
        "odd: can't look",
        run("dead2", "CANCELLED"),
        "live2: can't await",
        run("live3", "CANCELLED"),
    ]
    assert not {"ask dead1", "await dead1", "await live1", "ask odd"} & {*world.done}
