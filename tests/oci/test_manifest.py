"""Manifests and indexes: what is read from their bytes, and what hostile bytes come to."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.errors import AirferryError, MalformedError, UnsupportedError
from airferry.oci import Digest, Manifest, mediatype
from airferry.oci.manifest import MAX_MANIFEST_BYTES

REAL = Path(__file__).parents[1] / "data" / "manifests"
D = "sha256:" + "1" * 64
CONFIG = {"mediaType": mediatype.OCI_CONFIG, "digest": D, "size": 2}
LAYER = {"mediaType": mediatype.OCI_LAYER_GZIP, "digest": "sha256:" + "2" * 64, "size": 30}
CHILD = {"mediaType": mediatype.OCI_MANIFEST, "digest": "sha256:" + "3" * 64, "size": 400}
IMAGE: dict[str, Any] = {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER]}
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": [CHILD]}


def as_bytes(fields: object) -> bytes:
    return json.dumps(fields).encode()


# What real tools wrote.

REAL_MANIFESTS = {
    # file: (media type, layers, children)
    "v2s2.manifest.json": (mediatype.DOCKER_MANIFEST, 3, 0),
    "ociv1.manifest.json": (mediatype.OCI_MANIFEST, 3, 0),
    "ociv1nomime.manifest.json": (mediatype.OCI_MANIFEST, 3, 0),
    "v2s2nomime.manifest.json": (mediatype.DOCKER_MANIFEST, 0, 0),
    "v2list.manifest.json": (mediatype.DOCKER_LIST, 0, 5),
    "schema2list.json": (mediatype.DOCKER_LIST, 0, 7),
    "oci1index.json": (mediatype.OCI_INDEX, 0, 3),
    "v2list.everything.json": (mediatype.DOCKER_LIST, 0, 1),
    "ociv1.image.index.json": (mediatype.OCI_INDEX, 0, 2),
    "ociv1nomime.image.index.json": (mediatype.OCI_INDEX, 0, 2),
    "oci1.index.zstd-selection.json": (mediatype.OCI_INDEX, 0, 6),
}


@pytest.mark.parametrize("name", REAL_MANIFESTS)
def test_manifests_of_real_tools_are_read_and_their_bytes_kept(name: str) -> None:
    raw = (REAL / name).read_bytes()
    manifest = Manifest.parse(raw)
    assert (manifest.media_type, len(manifest.layers), len(manifest.children)) == REAL_MANIFESTS[name]
    assert (manifest.raw, manifest.digest, manifest.size_bytes) == (raw, Digest.of(raw), len(raw))
    assert manifest.is_index == bool(manifest.children)


REAL_REFUSALS: dict[str, tuple[type[AirferryError], str]] = {
    "v2s1.manifest.json": (UnsupportedError, "Docker schema 1"),
    "v2s1-unsigned.manifest.json": (UnsupportedError, "Docker schema 1"),
    "v2s1-invalid-signatures.manifest.json": (UnsupportedError, "Docker schema 1"),
    "unknown-version.manifest.json": (UnsupportedError, "schemaVersion 99999"),
    "non-json.manifest.json": (MalformedError, "is not JSON"),
    "ociv1.artifact.json": (MalformedError, "not a digest"),
}


@pytest.mark.parametrize("name", REAL_REFUSALS)
def test_files_that_are_no_manifest_of_today_are_refused_by_name(name: str) -> None:
    kind, message = REAL_REFUSALS[name]
    with pytest.raises(kind) as refusal:
        Manifest.parse((REAL / name).read_bytes())
    assert message in refusal.value.message


def test_schema_1_is_refused_with_advice_also_when_only_the_header_says_so() -> None:
    with pytest.raises(UnsupportedError, match="schema 1") as refusal:
        Manifest.parse(as_bytes({"fsLayers": []}), mediatype.DOCKER_SCHEMA1_SIGNED)
    assert refusal.value.hint is not None
    assert "push the image again" in refusal.value.hint


# What hostile bytes come to.


def image(**changes: Any) -> bytes:
    return as_bytes({**IMAGE, **changes})


def index(**changes: Any) -> bytes:
    return as_bytes({**INDEX, **changes})


def with_size(size: str) -> bytes:
    return image().replace(b'"size": 30', b'"size": ' + size.encode())


HOSTILE = {
    "nothing": b"",
    "a blank": b" ",
    "null": b"null",
    "a number": b"1",
    "a text": b'"manifest"',
    "true": b"true",
    "an empty list": b"[]",
    "an empty object": b"{}",
    "two objects": image() + image(),
    "half an object": image()[:-1],
    "bytes that are not UTF-8": image(name="x").replace(b'"x"', b'"\xff\xfe"'),
    "UTF-16": json.dumps(IMAGE).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + image(),
    "a zero byte": b"\x00" + image(),
    "gzip": b"\x1f\x8b\x08\x00" + image(),
    "HTML": b"<html><body>Please log in</body></html>",
    "half a surrogate": b'{"config":"\\ud800"}',
    "100,000 lists in each other": b'{"config":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 objects in each other": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "8 million open brackets": b"[" * 8_000_000,
    "over the limit": b'{"a":"' + b"x" * MAX_MANIFEST_BYTES + b'"}',
    "a number of a million digits": with_size("9" * 1_000_000),
    "a number without end": with_size("1e999"),
    "not a number": with_size("NaN"),
    "both layers and manifests": as_bytes({**IMAGE, **INDEX}),
    "config and manifests": as_bytes({**INDEX, "config": CONFIG}),
    "an empty list of layers and manifests": index(layers=[]),
    "manifests that are null in an image": image(manifests=None),
    "layers without a config": as_bytes({"schemaVersion": 2, "layers": [LAYER]}),
    "a config that is null": image(config=None),
    "a config that is a list": image(config=[CONFIG]),
    "a config that is a digest": image(config=D),
    "layers that are an object": image(layers=LAYER),
    "layers that are a text": image(layers="none"),
    "a layer that is null": image(layers=[None]),
    "a layer that is a list": image(layers=[[LAYER]]),
    "manifests that are null": index(manifests=None),
    "manifests that are an object": index(manifests={"a": CHILD}),
    "a child that is a text": index(manifests=[D]),
    "an image that calls itself an index": image(mediaType=mediatype.OCI_INDEX),
    "an index that calls itself an image": index(mediaType=mediatype.OCI_MANIFEST),
    "a Docker image that calls itself a list": image(mediaType=mediatype.DOCKER_LIST),
    "a type that is a number": image(mediaType=2),
    "a type that is a list": image(mediaType=[mediatype.OCI_MANIFEST]),
    "annotations that are a list": image(annotations=["a"]),
    "annotations that hold a number": image(annotations={"a": 1}),
    "annotations of a layer that are a text": image(layers=[LAYER | {"annotations": "a"}]),
    "a subject that is a text": image(subject=D),
    "a subject without a digest": image(subject={"mediaType": "a", "size": 1}),
    "a size that is missing": image(layers=[{"mediaType": "a", "digest": D}]),
    "a size below zero": with_size("-1"),
    "a size of 2^63": with_size(str(2**63)),
    "a size of 2^64": with_size(str(2**64)),
    "a size with a fraction": with_size("30.5"),
    "a whole size written as a float": with_size("30.0"),
    "a size as text": with_size('"30"'),
    "a size that is true": with_size("true"),
    "a size that is null": with_size("null"),
    "a size that is a list": with_size("[30]"),
    "a digest that is missing": image(layers=[{"mediaType": "a", "size": 1}]),
    "a digest that is null": image(config=CONFIG | {"digest": None}),
    "a digest that is empty": image(config=CONFIG | {"digest": ""}),
    "a digest that is a path": image(config=CONFIG | {"digest": "sha256:../../../etc/passwd"}),
    "a digest in upper case": image(config=CONFIG | {"digest": D.upper()}),
    "a digest of md5": image(config=CONFIG | {"digest": "md5:" + "1" * 32}),
    "a type of a layer that is a number": image(layers=[LAYER | {"mediaType": 1}]),
    "addresses that are a number": image(layers=[LAYER | {"urls": 5}]),
    "addresses that are true": image(layers=[LAYER | {"urls": True}]),
    "addresses that are a text": image(layers=[LAYER | {"urls": "https://a.test/b"}]),
    "addresses that hold a number": image(layers=[LAYER | {"urls": [1]}]),
    "a huge value in the place of a size": with_size('"' + "9" * 1_000_000 + '"'),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes_are_malformed_at_once_and_in_a_short_sentence(raw: bytes) -> None:
    started = time.process_time()
    with pytest.raises(MalformedError) as refusal:
        Manifest.parse(raw)
    assert time.process_time() - started < 1
    assert len(refusal.value.message) < 500


UNSUPPORTED = {
    "a type nobody knows": image(mediaType="application/vnd.example.thing+json"),
    "a type of a million letters": image(mediaType="a" * 1_000_000),
    "a layout of the future": image(schemaVersion=3),
    "schema 1": as_bytes({"schemaVersion": 1, "fsLayers": [], "history": []}),
}


@pytest.mark.parametrize("raw", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_is_valid_but_not_ours_is_unsupported(raw: bytes) -> None:
    with pytest.raises(UnsupportedError) as refusal:
        Manifest.parse(raw)
    assert len(refusal.value.message) < 500


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just(D),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["mediaType", "digest", "size", "urls", "platform", "a"]), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "artifactType", "annotations"]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values), st.booleans(), st.booleans())
def test_no_field_of_any_type_gives_any_other_error(fields: dict[str, Any], over_image: bool, plain: bool) -> None:
    raw = as_bytes(fields if plain else {**(IMAGE if over_image else INDEX), **fields})
    try:
        manifest = Manifest.parse(raw)
    except (MalformedError, UnsupportedError):
        return
    assert manifest.raw == raw
    assert all(0 <= blob.size_bytes < 2**63 for blob in manifest.blobs)
    assert all(Digest.parse(found.digest) for found in (*manifest.blobs, *manifest.children))
    assert all(isinstance(value, str) for value in manifest.annotations.values())


@given(st.binary(max_size=60))
def test_no_bytes_give_any_other_error(raw: bytes) -> None:
    with pytest.raises((MalformedError, UnsupportedError)):
        Manifest.parse(raw)


# What is read from good ones.


def test_the_bytes_are_never_written_anew() -> None:
    raw = b' {\n\t"unknown" : [1.50],"schemaVersion":2, "layers":[ ], "config":' + as_bytes(CONFIG) + b"}\n"
    manifest = Manifest.parse(raw)
    assert manifest.raw == raw
    assert manifest.digest == Digest.of(raw)


def test_the_digest_can_be_sha512() -> None:
    assert Manifest.parse(image(), algorithm="sha512").digest == Digest.of(image(), "sha512")


TYPES = {
    "its own field": (image(mediaType=mediatype.DOCKER_MANIFEST), None, mediatype.DOCKER_MANIFEST),
    "its own field, whatever the header says": (
        image(mediaType=mediatype.DOCKER_MANIFEST),
        mediatype.OCI_INDEX,
        mediatype.DOCKER_MANIFEST,
    ),
    "the header, when there is no field": (image(), mediatype.DOCKER_MANIFEST, mediatype.DOCKER_MANIFEST),
    "the header of a list": (index(), mediatype.DOCKER_LIST, mediatype.DOCKER_LIST),
    "the shape, when the header says nothing of use": (image(), "application/octet-stream", mediatype.OCI_MANIFEST),
    "the shape of an index": (index(), "text/plain", mediatype.OCI_INDEX),
    "the shape, with neither": (image(), None, mediatype.OCI_MANIFEST),
    "the shape, with an empty header": (index(), "", mediatype.OCI_INDEX),
}


@pytest.mark.parametrize(("raw", "said", "expected"), TYPES.values(), ids=TYPES)
def test_the_type_is_decided_by(raw: bytes, said: str | None, expected: str) -> None:
    assert Manifest.parse(raw, said).media_type == expected


def test_a_header_that_contradicts_the_fields_is_malformed() -> None:
    with pytest.raises(MalformedError, match="calls itself"):
        Manifest.parse(image(), mediatype.OCI_INDEX)


def test_blobs_are_config_then_layers_each_once() -> None:
    manifest = Manifest.parse(image(layers=[LAYER, CONFIG, LAYER]))
    assert [blob.digest for blob in manifest.blobs] == [CONFIG["digest"], LAYER["digest"]]


FOREIGN = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
]


@pytest.mark.parametrize("media_type", FOREIGN)
def test_foreign_layers_with_addresses_are_not_carried(media_type: str) -> None:
    foreign = LAYER | {"mediaType": media_type, "urls": ["https://go.microsoft.test/layer"]}
    manifest = Manifest.parse(image(layers=[foreign]))
    assert len(manifest.layers) == 1
    assert [blob.digest for blob in manifest.blobs] == [CONFIG["digest"]]


@pytest.mark.parametrize("media_type", FOREIGN)
def test_foreign_layers_without_addresses_have_nowhere_else_to_come_from(media_type: str) -> None:
    manifest = Manifest.parse(image(layers=[LAYER | {"mediaType": media_type}]))
    assert LAYER["digest"] in [blob.digest for blob in manifest.blobs]


def test_an_artifact_without_layers_is_an_image() -> None:
    for layers in ([], None):
        assert Manifest.parse(image(layers=layers)).layers == ()


def test_subject_artifact_type_and_annotations_are_read() -> None:
    manifest = Manifest.parse(image(subject=CHILD, artifactType="a/b", annotations={"k": "v"}))
    assert manifest.subject is not None
    assert manifest.subject.digest == CHILD["digest"]
    assert (manifest.artifact_type, manifest.annotations) == ("a/b", {"k": "v"})
    assert manifest.descriptor.artifact_type == "a/b"
    assert Manifest.parse(image()).annotations == {}


def test_a_descriptor_points_back_at_the_manifest() -> None:
    descriptor = Manifest.parse(index()).descriptor
    assert (descriptor.media_type, descriptor.digest, descriptor.size_bytes) == (
        mediatype.OCI_INDEX,
        Digest.of(index()),
        len(index()),
    )


def test_equal_bytes_are_equal_manifests_and_hash_by_their_digest() -> None:
    one, same, other = Manifest.parse(image()), Manifest.parse(image()), Manifest.parse(index())
    assert one == same
    assert one != other
    assert one != "manifest"
    assert len({one, same, other}) == 2
    assert hash(one) == hash(one.digest)


PLATFORMS = {
    "linux/amd64": {"os": "linux", "architecture": "amd64"},
    "linux/arm/v7": {"os": "linux", "architecture": "arm", "variant": "v7"},
    "linux/s390x": {"os": "linux", "architecture": "s390x", "variant": ""},
    "windows/amd64": {"os": "windows", "architecture": "amd64", "os.version": "10.0.17763.1", "features": ["x"]},
    "unknown/unknown": {"os": "unknown", "architecture": "unknown"},
}


@pytest.mark.parametrize("printed", PLATFORMS)
def test_a_platform_prints_as_people_filter_by_it(printed: str) -> None:
    (child,) = Manifest.parse(index(manifests=[CHILD | {"platform": PLATFORMS[printed]}])).children
    assert str(child.platform) == printed
    assert child.platform is not None
    assert child.platform.os_version == PLATFORMS[printed].get("os.version")


@pytest.mark.parametrize("platform", [None, {}, "linux/amd64", {"os": "linux"}, {"os": 1, "architecture": "a"}])
def test_a_child_without_a_usable_platform_has_none(platform: object) -> None:
    (child,) = Manifest.parse(index(manifests=[CHILD | {"platform": platform}])).children
    assert child.platform is None


def test_the_largest_size_of_the_specification_is_accepted() -> None:
    assert Manifest.parse(with_size(str(2**63 - 1))).layers[0].size_bytes == 2**63 - 1


def test_a_list_may_hold_the_same_child_for_several_platforms() -> None:
    assert len(Manifest.parse(index(manifests=[CHILD, CHILD])).children) == 2
