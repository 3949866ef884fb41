"""Where the router finds a workflow: inline, or by name in a folder of documents."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from codegen.document import canonical, is_text, load, load_file, parse, placed
from codegen.errors import DocumentError, Problem
from codegen.paths import parts, written
from codegen.reading.source_text import read_text
from codegen.sub_workflows import missing
from codegen.workflow import Workflow

SUFFIXES = (".yaml", ".yml", ".json")
_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)*")


def folders() -> tuple[Path, ...]:
    """The folders of documents: OPSCONDUCTOR_WORKFLOWS (a path list), else `workflows` and `examples`."""
    configured = os.environ.get("OPSCONDUCTOR_WORKFLOWS") or os.pathsep.join(("workflows", "examples"))
    return tuple(Path(folder).expanduser() for folder in configured.split(os.pathsep) if folder)


def understood(workflow: str | Mapping[str, Any], where: Iterable[Path] | None = None) -> Workflow:
    """The document that a run names, with all that it runs: data, YAML or JSON text, or a name."""
    places = tuple(folders() if where is None else where)
    if not isinstance(workflow, str):
        return resolved(parse(workflow), places)
    if is_text(workflow):
        return read(workflow, where=places)
    file = found(workflow.strip(), places)
    return read(read_text(file), str(file), places)


def read(text: str, file: str = "", where: Iterable[Path] | None = None) -> Workflow:
    """The document in a text, with all that it runs; problems have their places in this file or another."""
    workflow = load(text, file=file)
    try:
        return resolved(workflow, where)
    except DocumentError as error:
        raise DocumentError(placed(error.problems, text, file=file)) from error


def resolved(workflow: Workflow, where: Iterable[Path] | None = None) -> Workflow:
    """The document with all others that it runs, directly or not, in its `workflows`.

    Those that it doesn't bring along are read from the folders. DocumentError: some are not there, or they
    don't fit each other. What is wrong in one that was read has its place there.
    """
    places = tuple(folders() if where is None else where)
    whole, files, refused = workflow, _Files(places), list[Problem]()
    while names := {name for _, name in missing(whole)} - files.tried:
        more, wrong = files.read(names)
        refused += wrong
        whole = whole.model_copy(update={"workflows": {**whole.workflows, **more}})
    try:
        if refused := [*refused, *files.gaps(whole)]:
            raise DocumentError(refused)
        return workflow if whole is workflow else parse(canonical(whole))
    except DocumentError as error:
        raise DocumentError(map(files.placed, error.problems)) from error


class _Files:
    """The documents of the folders that others run, as far as they have been asked for."""

    def __init__(self, where: tuple[Path, ...]) -> None:
        self._where = where
        self._there: dict[str, Path] = {}
        self._absent: dict[str, str] = {}

    @property
    def tried(self) -> set[str]:
        """All names that were asked for."""
        return {*self._there, *self._absent}

    def read(self, names: Iterable[str]) -> tuple[dict[str, Workflow], list[Problem]]:
        """Those documents that can be read, and what is wrong with the others that are there."""
        documents, problems = dict[str, Workflow](), list[Problem]()
        for name in sorted(names):
            try:
                self._there[name] = found(name, self._where)
            except DocumentError as error:
                self._absent[name] = error.problems[0].message
                continue
            try:
                documents[name] = load_file(self._there[name])
            except DocumentError as error:
                problems += error.problems
        return documents, problems

    def gaps(self, whole: Workflow) -> list[Problem]:
        """Every place at which a document is run that is nowhere."""
        cure = f"known: {', '.join(known(self._where)) or 'none'}; or define it under workflows"
        gaps = ((path, self._absent.get(name)) for path, name in missing(whole))
        return [Problem(path, message, cure) for path, message in gaps if message is not None]

    def placed(self, problem: Problem) -> Problem:
        """A problem of a document that was read here, with its place there."""
        path = parts(problem.path)
        file = self._there.get(str(path[1])) if path[:1] == ("workflows",) and len(path) > 1 else None
        if problem.line or file is None:
            return problem
        (there,) = placed([replace(problem, path=written(path[2:]))], read_text(file), file=str(file))
        return there


def found(name: str, where: tuple[Path, ...]) -> Path:
    """The file of a named document; DocumentError says which names there are."""
    if _NAME.fullmatch(name) and ".." not in name:
        names = [name] if name.endswith(SUFFIXES) else [name + suffix for suffix in SUFFIXES]
        for path in (folder / candidate for folder in where for candidate in names):
            if path.is_file():
                return path
    raise DocumentError(
        [
            Problem(
                "workflow",
                f"no document is named {name!r:.200} in {', '.join(map(str, where))}",
                f"known: {', '.join(known(where)) or 'none'}; or give the document itself, "
                "or set OPSCONDUCTOR_WORKFLOWS to its folder",
            )
        ]
    )


def known(where: Iterable[Path]) -> list[str]:
    """The names of the documents in some folders."""
    return sorted({path.stem for folder in where for path in folder.glob("*") if path.suffix in SUFFIXES})
