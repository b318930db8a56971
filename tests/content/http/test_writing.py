"""Blobs, manifests and tags, as they go to a registry."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from airferry.content.errors import (
    InterruptedTransferError,
    NoSpaceError,
    NotFoundError,
    RegistryFailedError,
    ThrottledError,
)
from airferry.content.http import RetryPolicy
from airferry.content.http.transport import FailureKind
from airferry.content.protocol import BlobFetch, ByteStream
from airferry.errors import AirferryError
from airferry.oci import ContentMismatchError, Descriptor, Digest, Manifest

from .scripted import ALICE, HOST, FakeTime, Reply, client, on

SMALL = b"a small blob"
LARGE = bytes(range(256)) * 10_000
SESSION = "/v2/team/app/blobs/uploads/1?state=x"
BEGIN = "/v2/team/app/blobs/uploads/"


def blob(content: bytes) -> Descriptor:
    return Descriptor("x/y", Digest.of(content), len(content))


def fetch_of(content: bytes, calls: list[int] | None = None) -> BlobFetch:
    @asynccontextmanager
    async def fetch(offset: int) -> AsyncIterator[ByteStream]:
        if calls is not None:
            calls.append(offset)

        async def stream() -> AsyncIterator[bytes]:
            for start in range(offset, len(content), 300_000):
                yield content[start : start + 300_000]

        yield stream()

    return fetch


def head(content: bytes, *replies: Reply):  # type: ignore[no-untyped-def]
    return on("HEAD", f"/v2/team/app/blobs/{Digest.of(content)}", *(replies or (Reply(404),)))


def begin(location: str = SESSION):  # type: ignore[no-untyped-def]
    return on("POST", BEGIN, Reply(202, headers={"Location": location}))


def put(content: bytes, *replies: Reply, location: str = SESSION):  # type: ignore[no-untyped-def]
    return on("PUT", f"{location}&digest={Digest.of(content)}", *(replies or (Reply(201),)))


CANCEL = on("DELETE", SESSION, Reply(204))


@pytest.mark.parametrize("content", [SMALL, LARGE, b""], ids=["small", "large", "empty"])
async def test_a_blob_goes_up_in_one_put(content: bytes) -> None:
    http, script = client(head(content), begin(), put(content))
    await http.registry(HOST).write_blob("team/app", blob(content), fetch_of(content))
    assert [sent.method for sent in script.sent[1:]] == ["HEAD", "POST", "PUT"]
    assert script.sent[-1].body == content
    await http.close()


async def test_a_blob_that_is_there_is_left_alone() -> None:
    calls: list[int] = []
    http, _ = client(head(SMALL, Reply(headers={"Content-Length": str(len(SMALL))})))
    await http.registry(HOST).write_blob("team/app", blob(SMALL), fetch_of(SMALL, calls))
    assert calls == []
    await http.close()


async def test_a_blob_known_to_be_missing_is_not_looked_for_twice() -> None:
    http, script = client(head(SMALL), begin(), put(SMALL))
    place = http.registry(HOST)
    assert not await place.has_blob("team/app", blob(SMALL))
    await place.write_blob("team/app", blob(SMALL), fetch_of(SMALL))
    assert [sent.method for sent in script.sent[1:]] == ["HEAD", "POST", "PUT"]
    await http.close()


async def test_a_blob_of_another_size_is_not_the_blob() -> None:
    http, _ = client(head(SMALL, Reply(headers={"Content-Length": "5"})))
    assert not await http.registry(HOST).has_blob("team/app", blob(SMALL))
    await http.close()


LOCATIONS = {
    "relative": (SESSION, SESSION),
    "absolute": (f"https://{HOST}{SESSION}", SESSION),
    "plain http behind a proxy that ends TLS": (f"http://{HOST}{SESSION}", SESSION),
}


@pytest.mark.parametrize(("location", "expected"), LOCATIONS.values(), ids=LOCATIONS)
async def test_an_upload_goes_where_the_registry_says(location: str, expected: str) -> None:
    http, _ = client(head(SMALL), begin(location), put(SMALL, location=expected))
    await http.registry(HOST).write_blob("team/app", blob(SMALL), fetch_of(SMALL))
    await http.close()


async def test_an_upload_elsewhere_goes_without_our_credentials() -> None:
    storage = "https://storage.example.net/upload"
    http, script = client(
        on("GET", "/v2/", Reply(401, headers={"WWW-Authenticate": "Basic realm=x"})),
        head(SMALL),
        begin(storage),
        on("PUT", f"{storage}?digest={Digest.of(SMALL)}", Reply(201)),
        credential=ALICE,
    )
    await http.registry(HOST).write_blob("team/app", blob(SMALL), fetch_of(SMALL))
    assert "Authorization" in script.sent[-2].headers
    assert "Authorization" not in script.sent[-1].headers
    await http.close()


WRONG = {
    "a flipped byte": b"X" + LARGE[1:],
    "too few bytes": LARGE[:-1],
    "too many bytes": LARGE + b"!",
    "no bytes": b"",
}


@pytest.mark.parametrize("sent", WRONG.values(), ids=WRONG)
async def test_wrong_bytes_are_never_committed(sent: bytes) -> None:
    http, script = client(head(LARGE), begin(), put(LARGE), CANCEL)
    with pytest.raises(ContentMismatchError):
        await http.registry(HOST).write_blob("team/app", blob(LARGE), fetch_of(sent))
    assert "PUT" not in [request.method for request in script.sent], "the script never saw the end of the body"
    assert script.sent[-1].method == "DELETE"
    await http.close()


async def test_wrong_small_bytes_do_not_even_begin() -> None:
    http, script = client(head(SMALL))
    with pytest.raises(ContentMismatchError):
        await http.registry(HOST).write_blob("team/app", blob(SMALL), fetch_of(b"another blob"))
    assert script.requests() == [f"HEAD /v2/team/app/blobs/{Digest.of(SMALL)}"]
    await http.close()


PASSING = {
    "500": Reply(500),
    "503": Reply(503),
    "429": Reply(429, headers={"Retry-After": "3"}),
    "a reset": Reply(fails=FailureKind.BROKEN),
    "a silence": Reply(fails=FailureKind.IDLE),
    "a session that is gone": Reply(404, b'{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}'),
    "bytes that were damaged on the way": Reply(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}'),
}


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("bad", PASSING.values(), ids=PASSING)
async def test_an_upload_that_fails_starts_over(bad: Reply, content: bytes) -> None:
    time, calls = FakeTime(), list[int]()
    http, script = client(head(content), begin(), put(content, bad, Reply(201)), CANCEL, time=time)
    await http.registry(HOST).write_blob("team/app", blob(content), fetch_of(content, calls))
    methods = [sent.method for sent in script.sent[1:]]
    assert methods == ["HEAD", "POST", "PUT", "DELETE", "HEAD", "POST", "PUT"]
    assert time.slept and set(calls) == {0}
    await http.close()


async def test_an_upload_whose_answer_was_lost_is_not_sent_again() -> None:
    http, script = client(
        head(LARGE, Reply(404), Reply(headers={"Content-Length": str(len(LARGE))})),
        begin(),
        put(LARGE, Reply(fails=FailureKind.BROKEN)),
        CANCEL,
    )
    await http.registry(HOST).write_blob("team/app", blob(LARGE), fetch_of(LARGE))
    assert [sent.method for sent in script.sent].count("PUT") == 1
    await http.close()


STAYING: dict[str, tuple[Reply, type[AirferryError], int]] = {
    "500": (Reply(500), RegistryFailedError, 3),
    "429": (Reply(429), ThrottledError, 3),
    "resets": (Reply(fails=FailureKind.BROKEN), InterruptedTransferError, 3),
    "too large for a proxy": (Reply(413), RegistryFailedError, 1),
    "a full disk": (Reply(507), NoSpaceError, 1),
}


@pytest.mark.parametrize(("bad", "error", "puts"), STAYING.values(), ids=STAYING)
async def test_an_upload_that_keeps_failing_ends(bad: Reply, error: type[AirferryError], puts: int) -> None:
    http, script = client(head(LARGE), begin(), put(LARGE, bad), CANCEL, retry=RetryPolicy(attempts=3))
    with pytest.raises(error, match="push blob"):
        await http.registry(HOST).write_blob("team/app", blob(LARGE), fetch_of(LARGE))
    assert [sent.method for sent in script.sent].count("PUT") == puts
    await http.close()


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
async def test_a_failure_of_the_source_is_its_own_and_not_tried_again(content: bytes) -> None:
    @asynccontextmanager
    async def fetch(offset: int) -> AsyncIterator[ByteStream]:
        async def stream() -> AsyncIterator[bytes]:
            yield content[:5]
            raise InterruptedTransferError("the source broke")

        yield stream()

    http, script = client(head(content), begin(), put(content), CANCEL)
    with pytest.raises(InterruptedTransferError, match="the source broke"):
        await http.registry(HOST).write_blob("team/app", blob(content), fetch)
    assert "PUT" not in [request.method for request in script.sent]
    await http.close()


MOUNT = f"/v2/team/app/blobs/uploads/?mount={Digest.of(SMALL)}&from=team/other"


async def test_a_blob_is_mounted_with_the_right_to_read_where_it_comes_from() -> None:
    token = "https://auth.example.com/token"
    scopes = "scope=repository:team/app:pull,push&scope=repository:team/other:pull"
    http, script = client(
        on("GET", "/v2/", Reply(401, headers={"WWW-Authenticate": f'Bearer realm="{token}"'})),
        on("GET", f"{token}?{scopes}", Reply(body=b'{"token": "t"}')),
        on("POST", MOUNT, Reply(201)),
    )
    assert await http.registry(HOST).mount_blob("team/app", blob(SMALL), "team/other")
    assert script.sent[-1].headers["Authorization"] == "Bearer t"
    await http.close()


async def test_a_mount_that_is_declined_leaves_no_upload_behind() -> None:
    http, script = client(on("POST", MOUNT, Reply(202, headers={"Location": SESSION})), CANCEL)
    assert not await http.registry(HOST).mount_blob("team/app", blob(SMALL), "team/other")
    assert script.requests()[-1] == f"DELETE {SESSION}"
    await http.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
async def test_a_registry_that_does_not_mount_has_declined(status: int) -> None:
    http, _ = client(on("POST", MOUNT, Reply(status)))
    assert not await http.registry(HOST).mount_blob("team/app", blob(SMALL), "team/other")
    await http.close()


IMAGE = Manifest.parse(
    json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}).encode()
)


def manifest_put(target: str, *replies: Reply):  # type: ignore[no-untyped-def]
    return on("PUT", f"/v2/team/app/manifests/{target}", *(replies or (Reply(201),)))


async def test_a_manifest_is_written_by_digest_and_a_tag_by_name() -> None:
    http, script = client(manifest_put(IMAGE.digest), manifest_put("v1", Reply(503), Reply(201)))
    await http.registry(HOST).write_manifest("team/app", IMAGE)
    await http.registry(HOST).write_tag("team/app", "v1", IMAGE)
    assert {sent.body for sent in script.sent[1:]} == {IMAGE.raw}
    assert {sent.headers["Content-Type"] for sent in script.sent[1:]} == {IMAGE.media_type}
    await http.close()


async def test_a_registry_that_changes_a_manifest_is_caught() -> None:
    changed = {"Docker-Content-Digest": Digest.of(b"other")}
    http, _ = client(manifest_put(IMAGE.digest, Reply(201, headers=changed)))
    with pytest.raises(ContentMismatchError, match="changed the bytes"):
        await http.registry(HOST).write_manifest("team/app", IMAGE)
    await http.close()


async def test_a_manifest_whose_blobs_are_missing_is_refused_in_the_registrys_words() -> None:
    body = b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}'
    http, _ = client(manifest_put(IMAGE.digest, Reply(400, body)))
    with pytest.raises(RegistryFailedError, match="MANIFEST_BLOB_UNKNOWN: blob unknown"):
        await http.registry(HOST).write_manifest("team/app", IMAGE)
    await http.close()


async def test_what_the_sink_has_is_asked_by_head() -> None:
    http, script = client(
        on("HEAD", f"/v2/team/app/manifests/{IMAGE.digest}", Reply(), Reply(404)),
    )
    assert await http.registry(HOST).has_manifest("team/app", IMAGE.digest)
    assert not await http.registry(HOST).has_manifest("team/app", IMAGE.digest)
    assert {sent.method for sent in script.sent[1:]} == {"HEAD"}
    await http.close()


REFERRER = Manifest.parse(
    json.dumps(
        {
            "schemaVersion": 2,
            "artifactType": "application/x.signature",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest.of(b"{}"), "size": 2},
            "layers": [],
            "subject": {"mediaType": IMAGE.media_type, "digest": IMAGE.digest, "size": IMAGE.size_bytes},
            "annotations": {"a": "b"},
        }
    ).encode()
)
FALLBACK = f"sha256-{IMAGE.digest.hex}"


async def test_a_referrer_is_listed_by_the_registry_that_says_so() -> None:
    http, script = client(manifest_put(REFERRER.digest, Reply(201, headers={"OCI-Subject": IMAGE.digest})))
    await http.registry(HOST).write_manifest("team/app", REFERRER)
    assert len(script.requests()) == 1
    await http.close()


async def test_a_referrer_is_noted_under_the_fallback_tag_where_the_registry_keeps_none() -> None:
    fallback = on("GET", f"/v2/team/app/manifests/{FALLBACK}", Reply(404))
    http, script = client(manifest_put(REFERRER.digest), fallback, manifest_put(FALLBACK))
    await http.registry(HOST).write_manifest("team/app", REFERRER)
    index = Manifest.parse(script.sent[-1].body)
    (entry,) = index.children
    assert (entry.digest, entry.artifact_type, entry.annotations) == (
        REFERRER.digest,
        "application/x.signature",
        {"a": "b"},
    )
    fallback.replies = [Reply(body=index.raw)]
    before = len(script.sent)
    await http.registry(HOST).write_manifest("team/app", REFERRER)
    assert [sent.method for sent in script.sent[before:]] == ["PUT", "GET"], "what is noted is not noted twice"
    await http.close()


async def test_pushing_where_it_is_not_found_names_what_was_pushed() -> None:
    http, _ = client(head(SMALL), on("POST", BEGIN, Reply(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}')))
    with pytest.raises(NotFoundError, match="no repository team/app"):
        await http.registry(HOST).write_blob("team/app", blob(SMALL), fetch_of(SMALL))
    await http.close()
