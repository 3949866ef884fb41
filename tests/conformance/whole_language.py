"""Random documents that use every construct of the language: to compare engines by."""

from collections.abc import Iterator
from random import Random
from typing import Any

from codegen.leaves import Leaf, SubWorkflow
from codegen.lists import every_step
from codegen.sub_workflows import Library
from codegen.workflow import Workflow
from tests.unit.random_documents import Author, Spec

MOST_LEVELS = 2
_LEAVES = {
    "command": 12,
    "set": 3,
    "wait": 2,
    "validation": 2,
    "notification": 2,
    "script": 1,
    "http": 1,
    "python": 1,
    "celery_task": 1,
    "fail": 0.6,
    "stop": 0.4,
}
_ENDING = frozenset({"fail", "stop"})
_CHANGING_NOTHING = _ENDING | {"set", "wait", "validation"}
_GROUPS = frozenset({"sequential", "parallel", "condition", "switch"})
# Where most things go wrong, most steps never start, and there is nothing to compare.
_TRUTHS = [*["true"] * 12, "params.p > 0", "params.p > 1", "false", "1 / 0 > 1"]
_OF_RESULTS = ["true", "result == 1", "result is none", "result > 2", "1 / 0 > 1"]
_HARMLESS_TIMES = ["1h", "1h", "30s", "6s", "3s"]
_SELDOM = {"enabled": 0.04, "failed_when": 0.04, "succeeded_when": 0.04, "repeat": 0.06}
_DEFAULTS: list[Spec] = [
    {"retry": {"attempts": 2, "delay": "500ms"}},
    {"timeout": "10s"},
    {"run_if": "finished"},
    {"continue_on_error": True},
    {"on": "targets", "max_parallel": 1},
    {"retry": {"attempts": 3, "delay": 1, "backoff": 2, "max_delay": 3}, "timeout": "1h"},
]


