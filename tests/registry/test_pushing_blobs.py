"""Uploads: monolithic, chunked, streamed, mounted, resumed, cancelled."""

import json
import re

import pytest

from airferry.oci import Digest
from airferry.registry import RegistryStore

from .conftest import Client, raw_connection

CONTENT = bytes(range(256)) * 10_000


async def has_blob(registry: Client, path: str, digest: str) -> bool:
    return (await registry("HEAD", f"/v2/{path}/blobs/{digest}")).status == 200


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_a_blob_is_pushed_by_post_and_put(registry: Client, algorithm: str) -> None:
    digest = await registry.push_blob("ocp/release", CONTENT, algorithm)
    answer = await registry("GET", f"/v2/ocp/release/blobs/{digest}")
    assert (answer.status, answer.body, answer.headers["Docker-Content-Digest"]) == (200, CONTENT, digest)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_a_blob_is_pushed_by_one_post(registry: Client, algorithm: str) -> None:
    digest = Digest.of(CONTENT, algorithm)
    answer = await registry("POST", f"/v2/ocp/release/blobs/uploads/?digest={digest}", CONTENT)
    assert (answer.status, answer.headers["Location"]) == (201, f"/v2/ocp/release/blobs/{digest}")
    assert (await registry("GET", answer.headers["Location"])).body == CONTENT


async def test_the_empty_blob_can_be_pushed(registry: Client) -> None:
    digest = await registry.push_blob("empty", b"")
    answer = await registry("GET", f"/v2/empty/blobs/{digest}")
    assert (answer.status, answer.body) == (200, b"")


async def test_the_state_of_an_upload_is_in_the_path_and_not_in_the_query(registry: Client) -> None:
    location = await registry.begin("ocp/release")
    assert re.fullmatch(r"/v2/ocp/release/blobs/uploads/[0-9a-f-]{36}", location)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_a_blob_is_pushed_in_chunks_and_each_answer_says_how_far(registry: Client, algorithm: str) -> None:
    location = await registry.begin("a/b", f"?digest-algorithm={algorithm}")
    first = await registry("PATCH", location, CONTENT[:1000], Content_Range="0-999")
    assert (first.status, first.headers["Range"], first.headers["Location"]) == (202, "0-999", location)
    looked = await registry("GET", location)
    assert (looked.status, looked.headers["Range"]) == (204, "0-999")
    second = await registry("PATCH", location, CONTENT[1000:5000], Content_Range="1000-4999")
    assert (second.status, second.headers["Range"]) == (202, "0-4999")
    digest = Digest.of(CONTENT, algorithm)
    done = await registry(
        "PUT", f"{location}?digest={digest}", CONTENT[5000:], Content_Range=f"5000-{len(CONTENT) - 1}"
    )
    assert done.status == 201
    assert (await registry("GET", f"/v2/a/b/blobs/{digest}")).body == CONTENT
    assert (await registry("GET", location)).status == 404


async def test_a_digest_of_another_algorithm_than_announced_is_checked_too(registry: Client) -> None:
    location = await registry.begin("a")
    await registry("PATCH", location, CONTENT)
    digest = Digest.of(CONTENT, "sha512")
    assert (await registry("PUT", f"{location}?digest={digest}")).status == 201
    assert await has_blob(registry, "a", digest)


async def test_a_stream_without_length_is_taken_whole(registry: Client) -> None:
    async def stream():
        for at in range(0, len(CONTENT), 32_768):
            yield CONTENT[at : at + 32_768]

    location = await registry.begin("a")
    answer = await registry("PATCH", location, stream())
    assert (answer.status, answer.headers["Range"]) == (202, f"0-{len(CONTENT) - 1}")
    assert (await registry("PUT", f"{location}?digest={Digest.of(CONTENT)}")).status == 201


async def test_compressed_bodies_are_content_and_are_not_unpacked(registry: Client) -> None:
    import gzip

    packed = gzip.compress(CONTENT)
    location = await registry.begin("a")
    digest = Digest.of(packed)
    answer = await registry("PUT", f"{location}?digest={digest}", packed, Content_Encoding="gzip")
    assert answer.status == 201


