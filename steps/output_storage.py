"""Where the whole output of steps is kept: a folder, or a bucket that fsspec knows."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from codegen.addresses import masked

VARIABLE = "OPSCONDUCTOR_OUTPUT_STORAGE"
STREAMS = ("stdout", "stderr")
WITHOUT_FOLDERS = frozenset(("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss"))
"""Asked for a folder they make none, but perhaps the bucket."""
LONGEST_NAME = 150
BLOCK = 8 * 1024 * 1024
"""Bytes of a part of an upload; S3 takes 10,000 parts, and each is in memory until it is sent."""


class StorageFailed(Exception):
    """Something can't be stored. The message says why."""


class Sink(Protocol):
    """A file that is being written; `stays`: what was written is there, also where the rest can't be."""

    where: str
    stays: bool

    def write(self, data: bytes) -> None:
        """Put it after what is there."""

    def close(self) -> None:
        """Have all of it stored."""

    def abandon(self) -> None:
        """Write no more; it has a part only."""


class Storage(Protocol):
    """Keeps files. Its calls block, and raise StorageFailed."""

    def free(self, folder: str, name: str, first: int) -> int:
        """The first number from `first` on under which nothing of this name is kept."""

    def open(self, folder: str, name: str) -> Sink:
        """A new file."""


class Folder:
    """A folder of this machine, also one that is mounted. Only its owner and the group may read the files."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def free(self, folder: str, name: str, first: int) -> int:
        """The first free number."""
        at = self._path / folder
        return next(n for n in count(first) if not any((at / one).exists() for one in _names(name, n)))

    def open(self, folder: str, name: str) -> Sink:
        """A new file; one that is there already is left alone."""
        with _told(OSError):
            (self._path / folder).mkdir(mode=0o750, parents=True, exist_ok=True)
            return _File(self._path / folder / name)


class Bucket:
    """A place that fsspec knows the way to: `s3://bucket/folder`. A file is there once it is whole."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")

    def free(self, folder: str, name: str, first: int) -> int:
        """The first free number."""
        files, root = self._files()
        at = f"{root}/{folder}/"
        with _told(Exception):  # each way of storing has errors of its own
            return next(n for n in count(first) if not any(map(files.exists, _names(name, n, at))))

    def open(self, folder: str, name: str) -> Sink:
        """A new object."""
        files, root = self._files()
        with _told(Exception):
            if self._address.partition("://")[0].lower() not in WITHOUT_FOLDERS:
                with suppress(OSError, NotImplementedError):  # where it matters, `open` says why
                    files.makedirs(f"{root}/{folder}", exist_ok=True)
            opened = files.open(f"{root}/{folder}/{name}", "wb", block_size=BLOCK)
        return _Upload(opened, f"{masked(self._address)}/{folder}/{name}")

    def _files(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs  # 0.1 s that most workers can save

        with _told(Exception):  # what is missing may be a package, a setting, or the network
            files, root = url_to_fs(self._address)
        return files, root.rstrip("/")


class _File:
    stays = True

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        self._file = os.fdopen(descriptor, "wb", buffering=0)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        with _told(OSError):
            while rest:
                rest = rest[self._file.write(rest) :]

    def close(self) -> None:
        with _told(OSError):
            self._file.close()

    def abandon(self) -> None:
        self.close()


class _Upload:
    stays = False

    def __init__(self, file: Any, where: str) -> None:
        self._file = file
        self.where = where

    def write(self, data: bytes) -> None:
        with _told(Exception):
            self._file.write(data)

    def close(self) -> None:
        with _told(Exception):
            self._file.close()

    def abandon(self) -> None:
        """Closed, as it also is when it is forgotten, it would look as if it were whole."""
        try:
            with _told(Exception):
                self._file.discard()
        finally:
            with suppress(AttributeError):  # some kinds can't be closed but by themselves, and have no parts
                self._file.closed = True


def storage_named(text: str) -> Storage:
    """What OPSCONDUCTOR_OUTPUT_STORAGE names. StorageFailed says what is wrong with it."""
    if "://" in text:
        if text.startswith("file:///"):
            return Folder(Path(text.removeprefix("file://")))
        return Bucket(text)
    folder = Path(text).expanduser()
    if not folder.is_absolute():
        raise StorageFailed(
            f"{VARIABLE}={text!r} is no absolute path; give one, such as /var/lib/opsconductor/output, "
            "or the address of a bucket, such as s3://logs/opsconductor"
        )
    return Folder(folder)


def from_environment(environment: Mapping[str, str] | None = None) -> str:
    """What OPSCONDUCTOR_OUTPUT_STORAGE says; nothing where nothing is to be stored."""
    return (os.environ if environment is None else environment).get(VARIABLE, "").strip()


def safe_name(text: str) -> str:
    """A text as a part of a path: itself where it is harmless, and never that of another text."""
    name = re.sub(r"^\.", "%2E", quote(text, safe="")) or "%"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 17]}-{sha256(text.encode()).hexdigest()[:16]}"


def file_name(name: str, number: int, stream: str) -> str:
    """What a stream's file is called."""
    return f"{safe_name(name)}.{number}.{stream}"


def _names(name: str, number: int, before: str = "") -> Iterator[str]:
    return (before + file_name(name, number, stream) for stream in STREAMS)


@contextmanager
def _told(*kinds: type[Exception]) -> Iterator[None]:
    """Tells errors of these kinds as ours."""
    try:
        yield
    except kinds as error:
        raise _failed(error) from error


def _failed(error: Exception) -> StorageFailed:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    place = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
    return StorageFailed(masked(f"{said or type(error).__name__}{place}"))
