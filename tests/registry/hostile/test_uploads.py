"""Cases 1 to 10: uploads that lie, break off, repeat themselves, or are somebody else's."""

import asyncio
from pathlib import Path

import pytest

from airferry.oci import Digest

from ..conftest import Client, raw_connection
from .world import CONTENT, absent, is_well, refused

D = Digest.of(CONTENT)
BIG = CONTENT * 2000


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_case_01_an_upload_finished_with_a_wrong_digest_is_nowhere(registry: Client, algorithm: str) -> None:
    location = await registry.begin("a")
    assert (await registry("PATCH", location, b"other")).status == 202
    refused(await registry("PUT", f"{location}?digest={Digest.of(CONTENT, algorithm)}"), (400, "DIGEST_INVALID"))
    await absent(registry, "a", CONTENT, b"other")
    assert (await registry("GET", location)).status == 404
    assert (await registry("GET", "/v2/_catalog")).json["repositories"] == []
    await is_well(registry)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_case_02_a_post_of_another_content_is_nowhere(registry: Client, algorithm: str) -> None:
    answer = await registry("POST", f"/v2/a/blobs/uploads/?digest={Digest.of(CONTENT, algorithm)}", b"other")
    refused(answer, (400, "DIGEST_INVALID"))
    await absent(registry, "a", CONTENT, b"other")
    await is_well(registry)


MALFORMED = {
    "md5": "md5:d41d8cd98f00b204e9800998ecf8427e",
    "short": "sha256:abc",
    "upper case": "sha256:" + "A" * 64,
    "an encoded path": "sha256:..%2f..%2f..%2fetc%2fpasswd",
    "a NUL": "sha256:" + "a" * 63 + "%00",
    "letters that look like hex": "sha256:" + "%D0%B0" * 64,
    "long": "sha256:" + "a" * 5000,
    "two colons": "sha256:sha256:" + "a" * 64,
    "nothing": "sha256:",
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_case_03_a_malformed_digest_is_refused_wherever_it_stands(registry: Client, case: str) -> None:
    digest = MALFORMED[case]
    location = await registry.begin("a")
    for method, path in (
        ("GET", f"/v2/a/blobs/{digest}"),
        ("DELETE", f"/v2/a/blobs/{digest}"),
        ("GET", f"/v2/a/manifests/{digest}"),
        ("PUT", f"/v2/a/manifests/{digest}"),
        ("DELETE", f"/v2/a/manifests/{digest}"),
        ("GET", f"/v2/a/referrers/{digest}"),
        ("PUT", f"{location}?digest={digest}"),
        ("POST", f"/v2/a/blobs/uploads/?digest={digest}"),
        ("POST", f"/v2/a/blobs/uploads/?mount={digest}&from=b"),
    ):
        refused(await registry(method, path, b"x" if method in ("PUT", "POST") else None), (400, "DIGEST_INVALID"))
        assert (await registry("HEAD", f"/v2/a/blobs/{digest}")).status == 400
    await is_well(registry)


async def test_case_03_a_digest_with_a_newline_behind_it_is_none(registry: Client) -> None:
    digest = D + "%0a"
    await registry.push_blob("a", CONTENT)
    refused(await registry("POST", f"/v2/a/blobs/uploads/?digest={digest}", CONTENT), (400, "DIGEST_INVALID"))
    for kind in ("blobs", "manifests", "referrers"):
        assert (await registry("GET", f"/v2/a/{kind}/{digest}")).status in (400, 404)
    await is_well(registry)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_case_04_a_gap_between_chunks_is_416_and_hurts_nothing(registry: Client, method: str) -> None:
    location = await registry.begin("a")
    await registry("PATCH", location, CONTENT[:100], Content_Range="0-99")
    query = f"?digest={D}" if method == "PUT" else ""
    answer = await registry(method, location + query, CONTENT[200:300], Content_Range="200-299")
    refused(answer, (416, "BLOB_UPLOAD_INVALID"))
    assert (answer.headers["Range"], answer.headers["Location"]) == ("0-99", location)
    done = await registry("PUT", f"{location}?digest={D}", CONTENT[100:], Content_Range=f"100-{len(CONTENT) - 1}")
    assert done.status == 201
    assert (await registry("GET", f"/v2/a/blobs/{D}")).body == CONTENT


async def test_case_05_a_chunk_sent_twice_is_416_and_counts_once(registry: Client) -> None:
    location = await registry.begin("a")
    await registry("PATCH", location, CONTENT[:100], Content_Range="0-99")
    for _ in range(3):
        refused(await registry("PATCH", location, CONTENT[:100], Content_Range="0-99"), (416, "BLOB_UPLOAD_INVALID"))
    assert (await registry("PUT", f"{location}?digest={D}", CONTENT[100:])).status == 201
    assert (await registry("GET", f"/v2/a/blobs/{D}")).body == CONTENT


SPANS = [
    "abc",
    "9-0",
    "-",
    "-5",
    "5-",
    "0-99/100/1",
    "0-0x63",
    "٠-٩",
    "0-1e2",
    "0-99,100-199",
    "9" * 400 + "-",
    "0--99",
]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("said", SPANS)
async def test_case_06_a_malformed_content_range_is_refused(registry: Client, method: str, said: str) -> None:
    location = await registry.begin("a")
    query = f"?digest={D}" if method == "PUT" else ""
    answer = await registry(method, location + query, CONTENT[:100], Content_Range=said)
    refused(answer, (416, "BLOB_UPLOAD_INVALID"))
    assert (await registry("PUT", f"{location}?digest={D}", CONTENT)).status == 201


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("said", ["0-9", "0-999999", "0-9223372036854775807"])
@pytest.mark.parametrize("framing", ["with a length", "chunked"])
async def test_case_07_a_content_range_of_another_length_than_the_body_is_refused(
    registry: Client, method: str, said: str, framing: str
) -> None:
    async def stream():
        yield CONTENT[:100]

    location = await registry.begin("a")
    query = f"?digest={D}" if method == "PUT" else ""
    body = CONTENT[:100] if framing == "with a length" else stream()
    refused(await registry(method, location + query, body, Content_Range=said), (400, "SIZE_INVALID"))
    assert (await registry("GET", location)).headers["Range"] == "0-0"
    assert (await registry("PUT", f"{location}?digest={D}", CONTENT)).status == 201


async def test_case_08_a_client_that_died_resumes(registry: Client) -> None:
    location = await registry.begin("a")
    _, writer = await raw_connection(registry.running)
    writer.write(f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BIG)}\r\n\r\n".encode())
    writer.write(BIG[:3_000_000])
    while (looked := await registry("GET", location)).headers["Range"] == "0-0":
        assert looked.status == 204
    writer.transport.abort()
    answer = looked
    while answer.status != 202:  # 416 until the registry has noticed that the other is gone
        start = int(answer.headers["Range"].removeprefix("0-")) + 1
        answer = await registry("PATCH", location, BIG[start:], Content_Range=f"{start}-{len(BIG) - 1}")
        assert answer.status in (202, 416)
    assert (await registry("PUT", f"{location}?digest={Digest.of(BIG)}")).status == 201
    assert (await registry("GET", f"/v2/a/blobs/{Digest.of(BIG)}")).body == BIG


