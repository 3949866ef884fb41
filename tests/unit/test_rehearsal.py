"""Test files: how they are read, how steps behave, and what is found to differ."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cli.failures import Exit
from cli.main import run_command
from codegen.document import parse
from codegen.errors import DocumentError, Problem
from codegen.registry import Registry
from rehearsal.form import pairs
from rehearsal.reading import read_file
from rehearsal.running import judged
from rehearsal.stages import RehearsedRun
from steps.acting import Behaviour
from steps.testing import run

WORKFLOW = """\
name: Clean up
parameters: {threshold: {type: integer, default: 80}}
steps:
  - {id: usage, type: command, command: df, outputs: {percent: "{{ result.stdout | int }}"}}
  - {id: clean, type: command, command: rm, when: steps.usage.outputs.percent > params.threshold}
"""
GOOD = """\
workflow: clean.yaml
cases:
  - name: full
    leaves: {usage: {result: {stdout: "91"}}}
    expect: {success: true, states: {clean: succeeded}, order: [usage < clean]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a workflow."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clean.yaml").write_text(WORKFLOW)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    file = folder / "clean.test.yaml"
    file.write_text(text)
    return file


def problems_of(folder: Path, text: str) -> tuple[Problem, ...]:
    """What a file is refused for."""
    with pytest.raises(DocumentError) as refused:
        read_file(written(folder, text))
    return refused.value.problems


def found(folder: Path, text: str) -> list[str]:
    """What differs, of all cases in the interpreter."""
    cases = read_file(written(folder, text))
    return [line for case in cases for line in judged(case, "celery", Registry(folder)).lines()]


