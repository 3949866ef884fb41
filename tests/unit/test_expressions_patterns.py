"""Patterns: Python's regular expressions, in time that grows with the text."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.expressions import ExpressionValueError, LimitExceeded, parse_expression
from codegen.sandbox.limits import Budget
from codegen.sandbox.patterns import compile_pattern

LETTERS = "ab1 \n-"


def value_of(text: str, /, **scope: Any) -> Any:
    return parse_expression(text).evaluate(scope)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"'disk 91% full' | regex_search('\d+')", "91"),
        (r"'disk 91% full' | regex_search('(\d+)%', 1)", "91"),
        (r"'a=1' | regex_search('(?P<key>\w)=(?P<value>\w)', 'key', 'value')", ["a", "1"]),
        (r"'a' | regex_search('(a)|(b)', 2)", None),
        (r"'a' | regex_search('b')", None),
        (r"'Error' | regex_search('(?i)ERROR')", "Error"),
        (r"'a\nb' | regex_search('^b', multiline=true)", "b"),
        (r"'x1y22' | regex_findall('\d+')", ["1", "22"]),
        (r"'a=1,b=2' | regex_findall('(\w)=(\w)')", [["a", "1"], ["b", "2"]]),
        (r"'a1b2' | regex_findall('[a-z](\d)')", ["1", "2"]),
        (r"'a1b2' | regex_replace('(\d)', '<\1>')", "a<1>b<2>"),
        (r"'a1b2' | regex_replace('(?P<n>\d)', '\g<n>\g<0>', 1)", "a11b2"),
        (r"'a.b' | regex_replace('\.', '\\\\')", "a\\b"),
        (r"'abxd' | regex_replace('x*', '-')", "-a-b--d-"),
        (r"'10.0.0.7' is match('(?:\d{1,3}\.){3}\d{1,3}$')", True),
        (r"'[x]' is search('[[\]&~|]')", True),
        (r"'word words' | regex_findall('\bword\b')", ["word"]),
        (r"'é' is match('\w') and not 'é' is match('(?a)\w')", True),
        (r"'a{,}b' is match('a\{,}b') and 'a{}' is match('a{}')", True),
    ],
)
def test_filters_and_tests_with_patterns(text: str, value: Any) -> None:
    """A backslash in quotes needs no second one, except before itself."""
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a", "has a ( without its )"),
        ("a)", "has a ) too many"),
        ("[a", "has a [ without its ]"),
        ("a\\", "ends with a backslash"),
        ("*a", "has nothing to repeat before *"),
        ("^*", "has nothing to repeat in ^"),
        ("a**", "has a repeat of a repeat"),
        ("a*+", "has a repeat of a repeat"),
        ("a{3,2}", "least is above its most"),
        ("(a)\\1", "has a back-reference"),
        ("(?=a)", "has look-around"),
        ("(?!a)", "has look-around"),
        ("(?<=a)", "has look-around"),
        ("(?>a)", "has look-around"),
        ("(?x)a", "has look-around, flags in the middle"),
        ("[z-a]", "which is wrong: bad character range"),
        ("[a--b]", "which dash is meant"),
        ("\\q", "which is wrong: bad escape"),
        ("(" * 30 + ")" * 30, "deep groups"),
        ("()" * 30, "more than 20 groups"),
        ("(?P<a>x)(?P<a>y)", "two of one name"),
    ],
)
def test_a_pattern_that_can_not_be_used_is_explained(pattern: str, message: str) -> None:
    """What this engine leaves out is said by name."""
    with pytest.raises(ExpressionValueError) as caught:
        value_of("'a' is search(pattern)", pattern=pattern)
    assert message in str(caught.value)


def test_a_group_that_is_not_there_is_explained() -> None:
    """By number and by name."""
    for group in (2, "key"):
        with pytest.raises(ExpressionValueError, match=f'the pattern has no group "{group}"'):
            value_of("'a' | regex_search('(a)', group)", group=group)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$", "a*a*a*a*b", r"(\w+\s?)*$", ".*.*=.*", "(?:){1000}b"]
)
def test_patterns_that_are_endless_elsewhere_end_here(pattern: str) -> None:
    """A thousand letters are enough to keep Python's engine busy for longer than the universe is old."""
    assert value_of("text is search(pattern)", text="a" * 1000 + "!", pattern=pattern) in (True, False)


def test_a_text_too_long_for_patterns_is_refused() -> None:
    """Patterns read at most a hundred thousand characters."""
    assert value_of("text is search('b')", text="a" * 100_000) is False
    with pytest.raises(LimitExceeded, match="at most 100,000 characters"):
        value_of("text is search('b')", text="a" * 100_001)


def repeats(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A part that takes a character, repeated: Python counts empty turns, which this engine doesn't."""
    signs = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{,2}", "{2,}", "{1,2}?"])
    return st.builds("(?:{}{}){}".format, st.sampled_from("ab1.-"), parts, signs)


PATTERNS = st.recursive(
    st.sampled_from(
        ["a", "b", "1", ".", "[ab]", "[^a-]", r"\w", r"\d", r"\s", "^", "$", r"\b", r"\A", r"\Z", r"\-"]
    ),
    lambda parts: (
        st.builds("{}{}".format, parts, parts)
        | st.builds("(?:{}|{})".format, parts, parts)
        | st.builds("({})".format, parts)
        | repeats(parts)
    ),
    max_leaves=8,
)


@given(PATTERNS, st.text(LETTERS, max_size=12), st.booleans(), st.booleans())
def test_patterns_match_what_python_matches(
    pattern: str, text: str, ignorecase: bool, multiline: bool
) -> None:
    """The same matches with the same groups, in the same order of preference."""
    flags = (re.IGNORECASE if ignorecase else re.NOFLAG) | (re.MULTILINE if multiline else re.NOFLAG)
    theirs = re.compile(pattern, flags)
    ours = compile_pattern(pattern, ignorecase, multiline)
    numbers = range(theirs.groups + 1)
    assert [tuple(found.group(number) for number in numbers) for found in ours.find_all(Budget(), text)] == [
        tuple(found.group(number) for number in numbers) for found in theirs.finditer(text)
    ]
    assert (ours.match(Budget(), text) is None) == (theirs.match(text) is None)
    assert (ours.search(Budget(), text) is None) == (theirs.search(text) is None)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(st.text("ab()[]{}|*+?^$\\.,-:P<>=!1w", max_size=12), st.text("ab1", max_size=5))
def test_any_text_is_a_pattern_or_is_refused(pattern: str, text: str) -> None:
    """Never another error; and what is accepted is a pattern to Python too."""
    try:
        found = value_of("text is search(pattern)", text=text, pattern=pattern)
    except ExpressionValueError:
        return
    assert found is (re.search(pattern, text) is not None)
