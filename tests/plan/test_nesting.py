"""Deep names for shallow registries: short enough, never shared, and with a way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import UsageError
from airferry.oci import Place, PlaceKind, Repository
from airferry.plan import CopyRequest
from airferry.plan.mapping import parse_arguments
from airferry.plan.nesting import flattened, flattened_path, shallow_requests, unflattened, with_shallow_names

WORDS = st.lists(st.from_regex(r"[a-z0-9]{1,4}", fullmatch=True), min_size=1, max_size=3).map("-".join)
PATHS = st.lists(WORDS, min_size=1, max_size=6).map("/".join)


@pytest.mark.parametrize(
    ("path", "most_parts", "expected"),
    [
        pytest.param("team/app", 2, "team/app", id="short enough stays"),
        pytest.param("org/team/app", 2, "org/team-app", id="the rest becomes one part"),
        pytest.param("a/b/c/d", 3, "a/b/c-d", id="the first N-1 parts stay"),
        pytest.param("a/b/c", 1, "a-b-c", id="down to one part"),
        pytest.param("a/b-c/d", 2, "a/b-c-d-c6d1d49e", id="a dash in a part brings the hash of the whole name"),
        pytest.param("a/b/c-d", 2, "a/b-c-d-4e80720e", id="and another name another hash"),
        pytest.param("my-org/b/c", 2, "my-org/b-c", id="a dash in what stays does not"),
    ],
)
def test_names_are_joined(path: str, most_parts: int, expected: str) -> None:
    assert flattened_path(path, most_parts) == expected


@given(PATHS, st.integers(1, 6))
def test_a_name_is_short_enough_and_once_is_enough(path: str, most_parts: int) -> None:
    name = flattened_path(path, most_parts)
    assert name.count("/") < most_parts
    assert flattened_path(name, most_parts) == name


@given(st.sets(PATHS, min_size=2, max_size=40), st.integers(1, 4))
def test_two_names_that_are_both_joined_never_become_one(paths: set[str], most_parts: int) -> None:
    deep = {path for path in paths if path.count("/") >= most_parts}
    assert len({flattened_path(path, most_parts) for path in deep}) == len(deep)


@given(PATHS, st.integers(1, 4))
def test_the_name_alone_leads_back(path: str, most_parts: int) -> None:
    name = flattened_path(path, most_parts)
    if name != path:
        assert unflattened(name) == path


def test_a_name_without_a_dash_was_not_joined() -> None:
    assert unflattened("team/app") is None
    assert unflattened("team/app-deadbeef") is None


def test_disks_keep_their_names() -> None:
    deep = Repository(Place(PlaceKind.TREE, "/media/usb"), "a/b/c")
    assert flattened(deep, 2) == deep


def test_a_natural_name_and_a_joined_one_are_not_mixed_up_in_silence() -> None:
    wished = parse_arguments(["q.io/a/x=m.lan/a/b/c", "q.io/a/y=m.lan/a/b-c"])
    with pytest.raises(UsageError, match=r"m\.lan/a/b/c and m\.lan/a/b-c would both become m\.lan/a/b-c"):
        with_shallow_names(wished, 2)


def test_the_new_names_are_told() -> None:
    wished = parse_arguments(["q.io/a/x:1=m.lan/a/b/c:1", "q.io/a/y:1=m.lan/d:1"])
    requests = [CopyRequest(item.source, item.destination.repository, ("1",)) for item in wished]
    given, renamed = shallow_requests(requests, 2)
    assert renamed == {"m.lan/a/b/c": "m.lan/a/b-c"}
    assert [str(item.destination) for item in given] == ["m.lan/a/b-c", "m.lan/d"]
    assert given == [
        CopyRequest(item.source, item.destination.repository, ("1",)) for item in with_shallow_names(wished, 2)
    ]
