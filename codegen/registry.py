"""Generated flows as files, named by what they were made of, and read only if they are what was written.

    registry = Registry(folder)
    entry = registry.get_or_create(workflow)     # renders only what isn't stored yet
    flow = registry.load(entry)                  # checks the file, then imports it

Beside each file lies its checksum (`sha256sum --check *.sha256` works). Files of other documents, or of
another generator, have other names, so nothing is ever out of date.
"""

import contextlib
import hashlib
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

from codegen.document import digest
from codegen.errors import RegistryError
from codegen.render import GENERATOR_VERSION, flow_name, render
from codegen.rendering.formatting import formatter
from codegen.workflow import Workflow

MOST_LOADED = 256
_loaded: OrderedDict[str, tuple[str, Any]] = OrderedDict()
_loading = threading.RLock()


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored flow. `digest` is the SHA-256 of the file's bytes."""

    path: Path
    digest: str
    flow_name: str
    source: str

    @property
    def module_name(self) -> str:
        """What the file is called once it is imported."""
        return self.path.stem


class Registry:
    """A folder of generated flows. Any number of processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get_or_create(self, workflow: Workflow) -> Entry:
        """The document's flow; it is rendered if it isn't stored yet. RegistryError: it was changed."""
        return self._find(workflow) or self.store(workflow, render(workflow))

    def store(self, workflow: Workflow, source: str) -> Entry:
        """Keep a document's source. RegistryError says what to do where it can't be written."""
        entry = Entry(self._path(workflow), _sha256(source.encode()), flow_name(workflow), source)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(entry.path, source)
            _write(_checksum(entry.path), f"{entry.digest}  {entry.path.name}\n")
        except OSError as error:
            raise RegistryError(
                f"{error.filename or entry.path}: the generated flow can't be stored: {error.strerror}; "
                "free some space, or choose another folder with OPSCONDUCTOR_HOME"
            ) from error
        return entry

    def load(self, entry: Entry) -> Any:
        """The flow of a stored file, imported; a file that was changed is never run."""
        source = _verified(entry.path, entry.digest)
        with _loading:
            known, flow = _loaded.get(entry.module_name, ("", None))
            if known != entry.digest:
                flow = _imported(entry, source)
                _loaded[entry.module_name] = entry.digest, flow
            _loaded.move_to_end(entry.module_name)
            while len(_loaded) > MOST_LOADED:
                sys.modules.pop(_loaded.popitem(last=False)[0], None)
            return flow

    def _find(self, workflow: Workflow) -> Entry | None:
        path = self._path(workflow)
        if not path.exists():
            return None
        try:
            known = _checksum(path).read_text(encoding="utf-8").split(maxsplit=1)[0]
        except (FileNotFoundError, NotADirectoryError, IndexError):
            return None
        except OSError as error:
            raise _unreadable(path, error) from error
        source = _verified(path, known).decode()
        if f"# sha256:{digest(workflow)}\n" not in source[:1000]:
            return None
        return Entry(path, known, flow_name(workflow), source)

    def _path(self, workflow: Workflow) -> Path:
        key = _sha256(f"{digest(workflow)} {_generator()} {formatter()}".encode())
        return self._folder / f"{flow_name(workflow)}_{key[:12]}.py"


class _VerifiedLoader(importlib.machinery.SourceFileLoader):
    """Runs the bytes that were checked: no second reading of the file, no cached bytecode."""

    def __init__(self, entry: Entry, source: bytes) -> None:
        super().__init__(entry.module_name, str(entry.path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - there is only one
        return compile(self._source, self.path, "exec", dont_inherit=True)


def _imported(entry: Entry, source: bytes) -> Any:
    loader = _VerifiedLoader(entry, source)
    spec = importlib.machinery.ModuleSpec(entry.module_name, loader, origin=str(entry.path))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[entry.module_name] = module
    try:
        loader.exec_module(module)
        return getattr(module, entry.flow_name)
    except Exception as error:
        del sys.modules[entry.module_name]
        raise RegistryError(
            f"{entry.path}: the generated flow can't be loaded: {type(error).__name__}: {error}; "
            "delete the file to have it generated again"
        ) from error


def _verified(path: Path, known: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    if _sha256(content) != known:
        raise RegistryError(
            f"{path}: the file is not what was generated, so it is not run; "
            f"delete it and {_checksum(path).name} to have it generated again"
        )
    return content


def _unreadable(path: Path, error: OSError) -> RegistryError:
    return RegistryError(
        f"{path}: the generated flow can't be read: {error.strerror}; "
        f"delete {_checksum(path).name} beside it to have it generated again"
    )


def _write(path: Path, text: str) -> None:
    """Write a file in one step: it is there as a whole or not at all, also after a crash."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _checksum(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@cache
def _generator() -> str:
    """The generator's version and a hash of its parts: what it writes differs if they do."""
    here = Path(__file__).parent
    rendering = here / "rendering"
    modules = [here / "naming.py", here / "source.py", here / "render.py", *rendering.glob("*.py")]
    parts = [*modules, *rendering.glob("templates/*.j2")]
    contents = b"".join(part.read_bytes() for part in sorted(parts))
    return f"{GENERATOR_VERSION} {_sha256(contents)}"
