"""Deleting tags, manifests and blobs; one repository at a time."""

import pytest

from airferry.oci import Digest

from .conftest import Client


async def test_deleting_a_tag_leaves_the_image(registry: Client) -> None:
    digest = await registry.push_image("a", "t")
    assert (await registry("DELETE", "/v2/a/manifests/t")).status == 202
    assert (await registry("GET", "/v2/a/manifests/t")).code == "MANIFEST_UNKNOWN"
    assert (await registry("GET", f"/v2/a/manifests/{digest}")).status == 200


async def test_deleting_an_image_by_digest_takes_its_tags_along(registry: Client) -> None:
    digest = await registry.push_image("a", "t1")
    await registry.push_image("a", "t2")
    await registry.push_image("b", "t1")
    assert (await registry("DELETE", f"/v2/a/manifests/{digest}")).status == 202
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == []
    assert (await registry("GET", f"/v2/a/manifests/{digest}")).status == 404
    assert (await registry("GET", "/v2/b/manifests/t1")).status == 200
    await registry.push_image("a", "t1")
    assert (await registry("GET", "/v2/a/manifests/t1")).status == 200


async def test_deleting_a_blob_here_leaves_it_there(registry: Client) -> None:
    digest = await registry.push_blob("a", b"shared")
    await registry.push_blob("b", b"shared")
    assert (await registry("DELETE", f"/v2/a/blobs/{digest}")).status == 202
    assert (await registry("GET", f"/v2/b/blobs/{digest}")).body == b"shared"
    assert (await registry("GET", f"/v2/a/blobs/{digest}")).code == "BLOB_UNKNOWN"


@pytest.mark.parametrize(
    "path, code",
    [
        ("/v2/a/manifests/nope", "MANIFEST_UNKNOWN"),
        (f"/v2/a/manifests/{Digest.of(b'x')}", "MANIFEST_UNKNOWN"),
        (f"/v2/nowhere/manifests/{Digest.of(b'x')}", "MANIFEST_UNKNOWN"),
        (f"/v2/a/blobs/{Digest.of(b'x')}", "BLOB_UNKNOWN"),
    ],
)
async def test_what_is_not_there_cannot_be_deleted(registry: Client, path: str, code: str) -> None:
    await registry.push_image("a", "t")
    answer = await registry("DELETE", path)
    assert (answer.status, answer.code) == (404, code)
