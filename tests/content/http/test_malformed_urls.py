"""URLs in a registry's answers that cannot be asked: an error that names the registry, never a bare ValueError."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from airferry.content.errors import RegistryFailedError, UnreachableError
from airferry.content.http import HttpContent, HttpSettings, Timing
from airferry.content.protocol import ByteStream
from airferry.oci import Descriptor, Digest

from .scripted import ALICE, HOST, Exchange, FakeTime, Reply, client, on

CONTENT = b"content"
BLOB = Descriptor("x/y", Digest.of(CONTENT), len(CONTENT))
BLOB_URL = f"/v2/team/app/blobs/{BLOB.digest}"
MANIFEST_URL = "/v2/team/app/manifests/v1"
DOCUMENT = "https://mirror.example.org/signature-1"

MALFORMED = {
    "a port that is no number": "https://h:abc/x",
    "a bracket without its end": "http://[bad/x",
    "a port out of range": "https://127.0.0.1:99999/x",
    "something behind an IPv6 address": "https://[::1]x/y",
    "a name that is none after normalization": "https://h\u2100/x",
    "another scheme": "ftp://h/x",
}

Ask = Callable[[HttpContent], Awaitable[object]]
Script = Callable[[str], list[Exchange]]


async def read_blob(http: HttpContent) -> None:
    async with http.registry(HOST).open_blob("team/app", BLOB) as stream:
        async for _ in stream:
            pass


async def read_manifest(http: HttpContent) -> None:
    await http.registry(HOST).read_manifest("team/app", "v1")


@asynccontextmanager
async def fetch(offset: int) -> AsyncIterator[ByteStream]:
    async def stream() -> AsyncIterator[bytes]:
        yield CONTENT[offset:]

    yield stream()


async def write_blob(http: HttpContent) -> None:
    await http.registry(HOST).write_blob("team/app", BLOB, fetch)


def realm(url: str) -> Reply:
    return Reply(401, headers={"WWW-Authenticate": f'Bearer realm="{url}",service="x"'})


PLACES: dict[str, tuple[Script, Ask, str]] = {
    "the Location of an upload": (
        lambda url: [
            on("HEAD", BLOB_URL, Reply(404)),
            on("POST", "/v2/team/app/blobs/uploads/", Reply(202, headers={"Location": url})),
        ],
        write_blob,
        f"push blob {BLOB.digest} of {HOST}/team/app",
    ),
    "a redirect of a blob": (
        lambda url: [on("GET", BLOB_URL, Reply(307, headers={"Location": url}))],
        read_blob,
        f"pull blob {BLOB.digest} of {HOST}/team/app",
    ),
    "a Link to more tags": (
        lambda url: [
            on(
                "GET",
                "/v2/team/app/tags/list?n=1000",
                Reply(body=b'{"tags": ["v1"]}', headers={"Link": f'<{url}>; rel="next"'}),
            )
        ],
        lambda http: http.registry(HOST).list_tags("team/app"),
        f"list tags of {HOST}/team/app",
    ),
    "the realm of the first answer": (
        lambda url: [on("GET", "/v2/", realm(url))],
        read_manifest,
        f"read manifest v1 of {HOST}/team/app",
    ),
    "the realm of a later answer": (
        lambda url: [on("GET", MANIFEST_URL, realm(url))],
        read_manifest,
        f"read manifest v1 of {HOST}/team/app",
    ),
    "the realm of an answer to a token": (
        lambda url: [
            on("GET", "/v2/", realm("https://auth.example.com/token")),
            on(
                "GET",
                "https://auth.example.com/token?service=x&scope=repository:team/app:pull&account=alice",
                Reply(body=b'{"token": "one"}'),
                Reply(body=b'{"token": "two"}'),
            ),
            on("GET", MANIFEST_URL, realm("https://auth.example.com/token"), realm(url)),
        ],
        read_manifest,
        f"read manifest v1 of {HOST}/team/app",
    ),
}


@pytest.mark.parametrize("url", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize(("script", "ask", "asked"), PLACES.values(), ids=PLACES)
async def test_a_malformed_url_is_the_registrys_failure(url: str, script: Script, ask: Ask, asked: str) -> None:
    time = FakeTime()
    http, _ = client(*script(url), credential=ALICE, time=time)
    with pytest.raises(RegistryFailedError) as caught:
        await ask(http)
    assert caught.value.message.startswith(f"{HOST} names what is no URL when asked to {asked}")
    assert caught.value.hint
    assert time.slept == [], "asking again changes nothing"
    await http.close()


@pytest.mark.parametrize("url", MALFORMED.values(), ids=MALFORMED)
async def test_a_document_that_redirects_to_a_malformed_url_names_its_host(url: str) -> None:
    http, _ = client(on("GET", DOCUMENT, Reply(302, headers={"Location": url})))
    with pytest.raises(RegistryFailedError, match=r"mirror\.example\.org names what is no URL.*signature-1"):
        await http.fetch_document(DOCUMENT, 100)
    await http.close()


async def test_a_mount_that_becomes_an_upload_to_nowhere_is_declined() -> None:
    target = f"/v2/team/app/blobs/uploads/?mount={BLOB.digest}&from=team/base"
    http, _ = client(on("POST", target, Reply(202, headers={"Location": "https://h:abc/x"})))
    assert not await http.registry(HOST).mount_blob("team/app", BLOB, "team/base")
    await http.close()


async def test_what_a_malformed_url_is_signed_with_is_not_shown() -> None:
    signed = "https://bob:hunter2@h:abc/x?signature=hunter3"
    http, _ = client(on("GET", BLOB_URL, Reply(307, headers={"Location": signed})))
    with pytest.raises(RegistryFailedError, match=r"h:abc/x") as caught:
        await read_blob(http)
    assert "hunter" not in caught.value.message
    await http.close()


async def test_a_next_page_stays_with_its_registry_whatever_its_path_begins_with() -> None:
    first = "/v2/team/app/tags/list?n=1000"
    http, script = client(
        on("GET", first, Reply(body=b'{"tags": ["a"]}', headers={"Link": f'<https://{HOST}//evil/x>; rel="next"'})),
        on("GET", "//evil/x", Reply(body=b'{"tags": ["b"]}')),
    )
    assert await http.registry(HOST).list_tags("team/app") == ("a", "b")
    assert script.sent[-1].url == f"https://{HOST}//evil/x"
    await http.close()


UNASKABLE = {
    "a label that is too long": "a" * 70 + ".invalid",
    "an empty label": "a..invalid",
    "a name longer than a file's": "a." * 200 + "invalid",
    "a port out of range": "127.0.0.1:99999",
    "a port that is no number": "127.0.0.1:abc",
    "a port that only one library understands": "127.0.0.1:1_0",
    "a bracket without its end": "[bad",
}


@pytest.mark.parametrize("host", UNASKABLE.values(), ids=UNASKABLE)
async def test_a_host_that_cannot_be_asked_is_out_of_reach(host: str, tmp_path: Path) -> None:
    """With the real transport: what its libraries refuse is no connection either."""
    http = HttpContent(HttpSettings(certs_dirs=(tmp_path,)), timing=Timing(sleep=FakeTime().sleep))
    with pytest.raises(UnreachableError):
        await http.registry(host).read_manifest("team/app", "v1")
    await http.close()
