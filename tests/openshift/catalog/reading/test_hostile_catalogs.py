"""Whatever is in a catalog, it is read or refused by name: never a traceback, never without end."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.errors import AirferryError, MalformedError
from airferry.openshift.catalog.findings import FindingCode
from airferry.openshift.catalog.model import Catalog
from airferry.openshift.catalog.reading.bundle_manifests import read_bundle
from airferry.openshift.catalog.reading.bundle_rendering import rendered
from airferry.openshift.catalog.reading.catalog_reader import read_catalog
from airferry.openshift.catalog.reading.metas import read_metas
from airferry.openshift.catalog.upgrade_graph import heads

DATA = Path(__file__).parents[3] / "data" / "catalogs"
_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.sampled_from(["", " ", "\x1b[2J", "olm.package", "olm.channel", "olm.bundle", "olm.deprecations", "\ud800"]),
    st.just([]),
    st.just({}),
    st.lists(st.none() | st.text(max_size=2) | st.just({}) | st.just([[]]), max_size=3),
)


def read(content: bytes, file: str = "c.json") -> Catalog:
    return read_catalog(read_metas([content], file))


def _small(meta: Any) -> dict[str, Any]:
    """The document without what is large in it and means nothing to us."""
    value = copy.deepcopy(meta.value)
    for item in value.get("properties", ()):
        if item["type"] in ("olm.bundle.object", "olm.csv.metadata"):
            item["value"] = {"displayName": "x"}
    value.pop("icon", None)
    return dict(value)


REAL = [
    _small(meta)
    for name in ("kairos-operator/catalog.yaml", "aws-load-balancer-operator/catalog.json")
    for meta in read_metas([(DATA / "fbc" / name).read_bytes()], name)
] + [
    {
        "schema": "olm.deprecations",
        "package": "kairos-operator",
        "entries": [{"reference": {"schema": "olm.channel", "name": "stable"}, "message": "old"}],
    }
]
YAML = (DATA / "fbc" / "kairos-operator" / "catalog.yaml").read_bytes()
BUNDLE = {
    str(file.relative_to(DATA / "bundles" / "etcd.0.9.2")): file.read_bytes()
    for file in (DATA / "bundles" / "etcd.0.9.2").rglob("*.yaml")
}


def _damage(value: Any, data: st.DataObject) -> Any:
    """Return ``value`` with one thing somewhere in it replaced, removed or doubled."""
    if data.draw(st.integers(0, 3)) == 0 or not isinstance(value, (dict, list)) or not value:
        return data.draw(_ODD)
    if isinstance(value, dict):
        key = data.draw(st.sampled_from(sorted(value)))
        if data.draw(st.integers(0, 4)) == 0:
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: _damage(value[key], data)}
    at = data.draw(st.integers(0, len(value) - 1))
    if data.draw(st.integers(0, 4)) == 0:
        return [*value, value[at]]
    return [*value[:at], _damage(value[at], data), *value[at + 1 :]]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_documents_are_read_or_refused(data: st.DataObject) -> None:
    documents: Any = REAL
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(documents) - 1))
        documents = [*documents[:at], _damage(documents[at], data), *documents[at + 1 :]]
    try:
        catalog = read("\n".join(map(json.dumps, documents)).encode())
    except AirferryError as error:
        assert error.message.startswith("c.json, document ")
        return
    for package in catalog.packages.values():
        assert all(isinstance(name, str) for channel in package.channels.values() for name in heads(channel))
        # What is kept can be printed and stored.
        str(package).encode()


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damaged_text_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(YAML[:6000])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.sampled_from([b"&a ", b"*a", b"{", b"[", b"]", b"'", b'"', b"|", b"\n", b"\t", b"\xff", b"---\n", b": "])
        )
    try:
        read(bytes(content), "c.yaml")
    except AirferryError as error:
        assert error.message.startswith("c.yaml, document ")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_bundles_are_read_or_refused(data: st.DataObject) -> None:
    files = dict(BUNDLE)
    name = data.draw(st.sampled_from(sorted(files)))
    document = _yaml(files[name])[0]
    files[name] = json.dumps(_damage(document, data)).encode()
    try:
        document = rendered(read_bundle(files, "a"), "q.io/a/b:1", as_objects=data.draw(st.booleans()))
    except AirferryError:
        return
    read(json.dumps(document).encode())


def _yaml(content: bytes) -> list[Any]:
    from airferry.openshift.catalog.reading.yaml_documents import read_yaml

    return list(read_yaml([content], "f"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"schema": "a", "n": ' + b"9" * 10_000 + b"}", "document 1 is not read"),
        (b'{"schema": "a", "n": ' + b"[" * 100_000 + b"}", "document 1 is nested too deeply"),
        (b'{"schema": "olm.bundle", "name": "a", "package": "p", "relatedImages": {}}', "relatedImages is not a list"),
        (b'{"schema": "olm.channel", "name": "a", "package": "p", "entries": [1]}', "an item of entries is not an"),
        (b'{"schema": "olm.channel", "name": "a"}', "this olm.channel has no package"),
        (b'{"schema": "olm.package"}', "this olm.package has no name"),
        (b'{"schema": 1}', "schema is not text but 1"),
    ],
)
def test_what_makes_a_document_meaningless_is_told_with_its_place(content: bytes, problem: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read(content)
    assert caught.value.message.startswith("c.json, document 1") and problem in caught.value.message


def test_halves_of_letters_are_replaced() -> None:
    catalog = read(rb'{"schema": "olm.package", "name": "a\ud800", "defaultChannel": "\ud83d\ude00"}')
    assert {name: package.default_channel for name, package in catalog.packages.items()} == {"a�": "😀"}


def test_of_things_that_are_there_twice_the_first_counts_and_both_places_are_told() -> None:
    text = b"""
{"schema": "olm.package", "name": "p", "defaultChannel": "a"}
{"schema": "olm.channel", "name": "a", "package": "p", "entries": [{"name": "x"}]}
{"schema": "olm.bundle", "name": "x", "package": "p", "image": "first"}
{"schema": "olm.bundle", "name": "x", "package": "q", "image": "another package"}
{"schema": "olm.bundle", "name": "x", "package": "p", "image": "second", "relatedImages": [{}]}
{"schema": "olm.channel", "name": "a", "package": "p", "entries": []}
{"schema": "olm.package", "name": "p", "defaultChannel": "b"}
"""
    catalog = read(text)
    package = catalog.packages["p"]
    assert (package.default_channel, package.bundles["x"].image, len(package.channels["a"].entries)) == (
        "a",
        "first",
        1,
    )
    assert [(item.code, item.where, item.bundle) for item in catalog.findings] == [
        (FindingCode.DUPLICATE_NAME, "c.json, document 5", "x"),
        (FindingCode.DUPLICATE_NAME, "c.json, document 6", ""),
        (FindingCode.DUPLICATE_NAME, "c.json, document 7", ""),
    ]
    assert "the first counts: c.json, document 3" in catalog.findings[0].what


def test_a_bundle_whose_files_are_nothing_is_refused() -> None:
    for content in (b"", b"\x00", b"[]", b"1", b"{}", b"kind: [ClusterServiceVersion]"):
        with pytest.raises(MalformedError):
            read_bundle({"manifests/a.yaml": content, "metadata/annotations.yaml": content}, "b")
