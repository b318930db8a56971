"""Failures that pass, failures that stay, and answers that point elsewhere."""

import json

import pytest

from airferry.content.errors import (
    InterruptedTransferError,
    NotFoundError,
    RegistryFailedError,
    ThrottledError,
    UnreachableError,
)
from airferry.content.http import RetryPolicy
from airferry.content.http.transport import FailureKind
from airferry.errors import AirferryError
from airferry.oci import Descriptor, Digest

from .scripted import ALICE, BASE, HOST, FakeTime, Reply, client, on

MANIFEST = json.dumps(
    {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
).encode()
READ = "/v2/team/app/manifests/v1"
GOOD = Reply(body=MANIFEST)
CONTENT = b"0123456789" * 700
BLOB = Descriptor("x/y", Digest.of(CONTENT), len(CONTENT))
BLOB_URL = f"/v2/team/app/blobs/{BLOB.digest}"

PASSING: dict[str, list[Reply]] = {
    "429 with seconds": [Reply(429, headers={"Retry-After": "7"})],
    "429 without Retry-After": [Reply(429)],
    "429 with a date": [Reply(429, headers={"Retry-After": "Tue, 14 Nov 2023 22:30:30 GMT"})],
    "500": [Reply(500)],
    "502 with a page": [Reply(502, b"<html>bad gateway</html>")],
    "503, then 504": [Reply(503), Reply(504)],
    "a reset": [Reply(fails=FailureKind.BROKEN)],
    "a silence": [Reply(fails=FailureKind.IDLE)],
    "a host that comes back": [Reply(fails=FailureKind.CONNECT)],
    "a body that is cut short": [Reply(body=MANIFEST, breaks_after=10)],
}


@pytest.mark.parametrize("bad", PASSING.values(), ids=PASSING)
async def test_what_passes_is_tried_again(bad: list[Reply]) -> None:
    time = FakeTime()
    content, _ = client(on("GET", READ, *bad, GOOD), time=time)
    manifest = await content.registry(HOST).read_manifest("team/app", "v1")
    assert manifest.raw == MANIFEST
    assert len(time.slept) >= len(bad)
    await content.close()


async def test_the_time_a_registry_asks_for_is_waited() -> None:
    time = FakeTime()
    content, _ = client(on("GET", READ, Reply(429, headers={"Retry-After": "7"}), GOOD), time=time)
    await content.registry(HOST).read_manifest("team/app", "v1")
    assert 7.0 <= time.now_s - 1000.0 < 9.0
    await content.close()


async def test_a_wait_beyond_our_patience_keeps_nobody_else_waiting() -> None:
    """The request that was asked to stay away for an hour ends; the host may answer others at once."""
    time = FakeTime()
    other = "/v2/team/app/manifests/v2"
    content, _ = client(on("GET", READ, Reply(429, headers={"Retry-After": "3600"})), on("GET", other, GOOD), time=time)
    registry = content.registry(HOST)
    with pytest.raises(ThrottledError):
        await registry.read_manifest("team/app", "v1")
    await registry.read_manifest("team/app", "v2")
    assert time.now_s - 1000.0 < 10
    await content.close()


STAYING: dict[str, tuple[Reply, type[AirferryError]]] = {
    "429 for ever": (Reply(429), ThrottledError),
    "429 that asks for an hour": (Reply(429, headers={"Retry-After": "3600"}), ThrottledError),
    "500 for ever": (Reply(500), RegistryFailedError),
    "503 for ever": (Reply(503), RegistryFailedError),
    "resets for ever": (Reply(fails=FailureKind.BROKEN), InterruptedTransferError),
    "bodies cut short for ever": (Reply(body=MANIFEST, breaks_after=10), InterruptedTransferError),
    "never reached": (Reply(fails=FailureKind.CONNECT), UnreachableError),
}


@pytest.mark.parametrize(("bad", "expected"), STAYING.values(), ids=STAYING)
async def test_what_stays_ends_with_an_error_that_says_what_was_tried(
    bad: Reply, expected: type[AirferryError]
) -> None:
    time = FakeTime()
    content, _ = client(on("GET", READ, bad), time=time)
    with pytest.raises(expected) as caught:
        await content.registry(HOST).read_manifest("team/app", "v1")
    assert "read manifest v1 of registry.example.com/team/app" in caught.value.message
    assert time.now_s - 1000.0 < 2000
    await content.close()


@pytest.mark.parametrize("status", [400, 403, 404, 405, 413, 416, 451, 501, 507])
async def test_a_decision_is_not_asked_for_again(status: int) -> None:
    time = FakeTime()
    content, script = client(on("GET", READ, Reply(status)), time=time)
    with pytest.raises(AirferryError):
        await content.registry(HOST).read_manifest("team/app", "v1")
    assert (script.requests(), time.slept) == ([f"GET {READ}"], [])
    await content.close()


@pytest.mark.parametrize("body", [b"<html>404</html>", b"404 page not found", b"", b'{"errors":[{"code":"X"}]}'])
async def test_any_404_is_not_found(body: bytes) -> None:
    content, _ = client(on("GET", READ, Reply(404, body)))
    with pytest.raises(NotFoundError, match="has no manifest v1 in team/app"):
        await content.registry(HOST).read_manifest("team/app", "v1")
    await content.close()


async def test_an_unknown_repository_is_named() -> None:
    content, _ = client(on("GET", READ, Reply(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}')))
    with pytest.raises(NotFoundError, match="has no repository team/app"):
        await content.registry(HOST).read_manifest("team/app", "v1")
    await content.close()


async def test_a_host_that_never_answers_is_not_waited_for_long() -> None:
    time = FakeTime()
    content, script = client(on("GET", "/v2/", Reply(fails=FailureKind.CONNECT)), time=time)
    with pytest.raises(UnreachableError):
        await content.registry(HOST).read_manifest("team/app", "v1")
    assert len(script.sent) == 2 and time.now_s - 1000.0 < 2
    await content.close()


async def test_a_registry_is_met_once_whatever_its_ping_says() -> None:
    content, script = client(on("GET", "/v2/", Reply(500)), on("GET", READ, GOOD))
    place = content.registry(HOST)
    await place.read_manifest("team/app", "v1")
    await place.read_manifest("team/app", "v1")
    assert script.requests(ping=True) == ["GET /v2/", f"GET {READ}", f"GET {READ}"]
    await content.close()


async def read(content, offset: int = 0) -> bytes:  # type: ignore[no-untyped-def]
    async with content.registry(HOST).open_blob("team/app", BLOB, offset) as stream:
        return b"".join([chunk async for chunk in stream])


ELSEWHERE = "https://cdn.example.net/blob?sig=a%2Fb%3D"
ASKS_BASIC = {"WWW-Authenticate": "Basic realm=x"}


async def test_the_authorization_header_stays_with_its_registry() -> None:
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=ASKS_BASIC)),
        on("GET", BLOB_URL, Reply(307, headers={"Location": ELSEWHERE})),
        on("GET", ELSEWHERE, Reply(body=CONTENT)),
        credential=ALICE,
    )
    assert await read(content) == CONTENT
    registry, storage = script.sent[1:]
    assert "Authorization" in registry.headers and "Authorization" not in storage.headers
    assert storage.url == ELSEWHERE, "a signed URL must stay as it is, escapes included"
    await content.close()