BAD_CHUNKS = {
    "a gap": ("2000-2999", 1000, 416, "BLOB_UPLOAD_INVALID"),
    "a chunk sent twice": ("0-999", 1000, 416, "BLOB_UPLOAD_INVALID"),
    "an overlap": ("500-1499", 1000, 416, "BLOB_UPLOAD_INVALID"),
    "a range that is none": ("abc", 1000, 416, "BLOB_UPLOAD_INVALID"),
    "a range backwards": ("1999-1000", 1000, 416, "BLOB_UPLOAD_INVALID"),
    "a negative range": ("-5-10", 16, 416, "BLOB_UPLOAD_INVALID"),
    "a range of a hundred digits": ("1000-" + "9" * 100, 16, 416, "BLOB_UPLOAD_INVALID"),
    "more bytes than the range": ("1000-1009", 1000, 400, "SIZE_INVALID"),
    "fewer bytes than the range": ("1000-2999", 1000, 400, "SIZE_INVALID"),
}


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("case", BAD_CHUNKS)
@pytest.mark.parametrize("framing", ["with length", "chunked"])
async def test_a_bad_chunk_is_refused_and_leaves_the_upload_as_it_was(
    registry: Client, case: str, method: str, framing: str
) -> None:
    content_range, size, status, code = BAD_CHUNKS[case]
    location = await registry.begin("a")
    await registry("PATCH", location, CONTENT[:1000])
    digest = Digest.of(CONTENT)

    async def stream():
        yield b"!" * size

    body = b"!" * size if framing == "with length" else stream()
    url = location if method == "PATCH" else f"{location}?digest={digest}"
    answer = await registry(method, url, body, Content_Range=content_range)
    assert (answer.status, answer.code) == (status, code)
    if status == 416:
        assert (answer.headers["Range"], answer.headers["Location"]) == ("0-999", location)
    assert (await registry("GET", location)).headers["Range"] == "0-999"
    assert (await registry("PUT", f"{location}?digest={digest}", CONTENT[1000:])).status == 201


@pytest.mark.parametrize("how", ["put", "post"])
async def test_content_with_another_digest_is_refused_and_is_nowhere(registry: Client, how: str) -> None:
    promised, found = Digest.of(CONTENT), Digest.of(b"other")
    if how == "put":
        location = await registry.begin("a")
        answer = await registry("PUT", f"{location}?digest={promised}", b"other")
        assert (await registry("GET", location)).status == 404
    else:
        answer = await registry("POST", f"/v2/a/blobs/uploads/?digest={promised}", b"other")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert not await has_blob(registry, "a", promised)
    assert not await has_blob(registry, "a", found)


BAD_DIGESTS = {
    "md5": "md5:d41d8cd98f00b204e9800998ecf8427e",
    "short": "sha256:abc",
    "upper case": "sha256:" + "A" * 64,
    "a path": "sha256:../../../etc/passwd",
    "nothing": "",
    "no algorithm": "a" * 64,
}


@pytest.mark.parametrize("case", BAD_DIGESTS)
async def test_a_malformed_digest_is_refused_wherever_it_stands(registry: Client, case: str) -> None:
    digest = BAD_DIGESTS[case]
    location = await registry.begin("a")
    for method, path in (
        ("PUT", f"{location}?digest={digest}"),
        ("POST", f"/v2/a/blobs/uploads/?digest={digest}"),
        ("POST", f"/v2/a/blobs/uploads/?mount={digest}&from=b"),
    ):
        answer = await registry(method, path, b"x")
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID"), path


async def test_an_upload_cannot_be_finished_without_a_digest(registry: Client) -> None:
    location = await registry.begin("a")
    answer = await registry("PUT", location, b"x")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


async def test_a_cancelled_upload_is_gone(registry: Client) -> None:
    location = await registry.begin("a")
    assert (await registry("DELETE", location)).status == 204
    for method in ("GET", "PATCH", "DELETE"):
        answer = await registry(method, location)
        assert (answer.status, answer.code if answer.body else "") == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
async def test_an_upload_of_another_repository_is_unknown(registry: Client, method: str) -> None:
    location = await registry.begin("mine")
    stolen = location.replace("/mine/", "/yours/")
    query = f"?digest={Digest.of(b'x')}" if method == "PUT" else ""
    answer = await registry(method, stolen + query, b"x" if method in ("PATCH", "PUT") else None)
    assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert (await registry("GET", location)).headers["Range"] == "0-0"


