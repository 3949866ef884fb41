"""The documents that runs find by their name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codegen.document import load_file
from codegen.errors import DocumentError, Problem
from codegen.lists import every_step
from codegen.workflow import Workflow
from doctor.findings import Finding, doubt, fault, fine
from flows.documents import SUFFIXES, resolved

MOST_READ = 500
MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class LongTimeout:
    """The longest timeout that any document gives itself or one of its steps."""

    seconds: float
    document: str
    place: str

    def __str__(self) -> str:
        return f"{self.document!r} ({self.place}: {self.seconds:g} s)"


@dataclass(frozen=True, slots=True)
class DocumentsSeen:
    """All documents in the folders; `problems` has the file and the first problem of each that is wrong."""

    folders: tuple[str, ...]
    absent: tuple[str, ...]
    named: bool
    count: int = 0
    unread: int = 0
    problems: tuple[tuple[str, str], ...] = ()
    longest: LongTimeout | None = None
    queues: Mapping[str, str] = field(default_factory=dict)
    """Queues that documents name, each with one of these documents."""


def see_documents(folders: tuple[Path, ...], named: bool) -> DocumentsSeen:
    """Read them all, up to a number. `named`: somebody chose these folders."""
    there = [folder for folder in folders if folder.is_dir()]
    files = sorted(path for folder in there for path in folder.iterdir() if path.suffix in SUFFIXES)
    problems: list[tuple[str, str]] = []
    longest: LongTimeout | None = None
    queues: dict[str, str] = {}
    for file in files[:MOST_READ]:
        try:
            workflow = resolved(load_file(file), folders)
        except DocumentError as error:
            problems.append((str(file), _shown(error.problems[0], file)))
            continue
        if workflow.queue is not None:
            queues.setdefault(workflow.queue, workflow.name)
        for one in _timeouts(workflow):
            longest = max(filter(None, (longest, one)), key=lambda timeout: timeout.seconds)
    return DocumentsSeen(
        folders=tuple(map(str, there)),
        absent=tuple(str(folder) for folder in folders if folder not in there),
        named=named,
        count=len(files),
        unread=max(0, len(files) - MOST_READ),
        problems=tuple(problems),
        longest=longest,
        queues=queues,
    )


def _shown(problem: Problem, file: Path) -> str:
    """The problem on one line, with its place where that is known, else with its file."""
    text = str(problem).replace("\n", " ")[:300]
    return text if problem.line else f"{file}: {text}"


def _timeouts(workflow: Workflow) -> Iterator[LongTimeout]:
    if workflow.timeout is not None:
        yield LongTimeout(workflow.timeout, workflow.name, "timeout")
    for path, step in every_step(workflow):
        if step.timeout is not None:
            yield LongTimeout(step.timeout, workflow.name, f"{path}.timeout")


def judge_documents(seen: DocumentsSeen) -> Iterator[Finding]:
    """They are all valid."""
    evidence = {"folders": list(seen.folders), "documents": seen.count, "not_read": seen.unread}
    if seen.problems:
        many = f"{len(seen.problems)} of {seen.count} documents can't be run"
        shown = "; ".join(problem for _, problem in seen.problems[:MOST_SHOWN])
        first = seen.problems[0][0]
        files = [file for file, _ in seen.problems]
        yield fault(many, shown, f"`opsconductor validate {first}` shows all", **evidence, wrong=files[:100])
    elif seen.count:
        left = f" ({seen.unread} more were not read)" if seen.unread else ""
        yield fine(f"all {seen.count - seen.unread} documents are valid{left}", **evidence)
    else:
        yield fine("no documents by name: runs give a file", **evidence)


def judge_folders(seen: DocumentsSeen) -> Iterator[Finding]:
    """The folders that somebody named are there."""
    if seen.named and seen.absent:
        yield doubt(
            f"{', '.join(seen.absent)} is not there"
            if len(seen.absent) == 1
            else f"{', '.join(seen.absent)} are not there",
            "OPSCONDUCTOR_WORKFLOWS names it, and runs look for documents in it",
            "create it, or correct OPSCONDUCTOR_WORKFLOWS",
            absent=list(seen.absent),
        )