class TestReading:
    """Every mistake has its line."""

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("leaves:", "leafs:", '4:5: cases[0].leafs: unknown key "leafs" (did you mean "leaves"?)'),
            (
                "states: {clean",
                "states: {claen",
                "5:45: cases[0].expect.states.claen: the workflow has no step",
            ),
            ("leaves: {usage", "leaves: {uasge", "4:14: cases[0].leaves.uasge: the workflow has no step"),
            (
                "usage < clean",
                "usage > clean",
                'cases[0].expect.order[0]: "usage > clean" is no order (write ids',
            ),
            (
                "result: {std",
                "reslt: {std",
                'cases[0].leaves.usage.reslt: unknown key "reslt" (did you mean "result"?)',
            ),
            ("clean: succeeded", "clean: well", "cases[0].expect.states.clean: "),
            (
                "expect:",
                "parameters: {threshold: many}\n    expect:",
                "5:29: cases[0].parameters.threshold: ",
            ),
            ("expect:", "targets: [db.example]\n    expect:", "cases[0].targets[0]: target db.example can't"),
            ("clean.yaml", "gone.yaml", '1:11: workflow: there is no file "gone.yaml" in '),
            ("workflow: clean.yaml\n", "", "cases[0]: it has no workflow"),
            (
                "workflow: clean.yaml",
                "workflow: {name: n, steps: [{id: a, type: comand}]}",
                "1:29: workflow.steps[0]: unknown step type",
            ),
            (
                "cases:",
                "cases:\n  - {name: full, expect: {}}",
                '4:11: cases[1].name: the name "full" is used twice, here and at cases[0] (give one',
            ),
            ("success: true", "error: {matches: '('}", '"(" is no regular expression: '),
            ("name: full", "name: [", "clean.test.yaml:"),
            (
                "success: true",
                "success: true}\n    then:\n      - from: claen\n        expect: {success: true",
                "7:15: cases[0].then[0].from: it has no step 'claen', did you mean 'clean' "
                "(name one of: usage, clean)",
            ),
            (
                "success: true",
                "success: true}\n    then:\n      - leaves: {claen: {}}\n        expect: {success: true",
                "7:18: cases[0].then[0].leaves.claen: the workflow has no step",
            ),
            (
                "success: true",
                "success: true}\n    then:\n      - expect: {states: {claen: lost}, success: true",
                "cases[0].then[0].expect.states",
            ),
        ],
    )
    def test_what_is_wrong(self, folder: Path, old: str, new: str, message: str) -> None:
        """Where it is, and what."""
        with pytest.raises(DocumentError) as refused:
            read_file(written(folder, GOOD.replace(old, new, 1)))
        assert message in str(refused.value)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (
                "expect: {",
                "expect: {items: {clean: x}, ",
                'items.clean: expected a list, got "x" (write [x])',
            ),
            ("expect: {", "expect: {not_started: 5, ", "expect.not_started: expected a list, got 5 ("),
            ('{result: {stdout: "91"}}', "5", "leaves.usage: expected a mapping or a list, got 5 ("),
            ('{result: {stdout: "91"}}', "[{}, 5]", "usage[1]: expected a mapping or a list, got 5 ("),
            ('{result: {stdout: "91"}}', "{takes: 5q}", "usage.takes: '5q' is no duration (write 90"),
            ('{result: {stdout: "91"}}', "{fails: many}", 'expected an integer, got "many" ('),
            ('{result: {stdout: "91"}}', "{fails: -1}", "usage.fails: -1 is too small (at least 0)"),
            ('{result: {stdout: "91"}}', "{answer: yes}", "usage.answer: expected a mapping, got "),
            ('{result: {stdout: "91"}}', "{answer: {aproved: true}}", '(did you mean "approved"?)'),
            ("leaves: {usage", "leaves: {1x", 'cases[0].leaves["1x"]: "1x" is no step (write the id'),
            ("success: true", "success: maybe", 'expected true or false, got "maybe" (write true or false'),
            ("success: true", "error: {match: x}", '"matches" is missing (add matches: a regular'),
            ("success: true", "error: {match: x}", 'unknown key "match" (did you mean "matches"?)'),
            ("success: true", "error: [x]", "expect.error: expected a text or a mapping, got a list ("),
            ("expect:", "parameters: 5\n    expect:", "parameters: expected a mapping, got 5 (write name"),
            ("expect:", "engines: cellery\n    expect:", '"cellery" (did you mean "celery"?)'),
            ("expect:", "known: {cellery: x}\n    expect:", '"cellery" is none of "celery" or '),
            ("expect:", "then: [{expects: {}}]\n    expect:", 'then[0].expect: "expect" is missing (add'),
            ("expect:", "then: [5]\n    expect:", "expected a mapping, got 5 (a life is a mapping"),
            ("name: full", "nmae: full", 'unknown key "nmae" (did you mean "name"?)'),
            ("name: full", "nmae: full", '"name" is missing (add name: what this case is called)'),
            ("cases:", "cases:\n  - 5", "cases[0]: expected a mapping, got 5 (a case is a mapping such as"),
            ("workflow: clean.yaml", "workflow: 5", "1:11: workflow: expected a text or a mapping, got 5"),
            ("workflow: clean.yaml", "workflow: gone/x", 'there is no file "gone/x" in '),
            ("workflow: clean.yaml", "workflow: gone", "workflow: no document is named 'gone' in "),
        ],
    )
    def test_what_is_malformed_is_told_as_in_a_document(
        self, folder: Path, old: str, new: str, message: str
    ) -> None:
        """In its words, with what mends it."""
        problems = problems_of(folder, GOOD.replace(old, new, 1))
        assert [one for one in problems if message in str(one)], problems
        assert all(one.line and one.cure for one in problems)

    @pytest.mark.parametrize("text", ["[]", "5", "", "{}", "cases: []", "cases: 5", "cases: {a: 1}"])
    def test_what_is_no_test_file_is_told_once(self, folder: Path, text: str) -> None:
        """With what one is."""
        [problem] = problems_of(folder, text)
        assert problem.cure

    def test_everything_is_told_at_once(self, folder: Path) -> None:
        """A malformed case hides neither the others nor a name that is used twice; nothing is told twice."""
        text = """\
workflow: clean.yaml
case: x
cases:
  - {name: a, expect: {success: perhaps}}
  - {name: a, expect: {states: {claen: failed}}}
  - {name: b, expect: {}, parameters: {threshold: null}, leaves: {clean/x: {}}}
"""
        problems = problems_of(folder, text)
        assert [(one.line, one.path, one.message) for one in problems] == [
            (2, "case", 'unknown key "case"'),
            (4, "cases[0].expect.success", 'expected true or false, got "perhaps"'),
            (5, "cases[1].name", 'the name "a" is used twice, here and at cases[0]'),
            (5, "cases[1].expect.states.claen", "the workflow has no step 'claen'"),
            (6, "cases[2].parameters.threshold", "null is no integer"),
            (6, 'cases[2].leaves["clean/x"]', "the workflow has no step 'clean/x'"),
        ]

    def test_a_missing_file_is_looked_for_beside_and_in_the_folders(self, folder: Path) -> None:
        """Both are named."""
        [problem] = problems_of(folder, GOOD.replace("clean.yaml", "gone.yaml", 1))
        assert problem.message == f'there is no file "gone.yaml" in {folder}, workflows, examples'
        assert problem.cure == "write its path as seen from the folder of this file"

    def test_a_text_is_a_list_of_one(self, folder: Path) -> None:
        """As the guide writes an order."""
        text = """\
workflow: clean.yaml
engines: celery
cases:
  - name: full
    targets: localhost
    expect: {order: usage < clean, started: usage, not_started: clean, not_undone: usage}
"""
        [one] = read_file(written(folder, text))
        assert (one.engines, one.targets) == (("celery",), ("localhost",))
        expected = one.case.expect
        assert (expected.order, expected.started) == (("usage < clean",), ("usage",))
        assert (expected.not_started, expected.not_undone) == (("clean",), ("usage",))
        [wrong] = problems_of(folder, GOOD.replace("[usage < clean]", "usage > clean"))
        assert (wrong.path, wrong.message) == ("cases[0].expect.order", '"usage > clean" is no order')

    def test_steps_that_run_for_real_can_not_be_pretended(self, folder: Path) -> None:
        """And a group does nothing itself."""
        text = """\
cases:
  - name: x
    workflow:
      steps:
        - {id: a, type: set, values: {n: 1}}
        - {id: g, type: sequential, steps: [{id: b, type: stop}]}
    leaves: {a: {result: 1}, g: {result: 1}}
    expect: {}
"""
        with pytest.raises(DocumentError) as refused:
            read_file(written(folder, text))
        assert "steps of type set are run for real" in str(refused.value)
        assert "g is a group" in str(refused.value)

    def test_lists_are_as_deep_as_the_fan_outs(self, folder: Path) -> None:
        """One that goes deeper would never be asked."""
        text = """\
cases:
  - name: x
    workflow:
      steps:
        - {id: a, type: command, command: x}
        - {id: g, type: sequential, for_each: [1], steps: [{id: b, type: command, command: x, for_each: [1]}]}
    leaves: {a: [{result: 1}], b: [[{}, [{}]]]}
    expect: {}
"""
        with pytest.raises(DocumentError) as refused:
            read_file(written(folder, text))
        assert [(one.path, one.message) for one in refused.value.problems] == [
            ("cases[0].leaves.a", "a list is for steps that fan out, and this one does not"),
            ("cases[0].leaves.b", "lists 3 deep are too much: its fan-outs are 2 deep"),
        ]
        read_file(written(folder, text.replace("a: [{result: 1}], b: [[{}, [{}]]]", "b: [[{}, {}]]")))

    def test_what_this_version_can_not_run(self, folder: Path) -> None:
        """A workflow that no engine runs can't be rehearsed either; it is refused before anything runs."""
        (folder / "clean.yaml").write_text(
            WORKFLOW.replace("command: df", "command: df, rollout: {canary: 1}")
        )
        with pytest.raises(DocumentError, match=r"clean.yaml:4:\d+: steps\[0\].rollout"):
            read_file(written(folder, GOOD))

    def test_json_is_read_as_well(self, folder: Path) -> None:
        """A test file may be made by a program."""
        file = folder / "clean.test.json"
        file.write_text(json.dumps({"workflow": "clean.yaml", "cases": [{"name": "x", "expect": {}}]}))
        assert [one.case.name for one in read_file(file)] == ["x"]

    def test_orders_are_pairs(self) -> None:
        """Lists on either side, and chains."""
        assert pairs("a, b < c < d") == [("a", "c"), ("b", "c"), ("c", "d")]