@pytest.mark.parametrize("upload_id", ["nope", "..", "..%2f..%2fetc", "%00", "x" * 2000])
async def test_an_invented_upload_id_is_unknown(registry: Client, upload_id: str) -> None:
    answer = await registry("PATCH", f"/v2/a/blobs/uploads/{upload_id}", b"x")
    assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("how", ["PATCH", "PUT"])
async def test_a_client_that_dies_in_the_middle_goes_on_from_there(registry: Client, how: str) -> None:
    location = await registry.begin("a")
    _, writer = await raw_connection(registry.running)
    target = f"{location}?digest={Digest.of(CONTENT)}" if how == "PUT" else location
    head = f"{how} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
    writer.write(head.encode() + CONTENT[:2_000_000])
    while (looked := await registry("GET", location)).headers["Range"] == "0-0":
        assert looked.status == 204
    writer.close()
    await writer.wait_closed()
    answer, last = looked, len(CONTENT) - 1
    while answer.status != 202:  # 416 as long as the dead connection holds the upload; it says where to go on
        start = int(answer.headers["Range"].removeprefix("0-")) + 1
        assert 1_000_000 < start <= 2_000_000
        answer = await registry("PATCH", location, CONTENT[start:], Content_Range=f"{start}-{last}")
    assert (await registry("PUT", f"{location}?digest={Digest.of(CONTENT)}")).status == 201


async def test_a_second_writer_of_one_upload_is_told_to_come_again(registry: Client) -> None:
    assert isinstance(registry.store, RegistryStore)
    registry.store._patience_s = 0
    location = await registry.begin("a")
    _, writer = await raw_connection(registry.running)
    head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    part = b"%x\r\n%s\r\n" % (2_000_000, CONTENT[:2_000_000])
    writer.write(head.encode() + part)
    await writer.drain()
    while (await registry("GET", location)).headers["Range"] == "0-0":
        pass
    answer = await registry("PATCH", location, b"intruder")
    assert (answer.status, answer.code) == (416, "BLOB_UPLOAD_INVALID")
    writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT) - 2_000_000, CONTENT[2_000_000:]))
    await writer.drain()
    while (await registry("GET", location)).headers["Range"] != f"0-{len(CONTENT) - 1}":
        pass
    while (done := await registry("PUT", f"{location}?digest={Digest.of(CONTENT)}")).status == 416:
        pass
    assert done.status == 201
    writer.close()
    await writer.wait_closed()


async def test_a_blob_is_mounted_from_another_repository(registry: Client) -> None:
    digest = await registry.push_blob("base", CONTENT)
    answer = await registry("POST", f"/v2/app/blobs/uploads/?mount={digest}&from=base")
    assert (answer.status, answer.headers["Location"]) == (201, f"/v2/app/blobs/{digest}")
    assert (await registry("GET", f"/v2/app/blobs/{digest}")).body == CONTENT


async def test_a_blob_is_mounted_from_wherever_it_is_when_no_source_is_named(registry: Client) -> None:
    digest = await registry.push_blob("base", CONTENT)
    assert (await registry("POST", f"/v2/app/blobs/uploads/?mount={digest}")).status == 201
    assert await has_blob(registry, "app", digest)


@pytest.mark.parametrize("source", ["other", "no/such/repository", "NOT-A-NAME", "..%2f.."])
async def test_a_mount_that_cannot_be_begins_an_upload(registry: Client, source: str) -> None:
    digest = await registry.push_blob("base", CONTENT)
    await registry.push_blob("other", b"something else")
    answer = await registry("POST", f"/v2/app/blobs/uploads/?mount={digest}&from={source}")
    assert answer.status == 202
    assert (await registry("PUT", f"{answer.headers['Location']}?digest={digest}", CONTENT)).status == 201


async def test_the_same_blob_may_be_pushed_again_and_again(registry: Client) -> None:
    for _ in range(3):
        digest = await registry.push_blob("a", CONTENT)
    assert (await registry("GET", f"/v2/a/blobs/{digest}")).body == CONTENT


async def test_refusals_have_a_body_of_the_distribution_api(registry: Client) -> None:
    answer = await registry("PUT", "/v2/a/blobs/uploads/nope", b"x")
    assert answer.headers["Content-Type"] == "application/json"
    assert set(json.loads(answer.body)["errors"][0]) >= {"code", "message"}
    assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
