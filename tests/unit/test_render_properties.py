"""Whatever a document says, its text stays text: hostile names and values change no code."""

import ast
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from codegen.document import parse
from codegen.naming import names_of
from codegen.render import render
from codegen.workflow import Workflow
from tests.golden.update import FOLDER
from tests.unit.test_naming import IDS

CONFIGURATION = FOLDER.parent.parent / "pyproject.toml"
HOSTILE = [
    '"""',
    "'''",
    '"""\nimport os\nos.abort()\n"""',
    "\\",
    "\\N{BULLET}\\x00\\u0041",
    '\\"',
    "line\nline\r\nline\ttab \n",
    "# type: ignore",
    "%s {0} {x!r} ${y}",
    "\u202e\u2028\u2066\ufeff\x1b[0m\x07",
    "日本語 кириллица \u2019 ﬁ",
    "x" * 10_000,
    "word " * 2_000,
    "__import__('os').abort()",
    "/tmp/x",
    "0.0.0.0",
]
PLAIN = st.sampled_from(HOSTILE) | st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), st.sampled_from("\"'\\\n \t")
    ),
    min_size=1,
    max_size=60,
)
TEXTS = PLAIN.filter(lambda text: text.strip() != "")
TEMPLATES = TEXTS.filter(lambda text: "{" not in text)


def document(text: Callable[[str], str], template: Callable[[str], str]) -> Workflow:
    """A document with a text of the caller's in every place that takes any."""
    return parse(
        {
            "name": text("name"),
            "description": text("description"),
            "parameters": {"p": {"default": text("default"), "description": text("parameter")}},
            "steps": [
                {
                    "id": "a",
                    "type": "command",
                    "description": text("step"),
                    "command": template("command"),
                    "cwd": template("cwd"),
                    "env": {"KEY": template("value")},
                    "outputs": {"o": template("output")},
                },
                {"id": "b", "type": "command", "command": ["echo", template("argument")]},
                {"id": "c", "type": "script", "script": template("script"), "args": [template("args")]},
                {
                    "id": "d",
                    "type": "http",
                    "url": template("url"),
                    "json": {text("key"): [{"x": template("json")}]},
                },
                {"id": "e", "type": "set", "values": {"v": {text("inner"): template("set")}}},
                {"id": "f", "type": "fail", "message": template("message"), "for_each": [template("item")]},
                {
                    "id": "g",
                    "type": "parallel",
                    "description": text("group"),
                    "steps": [{"id": "h", "type": "stop"}],
                },
            ],
            "outputs": {"out": template("result")},
        }
    )


class _Bare(ast.NodeTransformer):
    """Forgets every text, and the flow's own name, which comes from the document's."""

    def __init__(self, flow: str) -> None:
        self.texts: list[str] = []
        self._flow = flow

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str):
            self.texts.append(node.value)
            return ast.copy_location(ast.Constant("text"), node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name("the_flow", node.ctx) if node.id == self._flow else node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.name = "the_flow" if node.name == self._flow else node.name
        return self.generic_visit(node)


def bare(workflow: Workflow, source: str) -> tuple[str, list[str]]:
    """The code without its texts, and the texts."""
    transformer = _Bare(names_of(workflow).flow)
    return ast.dump(transformer.visit(ast.parse(source))), transformer.texts


HARMLESS = document(str, str)
CODE = bare(HARMLESS, render(HARMLESS, formatted=False))[0]


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_hostile_texts_are_only_ever_literals(data: st.DataObject) -> None:
    """The code is that of the same document with harmless texts, and each text is found in it unchanged."""
    said: list[str] = []

    def template(_: str) -> str:
        said.append(data.draw(TEMPLATES))
        return said[-1]

    hostile = document(lambda _: data.draw(TEXTS), template)
    code, texts = bare(hostile, render(hostile, formatted=False))
    assert code == CODE
    assert set(said) <= set(texts)
    assert hostile.name in texts


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:20])
def test_hostile_texts_survive_formatting_and_lint(text: str) -> None:
    """Formatted, the code is still the same, keeps to its lines, and both sets of rules are content."""
    hostile = document(lambda _: text, lambda _: text)
    source = render(hostile)
    assert bare(hostile, source)[0] == CODE
    assert bare(hostile, source)[1].count(text) >= 10
    assert lint(source, "--isolated") == ""
    assert lint(source, f"--config={CONFIGURATION}") == ""


@settings(deadline=None, max_examples=200)
@given(
    st.lists(IDS, min_size=1, max_size=8, unique=True),
    st.lists(IDS, max_size=8, unique=True),
    st.sampled_from(["command", "Run", "usage", "asyncio", "class", "x"]),
)
def test_hostile_ids_make_working_names(ids: list[str], parameters: list[str], name: str) -> None:
    """The file compiles, no function is defined twice, and each step keeps its id as the task's name."""
    workflow = identified(name, ids, parameters)
    tree = ast.parse(render(workflow, formatted=False))
    functions = [node for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    assert len({function.name for function in functions}) == len(ids) + 1
    for id, function in zip(ids, functions, strict=False):
        given = {word.arg: word.value for word in function.decorator_list[0].keywords}  # type: ignore[attr-defined]
        named = given.get("name")
        assert (function.name if named is None else named.value) == id
    last = functions[-1].args
    assert len({argument.arg for argument in last.args}) == len(parameters)


@settings(max_examples=15, deadline=None)
@given(st.lists(IDS, min_size=3, max_size=8, unique=True), st.lists(IDS, max_size=8, unique=True))
@example(
    ["print", "Print", "run", "Scope", "flow", "as", "asyncio"], ["run", "Run", "password", "id", "scope"]
)
def test_hostile_ids_are_lint_clean(ids: list[str], parameters: list[str]) -> None:
    """Nothing is redefined, undefined, unused or misspelt."""
    source = render(identified("x", ids, parameters))
    assert lint(source, "--isolated") == ""
    assert lint(source, f"--config={CONFIGURATION}") == ""


def identified(name: str, ids: list[str], parameters: list[str]) -> Workflow:
    steps: list[dict[str, Any]] = [{"id": id, "type": "wait", "duration": 0} for id in ids]
    declared = {parameter: {"default": "x"} for parameter in parameters}
    return parse({"name": name, "parameters": declared, "steps": steps})


def lint(source: str, options: str) -> str:
    """What ruff has to say about a source, as if it lay among the golden files."""
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--no-cache",
        "--quiet",
        "--output-format=concise",
        options,
    ]
    file = str(FOLDER / "hostile.py")
    run = subprocess.run(
        [*command, f"--stdin-filename={file}", "-"], input=source, capture_output=True, text=True
    )
    return run.stdout + run.stderr


@pytest.mark.parametrize("choice", ['"""', "a]b", "it's", "\\", "\u202e", "Field(", "x" * 200, "Literal["])
def test_hostile_choices_are_literals(choice: str) -> None:
    """An enum's values become a `Literal`, or where they are long a part of the schema."""
    workflow = parse(
        {
            "name": "x",
            "parameters": {"p": {"enum": [choice, "plain"], "default": choice}},
            "steps": [{"id": "a", "type": "stop"}],
        }
    )
    source = render(workflow)
    assert lint(source, "--isolated") == ""
    texts = bare(workflow, source)[1]
    assert texts.count(choice) == 2