class TestJudging:
    """What is not as expected is named, with what was found."""

    def test_all_is_as_expected(self, folder: Path) -> None:
        """Nothing is said."""
        assert found(folder, GOOD) == []

    @pytest.mark.parametrize(
        ("expected", "difference"),
        [
            ("success: false", "success: expected False, found True"),
            ("cancelled: true", "cancelled: expected True, found False"),
            ("error: broken", "error: expected 'broken', found None"),
            ("error: {matches: x}", "error: expected 'a match of x', found None"),
            ("states: {clean: skipped}", "states.clean: expected 'skipped', found 'succeeded'"),
            ("attempts: {usage: 2}", "attempts.usage: expected 2, found 1"),
            ("items: {usage: [succeeded]}", "items.usage: expected ['succeeded'], found []"),
            ("results: {usage: 1}", "results.usage: expected 1, found {'stdout': '91'}"),
            ("outputs: {n: 1}", "outputs.n: expected 1, found None"),
            ("step_outputs: {usage: {percent: 90}}", "step_outputs.usage.percent: expected 90, found 91"),
            ("order: [clean < usage]", "usage started before clean had ended"),
            ("started: [usage]", "started: expected ['usage'], found ['usage', 'clean']"),
            ("not_started: [clean]", "not_started: expected 'clean', found 'it started'"),
            ("not_undone: [usage]", "not_undone: expected ['usage'], found []"),
            ("errors: {usage: broken}", "errors.usage: expected 'broken', found None"),
        ],
    )
    def test_each_expectation_can_fail(self, folder: Path, expected: str, difference: str) -> None:
        """One that always held would be worth nothing."""
        text = GOOD.replace("success: true, states: {clean: succeeded}, order: [usage < clean]", expected)
        (line,) = found(folder, text)
        assert difference in line

    def test_a_known_failure_passes_until_it_is_mended(self, folder: Path) -> None:
        """Then it asks to be taken off the list."""
        text = GOOD.replace("expect: {", "known: not yet\n    expect: {")
        assert found(folder, text) == ["known: it passes now (not yet); take the key out"]
        (case,) = read_file(written(folder, text.replace("success: true", "success: false")))
        assert judged(case, "celery", Registry(folder)).passed


