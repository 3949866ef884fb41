"""This machine's Python and packages against what OpsConductor asks for."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from doctor.findings import Finding, NotSeen, doubt, fault, fine, skipped

US = "opsconductor"
NEWEST_TESTED = (3, 13)


@dataclass(frozen=True, slots=True)
class Package:
    """A package that we need; `installed` is None where it is not there."""

    name: str
    wanted: str
    installed: str | None

    @property
    def fits(self) -> bool:
        """Whether it is there in a version that we ask for."""
        return self.installed is not None and SpecifierSet(self.wanted).contains(
            self.installed, prereleases=True
        )


@dataclass(frozen=True, slots=True)
class PackagesSeen:
    """What is installed here."""

    python: str
    wanted_python: str
    us: str
    packages: tuple[Package, ...]

    def wanted(self, name: str) -> str:
        """The range that we ask for of a package; empty: any."""
        return next((one.wanted for one in self.packages if one.name == name), "")

    def installed(self, name: str) -> str:
        """The installed version; empty: none."""
        return next((one.installed or "" for one in self.packages if one.name == name), "")


def see_packages() -> PackagesSeen:
    """Read the metadata of what is installed. NotSeen where OpsConductor itself is not."""
    try:
        wanted_python = str(metadata(US)["Requires-Python"] or "")
        asked = [Requirement(line) for line in requires(US) or ()]
    except PackageNotFoundError:
        cause = "OpsConductor runs from a folder without being installed, so nothing says what it needs"
        raise NotSeen(skipped("packages can't be compared", cause)) from None
    ours = [one for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    packages = tuple(Package(one.name, str(one.specifier), _installed(one.name)) for one in ours)
    return PackagesSeen(platform.python_version(), wanted_python, version(US), packages)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def judge_python(seen: PackagesSeen) -> Iterator[Finding]:
    """Python is of a version that we ask for and know."""
    evidence = {"python": seen.python, "wanted": seen.wanted_python, "opsconductor": seen.us}
    if not SpecifierSet(seen.wanted_python).contains(seen.python, prereleases=True):
        cause, cure = (
            f"OpsConductor needs {seen.wanted_python}",
            f"install it with a Python {seen.wanted_python}",
        )
        yield fault(f"this is Python {seen.python}", cause, cure, **evidence)
    elif tuple(map(int, seen.python.split(".")[:2])) > NEWEST_TESTED:
        newest = ".".join(map(str, NEWEST_TESTED))
        cause = f"the newest that was tested is {newest}"
        yield doubt(
            f"this is Python {seen.python}", cause, f"use Python {newest} where things matter", **evidence
        )
    else:
        yield fine(f"OpsConductor {seen.us} on Python {seen.python}", **evidence)


def judge_packages(seen: PackagesSeen) -> Iterator[Finding]:
    """Packages are of versions that we ask for."""
    wrong = [one for one in seen.packages if not one.fits]
    for one in wrong:
        found = one.installed or "not installed"
        yield fault(
            f"{one.name} is {found}",
            f"OpsConductor needs {one.name}{one.wanted}: other versions break it, some without a word",
            f"`pip install '{one.name}{one.wanted}'`",
            installed=one.installed,
            wanted=one.wanted,
        )
    if not wrong:
        versions = {one.name: one.installed for one in seen.packages}
        yield fine(f"all {len(seen.packages)} packages are in the ranges that were tested", **versions)
