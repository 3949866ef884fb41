"""Bad input gets one clear error that says where, what and how to mend it; nothing starts."""

from pathlib import Path

import pytest

from cli.failures import Exit
from cli.main import run_command

ONE = "steps: [{id: a, type: set, values: {x: 1}}]"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

DOCUMENTS = {
    "not YAML": ("name: [", "check the indentation, brackets and quotes"),
    "a YAML bomb": (BOMB, "100,000"),
    "an unknown key": (f"name: x\nnmae: y\n{ONE}", 'unknown key "nmae"'),
    "an unknown key deep down": (
        "name: x\nsteps:\n  - {id: a, type: set, values: {x: 1}, retry: {atempts: 2}}",
        'did you mean "attempts"',
    ),
    "an unknown step type": ("name: x\nsteps:\n  - {id: a, type: comand, command: ls}", '"comand"'),
    "a cycle": (
        "name: x\nsteps:\n  - {id: a, type: set, values: {x: 1}, depends_on: [b]}\n"
        "  - {id: b, type: set, values: {x: 1}, depends_on: [a]}",
        "a -> b -> a",
    ),
    "an id twice": (
        "name: x\nsteps:\n  - {id: a, type: set, values: {x: 1}}\n  - {id: a, type: set, values: {x: 1}}",
        "steps[0]",
    ),
    "an unknown id": (
        "name: x\nsteps:\n  - {id: first, type: set, values: {x: 1}}\n"
        "  - {id: b, type: set, values: {x: 1}, depends_on: [frist]}",
        'did you mean "first"',
    ),
    "a wrong default": (f"name: x\nparameters: {{n: {{type: integer, default: many}}}}\n{ONE}", "'many'"),
    "an undefined name": (
        "name: x\nsteps:\n  - {id: a, type: set, values: {x: '{{ parms.y }}'}}",
        'did you mean "params"',
    ),
    "an undefined parameter": (
        "name: x\nparameters: {path: {default: /}}\nsteps:\n"
        "  - {id: a, type: set, values: {x: '{{ params.pth }}'}}",
        'did you mean "path"',
    ),
    "an expression that can't be read": (
        "name: x\nsteps:\n  - {id: a, type: set, values: {x: 1}, when: '1 +'}",
        "steps[0].when",
    ),
    "what is not built": (
        "name: x\nsteps:\n  - {id: a, type: container, image: busybox}",
        "steps of type 'container' can't be run by this version",
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_bad_document(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run` refuses it as `validate` does, with file, line and column, before anything is started."""
    text, told = DOCUMENTS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path / "home"))
    Path("bad.yaml").write_text(text)
    assert run_command(["run", "bad.yaml"]) == int(Exit.BAD_INPUT) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "bad.yaml:" in error
    assert "Traceback" not in error
    assert not Path("home").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "parameters.count: a value is required"),
        (["-p", "count=many"], "count"),
        (["-p", "count=0"], "below the minimum"),
        (["-p", "count=1", "-p", "cuont=2"], "cuont"),
    ],
)
def test_bad_parameter_values(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A missing, mistyped, refused or unknown value names the parameter and what is expected."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path / "home"))
    Path("good.yaml").write_text(f"name: x\nparameters: {{count: {{type: integer, minimum: 1}}}}\n{ONE}")
    assert run_command(["run", "good.yaml", *arguments]) == Exit.BAD_INPUT
    assert told in capsys.readouterr().err
    assert not Path("home").exists()


def test_a_huge_file_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """50 MB are refused by their size."""
    monkeypatch.chdir(tmp_path)
    with Path("huge.yaml").open("wb") as file:
        file.truncate(50_000_000)
    assert run_command(["validate", "huge.yaml"]) == Exit.BAD_INPUT
    assert "at most 1,048,576 are allowed" in "".join(capsys.readouterr())
