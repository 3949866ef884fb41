"""Which runs share slots: what a document's `concurrency` means for one run of it."""

import hashlib
import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen.errors import ParameterError, Problem
from codegen.expressions import ExpressionError, parse_template
from codegen.mentions import of_template
from codegen.naming import identifier
from codegen.workflow import Concurrency, Workflow

KEY = "concurrency.key"
LONGEST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Claim:
    """One slot that a run needs before anything of it starts: of a key, or of the document itself.

    `shown` is how people name what is shared; `id` is in all of Prefect's names for it: the same for every
    version of a document, never the same for two keys, and made of characters that are safe everywhere.
    """

    shown: str
    id: str
    terms: Concurrency

    @property
    def limit_name(self) -> str:
        """The global concurrency limit."""
        return f"opsconductor:{self.id}"

    @property
    def tag(self) -> str:
        """Marks the runs that hold a slot."""
        return f"concurrency:{self.id}"

    @property
    def waiting_tag(self) -> str:
        """Marks the runs that wait for one."""
        return f"concurrency-waiting:{self.id}"

    def tagged(self, tags: set[str], tag: str | None) -> set[str]:
        """A run's tags with this one, and without those of an earlier state or try of the run."""
        return tags - {self.tag, self.waiting_tag} | ({tag} if tag else set())


def check_key(workflow: Workflow) -> Iterator[Problem]:
    """What else the key may not name: it is read before any step runs."""
    terms = workflow.concurrency
    if terms is not None and terms.key is not None and "steps" in of_template(terms.key).names:
        yield Problem(KEY, "no step has run when this is read", "use params, targets, name or run")


def claim_of(
    workflow: Workflow, values: Mapping[str, Any], targets: Sequence[str], run_id: str
) -> Claim | None:
    """What a run of the document claims; None without `concurrency`. ParameterError: its key has no value."""
    terms = workflow.concurrency
    if terms is None:
        return None
    if terms.key is None:
        return Claim(_shortened(workflow.name), _id("document", workflow.name), terms)
    names = {"params": values, "targets": tuple(targets), "name": workflow.name, "run": {"id": run_id}}
    key = _rendered(terms.key, names)
    return Claim(_shortened(key), _id("key", key), terms)


def _rendered(template: str, names: Mapping[str, Any]) -> str:
    try:
        value = parse_template(template).render(names)
    except ExpressionError as error:
        raise ParameterError([Problem(KEY, error.problem, error.cure)]) from error
    key = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    if not key.strip():
        raise ParameterError([Problem(KEY, "the key is empty", "name what the runs share")])
    return key


def _id(kind: str, text: str) -> str:
    """`key:web_1-0123456789abcdef`: readable, and told apart by the digest."""
    digest = hashlib.sha256(unicodedata.normalize("NFC", text).encode(errors="surrogatepass")).hexdigest()
    return f"{kind}:{identifier(text, kind)[:40]}-{digest[:16]}"


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_SHOWN else f"{line[:LONGEST_SHOWN]}..."