@pytest.mark.parametrize("other", [f"https://{HOST}:8443/x", f"https://sub.{HOST}/x"])
async def test_another_port_or_name_is_another_host(other: str) -> None:
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=ASKS_BASIC)),
        on("GET", BLOB_URL, Reply(302, headers={"Location": other})),
        on("GET", other, Reply(body=CONTENT)),
        credential=ALICE,
    )
    assert await read(content) == CONTENT
    assert "Authorization" not in script.sent[-1].headers
    await content.close()


async def test_a_redirect_within_the_registry_keeps_the_header() -> None:
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=ASKS_BASIC)),
        on("GET", BLOB_URL, Reply(308, headers={"Location": "/moved"})),
        on("GET", "/moved", Reply(body=CONTENT)),
        credential=ALICE,
    )
    assert await read(content) == CONTENT
    assert "Authorization" in script.sent[-1].headers
    await content.close()


async def test_a_redirect_to_plain_http_is_refused() -> None:
    content, script = client(on("GET", BLOB_URL, Reply(307, headers={"Location": "http://cdn.example.net/x"})))
    with pytest.raises(RegistryFailedError, match="from HTTPS to plain HTTP"):
        await read(content)
    assert script.requests() == [f"GET {BLOB_URL}"]
    await content.close()


async def test_a_redirect_to_plain_http_that_was_asked_for_goes_without_credentials() -> None:
    target = plain("/blob")
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=ASKS_BASIC)),
        on("GET", BLOB_URL, Reply(307, headers={"Location": target})),
        on("GET", target, Reply(body=CONTENT)),
        credential=ALICE,
        insecure=True,
    )
    assert await read(content) == CONTENT
    assert "Authorization" not in script.sent[-1].headers
    await content.close()


async def test_a_redirect_to_what_is_no_url_is_refused() -> None:
    content, _ = client(on("GET", BLOB_URL, Reply(307, headers={"Location": "file:///etc/passwd"})))
    with pytest.raises(RegistryFailedError, match="no URL"):
        await read(content)
    await content.close()


