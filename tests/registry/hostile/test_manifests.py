"""Cases 17 to 21: manifests that are not what they say, or nothing at all, or too much."""

import json
from time import monotonic

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

from ..conftest import Client, descriptor, image, index
from .world import is_well, refused

MIB = 1024 * 1024


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_case_17_a_manifest_pushed_under_another_digest_is_refused(registry: Client, algorithm: str) -> None:
    promised = Digest.of(b"other", algorithm)
    refused(await registry.push_manifest("a", promised, index(), OCI_INDEX), (400, "DIGEST_INVALID"))
    for digest in (promised, Digest.of(index(), algorithm)):
        assert (await registry("GET", f"/v2/a/manifests/{digest}")).status == 404
    await is_well(registry)


TWO_FACED = {
    "layers and manifests": (image(manifests=[]), OCI_MANIFEST),
    "manifests and layers": (index(layers=[]), OCI_INDEX),
    "manifests and config": (index(config=descriptor(b"{}", "a/b")), OCI_INDEX),
    "of no type, layers and manifests": (b'{"layers": [], "manifests": []}', "application/vnd.example+json"),
    "an index sent as an image": (index(), OCI_MANIFEST),
    "an image sent as an index": (image(), OCI_INDEX),
    "an OCI image sent as Docker's": (image(), DOCKER_MANIFEST),
    "an OCI index sent as Docker's": (index(), DOCKER_LIST),
    "an image that calls itself an index": (image(mediaType=OCI_INDEX), OCI_INDEX),
    "an index that calls itself an image": (index(mediaType=OCI_MANIFEST), OCI_MANIFEST),
    "two types": (b'{"mediaType": "a/b", "mediaType": "c/d"}', "a/b"),
    "a type that is a list": (image(mediaType=[OCI_MANIFEST]), OCI_MANIFEST),
}


@pytest.mark.parametrize("case", TWO_FACED)
async def test_case_18_a_manifest_of_two_meanings_is_refused(registry: Client, case: str) -> None:
    await registry.push_image("a", "good")
    raw, kind = TWO_FACED[case]
    refused(await registry.push_manifest("a", "t", raw, kind), (400, "MANIFEST_INVALID"))
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == ["good"]


NO_MANIFESTS = {
    "HTML": b"<html></html>",
    "nothing": b"",
    "[]": b"[]",
    "null": b"null",
    "{}": b"{}",
    "true": b"true",
    "a number": b"1e999",
    "text": b'"x"',
    "bad UTF-8": b'{"mediaType": "\xff\xfe"}',
    "bad UTF-8 in a key": b'{"\xc0\xae": 1, "schemaVersion": 2}',
    "a byte order mark": b"\xef\xbb\xbf" + index(),
    "UTF-16": index().decode().encode("utf-16"),
    "half a surrogate": b'{"mediaType": "\\ud800"}',
    "NUL bytes": bytes(1000),
    "100,000 lists deep": b'{"layers":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 objects deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "100,000 deep and never closed": b"[" * 100_000,
    "cut off": image()[:-1],
    "two documents": index() + index(),
    "a comment": b"// x\n" + index(),
    "a trailing comma": index()[:-1] + b",}",
    "NaN": b'{"schemaVersion": NaN}',
    "a million digits": b'{"schemaVersion": ' + b"9" * 1_000_000 + b"}",
}


@pytest.mark.parametrize("case", NO_MANIFESTS)
async def test_case_19_what_is_no_manifest_is_refused_at_once(registry: Client, case: str) -> None:
    started_s = monotonic()
    for kind in (OCI_INDEX, OCI_MANIFEST, "application/json"):
        refused(await registry.push_manifest("a", "t", NO_MANIFESTS[case], kind), (400, "MANIFEST_INVALID"))
    assert monotonic() - started_s < 3  # a second for each
    await is_well(registry)


def padded(size: int) -> bytes:
    raw = index(annotations={"x": ""})
    return raw.replace(b'"x": ""', b'"x": "' + b"y" * (size - len(raw)) + b'"')


@pytest.mark.parametrize("size", [3_900_000, 4 * MIB])
async def test_case_20_manifests_of_nearly_four_megabytes_are_taken(registry: Client, size: int) -> None:
    assert (await registry.push_manifest("a", "t", padded(size), OCI_INDEX)).status == 201
    assert (await registry("GET", "/v2/a/manifests/t")).body == padded(size)


@pytest.mark.parametrize("size", [16_000_000, 16 * MIB, 100 * MIB])
@pytest.mark.parametrize("framing", ["with a length", "chunked"])
async def test_case_20_manifests_of_sixteen_megabytes_are_413(registry: Client, size: int, framing: str) -> None:
    async def stream():
        for _ in range(0, size, MIB):
            yield b" " * MIB

    if framing == "with a length" and size > 16 * MIB:
        size = 16 * MIB + 1
    body = b" " * size if framing == "with a length" else stream()
    refused(await registry.push_manifest("a", "t", body, OCI_INDEX), (413, "SIZE_INVALID"))
    await is_well(registry)


SIZES = {"negative": -1, "2^63": 2**63, "2^64": 2**64, "10^400": 10**400, "float": 1.5, "text": "5", "null": None}
SIZES |= {"a bool": True, "a list": [5]}


@pytest.mark.parametrize("case", SIZES)
@pytest.mark.parametrize("where", ["config", "layers", "manifests", "subject"])
async def test_case_21_a_size_that_is_none_is_refused(registry: Client, case: str, where: str) -> None:
    await registry.push_image("a", "good")
    bad = descriptor(b"layer", "a/b") | {"size": SIZES[case]}
    if where == "manifests":
        raw, kind = index(manifests=[bad]), OCI_INDEX
    else:
        raw, kind = image(**{where: [bad] if where == "layers" else bad}), OCI_MANIFEST
    refused(await registry.push_manifest("a", "t", raw, kind), (400, "MANIFEST_INVALID"))


async def test_case_21_a_size_that_is_missing_is_refused(registry: Client) -> None:
    layer = {"mediaType": "a/b", "digest": Digest.of(b"layer")}
    raw = json.dumps(json.loads(image()) | {"layers": [layer]}).encode()
    refused(await registry.push_manifest("a", "t", raw), (400, "MANIFEST_INVALID"))


UNPRINTABLE = {
    "a type that ends the header": (b'{"mediaType": "a/b\\r\\nX-Evil: 1"}', None),
    "a type of half a character": (b'{"schemaVersion": 2}', "application/\udcff"),
    "a type without a subtype": (b'{"schemaVersion": 2}', "application"),
    "a type with a NUL": (b'{"mediaType": "a/b\\u0000"}', None),
    "a type of 100,000 characters": (b'{"mediaType": "a/%s"}' % (b"b" * 100_000), None),
    "an artifact type with a NUL": (index(artifactType="a\0b", subject=descriptor(b"x", OCI_MANIFEST)), OCI_INDEX),
}


@pytest.mark.parametrize("case", UNPRINTABLE)
async def test_case_19_a_type_that_no_answer_could_carry_is_refused(registry: Client, case: str) -> None:
    raw, kind = UNPRINTABLE[case]
    headers = {} if kind is None else {"Content_Type": kind}
    refused(await registry("PUT", "/v2/a/manifests/t", raw, **headers), (400, "MANIFEST_INVALID"))
    await is_well(registry)
