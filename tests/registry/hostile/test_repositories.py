"""Cases 11 to 16: what one repository may know of another, and names that want out of the root."""

from pathlib import Path

import pytest

from airferry.oci import Digest
from airferry.registry import RegistryStore

from ..conftest import Client
from .world import CONTENT, Door, in_and_around, is_well, refused

D = Digest.of(CONTENT)


@pytest.mark.parametrize("path", ["public", "no/such/repository"])
async def test_case_11_a_blob_is_not_read_through_a_repository_that_does_not_link_it(
    registry: Client, path: str
) -> None:
    await registry.push_blob("secret", CONTENT)
    await registry.push_blob("public", b"something else")
    for method in ("GET", "DELETE"):
        refused(await registry(method, f"/v2/{path}/blobs/{D}"), (404, "BLOB_UNKNOWN"))
    assert (await registry("HEAD", f"/v2/{path}/blobs/{D}")).status == 404
    assert (await registry("GET", f"/v2/secret/blobs/{D}")).body == CONTENT


async def test_case_11_a_manifest_is_not_read_through_another_repository(registry: Client) -> None:
    digest = await registry.push_image("secret", "t")
    await registry.push_blob("public", b"x")
    for target in ("t", digest):
        refused(await registry("GET", f"/v2/public/manifests/{target}"), (404, "MANIFEST_UNKNOWN"))


@pytest.mark.parametrize("source", ["&from=secret", "", "&from=secret&from=other"])
async def test_case_12_a_mount_from_where_one_may_not_read_is_as_if_there_were_nothing(start, source: str) -> None:
    registry = await start(RegistryStore.in_memory(), Door())
    await registry.push_blob("secret", CONTENT)
    hidden = await registry("POST", f"/v2/mine/blobs/uploads/?mount={D}{source}")
    nothing = await registry("POST", f"/v2/mine/blobs/uploads/?mount={Digest.of(b'never')}{source}")
    assert (hidden.status, nothing.status) == (202, 202)
    assert set(hidden.headers) == set(nothing.headers)
    assert (await registry("HEAD", f"/v2/mine/blobs/{D}")).status == 404


async def test_case_13_a_blob_deleted_here_and_pulled_there_stays_deleted_here(registry: Client) -> None:
    for path in ("a", "b"):
        await registry.push_blob(path, CONTENT)
    assert (await registry("DELETE", f"/v2/a/blobs/{D}")).status == 202
    assert (await registry("GET", f"/v2/b/blobs/{D}")).body == CONTENT
    for method in ("GET", "HEAD"):
        assert (await registry(method, f"/v2/a/blobs/{D}")).status == 404


UP = ["..", "%2e%2e", "..%2f..%2fetc", "%2e%2e%2f%2e%2e", "a%5c..%5c..", "a%00b", "..%00", "%c0%ae%c0%ae", "%252e%252e"]


@pytest.mark.parametrize("up", UP)
async def test_case_14_nothing_leads_out_of_the_root(disk_registry: Client, tmp_path: Path, up: str) -> None:
    before = in_and_around(tmp_path)
    expected = {400: ("NAME_INVALID", "TAG_INVALID", "DIGEST_INVALID"), 404: ("BLOB_UPLOAD_UNKNOWN", "UNSUPPORTED")}
    for method, path in (
        ("GET", f"/v2/{up}/manifests/t"),
        ("PUT", f"/v2/{up}/manifests/t"),
        ("POST", f"/v2/{up}/blobs/uploads/"),
        ("POST", f"/v2/a/{up}/b/blobs/uploads/?digest={D}"),
        ("GET", f"/v2/a/manifests/{up}"),
        ("PUT", f"/v2/a/manifests/{up}"),
        ("DELETE", f"/v2/a/manifests/{up}"),
        ("GET", f"/v2/a/blobs/{up}"),
        ("GET", f"/v2/a/blobs/sha256:{up}"),
        ("GET", f"/v2/a/blobs/uploads/{up}"),
        ("PATCH", f"/v2/a/blobs/uploads/{up}"),
        ("DELETE", f"/v2/a/blobs/uploads/{up}"),
        ("GET", f"/v2/{up}/etc/passwd"),
        ("PUT", f"/v2/a/manifests/{D}?tag={up}"),
    ):
        answer = await disk_registry(method, path, CONTENT if method in ("PUT", "POST", "PATCH") else None)
        assert answer.code in expected.get(answer.status, ()), (path, answer.status, answer.body)
    assert in_and_around(tmp_path) == before
    mounted = await disk_registry("POST", f"/v2/a/blobs/uploads/?mount={D}&from={up}")
    assert mounted.status == 202
    await is_well(disk_registry)


BAD_NAMES = {
    "300 characters": "a" * 300,
    "200 parts": "/".join(["ab"] * 200),
    "upper case": "UPPER/x",
    "one upper case letter": "openshift/Release",
    "8000 characters": "a/" * 4000 + "a",
}


@pytest.mark.parametrize("case", BAD_NAMES)
async def test_case_15_names_that_are_too_long_or_too_large_are_refused(registry: Client, case: str) -> None:
    path = BAD_NAMES[case]
    for method, rest in (
        ("POST", "blobs/uploads/"),
        ("PUT", "manifests/t"),
        ("GET", "manifests/t"),
        ("GET", f"blobs/{D}"),
        ("GET", "tags/list"),
        ("GET", f"referrers/{D}"),
    ):
        refused(await registry(method, f"/v2/{path}/{rest}", b"x" if method == "PUT" else None), (400, "NAME_INVALID"))
    await is_well(registry)


@pytest.mark.parametrize(
    "path", ["blobs", "manifests", "tags/list", "a/blobs/uploads", "blobs/uploads/x", "a/manifests/b", "referrers/tags"]
)
async def test_case_16_names_that_hold_the_words_of_endpoints_work(registry: Client, path: str) -> None:
    digest = await registry.push_image(path, "list")
    assert (await registry("GET", f"/v2/{path}/tags/list")).json == {"name": path, "tags": ["list"]}
    assert (await registry("GET", f"/v2/{path}/manifests/list")).headers["Docker-Content-Digest"] == digest
    assert (await registry("GET", f"/v2/{path}/referrers/{digest}")).json["manifests"] == []
    location = await registry.begin(path)
    assert (await registry("DELETE", location)).status == 204
    assert (await registry("DELETE", f"/v2/{path}/manifests/{digest}")).status == 202
