"""Push: blobs, by each way the specification has."""

import re
from collections.abc import AsyncIterator

import pytest

from airferry.oci import Digest

from ..conftest import Answer, Client
from .objects import ALGORITHMS, CONTENT, follow

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def check_stored(registry: Client, answer: Answer, digest: Digest, content: bytes = CONTENT) -> None:
    """The 201 of every way to push a blob: its Location is a pullable blob URL."""
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["Docker-Content-Digest"] == digest
    pulled = await follow(registry, "GET", answer.headers["Location"])
    assert (pulled.status, pulled.body) == (200, content)


async def begin(registry: Client, query: str = "") -> str:
    answer = await registry("POST", f"/v2/a/b/blobs/uploads/{query}", Content_Length="0")
    assert answer.status == 202
    return answer.headers["Location"]


async def test_an_upload_is_begun(registry: Client) -> None:
    """OCI "POST then PUT": MUST be 202 with a Location that MUST contain a unique session id."""
    locations = [await begin(registry) for _ in range(5)]
    assert len({UUID.search(location)[0] for location in locations}) == 5  # type: ignore[index]


async def test_the_state_of_an_upload_is_in_the_path_of_its_location(registry: Client) -> None:
    """OCI "POST then PUT" lets it be in the query, which some clients drop: the path alone suffices."""
    location = await begin(registry)
    assert re.fullmatch(r"/v2/a/b/blobs/uploads/[0-9a-f-]{36}", location)


async def test_a_location_may_be_used_as_an_absolute_url_too(registry: Client) -> None:
    """OCI "POST then PUT": clients convert between absolute and relative locations (RFC 7231 7.1.2)."""
    location = await begin(registry)
    digest = Digest.of(CONTENT)
    answer = await follow(registry, "PUT", registry.running.url + location, f"digest={digest}", CONTENT)
    await check_stored(registry, answer, digest)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("content", [CONTENT, b"", b"{}"], ids=["bytes", "the empty blob", "the empty JSON"])
async def test_a_blob_is_pushed_by_post_and_put(registry: Client, algorithm: str, content: bytes) -> None:
    """OCI "POST then PUT": MUST be 201 with Location."""
    location = await begin(registry)
    digest = Digest.of(content, algorithm)
    kind = "application/octet-stream"
    answer = await follow(registry, "PUT", location, f"digest={digest}", content, Content_Type=kind)
    await check_stored(registry, answer, digest, content)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("content", [CONTENT, b""], ids=["bytes", "the empty blob"])
async def test_a_blob_is_pushed_by_a_single_post(registry: Client, algorithm: str, content: bytes) -> None:
    """OCI "Single POST": MUST be 201 with Location."""
    digest = Digest.of(content, algorithm)
    answer = await registry("POST", f"/v2/a/b/blobs/uploads/?digest={digest}", content)
    await check_stored(registry, answer, digest, content)


