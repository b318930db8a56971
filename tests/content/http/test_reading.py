"""Blobs, manifests and lists, as they come from a registry."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.content.errors import InterruptedTransferError, NotFoundError, RegistryFailedError
from airferry.content.http import HttpContent, RetryPolicy
from airferry.errors import MalformedError, UnsupportedError
from airferry.oci import ContentMismatchError, Descriptor, Digest, Manifest

from .scripted import BASE, HOST, FakeTime, Reply, client, on

CONTENT = bytes(range(256)) * 1000
BLOB = Descriptor("x/y", Digest.of(CONTENT), len(CONTENT))
BLOB_URL = f"/v2/team/app/blobs/{BLOB.digest}"


async def read(content: HttpContent, offset: int = 0) -> bytes:
    async with content.registry(HOST).open_blob("team/app", BLOB, offset) as stream:
        return b"".join([chunk async for chunk in stream])


def part(first: int, breaks_after: int | None = None) -> Reply:
    span = f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}"
    return Reply(206, CONTENT[first:], {"Content-Range": span}, breaks_after=breaks_after)


async def test_a_blob_is_read_as_it_is_stored() -> None:
    content, script = client(on("GET", BLOB_URL, Reply(body=CONTENT, headers={"Content-Encoding": "gzip"})))
    assert await read(content) == CONTENT
    assert script.sent[-1].headers["Accept-Encoding"] == "identity"
    await content.close()


async def test_a_broken_blob_goes_on_where_it_broke() -> None:
    time = FakeTime()
    content, script = client(
        on("GET", BLOB_URL, Reply(body=CONTENT, breaks_after=100_000), part(100_000, 50_000), part(150_000)), time=time
    )
    assert await read(content) == CONTENT
    assert [sent.headers.get("Range") for sent in script.sent[1:]] == [None, "bytes=100000-", "bytes=150000-"]
    await content.close()


async def test_an_offset_is_asked_for() -> None:
    content, script = client(on("GET", BLOB_URL, part(1234)))
    assert await read(content, 1234) == CONTENT[1234:]
    assert script.sent[-1].headers["Range"] == "bytes=1234-"
    await content.close()


async def test_a_server_without_ranges_sends_all_and_we_skip() -> None:
    content, _ = client(on("GET", BLOB_URL, Reply(body=CONTENT, breaks_after=100_001), Reply(body=CONTENT)))
    assert await read(content) == CONTENT
    assert await read(content, 77_777) == CONTENT[77_777:]
    await content.close()


async def test_a_range_that_was_not_asked_for_is_not_believed() -> None:
    content, script = client(on("GET", BLOB_URL, part(500), Reply(body=CONTENT)))
    assert await read(content, 1000) == CONTENT[1000:]
    assert "Range" not in script.sent[-1].headers
    await content.close()


async def test_nothing_is_asked_when_nothing_is_left() -> None:
    content, script = client()
    assert await read(content, len(CONTENT)) == b""
    assert script.sent == []
    await content.close()


async def test_a_blob_shorter_than_promised_is_said_so() -> None:
    content, _ = client(on("GET", BLOB_URL, Reply(416)))
    with pytest.raises(ContentMismatchError, match="has no byte 1000"):
        await read(content, 1000)
    await content.close()


async def test_a_blob_that_breaks_without_progress_is_given_up_with_a_hint() -> None:
    time = FakeTime()
    content, script = client(
        on("GET", BLOB_URL, Reply(body=CONTENT, breaks_after=0)), time=time, retry=RetryPolicy(attempts=4)
    )
    with pytest.raises(InterruptedTransferError, match=r"last after 0 of 256000 bytes") as caught:
        await read(content)
    assert "run the same command again" in (caught.value.hint or "")
    assert (len(script.requests()), len(time.slept)) == (4, 3)
    await content.close()


async def test_a_blob_that_breaks_often_and_moves_on_arrives() -> None:
    step = 70_000
    replies = [Reply(body=CONTENT, breaks_after=step)]
    replies += [part(first, step) for first in range(step, len(CONTENT), step)]
    content, _ = client(on("GET", BLOB_URL, *replies), retry=RetryPolicy(attempts=2))
    assert await read(content) == CONTENT
    await content.close()


async def test_too_many_bytes_are_the_sinks_to_cut_off() -> None:
    content, _ = client(on("GET", BLOB_URL, Reply(body=CONTENT + b"more")))
    assert await read(content) == CONTENT + b"more"
    await content.close()


async def test_too_few_bytes_in_a_whole_body_are_the_sinks_to_refuse() -> None:
    content, script = client(on("GET", BLOB_URL, Reply(body=CONTENT[:-1])))
    assert await read(content) == CONTENT[:-1]
    assert len(script.requests()) == 1
    await content.close()


async def test_leaving_in_the_middle_gives_the_connection_back() -> None:
    content, script = client(on("GET", BLOB_URL, Reply(body=CONTENT)))
    async with content.registry(HOST).open_blob("team/app", BLOB) as stream:
        async for _ in stream:
            break
    assert script.open_answers == 0
    await content.close()


@given(st.lists(st.integers(0, len(CONTENT)), max_size=6), st.integers(0, len(CONTENT)), st.booleans())
async def test_wherever_it_breaks_the_content_is_gapless(breaks: list[int], offset: int, ranges: bool) -> None:
    """A server that breaks off after each of these many bytes, with and without ranges."""
    content, script = client(retry=RetryPolicy(attempts=20))
    exchange = on("GET", BLOB_URL)
    script.exchanges.append(exchange)
    left = list(breaks)

    async def during(request) -> None:  # type: ignore[no-untyped-def]
        asked = int(request.headers.get("Range", "bytes=0-")[6:-1])
        first = asked if ranges else 0
        broken = left.pop(0) if left else None
        whole = broken is None or broken >= len(CONTENT) - first
        reply = part(first) if ranges and asked else Reply(body=CONTENT)
        if not whole:
            reply.breaks_after = broken
        exchange.replies, exchange.asked = [reply], 0

    script.during = during
    assert await read(content, offset) == CONTENT[offset:]
    await content.close()


INDEX = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
RAW = json.dumps(INDEX, indent=3).encode()
DIGEST = Digest.of(RAW)


def manifest_url(target: str) -> str:
    return f"/v2/team/app/manifests/{target}"


async def test_a_manifest_is_read_by_tag_and_by_digest() -> None:
    headers = {
        "Content-Type": "application/vnd.oci.image.index.v1+json; charset=utf-8",
        "Docker-Content-Digest": DIGEST,
    }
    content, script = client(
        on("GET", manifest_url("v1"), Reply(body=RAW, headers=headers)),
        on("GET", manifest_url(DIGEST), Reply(body=RAW, headers=headers)),
    )
    place = content.registry(HOST)
    assert (await place.read_manifest("team/app", "v1")).raw == RAW
    assert (await place.read_manifest("team/app", DIGEST)).digest == DIGEST
    assert "application/vnd.docker.distribution.manifest.list.v2+json" in script.sent[-1].headers["Accept"]
    await content.close()


async def test_other_bytes_than_asked_for_are_refused() -> None:
    other = Digest.of(b"other")
    content, _ = client(
        on("GET", manifest_url(other), Reply(body=RAW)),
        on("GET", manifest_url("v1"), Reply(body=RAW, headers={"Docker-Content-Digest": other})),
    )
    for target in (other, "v1"):
        with pytest.raises(ContentMismatchError, match=r"registry\.example\.com/team/app"):
            await content.registry(HOST).read_manifest("team/app", target)
    await content.close()


BAD_MANIFESTS = {
    "a login page": (b"<html>log in</html>", MalformedError, "is not JSON"),
    "schema 1": (b'{"schemaVersion": 1}', UnsupportedError, "schema 1"),
    "endless": (b" " * (17 * 1024 * 1024), RegistryFailedError, "longer than"),
}


@pytest.mark.parametrize(("body", "error", "message"), BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
async def test_what_is_no_manifest_is_refused_by_name(body: bytes, error: type[Exception], message: str) -> None:
    content, _ = client(on("GET", manifest_url("v1"), Reply(body=body, piece=1 << 20)))
    with pytest.raises(error, match=message):
        await content.registry(HOST).read_manifest("team/app", "v1")
    await content.close()


async def test_a_tag_is_resolved_by_head_and_by_get_where_the_header_is_missing() -> None:
    content, script = client(
        on("HEAD", manifest_url("v1"), Reply(headers={"Docker-Content-Digest": DIGEST}), Reply()),
        on("GET", manifest_url("v1"), Reply(body=RAW)),
        on("HEAD", manifest_url("v2"), Reply(404)),
    )
    place = content.registry(HOST)
    assert await place.resolve_tag("team/app", "v1") == DIGEST
    assert await place.tag_digest("team/app", "v1") == DIGEST
    assert [sent.method for sent in script.sent[1:]] == ["HEAD", "HEAD", "GET"]
    assert await place.tag_digest("team/app", "v2") is None
    with pytest.raises(NotFoundError):
        await place.resolve_tag("team/app", "v2")
    await content.close()


def tags(*names: str, link: str | None = None) -> Reply:
    headers = {"Link": f'<{link}>; rel="next"'} if link else {}
    return Reply(body=json.dumps({"name": "team/app", "tags": names or None}).encode(), headers=headers)


LIST = "/v2/team/app/tags/list?n=1000"
NEXT = "/v2/team/app/tags/list?n=2&last=b"


async def test_tags_are_listed_through_all_pages_in_order() -> None:
    content, _ = client(on("GET", LIST, tags("c", "b", link=NEXT)), on("GET", NEXT, tags("a")))
    assert await content.registry(HOST).list_tags("team/app") == ("a", "b", "c")
    await content.close()


async def test_a_next_page_is_asked_of_the_same_registry() -> None:
    content, script = client(on("GET", LIST, tags("c", link=f"http://internal:5000{NEXT}")), on("GET", NEXT, tags("a")))
    assert await content.registry(HOST).list_tags("team/app") == ("a", "c")
    assert all(sent.url.startswith(BASE) for sent in script.sent)
    await content.close()


async def test_a_full_page_without_a_link_is_followed_by_its_last_tag() -> None:
    full = [f"t{number:04}" for number in range(1000)]
    content, _ = client(on("GET", LIST, tags(*full)), on("GET", f"{LIST}&last=t0999", tags("z")))
    assert len(await content.registry(HOST).list_tags("team/app")) == 1001
    await content.close()


async def test_pages_that_repeat_themselves_end() -> None:
    content, script = client(on("GET", LIST, tags("a", link=LIST)))
    assert await content.registry(HOST).list_tags("team/app") == ("a",)
    assert len(script.requests()) == 2
    await content.close()


async def test_no_tags_are_an_empty_list_and_no_repository_is_not_found() -> None:
    content, _ = client(on("GET", LIST, tags(), Reply(404)))
    place = content.registry(HOST)
    assert await place.list_tags("team/app") == ()
    with pytest.raises(NotFoundError):
        await place.list_tags("team/app")
    await content.close()


@pytest.mark.parametrize("body", [b"<html>", b'{"tags": "v1"}', b'{"tags": [1]}'])
async def test_what_is_no_list_of_tags_is_refused(body: bytes) -> None:
    content, _ = client(on("GET", LIST, Reply(body=body)))
    with pytest.raises(RegistryFailedError):
        await content.registry(HOST).list_tags("team/app")
    await content.close()


SIGNATURE = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + "a" * 64, "size": 7}
REFERRERS = f"/v2/team/app/referrers/{DIGEST}"
FALLBACK = manifest_url(f"sha256-{DIGEST.hex}")


def index(*entries: object, link: str | None = None) -> Reply:
    headers = {"Link": f'<{link}>; rel="next"'} if link else {}
    return Reply(body=json.dumps({**INDEX, "manifests": entries}).encode(), headers=headers)


async def test_referrers_come_from_the_endpoint_through_all_pages() -> None:
    second = {**SIGNATURE, "digest": "sha256:" + "b" * 64, "artifactType": "application/x"}
    content, _ = client(
        on("GET", REFERRERS, index(SIGNATURE, link=f"{REFERRERS}?page=2")),
        on("GET", f"{REFERRERS}?page=2", index(second)),
    )
    found = await content.registry(HOST).list_referrers("team/app", DIGEST)
    assert [(item.digest.short, item.artifact_type) for item in found] == [
        ("a" * 12, None),
        ("b" * 12, "application/x"),
    ]
    await content.close()


NO_ENDPOINT = {"404": Reply(404), "405": Reply(405), "a page for people": Reply(body=b"<html>")}


@pytest.mark.parametrize("answer", NO_ENDPOINT.values(), ids=NO_ENDPOINT)
async def test_referrers_come_from_the_fallback_tag_where_there_is_no_endpoint(answer: Reply) -> None:
    content, _ = client(on("GET", REFERRERS, answer), on("GET", FALLBACK, index(SIGNATURE), Reply(404)))
    place = content.registry(HOST)
    assert [item.size_bytes for item in await place.list_referrers("team/app", DIGEST)] == [7]
    assert await place.list_referrers("team/app", DIGEST) == ()
    await content.close()


async def test_a_fallback_tag_that_is_somebodys_image_lists_nothing() -> None:
    image = {"schemaVersion": 2, "config": SIGNATURE, "layers": []}
    content, _ = client(on("GET", REFERRERS, Reply(404)), on("GET", FALLBACK, Reply(body=json.dumps(image).encode())))
    assert await content.registry(HOST).list_referrers("team/app", DIGEST) == ()
    await content.close()


def test_the_manifest_used_here_is_one() -> None:
    assert Manifest.parse(RAW).is_index
