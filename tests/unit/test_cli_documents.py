"""`validate`, `route`, `generate` and `graph`: the commands that need no server."""

import io
import json
import sys
from pathlib import Path

import pytest

from cli.failures import Exit
from cli.main import run_command

GOOD = """\
name: Hello
steps:
  - id: hello
    type: command
    command: [echo, hello]
"""
BAD = """\
name: Hello
steps:
  - id: hello
    type: comand
    command: [echo, hello]
  - id: hello
    type: set
    values: 3
"""


class _Input:
    """Standard input that holds some bytes."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a folder of documents in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPSCONDUCTOR_WORKFLOWS", raising=False)
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "hello.yaml").write_text(GOOD)
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    return tmp_path


def test_validate_lists_all_problems_of_all_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each problem is a line `file:line:col: ...`; the summary goes to standard error."""
    assert run_command(["validate", "good.yaml", "bad.yaml", "hello", "missing.yaml"]) == Exit.BAD_INPUT
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("bad.yaml:3:")
    assert "comand" in lines[0]
    assert any(line.startswith("bad.yaml:8:") and "steps[1].values" in line for line in lines)
    assert lines[-1].startswith("missing.yaml:1:1: there is no file 'missing.yaml'")
    assert "in 2" in err
    assert "4 documents" in err


