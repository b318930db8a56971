"""Documents come out of a stream one at a time, whatever the blocks, and errors say where."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import MalformedError
from airferry.openshift.catalog.reading.metas import read_metas

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def _cut(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


@given(
    values=st.lists(_VALUES, min_size=1, max_size=4),
    size=st.integers(1, 40),
    indent=st.none() | st.just(2),
    ascii_=st.booleans(),
)
def test_documents_are_the_same_however_the_file_is_cut_into_blocks(
    values: list[object], size: int, indent: int | None, ascii_: bool
) -> None:
    documents = [{"schema": "x", "value": value} for value in values]
    text = "\n".join(json.dumps(item, indent=indent, ensure_ascii=ascii_) for item in documents)
    metas = list(read_metas(_cut(text.encode(errors="surrogatepass" if ascii_ else "replace"), size), "c.json"))
    assert [json.loads(meta.text) for meta in metas] == [meta.value for meta in metas]
    if ascii_:
        assert [meta.value for meta in metas] == documents


def test_yaml_is_read_document_by_document_too() -> None:
    text = b"---\nschema: olm.package\nname: etcd\n---\nschema: olm.channel\nname: alpha\npackage: etcd\n"
    metas = list(read_metas(_cut(text, 7), "c.yaml"))
    assert [(meta.schema, meta.package, meta.name) for meta in metas] == [
        ("olm.package", "etcd", "etcd"),
        ("olm.channel", "etcd", "alpha"),
    ]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'{"schema": "a"}\n{"schema": "b",\n oops}', "c, document 2 is not JSON at line 3"),
        (b'{"schema": "a"', "c, document 1 is not JSON at line 1"),
        (b'{"schema": "a', "c, document 1 is not JSON"),
        (b'{"schema": NaN}', "c, document 1 is not JSON"),
        (b'{"schema": "\xff"}', "c, document 1 is not text in UTF-8"),
        (b"schema: a\n---\nschema: [\n", "c, document 2 is not YAML at line"),
        (b"- a\n", "c, document 1 is not an object but list"),
        (b'{"name": "a"}', "c, document 1 has no schema"),
        (b"schema: olm.channel\nname: 1.10\n", "c, document 1: name is not text but 1.1"),
        (b'{"a":' * 100_000, "c, document 1 is nested too deeply"),
    ],
)
def test_what_is_no_document_is_told_with_its_place(content: bytes, where: str) -> None:
    with pytest.raises(MalformedError) as caught:
        list(read_metas([content], "c"))
    assert caught.value.message.startswith(where)


def test_a_malformed_document_is_refused_without_reading_the_rest() -> None:
    def blocks() -> Iterator[bytes]:
        yield b'{"schema": "a", ' + b"oops" * 100
        raise AssertionError("read on")

    with pytest.raises(MalformedError):
        list(read_metas(blocks(), "c"))
