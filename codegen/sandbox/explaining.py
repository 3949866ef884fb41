"""Why an evaluation failed, in words; never with the values, which may be secret."""

import re
from types import TracebackType

import jinja2
from jinja2 import TemplateRuntimeError

from codegen.sandbox.errors import ExpressionValueError, LimitExceeded, LimitRefusal, Refusal

_COMPARED = re.compile(r"'(\S+)' not supported between instances of '(\w+)' and '(\w+)'")
_NO_TYPES = {"NoneType": "none", "Missing": "something undefined"}


def explained(text: str, error: Exception, program: jinja2.Template) -> ExpressionValueError:
    """The error to raise in place of one that evaluating the text has raised."""
    line = line_of(error, program)
    if isinstance(error, LimitRefusal | MemoryError | RecursionError):
        problem, cure = _limit(error)
        return LimitExceeded(text, problem, line, cure)
    problem, cure = _reason(error)
    return ExpressionValueError(text, problem, line, cure)


def line_of(error: BaseException, program: jinja2.Template) -> int | None:
    """The line of the text that was being evaluated."""
    line = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__jinja_template__") is program:
            line = program.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _limit(error: Exception) -> tuple[str, str]:
    if isinstance(error, LimitRefusal):
        return error.problem, error.cure
    return "a value is nested too deep or too large", "use a part of it"


def _reason(error: Exception) -> tuple[str, str]:
    if isinstance(error, Refusal):
        return error.problem, error.cure
    if isinstance(error, TemplateRuntimeError):
        return error.message or "something is undefined", "" if "did you mean" in str(error) else _default(
            error
        )
    if isinstance(error, ZeroDivisionError):
        return "this divides by zero", "test the divisor first"
    if isinstance(error, OverflowError):
        return "a number is too large", "use smaller numbers"
    if isinstance(error, TypeError):
        return _type_problem(error)
    return (
        f"this can't be evaluated with these values ({type(error).__name__})",
        "check the kinds of the values",
    )


def _default(error: TemplateRuntimeError) -> str:
    is_undefined = isinstance(error, jinja2.UndefinedError)
    return "use | default(...) if it may be absent" if is_undefined else ""


def _type_problem(error: TypeError) -> tuple[str, str]:
    if compared := _COMPARED.search(str(error)):
        sign, *kinds = compared.groups()
        left, right = (_NO_TYPES.get(each, each) for each in kinds)
        return (
            f"cannot compare {left} with {right}: {left} {sign} {right}",
            "convert one with | int or | string",
        )
    message = re.sub(r"^(?:[\w<>]+\.)*_?(\w+)\(\)", r"\1", str(error))
    return f"wrong kind of value: {message}", "check what the filter or method takes"