LIVES = """\
workflow: clean.yaml
cases:
  - name: full
    leaves: {usage: {result: {stdout: "91"}}, clean: {dies: true}}
    expect: {died: true, started: [usage, clean], not_started: [], order: [usage < clean]}
    then:
      - leaves: {clean: {fails: 1}}
        expect: {died: false, success: false, started: [clean]}
      - expect: {success: true, started: [clean]}
      - {from: usage, expect: {success: true, started: [usage, clean]}}
"""


class TestLives:
    """A run that goes on after a death, or is tried again."""

    def test_all_is_as_expected(self, folder: Path) -> None:
        """Nothing is said."""
        assert found(folder, LIVES) == []

    @pytest.mark.parametrize(
        ("old", "new", "difference"),
        [
            ("died: true", "died: false", "died: expected False, found True"),
            ("died: false", "died: true", "then[0].died: expected True, found False"),
            ("died: true,", "success: true,", "success: expected True, found 'nothing: the process died"),
            ("fails: 1", "fails: 0", "then[0].success: expected False, found True"),
            ("{from: usage, expect", "{expect", "then[2].started: expected ['usage', 'clean'], found []"),
        ],
    )
    def test_each_expectation_can_fail(self, folder: Path, old: str, new: str, difference: str) -> None:
        """The life is named."""
        assert difference in found(folder, LIVES.replace(old, new, 1))[0]

    def test_a_later_life_is_the_same_run(self, folder: Path) -> None:
        """Keys of its executions stay, and tries are counted on."""
        (rehearsal,) = read_file(written(folder, LIVES))
        rehearsed = RehearsedRun(rehearsal, "celery")
        for life in rehearsal.case.lives.values():
            rehearsed.live(life)
        assert {entry.key.partition(".")[0] for entry in rehearsed.entries} == {rehearsed.run_id, ""}
        assert rehearsed.actors.tries == {f"{rehearsed.run_id}.usage": 2, f"{rehearsed.run_id}.clean": 3}

    async def test_dying_is_for_test_files(self) -> None:
        """Elsewhere nothing comes after it."""
        workflow = parse({"name": "n", "steps": [{"id": "a", "type": "command", "command": "x"}]})
        report = await run(workflow, leaves={"a": Behaviour(dies=True)})
        assert report.error is not None
        assert "a test file says it with then" in report.error.message