class WholeLanguage(Author):
    """Adds to an author's documents all other kinds of leaves, documents inside documents, and texts."""

    def __init__(self, rng: Random, level: int = 0) -> None:
        super().__init__(rng)
        self._level = level
        self._left = rng.randint(1, 4) if level else rng.randint(4, 24)
        inside = level < MOST_LEVELS and rng.random() < 0.4
        self._undoes = True
        self._others = [f"w{number}" for number in range(rng.randint(1, 2))] if inside else []

    def document(self) -> Spec:
        """Its steps, what it says of all of them, and the documents that they run."""
        rng, steps = self._rng, self._list(0)
        whole: Spec = {"name": "test", "steps": steps, **self._about(steps[0]["id"])}
        self._undoes = False
        for key in ("on_failure", "finally"):
            if rng.random() < 0.4:
                whole[key] = self._list(2)
        whole["parameters"] = {
            "p": {"type": "integer", "default": rng.randint(1, 2)},
            "list": {"type": "array", "default": ["x", {"y": 1}]},
        }
        whole["targets"] = ["a.localhost", "b.localhost"][: rng.randint(1, 2)]
        if self._others:
            whole["workflows"] = {
                name: WholeLanguage(rng, self._level + 1).document() for name in self._others
            }
        return whole

    def _about(self, first: str) -> Spec:
        rng = self._rng
        choices: Spec = {
            "description": "Drawn by chance.",
            "timeout": rng.choice(_HARMLESS_TIMES),
            "defaults": rng.choice(_DEFAULTS),
            "outputs": {
                "o": rng.choice(["{{ params.p }}", "{{ 1 / 0 }}", f"{{{{ steps.{first}.status }}}}"])
            },
        }
        if not self._level:
            choices["concurrency"] = {"key": "{{ name }}", "limit": 2, "on_conflict": "wait"}
        return {key: value for key, value in choices.items() if rng.random() < 0.2}

    def _leaf(self) -> Spec:
        kinds = {**_LEAVES, "workflow": 4} if self._others else _LEAVES
        (kind,) = self._rng.choices(list(kinds), list(kinds.values()))
        return {"id": f"s{next(self._count)}", "type": kind, **self._told(kind)}

    def _told(self, kind: str) -> Spec:
        """What a step of this type is told."""
        rng = self._rng
        match kind:
            case "command":
                lines: list[Any] = ["true", "echo {{ params.p }}", ["echo", "{{ name }}", "{{ targets }}"]]
                more: list[Spec] = [{}, {}, {"env": {"TOKEN": "{{ secrets.token }}"}}]
                return {"command": rng.choice(lines), **rng.choice(more)}
            case "script":
                return {"script": "echo 'one'\necho {{ params.p }}\n", "args": ["{{ params.p }}"]}
            case "http":
                return {"url": "http://localhost/{{ params.p }}", "json": {"p": ["{{ params.list }}"]}}
            case "python":
                return {"call": "json:dumps", "args": {"obj": "{{ params.list }}"}}
            case "celery_task":
                task: Spec = {
                    "task": "shop.add",
                    "args": ["{{ params.list }}"],
                    "kwargs": {"p": "{{ 1 + 1 }}"},
                }
                parts = [task, {"task": "shop.tell", "immutable": True, "queue": "{{ name }}"}]
                chord = {"header": parts, "body": {"chain": parts}}
                return rng.choice([task, {"chain": parts}, {"group": [*parts, {"chord": chord}]}])
            case "set":
                return {"values": {"v": rng.choice([1, "{{ params.p + 1 }}", "{{ run.id | length }}"])}}
            case "wait":
                return {"duration": f"{rng.choice([1, 2, 5])}{rng.randint(100, 999)}ms"}
            case "validation":
                return {
                    "that": rng.choice([*_TRUTHS, ["true", "params.p == 1"]]),
                    "message": "p {{ params.p }}",
                }
            case "workflow":
                return self._other()
            case _:
                return {"message": rng.choice(["{{ name }}", "{{ params.list }}", "p: {{ params.p }}"])}

    def _other(self) -> Spec:
        rng = self._rng
        given: list[Spec] = [
            {},
            {"parameters": {"p": "{{ params.p }}"}},
            {"targets": ["c.localhost", "{{ targets }}"]},
        ]
        return {"workflow": rng.choice(self._others), **rng.choice(given)}

    def _group(self, kind: str, depth: int) -> Spec:
        one = super()._group(kind, depth)
        if kind == "condition":
            one["when"] = self._rng.choice([*_TRUTHS, "false", "false"])
        if kind == "switch":
            one["value"] = self._rng.choice([*["'a'", "'b'", "'ab'[params.p - 1]"] * 3, "'c'", "1 / 0"])
        if kind == "switch" and self._rng.random() < 0.5:
            one["default"] = self._list(depth + 1, width=2)
        return one

    def _ordered(self, one: Spec, before: list[str]) -> Spec:
        one = super()._ordered(one, before)
        if self._rng.random() < 0.8:
            one.pop("run_if", None)
        if one.get("depends_on") and one.get("join", "all") == "all" and self._rng.random() < 0.5:
            seen = f"steps.{self._rng.choice(one['depends_on'])}.status"
            if one["type"] == "set":
                one["values"]["seen"] = f"{{{{ {seen} }}}}"
            elif one["type"] == "notification":
                one["message"] = f"{{{{ {seen} }}}} at last"
            else:
                one["when"] = f"{seen} != 'failed'"
        return one

    def _ways(self, one: Spec, depth: int) -> Spec:
        kind = one["type"]
        choices = {**self._over(), **self._again(kind), **self._said(kind)}
        if kind == "condition":
            choices.pop("when")
        ways = {key: value for key, value in choices.items() if self._rng.random() < _SELDOM.get(key, 0.1)}
        return ways | self._failing(one, depth)

    def _over(self) -> Spec:
        rng = self._rng
        return {
            "enabled": False,
            "continue_on_error": True,
            "when": rng.choice(_TRUTHS),
            "for_each": rng.choice(
                [["x", "y", "z"][: rng.randint(1, 3)], "range(2)", "params.list", "1 + 1"]
            ),
            "on": rng.choice(["targets", "c.localhost", "{{ targets }}", "{{ ['c.localhost'] }}"]),
            "max_parallel": rng.randint(1, 2),
        }

    def _again(self, kind: str) -> Spec:
        if kind in _ENDING:
            return {}
        rng = self._rng
        asked = [*_TRUTHS, "false"] if kind in _GROUPS else [*_TRUTHS, *_OF_RESULTS]
        more = rng.choice([{}, {"delay": "1500ms"}])
        return {
            "retry": rng.choice([{"attempts": 2, "delay": 0}, {"attempts": 3, "delay": 1, "backoff": 2}]),
            "repeat": {rng.choice(["until", "while"]): rng.choice(asked), "max": rng.randint(1, 3), **more},
            "timeout": rng.choice(_HARMLESS_TIMES),
        }

    def _said(self, kind: str) -> Spec:
        rng = self._rng
        if kind in _GROUPS:
            return {
                "outputs": {
                    "x": rng.choice(
                        ["1", "{{ params.p }}", "{{ params.list }}", "{{ [params.p] }}", "{{ 1 / 0 }}"]
                    )
                }
            }
        if kind in _ENDING:
            return {}
        return {
            "failed_when": rng.choice(["false", *_OF_RESULTS]),
            "succeeded_when": rng.choice(_OF_RESULTS),
            "outputs": {
                "x": rng.choice(["{{ result }}", "{{ [result] }}", "p{{ params.p }}", "{{ result + 1 }}"])
            },
            "idempotent": False,
        }

    def _failing(self, one: Spec, depth: int) -> Spec:
        rng = self._rng
        ways: Spec = {}
        if rng.random() < 0.2 and depth < 3:
            handlers: Spec = {"steps": self._list(depth + 2, width=2), "recover": rng.random() < 0.5}
            if rng.random() < 0.3:
                handlers["when"] = rng.choice([*_TRUTHS, "'broken' in error.message", "error.step == 's1'"])
            ways["on_error"] = handlers
        if self._undoes and rng.random() < 0.3 and depth < 3 and _changes_something(one):
            self._undoes = False
            ways["rollback"] = self._list(3, width=2)
            self._undoes = True
        return ways


def _changes_something(one: Spec) -> bool:
    inside = [*one.get("steps", ()), *one.get("then", ()), *one.get("else", ()), *one.get("default", ())]
    inside += [step for steps in one.get("cases", {}).values() for step in steps]
    return any(map(_changes_something, inside)) or one["type"] not in _CHANGING_NOTHING | _GROUPS


def leaves_of(
    workflow: Workflow, library: Library | None = None, path: str = ""
) -> Iterator[tuple[str, Leaf]]:
    """Every leaf with its path; of a step that runs another document also those inside it."""
    library = library or Library(workflow.workflows)
    for _, step in every_step(workflow):
        if isinstance(step, Leaf):
            yield path + step.id, step
        if isinstance(step, SubWorkflow) and (inside := library.find(step.workflow)) is not None:
            yield from leaves_of(*inside, f"{path}{step.id}/")