@pytest.mark.parametrize("announced", ["", "?digest-algorithm={}"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("last", ["in the closing PUT", "in a PATCH"])
async def test_a_blob_is_pushed_in_chunks(registry: Client, algorithm: str, last: str, announced: str) -> None:
    """OCI "Pushing a blob in chunks": each MUST be 202 with Location and Range; the PUT MUST be 201."""
    location = await begin(registry, announced.format(algorithm))
    digest = Digest.of(CONTENT, algorithm)
    ends = [1000, 2000, len(CONTENT)] if last == "in a PATCH" else [1000, 2000]
    start = 0
    for end in ends:
        span = f"{start}-{end - 1}"
        answer = await follow(registry, "PATCH", location, "", CONTENT[start:end], Content_Range=span)
        assert (answer.status, answer.headers["Range"]) == (202, f"0-{end - 1}")
        location, start = answer.headers["Location"], end
    rest = {"Content_Range": f"{start}-{len(CONTENT) - 1}"} if start < len(CONTENT) else {}
    answer = await follow(registry, "PUT", location, f"digest={digest}", CONTENT[start:], **rest)
    await check_stored(registry, answer, digest)


async def test_chunks_may_be_of_any_size(registry: Client) -> None:
    """OCI "Pushing a blob in chunks": no OCI-Chunk-Min-Length is sent, so a chunk of one byte is good."""
    begun = await registry("POST", "/v2/a/b/blobs/uploads/")
    assert "OCI-Chunk-Min-Length" not in begun.headers
    location = begun.headers["Location"]
    for at in range(3):
        answer = await follow(registry, "PATCH", location, "", CONTENT[at : at + 1], Content_Range=f"{at}-{at}")
        assert (answer.status, answer.headers["Range"]) == (202, f"0-{at}")
    digest = Digest.of(CONTENT[:3])
    await check_stored(registry, await follow(registry, "PUT", location, f"digest={digest}"), digest, CONTENT[:3])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_blob_is_pushed_as_a_stream_of_unknown_length(registry: Client, algorithm: str) -> None:
    """Docker "Stream upload": PATCH without Content-Range, then PUT."""

    async def stream() -> AsyncIterator[bytes]:
        for at in range(0, len(CONTENT), 100):
            yield CONTENT[at : at + 100]

    location = await begin(registry)
    answer = await follow(registry, "PATCH", location, "", stream())
    assert (answer.status, answer.headers["Range"]) == (202, f"0-{len(CONTENT) - 1}")
    digest = Digest.of(CONTENT, algorithm)
    closed = await follow(registry, "PUT", answer.headers["Location"], f"digest={digest}")
    await check_stored(registry, closed, digest)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("span", ["1500-2499", "0-999", "500-1499", "1001-2000"])
async def test_a_chunk_out_of_order_is_416_and_the_upload_goes_on(registry: Client, method: str, span: str) -> None:
    """OCI "Pushing a blob in chunks": MUST be 416; GET then MUST be 204 with Location and Range."""
    location = await begin(registry)
    await follow(registry, "PATCH", location, "", CONTENT[:1000], Content_Range="0-999")
    digest = Digest.of(CONTENT)
    query = f"digest={digest}" if method == "PUT" else ""
    refused = await follow(registry, method, location, query, bytes(1000), Content_Range=span)
    assert (refused.status, refused.code) == (416, "BLOB_UPLOAD_INVALID")
    assert refused.headers["Range"] == "0-999"
    looked = await follow(registry, "GET", refused.headers["Location"])
    assert (looked.status, looked.body, looked.headers["Range"]) == (204, b"", "0-999")
    rest = f"1000-{len(CONTENT) - 1}"
    going_on = await follow(registry, "PATCH", looked.headers["Location"], "", CONTENT[1000:], Content_Range=rest)
    assert going_on.status == 202
    closed = await follow(registry, "PUT", going_on.headers["Location"], f"digest={digest}")
    await check_stored(registry, closed, digest)


async def test_the_first_chunk_begins_with_0(registry: Client) -> None:
    """OCI "Pushing a blob in chunks": the first chunk's range MUST begin with 0."""
    location = await begin(registry)
    assert (await follow(registry, "PATCH", location, "", CONTENT[:10], Content_Range="1-10")).status == 416
    assert (await follow(registry, "PATCH", location, "", CONTENT[:10], Content_Range="0-9")).status == 202


async def test_the_status_of_an_upload_is_told(registry: Client) -> None:
    """OCI "Pushing a blob in chunks": MUST be 204 with Location and Range."""
    location = await begin(registry)
    await follow(registry, "PATCH", location, "", CONTENT[:10])
    answer = await follow(registry, "GET", location)
    assert (answer.status, answer.headers["Range"]) == (204, "0-9")
    assert UUID.search(answer.headers["Location"])


async def test_an_upload_is_cancelled(registry: Client) -> None:
    """OCI "Cancel a blob upload": SHOULD be 204; the session is gone and nothing was stored."""
    location = await begin(registry)
    await follow(registry, "PATCH", location, "", CONTENT)
    answer = await follow(registry, "DELETE", location, Content_Length="0")
    assert (answer.status, answer.body) == (204, b"")
    digest = Digest.of(CONTENT)
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        gone = await follow(registry, method, location, f"digest={digest}")
        assert (gone.status, gone.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert (await registry("HEAD", f"/v2/a/b/blobs/{digest}")).status == 404


async def test_a_finished_upload_is_gone(registry: Client) -> None:
    """OCI "Pushing a blob in chunks": the session MUST be closed with a PUT; after it there is none."""
    location = await begin(registry)
    digest = Digest.of(CONTENT)
    assert (await follow(registry, "PUT", location, f"digest={digest}", CONTENT)).status == 201
    assert (await follow(registry, "GET", location)).status == 404


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("way", ["post", "put", "chunks", "chunk in put", "stream"])
async def test_content_of_another_digest_is_refused(registry: Client, algorithm: str, way: str) -> None:
    """OCI "Pushing blobs": a digest that does not match SHOULD be 400; code-4 DIGEST_INVALID."""
    promised, spoilt = Digest.of(CONTENT, algorithm), CONTENT + b"oh no"
    if way == "post":
        answer = await registry("POST", f"/v2/a/b/blobs/uploads/?digest={promised}", spoilt)
    else:
        location, sent = await begin(registry), 0
        if way != "put":
            sent = 1000 if way == "chunk in put" else len(spoilt)
            span = {} if way == "stream" else {"Content_Range": f"0-{sent - 1}"}
            assert (await follow(registry, "PATCH", location, "", spoilt[:sent], **span)).status == 202
        answer = await follow(registry, "PUT", location, f"digest={promised}", spoilt[sent:])
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    for digest in (promised, Digest.of(spoilt, algorithm)):
        assert (await registry("HEAD", f"/v2/a/b/blobs/{digest}")).status == 404


UNUSABLE = {
    "another algorithm": "sha384:" + "a" * 96,
    "too short": "sha256:abc",
    "too long": "sha256:" + "a" * 65,
    "upper case": "sha256:" + "A" * 64,
    "no algorithm": "a" * 64,
    "nothing": "",
    "the hex of the other": "sha512:" + "a" * 64,
}


@pytest.mark.parametrize("case", UNUSABLE)
@pytest.mark.parametrize("how", ["post", "put", "mount"])
async def test_a_digest_that_is_invalid_or_of_an_unsupported_algorithm_is_400(
    registry: Client, case: str, how: str
) -> None:
    """OCI "Pushing blobs": invalid or unsupported SHOULD be 400 in each implementation."""
    digest = UNUSABLE[case]
    if how == "put":
        answer = await follow(registry, "PUT", await begin(registry), f"digest={digest}", CONTENT)
    else:
        query = f"digest={digest}" if how == "post" else f"mount={digest}&from=other"
        answer = await registry("POST", f"/v2/a/b/blobs/uploads/?{query}", CONTENT if how == "post" else None)
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


async def test_an_unsupported_algorithm_is_refused_when_it_is_announced(registry: Client) -> None:
    """OCI "Pushing blobs", end-4c: an unsupported algorithm SHOULD be 400."""
    answer = await registry("POST", "/v2/a/b/blobs/uploads/?digest-algorithm=blake3")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


async def test_the_announced_algorithm_binds_nobody(registry: Client) -> None:
    """OCI "Pushing a blob in chunks": digest-algorithm is a SHOULD; the closing PUT decides."""
    location = await begin(registry, "?digest-algorithm=sha512")
    await follow(registry, "PATCH", location, "", CONTENT)
    digest = Digest.of(CONTENT)
    await check_stored(registry, await follow(registry, "PUT", location, f"digest={digest}"), digest)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("source", ["&from=base/image", ""], ids=["with from", "without from"])
async def test_a_blob_is_mounted(registry: Client, algorithm: str, source: str) -> None:
    """OCI "Mounting a blob": MUST be 201 with Location; from MAY be optional."""
    digest = await registry.push_blob("base/image", CONTENT, algorithm)
    answer = await registry("POST", f"/v2/a/b/blobs/uploads/?mount={digest}{source}", Content_Length="0")
    await check_stored(registry, answer, digest)


@pytest.mark.parametrize("source", ["&from=base", "&from=no/such/repository", "&from=NOT-VALID", "&from=", ""])
async def test_a_blob_that_cannot_be_mounted_is_uploaded_instead(registry: Client, source: str) -> None:
    """OCI "Mounting a blob": SHOULD be 202, with which an upload has begun."""
    await registry.push_blob("base", b"another blob")
    digest = Digest.of(CONTENT)
    answer = await registry("POST", f"/v2/a/b/blobs/uploads/?mount={digest}{source}")
    assert (answer.status, "Docker-Content-Digest" in answer.headers) == (202, False)
    closed = await follow(registry, "PUT", answer.headers["Location"], f"digest={digest}", CONTENT)
    await check_stored(registry, closed, digest)


async def test_a_mount_stays_when_its_source_is_deleted(registry: Client) -> None:
    """OCI "Mounting a blob": the blob exists in the repository it was mounted into."""
    digest = await registry.push_blob("base", CONTENT)
    assert (await registry("POST", f"/v2/a/blobs/uploads/?mount={digest}&from=base")).status == 201
    assert (await registry("DELETE", f"/v2/base/blobs/{digest}")).status == 202
    assert (await registry("GET", f"/v2/a/blobs/{digest}")).body == CONTENT


async def test_the_same_blob_may_be_pushed_by_two_at_once(registry: Client) -> None:
    """OCI "Layer Upload De-duplication": both uploads proceed."""
    digest = Digest.of(CONTENT)
    first, second = await begin(registry), await begin(registry)
    for location in (first, second):
        await follow(registry, "PATCH", location, "", CONTENT)
    for location in (first, second):
        await check_stored(registry, await follow(registry, "PUT", location, f"digest={digest}"), digest)