class TestBehaviour:
    """The same in Python."""

    def workflow(self, **keys: Any) -> Any:
        return parse({"name": "n", "steps": [{"id": "a", "type": "command", "command": "x", **keys}]})

    async def test_tries_that_fail(self) -> None:
        """Retries after a day don't hold up the test."""
        retry = {"attempts": 3, "delay": "1d"}
        report = await run(self.workflow(retry=retry), leaves={"a": Behaviour(fails=2, result="done")})
        assert (report.steps["a"].attempts, report.steps["a"].result) == (3, "done")

    async def test_results_by_try(self) -> None:
        """The last one stays."""
        report = await run(
            self.workflow(repeat={"until": "result == 2", "max": 5}), leaves={"a": Behaviour(results=(1, 2))}
        )
        assert report.steps["a"].attempts == 2

    async def test_behaviours_by_execution(self) -> None:
        """A list holds one for each."""
        behaviours = [Behaviour(result=1), Behaviour(fail="no")]
        report = await run(self.workflow(for_each=["x", "y", "z"]), leaves={"a": behaviours})
        assert [item.status for item in report.steps["a"].items] == ["succeeded", "failed", "succeeded"]

    async def test_too_long(self) -> None:
        """By the run's time."""
        report = await run(self.workflow(timeout="1m"), leaves={"a": Behaviour(takes=61)})
        assert report.error is not None
        assert report.error.message == "timed out after 1m"


class TestCommand:
    """`opsconductor test`."""

    def test_exit_codes(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """0, 1 where a case is not as expected, 2 for a wrong file."""
        file = str(written(folder, GOOD))
        assert run_command(["test", file, "--engine", "celery"]) == Exit.DONE
        written(folder, GOOD.replace("clean: succeeded", "clean: skipped"))
        assert run_command(["test", file, "--engine", "celery"]) == Exit.FAILED
        shown = capsys.readouterr().out
        assert "failed" in shown
        assert "states.clean  expected  skipped" in shown
        assert "found     succeeded" in shown
        written(folder, GOOD.replace("cases", "csaes"))
        assert run_command(["test", file, "--engine", "celery"]) == Exit.BAD_INPUT
        assert run_command(["test"]) == Exit.BAD_INPUT
        assert run_command(["test", "gone.test.yaml"]) == Exit.BAD_INPUT

    def test_json(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One value, with what differed."""
        file = str(written(folder, GOOD.replace("clean: succeeded", "clean: skipped")))
        run_command(["test", file, "--engine", "celery", "--json"])
        (case,) = json.loads(capsys.readouterr().out)["cases"]
        assert (case["case"], case["engine"], case["passed"]) == ("full", "celery", False)
        assert case["differences"] == [{"what": "states.clean", "expected": "skipped", "found": "succeeded"}]

    def test_junit(self, folder: Path) -> None:
        """What CI shows, also for texts that XML can't hold."""
        file = str(
            written(folder, GOOD.replace("clean: succeeded", "clean: skipped").replace("full", '"\\e<&"'))
        )
        run_command(["test", file, "--engine", "celery", "--junit", "results.xml"])
        suite = ElementTree.parse(folder / "results.xml").getroot()[0]
        assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
        assert suite[0].get("name") == " <& (celery)"
        assert suite[0][0].get("message") == "states.clean: expected 'skipped', found 'succeeded'"