async def test_case_09_of_two_writers_on_one_upload_none_makes_a_corrupt_blob(disk_registry: Client) -> None:
    registry = disk_registry
    for _ in range(5):
        location = await registry.begin("a")

        async def write(content: bytes, location: str = location) -> int:
            answer = await registry("PATCH", location, content, Content_Range=f"0-{len(content) - 1}")
            return answer.status

        statuses = await asyncio.gather(write(BIG), write(BIG[::-1]), write(BIG))
        assert sorted(statuses) == [202, 416, 416]
        closing = [registry("PUT", f"{location}?digest={Digest.of(BIG)}") for _ in range(2)]
        closed = sorted([answer.status for answer in await asyncio.gather(*closing)])
        assert closed in ([201, 404], [400, 404])
        pulled = await registry("GET", f"/v2/a/blobs/{Digest.of(BIG)}")
        assert pulled.status == 404 or pulled.body == BIG
    await is_well(registry)


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
async def test_case_10_an_upload_of_another_repository_is_unknown(registry: Client, method: str) -> None:
    location = await registry.begin("mine")
    await registry("PATCH", location, CONTENT[:10])
    query = f"?digest={Digest.of(CONTENT[:10])}" if method == "PUT" else ""
    stolen = location.replace("/mine/", "/yours/") + query
    refused(await registry(method, stolen, b"x" if method == "PATCH" else None), (404, "BLOB_UPLOAD_UNKNOWN"))
    await absent(registry, "yours", CONTENT[:10])
    assert (await registry("GET", location)).headers["Range"] == "0-9"


async def test_case_10_an_upload_id_that_we_never_gave_reaches_no_file(disk_registry: Client, tmp_path: Path) -> None:
    (tmp_path / "uploads" / "precious").write_bytes(b"x")
    for upload_id in ("precious", "..%2fprecious", "%2e%2e", "..", "x" * 5000, "%00", "0-0-0-0-0", "*"):
        for method in ("GET", "PATCH", "DELETE"):
            answer = await disk_registry(method, f"/v2/a/blobs/uploads/{upload_id}")
            refused(answer, (404, "BLOB_UPLOAD_UNKNOWN"))
    assert (tmp_path / "uploads" / "precious").read_bytes() == b"x"
