"""Content management: tags, manifests and blobs are deleted, or deleting is disabled."""

from typing import Any

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_INDEX, OCI_MANIFEST
from airferry.registry import Limits, RegistryStore

from ..conftest import Client
from .conftest import registry_on
from .objects import ALGORITHMS, artifact_of, image_of, index_of, pointer, push_blobs, put

registry = registry_on("memory", "disk", "postgresql")
"""What is deleted and what stays is the database's business, so each of them is asked."""


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_tag_is_deleted_and_nothing_else(registry: Client, algorithm: str) -> None:
    """OCI "Deleting tags": MUST be 202; a GET of the tag is then 404."""
    raw = index_of()
    digest = Digest.of(raw, algorithm)
    await put(registry, "a", f"{digest}?tag=one&tag=two", raw, OCI_INDEX)
    assert (await registry("DELETE", "/v2/a/manifests/one")).status == 202
    assert (await registry("GET", "/v2/a/manifests/one")).code == "MANIFEST_UNKNOWN"
    assert (await registry("HEAD", "/v2/a/manifests/one")).status == 404
    for target in ("two", digest):
        assert (await registry("GET", f"/v2/a/manifests/{target}")).body == raw
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == ["two"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_manifest_is_deleted_with_every_tag_that_points_to_it(registry: Client, algorithm: str) -> None:
    """OCI "Deleting Manifests": MUST be 202; the digest and any tag pointing to it are then 404."""
    raw, other = index_of(), index_of(annotations={"a": "b"})
    digest = Digest.of(raw, algorithm)
    await put(registry, "a", f"{digest}?tag=one&tag=two", raw, OCI_INDEX)
    await put(registry, "a", "other", other, OCI_INDEX)
    assert (await registry("DELETE", f"/v2/a/manifests/{digest}")).status == 202
    for target in ("one", "two", digest):
        assert (await registry("GET", f"/v2/a/manifests/{target}")).status == 404
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == ["other"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_blob_is_deleted(registry: Client, algorithm: str) -> None:
    """OCI "Deleting Blobs": MUST be 202, then it is 404."""
    digest = await registry.push_blob("a", b"x", algorithm)
    assert (await registry("DELETE", f"/v2/a/blobs/{digest}")).status == 202
    for method in ("GET", "HEAD", "DELETE"):
        assert (await registry(method, f"/v2/a/blobs/{digest}")).status == 404
    await registry.push_blob("a", b"x", algorithm)
    assert (await registry("GET", f"/v2/a/blobs/{digest}")).body == b"x"


@pytest.mark.parametrize("path", ["a", "no/such/repository"])
@pytest.mark.parametrize(
    "what, code",
    [
        ("manifests/nope", "MANIFEST_UNKNOWN"),
        (f"manifests/{Digest.of(b'nope')}", "MANIFEST_UNKNOWN"),
        (f"blobs/{Digest.of(b'nope')}", "BLOB_UNKNOWN"),
        ("blobs/uploads/9d0b5fb4-5b2f-4f0e-9c5e-111111111111", "BLOB_UPLOAD_UNKNOWN"),
    ],
)
async def test_what_is_not_there_is_404(registry: Client, path: str, what: str, code: str) -> None:
    """OCI "Deleting Manifests", "Deleting Blobs": MUST be 404."""
    await registry.push_blob("a", b"x")
    answer = await registry("DELETE", f"/v2/{path}/{what}")
    assert (answer.status, answer.code) == (404, code)


async def test_deleting_the_image_and_then_its_blobs_in_any_order_works(registry: Client) -> None:
    """OCI "Content Management": the full life-cycle; a second push after it is a first one."""
    layer = Digest.of(b"layer")
    for order in (0, 1):
        await push_blobs(registry, "a")
        await put(registry, "a", "t", image_of())
        paths = [f"manifests/{Digest.of(image_of())}", f"blobs/{layer}"]
        for path in reversed(paths) if order else paths:
            assert (await registry("DELETE", f"/v2/a/{path}")).status == 202
        assert (await registry.push_manifest("a", "t", image_of())).code == "MANIFEST_BLOB_UNKNOWN"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("first", ["tags", "manifests", "blobs"])
async def test_everything_can_be_deleted_in_any_order(registry: Client, algorithm: str, first: str) -> None:
    """OCI "Content Management": control of the full life-cycle, of an index with its images and what refers to it."""
    await push_blobs(registry, "a", algorithm)
    images = tuple(image_of(annotations={"n": str(number)}, algorithm=algorithm) for number in range(2))
    top = index_of(images, algorithm)
    signed = artifact_of(algorithm, subject=pointer(top, OCI_INDEX, algorithm))
    for raw, kind in (*((raw, OCI_MANIFEST) for raw in images), (top, OCI_INDEX), (signed, OCI_MANIFEST)):
        digest = Digest.of(raw, algorithm)
        await put(registry, "a", f"{digest}?tag={digest.hex[:9]}", raw, kind)
    digests = [Digest.of(raw, algorithm) for raw in (*images, top, signed)]
    groups = {
        "tags": [f"manifests/{digest.hex[:9]}" for digest in digests],
        "manifests": [f"manifests/{digest}" for digest in digests],
        "blobs": [f"blobs/{Digest.of(content, algorithm)}" for content in (b'{"os":"linux"}', b"{}", b"layer")],
    }
    for name in sorted(groups, key=lambda name: name != first):
        for path in groups[name]:
            expected = 404 if name == "tags" and first == "manifests" else 202
            assert (await registry("DELETE", f"/v2/a/{path}")).status == expected
            assert (await registry("HEAD", f"/v2/a/{path}")).status == 404
    assert (await registry("GET", f"/v2/a/referrers/{digests[2]}")).json["manifests"] == []
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == []


async def test_deletes_in_one_repository_are_not_felt_in_another(registry: Client) -> None:
    """OCI "Definitions": a repository is a scope for a collection of content."""
    for path in ("a", "b"):
        await push_blobs(registry, path)
        await put(registry, path, "t", image_of())
    assert (await registry("DELETE", f"/v2/a/manifests/{Digest.of(image_of())}")).status == 202
    assert (await registry("DELETE", f"/v2/a/blobs/{Digest.of(b'layer')}")).status == 202
    assert (await registry("GET", "/v2/b/manifests/t")).body == image_of()
    assert (await registry("GET", f"/v2/b/blobs/{Digest.of(b'layer')}")).body == b"layer"


async def test_where_deleting_is_disabled_it_is_405(start: Any) -> None:
    """OCI "Deleting tags", "Deleting Manifests", "Deleting Blobs": disabled MUST be 400 or 405."""
    registry = await start(RegistryStore.in_memory(), None, Limits(can_delete=False))
    await push_blobs(registry, "a")
    await put(registry, "a", "t", image_of())
    for what in ("manifests/t", f"manifests/{Digest.of(image_of())}", f"blobs/{Digest.of(b'layer')}", "manifests/no"):
        answer = await registry("DELETE", f"/v2/a/{what}")
        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert (await registry("GET", "/v2/a/manifests/t")).status == 200
    # Giving up an upload deletes nothing that anybody was told is there.
    assert (await registry("DELETE", await registry.begin("a"))).status == 204