def test_validate_of_good_documents(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing on standard output, and exit code 0."""
    assert run_command(["validate", "good.yaml", "hello"]) == Exit.DONE
    assert capsys.readouterr() == ("", "2 documents: all is well.\n")


def test_validate_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One object with an entry per file."""
    assert run_command(["validate", "--json", "good.yaml", "bad.yaml"]) == Exit.BAD_INPUT
    files = json.loads(capsys.readouterr().out)["files"]
    assert [(one["file"], one["valid"]) for one in files] == [("good.yaml", True), ("bad.yaml", False)]
    assert {problem["line"] for problem in files[1]["problems"]} >= {3, 8}
    assert files[0]["problems"] == files[0]["warnings"] == []


def test_warnings_are_marked_and_are_no_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unquoted value in a shell command is a warning: it is told, and the exit code stays 0."""
    (folder / "raw.yaml").write_text(
        "name: Raw\nparameters: {x: {default: a}}\n"
        "steps:\n  - {id: a, type: command, command: 'echo {{ params.x | raw }}'}\n"
    )
    assert run_command(["validate", "raw.yaml"]) == Exit.DONE
    out, err = capsys.readouterr()
    assert "warning: " in out
    assert out.startswith("raw.yaml:")
    assert "1 warning" in err


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (GOOD.encode(), None),
        (b"", "the document is empty"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"name: [", "name"),
        (b"name: x\n" + b"# filler\n" * 200_000, "at most"),
    ],
)
def test_a_document_on_standard_input(
    data: bytes,
    told: str | None,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`-` reads standard input; problems name it as <stdin>."""
    monkeypatch.setattr(sys, "stdin", _Input(data))
    code = run_command(["validate", "-"])
    out = capsys.readouterr().out
    if told is None:
        assert (code, out) == (Exit.DONE, "")
    else:
        assert code == Exit.BAD_INPUT
        assert out.startswith("<stdin>:")
        assert told in out


def test_route_explains_without_a_server(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table names all six factors; the sentence the engine."""
    assert run_command(["route", "hello"]) == Exit.DONE
    out = capsys.readouterr().out
    assert "Celery" in out.splitlines()[0]
    for factor in ("step_count", "dependency_complexity", "parallel_execution", "conditional_logic"):
        assert factor in out
    assert "would change it" in out
    assert "confidence" in out


def test_route_as_json_is_the_decision(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Preference and force are part of it."""
    assert run_command(["route", "good.yaml", "--engine", "prefect", "--force", "--json"]) == Exit.DONE
    decision = json.loads(capsys.readouterr().out)
    assert (decision["engine"], decision["forced"], decision["stage"]) == ("prefect", True, "force")
    assert len(decision["factors"]) == 6


def test_force_needs_an_engine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--force alone is bad input."""
    assert run_command(["route", "good.yaml", "--force"]) == Exit.BAD_INPUT
    assert "engine to force" in capsys.readouterr().err


def test_generate_prints_or_writes_the_same_python(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without -o the Python goes to standard output, with it to the file."""
    assert run_command(["generate", "good.yaml"]) == Exit.DONE
    source = capsys.readouterr().out
    compile(source, "good.py", "exec")
    assert run_command(["generate", "good.yaml", "-o", "out.py"]) == Exit.DONE
    out, err = capsys.readouterr()
    assert out == ""
    assert "prefect deploy out.py:hello_flow" in err
    assert (folder / "out.py").read_text() == source


def test_generate_overwrites_only_what_was_generated(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody's own file stays as it is unless --force says otherwise; a generated one is replaced."""
    mine = folder / "mine.py"
    mine.write_text("print('mine')\n")
    assert run_command(["generate", "good.yaml", "-o", "mine.py"]) == Exit.BAD_INPUT
    assert mine.read_text() == "print('mine')\n"
    assert "--force" in capsys.readouterr().err
    assert run_command(["generate", "good.yaml", "-o", "mine.py", "--force"]) == Exit.DONE
    assert run_command(["generate", "hello", "-o", "mine.py"]) == Exit.DONE
    assert "hello" in mine.read_text()


@pytest.mark.parametrize("place", [".", "no/such/folder/out.py"])
def test_generate_to_where_nothing_can_be_written(
    place: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a message that names the file."""
    assert run_command(["generate", "good.yaml", "-o", place, "--force"]) == Exit.BAD_INPUT
    assert f"{place} can't be written" in capsys.readouterr().err


def test_generate_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The flow's name, the file and the source."""
    assert run_command(["generate", "good.yaml", "--json"]) == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    assert (told["flow"], told["file"]) == ("hello_flow", None)
    compile(told["source"], "good.py", "exec")


def test_graph_is_mermaid(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The picture goes to standard output; with --json inside an object."""
    assert run_command(["graph", "good.yaml"]) == Exit.DONE
    picture = capsys.readouterr().out
    assert picture.startswith("flowchart")
    assert run_command(["graph", "good.yaml", "--json"]) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["mermaid"].strip() == picture.strip()


@pytest.mark.parametrize("command", ["route", "generate", "graph", "run"])
def test_a_bad_document_is_refused_by_every_command(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2; all problems on standard error; nothing is started."""
    assert run_command([command, "bad.yaml"]) == Exit.BAD_INPUT
    err = capsys.readouterr().err
    assert "bad.yaml:3:" in err
    assert "bad.yaml:8:" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-p", "x=1"], "parameters.x: no such parameter"),
        (["-p", "x"], "write -p name=value"),
        (["--target", "db.example.org"], "can't be reached by this version"),
        (["--force"], "engine to force"),
    ],
)
def test_bad_run_options_start_nothing(
    arguments: list[str],
    told: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Values and targets are checked before a server is looked for: the installation's folder isn't made."""
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(folder / "home"))
    assert run_command(["run", "good.yaml", *arguments]) == Exit.BAD_INPUT
    assert told in capsys.readouterr().err
    assert not (folder / "home").exists()


def test_all_that_is_wrong_with_what_a_document_runs_is_told_in_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step that runs a document that is nowhere, also in other files; and files that are no good."""
    call = "  - {{id: {0}, type: workflow, workflow: {1}}}\n".format
    top = "name: Top\nsteps:\n" + call("a", "gone") + call("b", "lost") + call("c", "gone")
    top += call("d", "part") + call("e", "spoilt")
    part = folder / "workflows" / "part.yaml"
    part.write_text("name: Part\nsteps:\n  - {id: w, type: wait, duration: 1}\n" + call("x", "nowhere"))
    (folder / "workflows" / "spoilt.yaml").write_text(BAD)
    (folder / "top.yaml").write_text(top)
    assert run_command(["validate", "top.yaml"]) == Exit.BAD_INPUT
    lines = capsys.readouterr().out.splitlines()
    told = sorted(line.split(" ")[0] for line in lines if "no document is named" in line)
    assert told == ["top.yaml:3:39:", "top.yaml:4:39:", "top.yaml:5:39:", "workflows/part.yaml:4:39:"]
    assert sum(line.startswith("workflows/spoilt.yaml:") for line in lines) == 3
    monkeypatch.setattr("sys.stdin", _Input(top.encode()))
    assert run_command(["validate", "-"]) == Exit.BAD_INPUT
    lines = capsys.readouterr().out.splitlines()
    assert {"<stdin>:3:39:", "<stdin>:4:39:", "<stdin>:5:39:"} < {line.split(" ")[0] for line in lines}
    (folder / "workflows" / "top.yaml").write_text(top)
    assert run_command(["validate", "top"]) == Exit.BAD_INPUT
    lines = capsys.readouterr().out.splitlines()
    assert "workflows/top.yaml:4:39:" in {line.split(" ")[0] for line in lines}


def test_what_does_not_fit_in_a_file_that_a_document_runs_is_told_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its own step gives a parameter that the next one does not have."""
    (folder / "workflows" / "outer.yaml").write_text(
        "name: Outer\nsteps:\n  - id: s\n    type: workflow\n    workflow: hello\n"
        "    parameters: {nosuch: 1}\n"
    )
    (folder / "top.yaml").write_text("name: Top\nsteps: [{id: a, type: workflow, workflow: outer}]\n")
    assert run_command(["validate", "top.yaml"]) == Exit.BAD_INPUT
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("workflows/outer.yaml:6:26: steps[0].parameters.nosuch: ")
