"""Which branch of a group is taken."""

from collections.abc import Collection

from codegen.groups import DEFAULT, ELSE, THEN, case_branch
from codegen.scalars import scalar_text
from steps.scope import Scope
from steps.work import Branch


def as_it_holds(condition: str) -> Branch:
    """`then` where the expression is true, else `else`."""

    def choose(scope: Scope) -> str:
        return THEN if scope.evaluate(condition) else ELSE

    return choose


def as_it_equals(value: str, cases: Collection[str]) -> Branch:
    """The case whose key equals the value of the expression, else `default`."""

    def choose(scope: Scope) -> str:
        key = scalar_text(scope.evaluate(value))
        return case_branch(key) if key in cases else DEFAULT

    return choose