async def test_a_circle_of_redirects_ends() -> None:
    content, script = client(on("GET", BLOB_URL, Reply(307, headers={"Location": BLOB_URL})))
    with pytest.raises(RegistryFailedError, match="in a circle"):
        await read(content)
    assert len(script.requests()) == 11
    await content.close()


async def test_a_refusal_by_the_storage_behind_is_asked_for_anew() -> None:
    content, script = client(
        on("GET", BLOB_URL, Reply(307, headers={"Location": ELSEWHERE})),
        on("GET", ELSEWHERE, Reply(403, b"<Error>expired</Error>"), Reply(body=CONTENT)),
    )
    assert await read(content) == CONTENT
    assert script.requests().count(f"GET {BLOB_URL}") == 2
    await content.close()


async def test_a_storage_that_asks_for_credentials_gets_none() -> None:
    content, script = client(
        on("GET", "/v2/", Reply(401, headers=ASKS_BASIC)),
        on("GET", BLOB_URL, Reply(307, headers={"Location": ELSEWHERE})),
        on("GET", ELSEWHERE, Reply(401, headers=ASKS_BASIC)),
        credential=ALICE,
        retry=RetryPolicy(attempts=2),
    )
    with pytest.raises(InterruptedTransferError, match=r"cdn\.example\.net"):
        await read(content)
    assert all("Authorization" not in sent.headers for sent in script.sent if "cdn" in sent.url)
    await content.close()


def plain(path: str) -> str:
    return f"http://{HOST}{path}"


async def test_plain_http_is_never_spoken_unasked() -> None:
    content, script = client(on("GET", "/v2/", Reply(fails=FailureKind.NOT_TLS)))
    with pytest.raises(UnreachableError) as caught:
        await content.registry(HOST).read_manifest("team/app", "v1")
    assert "--insecure" in (caught.value.hint or "")
    assert all(sent.url.startswith("https:") and not sent.insecure for sent in script.sent)
    await content.close()


@pytest.mark.parametrize("kind", [FailureKind.NOT_TLS, FailureKind.CONNECT])
async def test_insecure_tries_https_first_then_plain_http(kind: FailureKind) -> None:
    content, script = client(
        on("GET", f"{BASE}/v2/", Reply(fails=kind)),
        on("GET", plain("/v2/")),
        on("GET", plain(READ), GOOD),
        insecure=True,
    )
    await content.registry(HOST).read_manifest("team/app", "v1")
    await content.registry(HOST).read_manifest("team/app", "v1")
    assert [sent.url for sent in script.sent] == [f"{BASE}/v2/", plain("/v2/"), plain(READ), plain(READ)]
    await content.close()


async def test_insecure_keeps_https_where_there_is_https() -> None:
    content, script = client(on("GET", READ, GOOD), insecure=True)
    await content.registry(HOST).read_manifest("team/app", "v1")
    assert all(sent.url.startswith("https:") and sent.insecure for sent in script.sent)
    await content.close()


async def test_a_rule_may_make_one_place_insecure() -> None:
    content, script = client(on("GET", READ, GOOD))
    await content.registry(HOST, insecure=True).read_manifest("team/app", "v1")
    await content.registry(HOST).read_manifest("team/app", "v1")
    assert [sent.insecure for sent in script.sent] == [True, True, False, False]
    await content.close()


async def test_docker_hub_is_asked_at_its_api_and_under_library() -> None:
    api = "https://registry-1.docker.io/v2"
    content, script = client(on("GET", f"{api}/"), on("GET", f"{api}/library/busybox/manifests/1", GOOD))
    await content.registry("docker.io").read_manifest("busybox", "1")
    assert len(script.sent) == 2
    await content.close()


async def test_documents_are_read_without_credentials() -> None:
    url = "https://mirror.example.org/signature-1"
    content, script = client(
        on("GET", url, Reply(503), Reply(302, headers={"Location": "/moved"})),
        on("GET", "https://mirror.example.org/moved", Reply(body=b"signed")),
        credential=ALICE,
    )
    assert await content.fetch_document(url, 100) == b"signed"
    assert all("Authorization" not in sent.headers for sent in script.sent)
    with pytest.raises(RegistryFailedError, match="longer than 3 bytes"):
        await content.fetch_document(url, 3)
    await content.close()


async def test_a_document_that_is_not_there_is_not_found() -> None:
    url = "https://mirror.example.org/signature-2"
    content, _ = client(on("GET", url, Reply(404)))
    with pytest.raises(NotFoundError):
        await content.fetch_document(url, 100)
    await content.close()
