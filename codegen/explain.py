"""A decision for people: one sentence, a table, a few lines of Markdown."""

import re

from codegen.deciding.verdict import percent
from codegen.decision import Decision

_MARKUP = re.compile(r"([\\`*_\[\]<>|#~])")


def sentence(decision: Decision) -> str:
    """The engine and why, in one sentence that always holds score and level."""
    if decision.stage == "score":
        return decision.reason
    return f"{decision.reason.rstrip('.')}; its score is {percent(decision.score)} ({decision.level})."


def factor_rows(decision: Decision) -> list[dict[str, str]]:
    """Rows for a table: the six factors, their total, the engine not chosen, what would have changed it."""
    rows = [
        _row(
            factor.name,
            weight=f"{factor.weight * 100:g} %",
            score=f"{factor.score:.2f}",
            contribution=percent(factor.contribution),
            text=factor.basis,
        )
        for factor in decision.factors
    ]
    rows.append(
        _row(
            "total", score=f"{decision.score:.2f}", contribution=percent(decision.score), text=decision.level
        )
    )
    rows.append(_row("engine", text=f"{decision.engine}, settled by {decision.stage}: {decision.reason}"))
    rows += [_row(f"not {one.engine}", text=one.reason) for one in decision.rejected]
    rows.append(_row("would change it", text=decision.would_change))
    return rows


def markdown(decision: Decision) -> str:
    """The decision in Markdown, to stand above the table of `factor_rows`."""
    lines = [
        f"**{decision.engine.capitalize()}**: {_plain(sentence(decision))}",
        "",
        f"- Settled by {decision.stage}, confidence {percent(decision.confidence)}",
        *(f"- {one.engine.capitalize()} was not chosen: {_plain(one.reason)}" for one in decision.rejected),
        f"- {_plain(decision.would_change)}",
    ]
    return "\n".join(lines) + "\n"


def _row(
    name: str, *, weight: str = "", score: str = "", contribution: str = "", text: str = ""
) -> dict[str, str]:
    return {
        "factor": name,
        "weight": weight,
        "score": score,
        "contribution": contribution,
        "computed from": text,
    }


def _plain(text: str) -> str:
    """Text that Markdown shows as it stands: rules and documents bring their own words."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
