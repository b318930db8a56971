"""Regular expressions of lists mean what they mean to Go, and cannot keep us busy."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.plan.lists.regular import Regular

MATCHES = {
    "anywhere, as Go's MatchString": (r"1\.2", "v1.2.3", True),
    "anchored": (r"^1\.13\.[12]-alpine-perl$", "1.13.2-alpine-perl", True),
    "anchored and more behind it": (r"^1\.13\.[12]$", "1.13.21", False),
    "anchors bind closer than alternatives": (r"^a|b$", "xb", True),
    "a group of alternatives": (r"^(stable|v\d+(\.\d+){2})$", "v1.20.3", True),
    "a group of alternatives that is none": (r"^(stable|v\d+(\.\d+){2})$", "v1.20", False),
    "a count": (r"^[0-9a-f]{7,40}$", "0123abcd", True),
    "a count that is not reached": (r"^[0-9a-f]{7,40}$", "0123ab", False),
    "a brace that is a letter": (r"^a{x}$", "a{x}", True),
    "letters of either case": (r"(?i)^RC\d$", "rc1", True),
    "case for a group only": (r"^(?i:rc)X$", "RCx", False),
    "a word's end": (r"\bv1\b", "app-v1-x", True),
    "not a word's end": (r"\bv1\b", "app-v12", False),
    "a negated class": (r"^[^-]+$", "1.2-rc1", False),
    "a class of POSIX": (r"^[[:digit:]]+$", "123", True),
    "a bracket first in a class": (r"^[]a]+$", "]a]", True),
    "a dash last in a class": (r"^[a-]+$", "a-a", True),
    "quoted text": (r"^\Q1.2\E$", "1x2", False),
    "lazy": (r"^a+?$", "aaa", True),
    "nothing at all": ("", "anything", True),
    "a named group": (r"^(?P<major>\d)$", "1", True),
    "a hexadecimal letter": (r"^\x41\x{42}$", "AB", True),
}


@pytest.mark.parametrize("name", MATCHES)
def test_expressions_match_as_in_go(name: str) -> None:
    expression, text, expected = MATCHES[name]
    assert Regular.parse(expression).found_in(text) is expected


@pytest.mark.parametrize(
    "expression",
    ["(", ")", "a)", "(a", "[a", "a**", "*a", "a{3,2}", "a{1001}", r"\1", r"(?=a)", r"(?<=a)b", r"(?P=x)", "[b-a]",
     "((a{200}){200}){200}", "[[:nope:]]", "\\", "(?z)", r"\xZZ"],
)  # fmt: skip
def test_what_go_refuses_or_would_be_too_large_is_refused(expression: str) -> None:
    with pytest.raises(MalformedError, match="not a regular expression"):
        Regular.parse(expression)


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\.", "1", "-"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)


@given(expression=EXPRESSIONS, anchored=st.booleans(), text=st.text("ab1.-", max_size=12))
def test_it_agrees_with_pythons_own(expression: str, anchored: bool, text: str) -> None:
    whole = f"^{expression}$" if anchored else expression
    assert Regular.parse(whole).found_in(text) is (re.search(whole, text) is not None)


@given(st.text(max_size=40) | st.text(r"ab()[]{}*+?|\^$.-:0123,<>PQE", max_size=40))
def test_anything_else_is_refused_or_understood(expression: str) -> None:
    try:
        found = Regular.parse(expression)
    except MalformedError:
        return
    assert found.found_in("v1.2.3-rc1") in (True, False)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("expression", [r"^(a+)+$", r"^(a|a)*$", r"^(a*)*b$", r"^(.*)*(.*)*(.*)*x$"])
def test_no_expression_takes_for_ever(expression: str) -> None:
    """Python's own module does not come back from these."""
    assert not Regular.parse(expression).found_in("a" * 127 + "!")
