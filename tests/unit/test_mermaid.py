"""Flowcharts: what is drawn, and that no text of a document is read as Mermaid."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.mermaid import LONGEST_LABEL, label, to_mermaid
from tests.unit.random_documents import Spec, documents, step, workflow
from tests.unit.reference_documents import beside, triage

QUOTED = r'"(?:[^"#;&<>`%\x00-\x1f]|#\d+;|<br/>)*"'
LINES = re.compile(
    rf"flowchart TD|(?:    )+(?:end|subgraph \w+ \[{QUOTED}\]|\w+\[{QUOTED}\]|\w+\{{{QUOTED}\}}"
    rf"|\w+ (?:-->|-\.->)(?:\|{QUOTED}\|)? \w+)"
)
HOSTILE = st.one_of(
    st.text(max_size=200),
    st.sampled_from(
        [
            '"]; click s0 call alert()',
            "`md` **bold**",
            "%%{init: {}}%%",
            "#quot; &amp; <script>",
            "]]]))}}|end\nend",
            'style:"x"',
        ]
    ),
)


def read(quoted: str) -> str:
    """The text that Mermaid shows for a label."""
    return re.sub(r"#(\d+);", lambda entity: chr(int(entity[1])), quoted.strip('"'))


@given(HOSTILE)
def test_a_label_shows_its_text_and_holds_no_markup(text: str) -> None:
    """Whatever the text, it comes out as one line of itself; only a long one is cut."""
    shown = label(text, 1_000)
    assert re.fullmatch(QUOTED, shown)
    assert read(shown) == " ".join(text.split())


def test_a_long_label_is_cut() -> None:
    """Ten thousand characters do not fill the screen."""
    assert read(label("x" * 10_000)) == "x" * (LONGEST_LABEL - 1) + "…"


@settings(deadline=None)
@given(documents(), HOSTILE, HOSTILE)
def test_every_line_is_one_of_the_forms_we_write(steps: list[Spec], case: str, target: str) -> None:
    """Texts of the document change labels only, and each `subgraph` has its `end`."""
    switch = {"id": "z", "type": "switch", "value": "params.x", "cases": {case: [step("z1")]}}
    steps = [*steps, switch, step("z2", on=target.replace("{", ""))]
    chart = to_mermaid(workflow(steps, on_failure=[step("z3")]))
    lines = chart.splitlines()
    assert [line for line in lines if not LINES.fullmatch(line)] == []
    assert sum(" subgraph " in line for line in lines) == sum(line.strip() == "end" for line in lines)
    assert chart == to_mermaid(workflow(steps, on_failure=[step("z3")]))


def test_a_chart_of_groups_and_conditions() -> None:
    """Groups are boxes, a condition is a question inside its box, what must hold stands on the arrow."""
    document = workflow(
        [
            step("start"),
            beside("probes", step("ping", on="web"), step("dns", for_each=["a", "b"])),
            {
                "id": "bad",
                "type": "condition",
                "when": "steps.ping.status == 'failed'",
                "run_if": "finished",
                "then": [step("fix"), step("check", when="params.deep")],
                "else": [step("note", when="params.chatty")],
            },
            step("late", depends_on=["start", "fix"], run_if="failed"),
            step("alone", depends_on=[], when="params.deep"),
        ]
    )
    assert to_mermaid(document) == (
        """flowchart TD
    s0["start<br/>command"]
    subgraph g1 ["probes, parallel"]
        s2["ping<br/>command on web"]
        s3["dns<br/>command for each of 2"]
    end
    subgraph g4 ["bad, condition"]
        g4q{"steps.ping.status == 'failed'"}
        s5["fix<br/>command"]
        s6["check<br/>command"]
        s7["note<br/>command"]
    end
    s8["late<br/>command"]
    s9["alone<br/>command<br/>when params.deep"]
    s0 --> g1
    g1 -->|"if finished"| g4
    g4q -->|"then"| s5
    s5 -->|"when params.deep"| s6
    g4q -->|"else, when params.chatty"| s7
    s0 -->|"if failed"| s8
    s5 -->|"if failed"| s8
"""
    )


def test_joins_races_repeats_and_disabled_steps_say_so() -> None:
    """On the arrows what has to end, in the boxes how often or until when."""
    document = workflow(
        [
            beside("race", step("a", enabled=False), step("b", repeat={"until": "result", "max": 2}))
            | {"wait_for": 1},
            step("c", depends_on=[], repeat={"while": "result", "max": 2}),
            step("d", depends_on=["race", "c"], join="any"),
            step("e", depends_on=["race", "c"], join=2, run_if="finished", enabled=False),
        ]
    )
    assert to_mermaid(document) == (
        """flowchart TD
    subgraph g0 ["race, parallel until 1 of 2 succeeded"]
        s1["a<br/>command<br/>disabled"]
        s2["b<br/>command until result"]
    end
    s3["c<br/>command while result"]
    s4["d<br/>command"]
    s5["e<br/>command"]
    g0 -->|"if any of 2"| s4
    s3 -->|"if any of 2"| s4
    g0 -->|"disabled, if 2 of 2 finished"| s5
    s3 -->|"disabled, if 2 of 2 finished"| s5
"""
    )


def test_cases_of_a_switch_are_named_on_their_arrows() -> None:
    """As the document spells them; the default comes last."""
    cases = {"web": [step("a")], "a b": [step("b")], "none": []}
    switch = {"id": "s", "type": "switch", "value": "params.x", "cases": cases, "default": [step("c")]}
    arrows = [line.strip() for line in to_mermaid(workflow([switch])).splitlines() if "-->" in line]
    assert arrows == ['g0q -->|"case web"| s1', 'g0q -->|"case a b"| s2', 'g0q -->|"default"| s3']


def test_handlers_hang_on_dotted_arrows() -> None:
    """Sections become boxes, and so do the handlers and the undo of a step."""
    document = workflow(
        [step("a", on_error={"steps": [step("mend")]}, rollback=[step("undo")])],
        on_failure=[step("page")],
        **{"finally": [step("tidy")]},
    )
    assert to_mermaid(document) == (
        """flowchart TD
    subgraph steps ["steps"]
        s0["a<br/>command"]
        subgraph s0onerror ["on error of a"]
            s1["mend<br/>command"]
        end
        subgraph s0rollback ["rollback of a"]
            s2["undo<br/>command"]
        end
    end
    subgraph on_failure ["on failure"]
        s3["page<br/>command"]
    end
    subgraph finally ["finally"]
        s4["tidy<br/>command"]
    end
    s0 -.->|"on error"| s0onerror
    s0 -.->|"rollback"| s0rollback
    steps -.->|"on failure"| on_failure
    steps -.->|"finally"| finally
"""
    )


def test_every_dependency_has_its_arrow() -> None:
    """As many arrows as dependencies between steps, plus one to each first step of a branch or section."""
    chart = to_mermaid(triage())
    assert len(re.findall(r"-->", chart)) == 5 + 2 + 2
