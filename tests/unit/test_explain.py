"""Decisions for people: the sentence, the table, the Markdown."""

from codegen.deciding.verdict import percent
from codegen.explain import factor_rows, markdown, sentence
from codegen.policy import RoutingPolicy
from codegen.routing import decide
from tests.unit.reference_documents import disk_check, triage


def test_the_sentence_always_holds_engine_score_and_level() -> None:
    """Whether the score decided or something else did."""
    assert sentence(decide(disk_check())) == "A simple document runs on Celery (score 14.0 %)."
    forced = decide(disk_check(), engine_preference="prefect", force_engine=True)
    assert sentence(forced) == "Prefect was forced by the caller; its score is 14.0 % (simple)."


def test_the_table_has_factors_total_engines_and_change() -> None:
    """Every row has the same columns, the contributions stand above their sum."""
    decision = decide(triage())
    rows = factor_rows(decision)
    assert [row["factor"] for row in rows] == [
        *(factor.name for factor in decision.factors),
        "total",
        "engine",
        "not celery",
        "would change it",
    ]
    assert {tuple(row) for row in rows} == {("factor", "weight", "score", "contribution", "computed from")}
    assert rows[0] == {
        "factor": "step_count",
        "weight": "20 %",
        "score": "0.56",
        "contribution": "11.1 %",
        "computed from": "15 leaf steps",
    }
    assert rows[6]["contribution"] == f"{decision.score * 100:.1f} %"
    assert rows[-1]["computed from"] == decision.would_change


def test_the_markdown_says_it_all_without_the_table() -> None:
    """Engine, reason, stage, confidence, what was not chosen and what would change it."""
    decision = decide(triage())
    text = markdown(decision)
    assert text.startswith("**Prefect**: A moderate document with parallel and conditional parts")
    assert f"confidence {percent(decision.confidence)}\n" in text
    assert "- Celery was not chosen: runs simple documents" in text
    assert f"- {decision.would_change}" in text


def test_words_of_operators_are_no_markup() -> None:
    """A rule's name and reason can't add headings, links or table cells."""
    rule = {"name": "a|b\n# c", "engine": "prefect", "reason": "<b>[x](y)</b>\n\n- z"}
    text = markdown(decide(disk_check(), policy=RoutingPolicy.parse({"rules": [rule]})))
    assert r"\<b\>\[x\](y)\</b\> - z" in text
    assert "\n# c" not in text
    assert "a|b" not in text
