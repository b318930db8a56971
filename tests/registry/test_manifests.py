"""Manifests in and out: byte for byte, by tag and by digest, of any type, complete or sparse."""

import json

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

from .conftest import Client, descriptor, image, index

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


async def test_a_manifest_comes_back_byte_for_byte_by_tag_and_by_digest(registry: Client) -> None:
    await registry.push_image("ocp/release", "4.20.1-x86_64")
    raw = image()
    digest = Digest.of(raw)
    for target in ("4.20.1-x86_64", digest):
        answer = await registry("GET", f"/v2/ocp/release/manifests/{target}")
        assert (answer.status, answer.body) == (200, raw)
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["Content-Type"] == OCI_MANIFEST
        head = await registry("HEAD", f"/v2/ocp/release/manifests/{target}")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(raw)))


@pytest.mark.parametrize("accept", ["application/json", "text/html", DOCKER_MANIFEST, "*/*"])
async def test_a_manifest_is_served_whatever_accept_says(registry: Client, accept: str) -> None:
    await registry.push_image("a", "t")
    answer = await registry("GET", "/v2/a/manifests/t", Accept=accept)
    assert (answer.status, answer.headers["Content-Type"]) == (200, OCI_MANIFEST)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_an_image_pushed_by_digest_needs_no_tag(registry: Client, algorithm: str) -> None:
    for content in (b"{}", b"layer"):
        await registry.push_blob("a", content)
    digest = Digest.of(image(), algorithm)
    answer = await registry.push_manifest("a", digest, image())
    assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, digest)
    assert answer.headers["Location"] == f"/v2/a/manifests/{digest}"
    assert (await registry("GET", f"/v2/a/manifests/{digest}")).body == image()
    assert (await registry("GET", "/v2/a/tags/list")).json == {"name": "a", "tags": []}


async def test_a_push_by_digest_may_bring_tags_along(registry: Client) -> None:
    for content in (b"{}", b"layer"):
        await registry.push_blob("a", content)
    digest = Digest.of(image())
    tags = [f"v1.{number}" for number in range(20)]
    query = "&".join(f"tag={tag}" for tag in tags)
    answer = await registry.push_manifest("a", f"{digest}?{query}", image())
    assert (answer.status, answer.headers.getall("OCI-Tag")) == (201, tags)
    assert sorted(tags) == (await registry("GET", "/v2/a/tags/list")).json["tags"]
    bad = await registry.push_manifest("a", f"{digest}?tag=not/a/tag", image())
    assert (bad.status, bad.code) == (400, "TAG_INVALID")
    many = "&".join(f"tag=v{number}" for number in range(500))
    assert (await registry.push_manifest("a", f"{digest}?{many}", image())).status == 414


async def test_an_image_whose_blobs_are_missing_is_refused(registry: Client) -> None:
    await registry.push_blob("a", b"{}")
    await registry.push_blob("elsewhere", b"layer")
    answer = await registry.push_manifest("a", "t", image())
    assert (answer.status, answer.code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert (await registry("GET", "/v2/a/manifests/t")).status == 404
    assert (await registry("GET", f"/v2/a/manifests/{Digest.of(image())}")).status == 404


@pytest.mark.parametrize("kind", [OCI_INDEX, DOCKER_LIST])
async def test_an_index_whose_children_are_missing_is_accepted(registry: Client, kind: str) -> None:
    raw = index(b"never pushed", mediaType=kind)
    assert (await registry.push_manifest("a", "sparse", raw, kind)).status == 201
    answer = await registry("GET", "/v2/a/manifests/sparse")
    assert (answer.body, answer.headers["Content-Type"]) == (raw, kind)


async def test_foreign_layers_need_not_be_there(registry: Client) -> None:
    await registry.push_blob("windows", b"{}")
    layer = descriptor(b"at microsoft", FOREIGN, urls=["https://mcr.microsoft.com/layer"])
    assert (await registry.push_manifest("windows", "t", image(layers=[layer]))).status == 201


async def test_a_type_nobody_knows_is_kept_as_it_was_pushed(registry: Client) -> None:
    kind = "application/vnd.example.thing.v7+json"
    raw = json.dumps({"mediaType": kind, "blobs": [descriptor(b"thing", "text/plain")]}).encode()
    assert (await registry.push_manifest("a", "t", raw, kind)).code == "MANIFEST_BLOB_UNKNOWN"
    await registry.push_blob("a", b"thing")
    assert (await registry.push_manifest("a", "t", raw, kind)).status == 201
    answer = await registry("GET", "/v2/a/manifests/t")
    assert (answer.body, answer.headers["Content-Type"]) == (raw, kind)


async def test_a_manifest_without_a_type_of_its_own_gets_that_of_its_content_type(registry: Client) -> None:
    await registry.push_image("a", "t")
    fields = json.loads(image())
    del fields["mediaType"]
    raw = json.dumps(fields).encode()
    assert (await registry.push_manifest("a", "t", raw, f"{OCI_MANIFEST}; charset=utf-8")).status == 201
    answer = await registry("GET", "/v2/a/manifests/t")
    assert (answer.body, answer.headers["Content-Type"]) == (raw, OCI_MANIFEST)


SIZES = {
    "negative": -1,
    "2^63": 2**63,
    "a fraction": 1.5,
    "text": "5",
    "a bool": True,
    "nothing": None,
}
BAD_BODIES: dict[str, bytes] = {
    "empty": b"",
    "not JSON": b"<html>",
    "a list": b"[]",
    "null": b"null",
    "an empty object": b"{}",
    "a number": b"1",
    "not UTF-8": b'{"mediaType": "\xff\xfe"}',
    "a byte order mark": b"\xef\xbb\xbf" + image(),
    "nested 100,000 deep": b'{"layers":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "cut off": image()[:-1],
    "layers and manifests": image(manifests=[]),
    "another type than its Content-Type": image(mediaType=DOCKER_MANIFEST),
    "an index that calls itself an image": index().replace(OCI_INDEX.encode(), OCI_MANIFEST.encode()),
    "an image without config": json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}).encode(),
    "a config that is text": image(config="x"),
    "layers that are text": image(layers="x"),
    "a digest in upper case": image(layers=[{"mediaType": "a/b", "digest": "sha256:" + "A" * 64, "size": 1}]),
    "annotations that are no text": image(annotations={"a": 1}, subject=descriptor(b"x", OCI_MANIFEST)),
    "Docker schema 1": json.dumps({"schemaVersion": 1, "name": "x", "fsLayers": []}).encode(),
    **{
        f"a layer whose size is {name}": image(layers=[descriptor(b"layer", "a/b") | {"size": size}])
        for name, size in SIZES.items()
    },
}


