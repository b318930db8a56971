"""Markers in binaries, however the stream is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.openshift.release.patching import (
    RELEASE_ARCHITECTURE,
    RELEASE_IMAGE,
    RELEASE_VERSION,
    PatchCheck,
    Patcher,
)

MARKERS = (RELEASE_IMAGE, RELEASE_VERSION, RELEASE_ARCHITECTURE)
PULLSPEC = "127.0.0.1:5101/ocp4/openshift4@sha256:39f8f6003b8d68f16a64152c4755cde07daeb99703b430bae441c1765e7e0a42"
VALUES = {RELEASE_IMAGE: PULLSPEC, RELEASE_VERSION: "4.99.1", RELEASE_ARCHITECTURE: "linux/amd64"}


def patch(binary: bytes, sizes: list[int], values=VALUES) -> tuple[bytes, Patcher]:
    patcher = Patcher(values)
    return b"".join(patcher.feed(chunk) for chunk in cut(binary, sizes)) + patcher.finish(), patcher


def cut(binary: bytes, sizes: list[int]) -> list[bytes]:
    chunks, start = [], 0
    for size in sizes:
        chunks.append(binary[start : start + size])
        start += size
    return [*chunks, binary[start:]]


def with_markers(order, gaps, repeat=False) -> bytes:
    parts = [marker.pattern + gap for marker, gap in zip(order, gaps, strict=False)]
    return b"\x7fELF" + b"".join(parts) * (2 if repeat else 1)


def expected(binary: bytes) -> bytes:
    """The rule said as plainly as can be, on the whole binary at once."""
    for marker, value in VALUES.items():
        at = binary.find(marker.pattern)
        if at >= 0:
            text = value.encode() + b"\0"
            binary = binary[:at] + text + binary[at + len(text) :]
    return binary


def test_markers_have_the_sizes_that_installers_have():
    assert [len(marker.pattern) for marker in MARKERS] == [327, 93, 98]
    assert [marker.max_value_bytes for marker in MARKERS] == [326, 92, 97]


def test_bytes_look_as_they_did_after_oc():
    patched, _ = patch(with_markers(MARKERS, [b"a", b"b", b"c"]), [])
    assert b"ELF" + PULLSPEC.encode() + b"\0XXX" in patched
    assert b"a4.99.1\0SE_VERSION_LOCATION_\0" + b"X" * 64 + b"\0b" in patched
    assert b"blinux/amd64\0CHITECTURE_LOCATION_\0" + b"X" * 64 + b"\0c" in patched


@given(
    st.permutations(MARKERS),
    st.lists(st.binary(max_size=40), min_size=3, max_size=3),
    st.lists(st.integers(0, 200), max_size=30),
    st.booleans(),
)
def test_however_the_stream_is_cut_the_outcome_is_the_same(order, gaps, sizes, repeat):
    binary = with_markers(order, gaps, repeat)
    patched, patcher = patch(binary, sizes)
    assert patched == expected(binary)
    assert len(patched) == len(binary)
    assert patcher.missing == ()
    assert set(patcher.patched) == set(MARKERS)


@given(
    st.lists(st.sampled_from([*(m.pattern for m in MARKERS), b"\0_RELEASE_", b"X" * 50, b"\0"]), max_size=8), st.data()
)
def test_near_misses_do_not_matter(parts, data):
    binary = b"".join(parts)
    patched, _ = patch(binary, data.draw(st.lists(st.integers(0, 90), max_size=40)))
    assert patched == expected(binary)


def test_one_byte_at_a_time_works_too():
    binary = with_markers(MARKERS, [b"", b"", b""])
    assert patch(binary, [1] * len(binary))[0] == expected(binary)


def test_little_is_held_back():
    patcher = Patcher(VALUES)
    assert len(patcher.feed(bytes(10_000))) == 10_000 - 326


def test_only_the_first_occurrence_is_replaced():
    patched, _ = patch(with_markers(MARKERS, [b"1", b"2", b"3"], repeat=True), [])
    assert all(patched.count(marker.pattern) == 1 for marker in MARKERS)


def test_missing_markers_are_told():
    _, patcher = patch(RELEASE_VERSION.pattern + b"tail", [10])
    assert patcher.missing == (RELEASE_IMAGE, RELEASE_ARCHITECTURE)
    assert patcher.patched == (RELEASE_VERSION,)


def test_without_values_everything_passes_through():
    assert patch(b"abc", [1], {})[0] == b"abc"


@pytest.mark.parametrize("marker", MARKERS, ids=lambda marker: marker.title)
def test_a_value_may_fill_the_marker_and_not_more(marker):
    longest = "v" * marker.max_value_bytes
    patched, _ = patch(marker.pattern, [], {marker: longest})
    assert patched == longest.encode() + b"\0"
    with pytest.raises(MalformedError, match=f"the {marker.title} value has {marker.max_value_bytes + 1} bytes, but"):
        Patcher({marker: longest + "v"})


@pytest.mark.parametrize("value", ["", "a\0b"])
def test_a_value_that_cannot_stand_there_is_refused(value):
    with pytest.raises(MalformedError, match="cannot be written"):
        Patcher({RELEASE_VERSION: value})


@given(st.lists(st.integers(1, 300), max_size=20))
def test_the_check_finds_what_was_written(sizes):
    patched, _ = patch(with_markers(MARKERS, [b"x" * 500, b"", b"y"]), [])
    check = PatchCheck(VALUES)
    for chunk in cut(patched, sizes):
        check.feed(chunk)
    assert check.unwritten == ()


def test_the_check_sees_a_binary_that_was_not_patched_or_for_another_release():
    other, _ = patch(with_markers(MARKERS, [b"", b"", b""]), [], {**VALUES, RELEASE_VERSION: "4.99.10"})
    for binary, wrong in ((with_markers(MARKERS, [b"", b"", b""]), MARKERS), (other, (RELEASE_VERSION,))):
        check = PatchCheck(VALUES)
        check.feed(binary)
        assert check.unwritten == wrong
