"""Ranges of versions, as skopeo's images-by-semver means them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.plan.lists.semver_range import SemverRange

TAGS = ["0.0.3", "0.0.4", "0.2.3", "0.2.9", "0.3.0", "1.0.0", "1.2.3", "1.2.4", "1.3.0", "2.0.0", "3.1.0"]

CHOSEN = {
    "a bound": (">= 1.3", ["1.3.0", "2.0.0", "3.1.0"]),
    "two bounds": (">=1.2.4 <2", ["1.2.4", "1.3.0"]),
    "two bounds with a comma": (">1.2.3, <=2.0.0", ["1.2.4", "1.3.0", "2.0.0"]),
    "alternatives": ("0.3.0 || >2.5", ["0.3.0", "3.1.0"]),
    "a hyphen takes both ends": ("1.2.4 - 2.0.0", ["1.2.4", "1.3.0", "2.0.0"]),
    "a hyphen with a short end takes all of that": ("1.2 - 1.3", ["1.2.3", "1.2.4", "1.3.0"]),
    "the caret": ("^1.2.3", ["1.2.3", "1.2.4", "1.3.0"]),
    "the caret before 1": ("^0.2.3", ["0.2.3", "0.2.9"]),
    "the caret before 0.1": ("^0.0.3", ["0.0.3"]),
    "the caret of zero": ("^0", ["0.0.3", "0.0.4", "0.2.3", "0.2.9", "0.3.0"]),
    "the caret of zero and zero": ("^0.0", ["0.0.3", "0.0.4"]),
    "the tilde": ("~1.2.3", ["1.2.3", "1.2.4"]),
    "the tilde of two numbers": ("~1.2", ["1.2.3", "1.2.4"]),
    "the tilde of one": ("~1", ["1.0.0", "1.2.3", "1.2.4", "1.3.0"]),
    "an x": ("1.x", ["1.0.0", "1.2.3", "1.2.4", "1.3.0"]),
    "two numbers stand for all of them": ("1.2", ["1.2.3", "1.2.4"]),
    "a star is everything": ("*", TAGS),
    "not this one": ("!=1.2.3 1.x", ["1.0.0", "1.2.4", "1.3.0"]),
    "none of these": ("!=1.2.x 1.x", ["1.0.0", "1.3.0"]),
    "above a short one is above all of it": (">1.2", ["1.3.0", "2.0.0", "3.1.0"]),
    "up to a short one takes all of it": ("<=1.2 >=1", ["1.0.0", "1.2.3", "1.2.4"]),
    "below a short one is below the first of it": ("<1.2 >=0.3", ["0.3.0", "1.0.0"]),
    "a v": (">= v2.0.0", ["2.0.0", "3.1.0"]),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_ranges_hold_what_the_documentation_says(name: str) -> None:
    text, expected = CHOSEN[name]
    found = SemverRange.parse(text)
    assert [tag for tag in TAGS if found.holds(tag)] == expected


@pytest.mark.parametrize(
    ("text", "tag", "expected"),
    [
        (">=1.2", "1.3.0-rc1", False),
        (">=1.2-0", "1.3.0-rc1", True),
        (">=1.2.0-rc.2 <2", "1.2.0-rc.10", True),
        (">=1.2.0-rc.2 <2", "1.2.0-rc.1", False),
        (">=1", "v1.5", True),
        (">=1", "latest", False),
        (">=1", "1.2.3.4", False),
        (">=1", "sha256-abc.sig", False),
        ("=1.2.3", "1.2.3+build5", True),
        (">=1", "1" * 500, False),
    ],
)
def test_what_is_a_version(text: str, tag: str, expected: bool) -> None:
    assert SemverRange.parse(text).holds(tag) is expected


@pytest.mark.parametrize(
    "text", ["", "nope", ">=", "1.2.3.4", "^", ">=1 ||", "1..2", ">=1 and <2", "9" * 99, "1 " * 600]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        SemverRange.parse(text)


@given(st.tuples(*[st.integers(0, 3)] * 3), st.tuples(*[st.integers(0, 3)] * 3))
def test_every_version_lies_on_one_side_of_another(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    version, bound = (".".join(map(str, numbers)) for numbers in (one, other))
    answers = [SemverRange.parse(f"{sign}{bound}").holds(version) for sign in ("<", "=", ">")]
    assert answers.count(True) == 1
    assert SemverRange.parse(f"<={bound}").holds(version) is (answers[0] or answers[1])
    assert SemverRange.parse(f"^{bound}").holds(bound) and SemverRange.parse(f"~{bound}").holds(bound)
