"""Texts become identifiers that Python and Prefect accept, each given once."""

import ast
import keyword

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.document import parse
from codegen.naming import MODULES, RESERVED, identifier, names_of, snake, title, words
from codegen.workflow import Workflow
from tests.golden.update import FOLDER

IDS = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,12}", fullmatch=True) | st.sampled_from(
    sorted({*keyword.kwlist, *RESERVED} - {name for name in RESERVED if name.startswith("_")})
)


def workflow(name: str = "x", ids: tuple[str, ...] = ("a",), parameters: tuple[str, ...] = ()) -> Workflow:
    return parse(
        {
            "name": name,
            "parameters": {parameter: {"default": "x"} for parameter in parameters},
            "steps": [{"id": id, "type": "wait", "duration": 0} for id in ids],
        }
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Free disk space", "free_disk_space"),
        ("  Überprüfung -- déjà vu!  ", "uberprufung_deja_vu"),
        ("ﬁne", "fine"),
        ("磁盘检查", "workflow"),
        ("磁盘 check", "check"),
        ("3d scan", "workflow_3d_scan"),
        ("", "workflow"),
        ("__init__", "init"),
        ("a" * 10_000, "a" * 60),
    ],
)
def test_a_text_is_folded_to_lower_case_ascii(text: str, expected: str) -> None:
    """Accents are dropped, everything else that is no letter or digit becomes one underscore."""
    assert identifier(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Class", "class_flow"),
        ("match", "match_flow"),
        ("Print", "print_flow"),
        ("json", "json_flow"),
        ("imp", "imp_flow"),
        ("Celery", "celery_flow"),
        ("flow", "flow_flow"),
        ("a", "a_flow"),
        ("Backup", "backup"),
    ],
)
def test_a_flow_is_no_keyword_builtin_module_or_step(name: str, expected: str) -> None:
    """A name that can't be had gets the ending _flow; a step keeps its own."""
    names = names_of(workflow(name))
    assert (names.flow, names.steps["a"]) == (expected, "a")


@pytest.mark.parametrize(
    ("id", "function", "said"),
    [
        ("check_disk", "check_disk", "Check disk"),
        ("checkDisk", "check_disk", "Check disk"),
        ("HTTP", "http", "Http"),
        ("a__b_", "a__b_", "A  b"),
    ],
)
def test_an_id_is_a_functions_name_and_a_phrase(id: str, function: str, said: str) -> None:
    """Lower case ids stay as they are; capitals begin words."""
    assert (snake(id), words(id)) == (function, said)


def test_clashing_names_stay_apart() -> None:
    """A parameter gives way to a step; ids that differ only in case are numbered."""
    names = names_of(
        workflow(ids=("usage", "aB", "a_b", "A_B", "class"), parameters=("usage", "id", "json", "Run"))
    )
    assert dict(names.steps) == {
        "usage": "usage",
        "aB": "a_b",
        "a_b": "a_b_",
        "A_B": "a_b_2",
        "class": "class_",
    }
    assert dict(names.parameters) == {"usage": "usage_", "id": "id_", "json": "json_", "Run": "Run_"}


def test_what_generated_code_imports_is_taken() -> None:
    """No step or parameter may hide it."""
    sources = [file.read_text(encoding="utf-8") for file in FOLDER.glob("*.py") if file.stem != "update"]
    imported = {
        alias.asname or alias.name
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {"Repeat", "Retry", "Run", "judged", "command"} <= imported
    assert imported <= RESERVED


@settings(deadline=None)
@given(
    st.lists(IDS, min_size=1, max_size=12, unique=True),
    st.lists(IDS, max_size=12, unique=True),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)
def test_every_name_is_usable_and_given_once(ids: list[str], parameters: list[str], name: str) -> None:
    """Whatever ids, parameters and names a document has."""
    names = names_of(workflow(f"x{name}", tuple(ids), tuple(parameters)))
    given_out = [names.flow, *names.steps.values(), *names.parameters.values()]
    assert len(set(given_out)) == len(given_out)
    for taken in given_out:
        assert taken.isidentifier()
        assert taken.isascii()
        assert taken not in RESERVED
    assert names.flow not in MODULES
    assert set(names.steps) == set(ids)


def test_names_are_the_same_whatever_was_named_before() -> None:
    """Nothing is remembered from one document to the next."""
    one = workflow(ids=("aB", "a_b"), parameters=("a_b",))
    assert names_of(one) == names_of(one)


def test_thousands_of_ids_that_fold_to_one_are_numbered() -> None:
    """A document of clashing ids is named like any other."""
    letters = "aaaaaaaaaaaaa"
    ids = {"".join(c.upper() if i >> n & 1 else c for n, c in enumerate(letters)) for i in range(8192)}
    step = workflow().steps[0]
    document = workflow().model_copy(
        update={"steps": tuple(step.model_copy(update={"id": id}) for id in sorted(ids))}
    )
    assert len(set(names_of(document).steps.values())) == 8192


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Free disk space", "Free disk space"),
        ("a/b & 50% <c>", "a-b - 50- -c-"),
        ("two\nlines\t and\u202emore", "two lines and more"),
        ("磁盘检查", "磁盘检查"),
        ("..", "workflow"),
        (" ", "workflow"),
        ("a" * 201, f"{'a' * 200}... "),
    ],
)
def test_a_title_is_what_prefect_accepts(name: str, expected: str) -> None:
    """One line without banned characters; a long one is cut, with a hash that keeps it apart."""
    assert title(name).startswith(expected)
    assert len(title(name)) <= 220


def test_long_titles_that_differ_at_the_end_stay_apart() -> None:
    """Names that are equal in their first two hundred characters do not become one flow."""
    assert title("a" * 300 + "b") != title("a" * 300 + "c")


@settings(deadline=None)
@given(st.text(min_size=1))
def test_prefect_takes_every_title(name: str) -> None:
    """No character of any name makes Prefect refuse the flow."""
    assert title(name).strip()
    assert not set(title(name)) & set("/%&<>\n")
