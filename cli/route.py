"""`route`: the decision, explained."""

from rich.table import Table
from rich.text import Text

from cli import output
from cli.choice import decision_on
from cli.failures import Exit
from cli.options import File, Json
from cli.sources import opened
from cli.wishes import Engine, Force
from codegen.deciding.verdict import percent
from codegen.decision import Decision
from codegen.explain import sentence


def route(file: File, /, *, engine: Engine = "auto", force: Force = False, as_json: Json = False) -> int:
    """Explain which engine a workflow goes to. Runs nothing, needs no server."""
    decision = decision_on(opened(file), engine, force)
    if as_json:
        output.print_json(decision.model_dump(mode="json"))
    else:
        _show(decision)
    return Exit.DONE


def _show(decision: Decision) -> None:
    console = output.standard_output()
    console.print(Text(output.printable(sentence(decision)), style="bold"))
    console.print(_facts(decision))
    console.print(_factors(decision))


def _facts(decision: Decision) -> Table:
    table = Table.grid(padding=(0, 2))
    rows = [
        ("engine", decision.engine),
        ("level", f"{decision.level}, {percent(decision.score)}"),
        ("settled by", decision.stage),
        ("confidence", percent(decision.confidence)),
        *(("not " + one.engine, one.reason) for one in decision.rejected),
        ("would change it", decision.would_change),
    ]
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(output.printable(value)))
    return table


def _factors(decision: Decision) -> Table:
    table = Table("factor", "weight", "score", "contribution", "computed from")
    for factor in decision.factors:
        table.add_row(
            factor.name,
            f"{factor.weight * 100:g} %",
            f"{factor.score:.2f}",
            percent(factor.contribution),
            Text(output.printable(factor.basis)),
        )
    return table
