"""Where the router finds a workflow: inline, or by name in a folder of documents."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from codegen.document import canonical, load, load_file, parse
from codegen.errors import DocumentError, Problem
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
    if "\n" in workflow or workflow.lstrip().startswith("{"):
        return resolved(load(workflow), places)
    return resolved(load_file(found(workflow.strip(), places)), places)


def resolved(workflow: Workflow, where: Iterable[Path] | None = None) -> Workflow:
    """The document with all others that it runs, directly or not, in its `workflows`.

    Those that it doesn't bring along are read from the folders. DocumentError: one is not there, or they
    don't fit each other.
    """
    places = tuple(folders() if where is None else where)
    whole = workflow
    while gaps := {name: path for path, name in missing(whole)}:
        read = {name: _read(name, path, places) for name, path in gaps.items()}
        whole = whole.model_copy(update={"workflows": {**whole.workflows, **read}})
    return workflow if whole is workflow else parse(canonical(whole))


def _read(name: str, path: str, where: tuple[Path, ...]) -> Workflow:
    try:
        file = found(name, where)
    except DocumentError as error:
        cure = f"known: {', '.join(known(where)) or 'none'}; or define it under workflows"
        raise DocumentError(Problem(path, one.message, cure) for one in error.problems) from error
    return load_file(file)


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
