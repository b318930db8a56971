"""Ranges of versions say yes and no as OLM's do."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.openshift.semver import precedence
from airferry.openshift.version_range import VersionRange

CASES = {
    "a bare version is that version": ("1.2.3", "1.2.3 1.2.3+build", "1.2.4 1.2.3-rc.1"),
    "an equals sign changes nothing": ("=1.2.3 || ==2.0.0", "1.2.3 2.0.0", "1.2.4"),
    "a blank is and": (">=1.0.0 <2.0.0", "1.0.0 1.9.9 2.0.0-rc.1", "0.9.9 2.0.0 1.0.0-rc.1"),
    "two bars are or, and bind less": ("<1.0.0 || >2.0.0 !3.0.0", "0.1.0 2.0.1", "1.5.0 3.0.0"),
    "bars need no blanks": ("1.0.0||2.0.0", "1.0.0 2.0.0", "1.5.0"),
    "a blank may stand behind a sign": (">= 1.0.0  < 2.0.0", "1.5.0", "2.0.0"),
    "not this one": ("!1.2.3", "1.2.4 1.2.3-rc.1", "1.2.3"),
    "the same with two signs": (">1.0.0 !=1.2.3", "1.2.2", "1.2.3 1.0.0"),
    "an x is any patch": ("1.2.x", "1.2.0 1.2.99 1.3.0-rc.1", "1.3.0 1.2.0-rc.1 1.1.9"),
    "an x is any minor": ("1.x", "1.0.0 1.99.1", "2.0.0 0.9.0"),
    "an x for both": ("1.x.x", "1.0.0 1.99.1", "2.0.0"),
    "more than an x": (">1.2.x", "1.3.0", "1.2.9"),
    "at least an x": (">=1.2.x", "1.2.0 9.0.0", "1.1.9"),
    "at most an x": ("<=1.2.x", "1.2.9 0.1.0", "1.3.0"),
    "less than an x": ("<1.2.x", "1.1.9", "1.2.0"),
    "not an x": ("!1.2.x", "1.1.9 1.3.0", "1.2.0 1.2.7"),
    "numbers of a pre-release count as numbers": (">1.0.0-2", "1.0.0-10 1.0.0", "1.0.0-2 1.0.0-1"),
    "words of a pre-release come after numbers": (">1.0.0-2", "1.0.0-alpha", "1.0.0-1"),
    "Red Hat's rebuilds are in order": (">=5.3.2-20", "5.3.2-20 5.3.2-100 5.3.2", "5.3.2-9"),
    "a version with two numbers is in no range": (">=1.0.0", "1.0.0", "2.0 v2.0.0 latest"),
}


@pytest.mark.parametrize(("text", "inside", "outside"), CASES.values(), ids=CASES)
def test_a_range_holds_what_olm_says_it_holds(text: str, inside: str, outside: str) -> None:
    versions = VersionRange.parse(text)
    assert [version for version in inside.split() if not versions.allows(version)] == []
    assert [version for version in outside.split() if versions.allows(version)] == []


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            " ",
            "||",
            "1.0.0 ||",
            "|| 1.0.0",
            ">",
            "1.0",
            ">=1",
            "v1.0.0",
            "~1.2.3",
            "^1.2.3",
            "1.2.*",
            "x",
            "01.0.0",
        ],
        *["=>1.0.0", "1.0.0,2.0.0", "(1.0.0)", "!", ">=1.0.0 <", "1.x.3", "1." + "9" * 5000 + ".0", "９.0.0"],
    ],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        VersionRange.parse(text)


VERSIONS = st.builds(
    lambda numbers, pre: ".".join(map(str, numbers)) + (f"-{pre}" if pre else ""),
    st.tuples(*[st.integers(0, 12)] * 3),
    st.sampled_from(["", "rc.1", "rc.10", "2", "alpha"]),
)


@given(VERSIONS, VERSIONS)
def test_signs_agree_with_the_order(one: str, other: str) -> None:
    left, right = precedence(one), precedence(other)
    assert left is not None
    assert right is not None
    answers = {sign: VersionRange.parse(sign + other).allows(one) for sign in ("<", "<=", "=", "!", ">=", ">")}
    assert answers == {
        "<": left < right,
        "<=": left <= right,
        "=": left == right,
        "!": left != right,
        ">=": left >= right,
        ">": left > right,
    }


def test_a_number_of_any_length_is_no_version() -> None:
    assert not VersionRange.parse(">=1.0.0").allows(f"1.0.{'9' * 6000}")


@given(st.text(alphabet="0123456789.x<>=!|- rcv\t", max_size=20), VERSIONS)
def test_any_text_is_a_range_or_malformed(text: str, version: str) -> None:
    with contextlib.suppress(MalformedError):
        VersionRange.parse(text).allows(version)
