"""YAML is read as operator-registry reads it, and cannot keep us busy or fill the memory."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from airferry.errors import MalformedError
from airferry.openshift.catalog.reading.yaml_documents import MAX_DEPTH, read_yaml

DATA = Path(__file__).parents[3] / "data" / "catalogs"
_SAFE_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Cn", "Co")))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _SAFE_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_SAFE_TEXT, inner, max_size=3),
    max_leaves=8,
)


def read(text: str | bytes) -> list[object]:
    content = text.encode() if isinstance(text, str) else text
    return list(read_yaml([content], "c.yaml"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-01-02", "2024-01-02"),
        ("2019-05-30T22:40:00Z", "2019-05-30T22:40:00Z"),
        ("1.10", 1.1),
        ("'1.10'", "1.10"),
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("017", 15),
        ("0o17", 15),
        ("0x1F", 31),
        ("-1_000", -1000),
        ("08", 8),
        ("1:30", "1:30"),
        ("1e400", "1e400"),
        (".inf", ".inf"),
        ("9" * 5000, "9" * 5000),
        ("!!str 1", "1"),
        ("!!int 1", 1),
        ("!ours 1", "1"),
        ("=", "="),
        ("v1.2.3", "v1.2.3"),
        ("sha256:00", "sha256:00"),
        ("{image: q.io/a:1, name: b?c}", {"image": "q.io/a:1", "name": "b?c"}),
    ],
)
def test_a_plain_scalar_means_what_it_means_to_opm(text: str, value: object) -> None:
    assert read(f"a: {text}\n") == [{"a": value}]


def test_keys_are_text_and_the_last_of_two_counts() -> None:
    assert read("1: a\nyes: b\n~: c\n1: d\n") == [{"1": "d", "true": "b", "null": "c"}]


def test_merged_keys_fill_in_what_is_missing() -> None:
    assert read("a: &x {b: 1, c: 1}\nd: {<<: *x, b: 2}\ne: {<<: [*x, {f: 3}]}\n") == [
        {"a": {"b": 1, "c": 1}, "d": {"b": 2, "c": 1}, "e": {"b": 1, "c": 1, "f": 3}}
    ]


@pytest.mark.parametrize("file", sorted(DATA.rglob("*.yaml")), ids=lambda file: file.name)
def test_real_files_hold_what_another_reader_finds(file: Path) -> None:
    yaml = YAML(typ="safe")
    yaml.allow_duplicate_keys = True  # the CSV of 3scale has a key twice
    theirs = json.dumps(list(yaml.load_all(file.read_bytes())), default=lambda date: f"{date:%Y-%m-%dT%H:%M:%SZ}")
    assert list(read_yaml([file.read_bytes()], file.name)) == json.loads(theirs)


@given(values=st.lists(_VALUES, min_size=1, max_size=3), size=st.integers(1, 50))
def test_json_is_yaml_however_it_is_cut_into_blocks(values: list[object], size: int) -> None:
    content = "".join(f"---\n{json.dumps(value, ensure_ascii=False)}\n" for value in values).encode()
    blocks = (content[start : start + size] for start in range(0, len(content), size))
    assert list(read_yaml(blocks, "c.yaml")) == values


def _bomb() -> bytes:
    names = "abcdefghij"
    lines = [f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]" for below, name in itertools.pairwise(names)]
    return "\n".join([f"a: &a [{', '.join('x' * 9)}]", *lines]).encode()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (_bomb(), "line 6: it has aliases that unfold to more than 100000 values"),
        (b"a: &a [*a]", "line 1: it has an alias to 'a', which is not there before it"),
        (b"a: *b", "line 1: it has an alias to 'b'"),
        (b"[" * 100_000, f"line 1: it is nested deeper than {MAX_DEPTH} levels"),
        (b"{a: " * 100_000, f"line 1: it is nested deeper than {MAX_DEPTH} levels"),
        (b"a:\n  ? [b]\n  : c\n", "line 2: it has an object or a list for a key"),
        (b"a: b: c", "is not YAML at line 1"),
        (b"a: \xff", "is not YAML"),
        (b"a: \x07", "is not YAML"),
        (b"%YAML 3.0\n---\na\n", "is not YAML at line 1"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(content: bytes, problem: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read(content)
    assert caught.value.message.startswith("c.yaml, document 1 is") and problem in caught.value.message


@pytest.mark.parametrize(
    ("block", "problem"),
    [(b"- {}\n" * 10_000, "has more than 1000000 values"), (b"x" * 1024 * 1024, "is longer than 64 MiB")],
    ids=["values", "text"],
)
def test_a_document_without_end_is_given_up(block: bytes, problem: str) -> None:
    def blocks() -> Iterator[bytes]:
        yield from itertools.repeat(block, 10_000)
        raise AssertionError("read on")

    with pytest.raises(MalformedError, match=problem):
        list(read_yaml(blocks(), "c.yaml"))
