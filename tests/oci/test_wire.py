"""The distribution API's words: error bodies, ranges, links."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.oci.wire import WireError, parse_content_range, parse_errors, parse_next_link, parse_range, print_errors


@given(st.text(min_size=1), st.text())
def test_an_error_that_is_printed_is_read_back(code: str, message: str) -> None:
    assert parse_errors(print_errors(code, message)) == (WireError(code, message),)


BODIES: dict[str, tuple[bytes, tuple[WireError, ...]]] = {
    "one error": (b'{"errors":[{"code":"DENIED","message":"no"}]}', (WireError("DENIED", "no"),)),
    "a code of its own": (b'{"errors":[{"code":"QUOTA"}]}', (WireError("QUOTA", ""),)),
    "a page for people": (b"<html>404</html>", ()),
    "nothing": (b"", ()),
    "not a list": (b'{"errors":{}}', ()),
    "entries that are none": (b'{"errors":[1,null]}', ()),
    "nested beyond reason": (b"[" * 100_000, ()),
    "not UTF-8": (b'{"errors":[{"code":"\xff"}]}', ()),
}


@pytest.mark.parametrize(("body", "expected"), BODIES.values(), ids=BODIES)
def test_an_error_body_is_read(body: bytes, expected: tuple[WireError, ...]) -> None:
    assert parse_errors(body) == expected


CONTENT_RANGES: dict[str, tuple[str, tuple[int, int] | None]] = {
    "an upload's": ("0-1023", (0, 1023)),
    "an answer's": ("bytes 100-199/200", (100, 199)),
    "an answer's of unknown length": ("bytes 100-199/*", (100, 199)),
    "backwards": ("9-1", None),
    "unsatisfied": ("bytes */200", None),
    "negative": ("-5-10", None),
    "text": ("all of it", None),
    "empty": ("", None),
}


@pytest.mark.parametrize(("value", "expected"), CONTENT_RANGES.values(), ids=CONTENT_RANGES)
def test_a_content_range_is_read(value: str, expected: tuple[int, int] | None) -> None:
    assert parse_content_range(value) == expected


RANGES: dict[str, tuple[str, tuple[int, int] | None]] = {
    "from an offset": ("bytes=100-", (100, 999)),
    "a span": ("bytes=0-0", (0, 0)),
    "past the end": ("bytes=990-2000", (990, 999)),
    "the last bytes": ("bytes=-10", (990, 999)),
    "more last bytes than there are": ("bytes=-5000", (0, 999)),
    "several": ("bytes=0-1,5-6", None),
    "another unit": ("lines=1-2", None),
    "nothing": ("bytes=-", None),
}


@pytest.mark.parametrize(("value", "expected"), RANGES.values(), ids=RANGES)
def test_a_range_is_read(value: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(value, 1000) == expected


@pytest.mark.parametrize(
    ("value", "size"), [("bytes=1000-", 1000), ("bytes=-0", 1000), ("bytes=-5", 0), ("bytes=5-1", 1000)]
)
def test_a_range_without_a_byte_in_it_cannot_be_satisfied(value: str, size: int) -> None:
    with pytest.raises(ValueError, match="bytes="):
        parse_range(value, size)


LINKS: dict[str, tuple[str, str | None]] = {
    "relative": ('</v2/a/tags/list?last=x&n=2>; rel="next"', "/v2/a/tags/list?last=x&n=2"),
    "absolute": ('<https://h/v2/a?last=x>; rel="next"', "https://h/v2/a?last=x"),
    "without quotes": ("</next>; rel=next", "/next"),
    "after another": ('</first>; rel="first", </next>; rel="next"', "/next"),
    "with another parameter before": ('</next>; title="a"; rel="next"', "/next"),
    "another relation": ('</prev>; rel="prev"', None),
    "none": ("", None),
}


@pytest.mark.parametrize(("value", "expected"), LINKS.values(), ids=LINKS)
def test_a_link_to_the_next_page_is_read(value: str, expected: str | None) -> None:
    assert parse_next_link(value) == expected
