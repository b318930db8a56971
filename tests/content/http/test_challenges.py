"""WWW-Authenticate, as registries in the wild write it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.content.http.challenge import Challenge, choose, parse_challenges

BEARER = {"realm": "https://auth.example.com/token", "service": "r", "scope": "repository:a/b:pull,push"}
CASES: dict[str, tuple[list[str], list[Challenge]]] = {
    "basic": (['Basic realm="Registry Realm"'], [Challenge("basic", {"realm": "Registry Realm"})]),
    "bearer with a comma inside quotes": (
        ['Bearer realm="https://auth.example.com/token",service="r",scope="repository:a/b:pull,push"'],
        [Challenge("bearer", BEARER)],
    ),
    "two challenges in one field": (
        ['Bearer realm="https://t",service="r", Basic realm="x"'],
        [Challenge("bearer", {"realm": "https://t", "service": "r"}), Challenge("basic", {"realm": "x"})],
    ),
    "two fields": (
        ['Basic realm="x"', 'Bearer realm="https://t"'],
        [Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": "https://t"})],
    ),
    "blanks around": (
        ['bearer  Realm = "https://t" , service=r'],
        [Challenge("bearer", {"realm": "https://t", "service": "r"})],
    ),
    "escaped quotes": (['Basic realm="a \\"b\\""'], [Challenge("basic", {"realm": 'a "b"'})]),
    "a scheme alone": (["Negotiate"], [Challenge("negotiate")]),
    "a scheme with one token, then another": (
        ['Negotiate YWJj=, Basic realm="x"'],
        [Challenge("negotiate"), Challenge("basic", {"realm": "x"})],
    ),
    "schemes alone in one field": (
        ["Negotiate, Basic realm=x"],
        [Challenge("negotiate"), Challenge("basic", {"realm": "x"})],
    ),
    "nothing": ([""], []),
}


@pytest.mark.parametrize(("values", "expected"), CASES.values(), ids=CASES)
def test_challenges_are_read(values: list[str], expected: list[Challenge]) -> None:
    assert list(parse_challenges(values)) == expected


def test_bearer_is_answered_before_basic_and_never_without_a_realm() -> None:
    basic, bearer = Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": "https://t"})
    assert choose([basic, bearer]) is bearer
    assert choose([Challenge("bearer"), basic]) is basic
    assert choose([Challenge("negotiate")]) is None


@given(st.lists(st.text(max_size=60), max_size=3))
def test_no_header_breaks_the_parser(values: list[str]) -> None:
    choose(parse_challenges(values))


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126)))
def test_what_is_quoted_is_read_back(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_challenges([f'Bearer realm="{quoted}",service="s"']) == (
        Challenge("bearer", {"realm": text, "service": "s"}),
    )
