"""Blobs out of the registry: whole, in ranges, unchanged, damaged."""

from pathlib import Path

import pytest

from airferry.oci import Digest

from .conftest import Client

CONTENT = bytes(range(251)) * 9_000
SIZE = len(CONTENT)


async def test_head_says_size_and_digest_and_sends_nothing(registry: Client) -> None:
    digest = await registry.push_blob("a", CONTENT)
    answer = await registry("HEAD", f"/v2/a/blobs/{digest}")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Accept-Ranges"] == "bytes"


RANGES = {
    "the first bytes": ("bytes=0-9", 0, 10),
    "from the middle to the end": ("bytes=1000000-", 1_000_000, SIZE),
    "the last bytes": ("bytes=-5", SIZE - 5, SIZE),
    "one byte": ("bytes=7-7", 7, 8),
    "over the end": (f"bytes=100-{SIZE * 2}", 100, SIZE),
    "everything": ("bytes=0-", 0, SIZE),
}


@pytest.mark.parametrize("case", RANGES)
async def test_a_range_is_answered_206_with_just_those_bytes(registry: Client, case: str) -> None:
    asked, first, end = RANGES[case]
    digest = await registry.push_blob("a", CONTENT)
    answer = await registry("GET", f"/v2/a/blobs/{digest}", Range=asked)
    assert (answer.status, answer.body) == (206, CONTENT[first:end])
    assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == str(end - first)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=99999999999-", "bytes=-0", "bytes=5-1"])
async def test_a_range_behind_the_end_is_answered_416(registry: Client, asked: str) -> None:
    digest = await registry.push_blob("a", CONTENT)
    answer = await registry("GET", f"/v2/a/blobs/{digest}", Range=asked)
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


@pytest.mark.parametrize("asked", ["lines=1-2", "bytes=0-1,5-6", "nonsense", "bytes=-", "bytes=a-b"])
async def test_a_range_that_means_nothing_is_ignored(registry: Client, asked: str) -> None:
    digest = await registry.push_blob("a", CONTENT)
    answer = await registry("GET", f"/v2/a/blobs/{digest}", Range=asked)
    assert (answer.status, answer.body) == (200, CONTENT)


async def test_who_has_it_already_is_answered_304(registry: Client) -> None:
    digest = await registry.push_blob("a", CONTENT)
    etag = (await registry("HEAD", f"/v2/a/blobs/{digest}")).headers["ETag"]
    for said in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = await registry("GET", f"/v2/a/blobs/{digest}", If_None_Match=said)
        assert (answer.status, answer.body) == (304, b"")
    assert (await registry("GET", f"/v2/a/blobs/{digest}", If_None_Match='"other"')).status == 200


async def test_a_range_for_another_version_is_answered_with_the_whole(registry: Client) -> None:
    digest = await registry.push_blob("a", CONTENT)
    answer = await registry("GET", f"/v2/a/blobs/{digest}", Range="bytes=0-1", If_Range='"other"')
    assert (answer.status, answer.body) == (200, CONTENT)


async def test_a_blob_is_not_readable_through_a_repository_that_does_not_link_it(registry: Client) -> None:
    digest = await registry.push_blob("secret", CONTENT)
    await registry.push_blob("public", b"something else")
    for path in ("public", "no/such/repository"):
        answer = await registry("GET", f"/v2/{path}/blobs/{digest}")
        assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


def file_of(root: Path, digest: Digest) -> Path:
    return root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex


@pytest.mark.parametrize("damage", ["cut short", "made longer", "deleted"])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_a_damaged_blob_is_not_served_and_a_push_heals_it(
    disk_registry: Client, tmp_path: Path, damage: str, method: str
) -> None:
    digest = await disk_registry.push_blob("a", CONTENT)
    file = file_of(tmp_path, digest)
    match damage:
        case "cut short":
            file.write_bytes(CONTENT[:-1])
        case "made longer":
            file.write_bytes(CONTENT + b"!")
        case _:
            file.unlink()
    assert (await disk_registry(method, f"/v2/a/blobs/{digest}")).status == 404
    assert (await disk_registry("POST", f"/v2/b/blobs/uploads/?mount={digest}&from=a")).status == 202
    await disk_registry.push_blob("a", CONTENT)
    assert (await disk_registry("GET", f"/v2/a/blobs/{digest}")).body == CONTENT
