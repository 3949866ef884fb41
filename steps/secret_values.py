"""The secrets of a run: looked up by name where a step needs them, and hidden in all that it tells."""

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from steps.errors import StepFailed
from steps.masking import HIDDEN, SHORTEST, Mask
from steps.sound_text import sound_text

LONGEST = 64 * 1024
VARIABLE = "OPSCONDUCTOR_SECRET_"


class LookupFailed(Exception):
    """A place where secrets are kept can't be used. The message says why, never what was found there."""


class Lookup(Protocol):
    """A place where secrets are kept."""

    def where(self, name: str) -> str:
        """What to call the place of one secret: `the file ~/.opsconductor/secrets/token`."""

    async def find(self, name: str) -> str | None:
        """The value; None if it isn't there, LookupFailed if that can't be told."""


class FromEnvironment:
    """Environment variables of the process that runs the steps: `OPSCONDUCTOR_SECRET_TOKEN`."""

    def where(self, name: str) -> str:
        """Where one is kept."""
        return f"the environment variable {VARIABLE}{name.upper()}"

    async def find(self, name: str) -> str | None:
        """Its value."""
        return os.environ.get(f"{VARIABLE}{name.upper()}")


class FromFolder:
    """Files of a folder, each with one secret, that only their owner may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def where(self, name: str) -> str:
        """Where one is kept."""
        return f"the file {self._folder / name}"

    async def find(self, name: str) -> str | None:
        """Its text without the line end that editors put there."""
        try:
            with (self._folder / name).open("rb") as file:
                self._check(name, os.fstat(file.fileno()))
                data = file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LookupFailed(f"{self.where(name)} can't be read: {error.strerror}") from error
        try:
            return data.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise LookupFailed(f"{self.where(name)} is no text in UTF-8") from None

    def _check(self, name: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise LookupFailed(f"{self.where(name)} is no file")
        if status.st_mode & 0o077:
            raise LookupFailed(
                f"{self.where(name)} is open to others than its owner; run: chmod 600 {self._folder / name}"
            )
        if status.st_size > LONGEST:
            raise LookupFailed(f"{self.where(name)} is larger than {LONGEST // 1024} KiB")


class FromMapping:
    """Secrets that are given: for tests."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def where(self, name: str) -> str:  # noqa: ARG002
        """Where all of them are."""
        return "the given secrets"

    async def find(self, name: str) -> str | None:
        """Its value."""
        return self._values.get(name)


class Secrets:
    """The secrets of one run: each is looked up when a step first needs it, and stays the same.

    `mask` hides every one that was found.
    """

    def __init__(self, *lookups: Lookup) -> None:
        self._lookups = lookups
        self._values: dict[str, str] = {}
        self.mask = Mask()

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"

    async def values(self, names: Iterable[str]) -> dict[str, str]:
        """The values of some secrets; StepFailed names one that isn't there."""
        return {name: self._values.get(name) or await self._found(name) for name in sorted(names)}

    async def of_parameters(self, named: Mapping[str, str]) -> dict[str, str]:
        """What secret parameters stand for: for each the value of the secret that was named for it.

        StepFailed names parameter and secret where there is no such secret.
        """
        values: dict[str, str] = {}
        for parameter, name in sorted(named.items()):
            try:
                values[parameter] = (await self.values([name]))[name]
            except StepFailed as failure:
                raise StepFailed(f"parameter {parameter!r}: {failure.message}") from None
        return values

    async def _found(self, name: str) -> str:
        for lookup in self._lookups:
            try:
                value = await lookup.find(name)
            except LookupFailed as failure:
                raise StepFailed(f"secret {name!r}: {failure}") from None
            if value is not None:
                self.mask.add(_checked(value, f"secret {name!r}: {lookup.where(name)}"))
                return self._values.setdefault(name, value)
        places = [lookup.where(name) for lookup in self._lookups]
        looked = f"not found; looked for {_listed(places)}" if places else "there is nowhere to look for it"
        raise StepFailed(f"secret {name!r}: {looked}")


def pretended(names: Iterable[str]) -> dict[str, str]:
    """What secrets are where steps are only pretended."""
    return dict.fromkeys(names, HIDDEN)


def usual_lookups(environment: Mapping[str, str] | None = None) -> tuple[Lookup, ...]:
    """Where secrets are found on any machine: its environment, then the folder of the installation."""
    named = (os.environ if environment is None else environment).get("OPSCONDUCTOR_HOME", "").strip()
    return FromEnvironment(), FromFolder(Path(os.path.expanduser(named or "~/.opsconductor"), "secrets"))


def _checked(value: str, where: str) -> str:
    if len(value) < SHORTEST:
        raise StepFailed(f"{where} holds fewer than {SHORTEST} characters, too few to be hidden elsewhere")
    if len(value) > LONGEST or sound_text(value) != value or "\0" in value:
        raise StepFailed(f"{where} is too long, or no text")
    return value


def _listed(places: list[str]) -> str:
    return places[0] if len(places) == 1 else f"{', '.join(places[:-1])} and {places[-1]}"