@pytest.mark.parametrize("case", BAD_BODIES)
async def test_what_is_no_manifest_is_refused(registry: Client, case: str) -> None:
    await registry.push_image("a", "good")
    answer = await registry.push_manifest("a", "t", BAD_BODIES[case])
    assert (answer.status, answer.code) == (400, "MANIFEST_INVALID")
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == ["good"]


async def test_a_manifest_pushed_under_the_digest_of_another_is_refused(registry: Client) -> None:
    await registry.push_image("a", "t")
    answer = await registry.push_manifest("a", Digest.of(b"other"), image())
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert (await registry("GET", f"/v2/a/manifests/{Digest.of(b'other')}")).status == 404


@pytest.mark.parametrize("size, status", [(3_900_000, 201), (4 * 1024 * 1024, 201), (8 * 1024 * 1024 + 1, 413)])
@pytest.mark.parametrize("framing", ["with length", "chunked"])
async def test_large_manifests_are_taken_up_to_the_limit(
    registry: Client, size: int, status: int, framing: str
) -> None:
    await registry.push_image("a", "t")
    raw = image(annotations={"x": ""})
    raw = raw[: -len('"}}')] + b"y" * (size - len(raw)) + b'"}}'
    assert len(raw) == size

    async def stream():
        for at in range(0, size, 500_000):
            yield raw[at : at + 500_000]

    answer = await registry.push_manifest("a", "large", raw if framing == "with length" else stream())
    assert answer.status == status
    if status == 201:
        assert (await registry("GET", "/v2/a/manifests/large")).body == raw
    else:
        assert answer.code == "SIZE_INVALID"


async def test_a_tag_moves_and_the_old_image_stays(registry: Client) -> None:
    old = await registry.push_image("a", "latest", (b"old",))
    new = await registry.push_image("a", "latest", (b"new",))
    assert (await registry("HEAD", "/v2/a/manifests/latest")).headers["Docker-Content-Digest"] == new
    assert (await registry("GET", f"/v2/a/manifests/{old}")).status == 200


async def test_a_damaged_manifest_is_not_served_and_a_push_heals_it(start, tmp_path) -> None:
    from airferry.registry import RegistryStore

    from .test_pulling_blobs import file_of

    first = await start(RegistryStore.on_disk(tmp_path))
    digest = await first.push_image("a", "t")
    file = file_of(tmp_path, digest)
    file.write_bytes(file.read_bytes().replace(b"layers", b"Layers"))
    fresh = await start(RegistryStore.on_disk(tmp_path))
    for method in ("HEAD", "GET"):
        assert (await fresh(method, "/v2/a/manifests/t")).status == 404
    assert (await fresh.push_manifest("a", "t", image())).status == 201
    assert (await fresh("GET", "/v2/a/manifests/t")).body == image()
