"""Did you mean ...? Finds the known name that a mistyped one stands for."""

from collections.abc import Iterable
from difflib import get_close_matches

MEANT = "did you mean "
MOST_CANDIDATES = 200
MOST_LISTED = 12


class Suggestions:
    """Suggests names; gives up after `budget` searches, so that ten thousand mistakes stay cheap."""

    def __init__(self, budget: int = 100) -> None:
        self.left = budget

    def closest(self, word: str, known: Iterable[str]) -> str | None:
        """The known name that looks most like `word`, if any does."""
        if self.left <= 0 or len(word) > 100:
            return None
        self.left -= 1
        folded = word.lower()
        alike = [name for name in known if _alike(folded, name.lower())][:MOST_CANDIDATES]
        found = get_close_matches(folded, [name.lower() for name in alike], n=1, cutoff=0.7)
        return next((name for name in alike if found and name.lower() == found[0]), None)

    def cure(self, word: str, known: Iterable[str], kind: str = "known") -> str:
        """`did you mean "command"?`, or else the names there are."""
        if self.left <= 0:
            return ""
        names = list(known)
        meant = self.closest(word, names)
        if meant is not None:
            return f'did you mean "{meant}"?'
        return f"{kind}: {listed(names)}" if names else ""


def listed(names: Iterable[str]) -> str:
    """The names, cut after a dozen."""
    shown = list(names)
    more = len(shown) - MOST_LISTED
    return ", ".join(shown[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def _alike(word: str, name: str) -> bool:
    """Cheap and rough: nearly as long, and the same at one end."""
    return abs(len(word) - len(name)) <= 3 and (word[:1] == name[:1] or word[-2:] == name[-2:])
