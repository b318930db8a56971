"""Names, paths and clients that mean harm, or do not know better. Nothing may be 5xx, hang, or leave the root."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airferry.errors import AirferryError
from airferry.oci import Digest
from airferry.registry import parse_endpoint, repository_of
from airferry.registry.routes import BlobAt, Catalog, ManifestAt, Ping, Referrers, TagList, UploadAt, Uploads

from .conftest import Client, raw_connection
from .hostile.world import in_and_around

D = Digest.of(b"x")

ENDPOINTS = {
    "/v2/": Ping(),
    "/v2": Ping(),
    "/v2/_catalog": Catalog(),
    "/v2/a/tags/list": TagList("a"),
    "/v2/tags/list/tags/list": TagList("tags/list"),
    "/v2/blobs/manifests/latest": ManifestAt("blobs", "latest"),
    "/v2/manifests/manifests/manifests": ManifestAt("manifests", "manifests"),
    "/v2/a/blobs/uploads/tags/list": TagList("a/blobs/uploads"),
    f"/v2/blobs/blobs/{D}": BlobAt("blobs", D),
    f"/v2/a/blobs/sha256%3A{D.hex}": BlobAt("a", D),
    "/v2/a/b/c/blobs/uploads/": Uploads("a/b/c"),
    "/v2/uploads/blobs/uploads": Uploads("uploads"),
    "/v2/blobs/uploads/blobs/uploads/1": UploadAt("blobs/uploads", "1"),
    f"/v2/referrers/referrers/{D}": Referrers("referrers", D),
}


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_path_is_read_from_the_right(path: str) -> None:
    assert parse_endpoint(path) == ENDPOINTS[path]


@given(st.text(max_size=200))
def test_any_path_is_an_endpoint_or_a_refusal(text: str) -> None:
    for path in (text, f"/v2/{text}", f"/v2/{text}/manifests/t", f"/v2/a/blobs/{text}"):
        try:
            repository = repository_of(parse_endpoint(path))
        except AirferryError:
            continue
        assert repository is None or not {"", ".", ".."} & set(repository.split("/"))


@pytest.mark.parametrize("raw", [b"/v2/a%2\xc4b/tags/list", b"/v2/a/blobs/%\xff", b"/v2/a/manifests/%41\xff"])
def test_a_path_with_bytes_that_are_no_utf8_is_refused(raw: bytes) -> None:
    with pytest.raises(AirferryError):
        parse_endpoint(raw.decode("utf-8", "surrogateescape"))


BAD_NAMES = {
    "a parent folder": "..",
    "an encoded parent folder": "%2e%2e",
    "an encoded slash": "a%2fb",
    "an encoded traversal": "..%2f..%2f..%2fetc",
    "a backslash": "a%5c..%5cb",
    "NUL": "a%00b",
    "upper case": "Upper/x",
    "too long": "a" * 300,
    "two hundred parts": "/".join(["ab"] * 200),
    "an empty part": "a//b",
    "a dot part": "a/./b",
    "not UTF-8": "%ff%fe",
    "a hyphen in front": "-a",
    "a blank": "a%20b",
    "a line break": "a%0Ab",
    "a line break at the end": "a%0D%0A",
}


@pytest.mark.parametrize("case", BAD_NAMES)
@pytest.mark.parametrize(
    "method, rest",
    [
        ("GET", "tags/list"),
        ("GET", "manifests/latest"),
        ("PUT", "manifests/latest"),
        ("GET", f"blobs/{D}"),
        ("POST", "blobs/uploads/"),
        ("DELETE", f"blobs/{D}"),
        ("GET", f"referrers/{D}"),
    ],
)
async def test_a_bad_name_is_refused(disk_registry: Client, tmp_path: Path, case: str, method: str, rest: str) -> None:
    before = in_and_around(tmp_path)
    answer = await disk_registry(method, f"/v2/{BAD_NAMES[case]}/{rest}", b"x" if method in ("PUT", "POST") else None)
    assert (answer.status, answer.code) == (400, "NAME_INVALID")
    assert in_and_around(tmp_path) == before


@pytest.mark.parametrize(
    "tag", ["..", "%2e%2e", "a%2fb", "-a", ".a", "a" * 129, "a%00", "%C3%A4", "a%20b", "a%0a", "%0Aa"]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_bad_tag_is_refused(registry: Client, tag: str, method: str) -> None:
    answer = await registry(method, f"/v2/a/manifests/{tag}", b"x" if method == "PUT" else None)
    assert (answer.status, answer.code) == (400, "TAG_INVALID")


@pytest.mark.parametrize(
    "digest", ["md5:abc", "sha256:abc", "sha256:" + "A" * 64, "sha256:..%2f..%2fetc%2fpasswd", f"{D}%0A"]
)
@pytest.mark.parametrize("kind", ["manifests", "blobs", "referrers"])
async def test_a_bad_digest_is_refused(registry: Client, digest: str, kind: str) -> None:
    answer = await registry("GET", f"/v2/a/{kind}/{digest}")
    assert (answer.status, answer.code) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize("path", ["blobs", "manifests", "a/tags/list", "tags/list", "blobs/uploads", "v2/v2"])
async def test_repositories_may_be_called_like_endpoints(registry: Client, path: str) -> None:
    await registry.push_image(path, "t")
    assert (await registry("GET", f"/v2/{path}/tags/list")).json == {"name": path, "tags": ["t"]}
    assert (await registry("GET", f"/v2/{path}/manifests/t")).status == 200


@pytest.mark.parametrize(
    "method, path",
    [("POST", "/v2/"), ("PATCH", "/v2/a/manifests/t"), ("POST", f"/v2/a/blobs/{D}"), ("OPTIONS", "/v2/")],
)
async def test_a_method_that_an_endpoint_does_not_have_is_405(registry: Client, method: str, path: str) -> None:
    answer = await registry(method, path)
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["/", "/v1/", "/v2/a", "/v2/a/what/x", "/etc/passwd", "/v2/../../etc/passwd", "/v2%0A/", "/%0A"]
)
async def test_other_paths_are_404(registry: Client, path: str) -> None:
    answer = await registry("GET", path)
    assert (answer.status, answer.code) == (404, "UNSUPPORTED")


_SOME = st.sampled_from(
    ["0-9", "9-0", "-", "1-", "bytes=0-1", "0-1/5", "٣-٤", "0" * 5000, "1e3-2", "0-9,10-19", " 0-9 "]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=_SOME | st.from_regex(r"[ -~]{0,30}", fullmatch=True))
async def test_no_range_header_breaks_the_registry(start, value: str) -> None:
    from airferry.registry import RegistryStore

    value = "".join(character for character in value if character.isascii())
    registry = await start(RegistryStore.in_memory())
    digest = await registry.push_blob("a", b"0123456789")
    assert (await registry("GET", f"/v2/a/blobs/{digest}", Range=value)).status in (200, 206, 416)
    location = await registry.begin("a")
    assert (await registry("PATCH", location, b"0123456789", Content_Range=value)).status in (202, 400, 416)


async def test_sixteen_writers_move_one_tag_and_no_reader_ever_misses_it(disk_registry: Client) -> None:
    registry = disk_registry
    await registry.push_blob("a", b"{}")
    raws = [b'{"n":%d,' % number + (await _image())[1:] for number in range(16)]
    assert (await registry.push_manifest("a", "moving", raws[0])).status == 201
    written = {Digest.of(raw) for raw in raws}
    done = asyncio.Event()

    async def write(raw: bytes) -> None:
        for _ in range(5):
            assert (await registry.push_manifest("a", "moving", raw)).status == 201

    async def read() -> int:
        reads = 0
        while not done.is_set():
            answer = await registry("GET", "/v2/a/manifests/moving")
            assert (answer.status, Digest.of(answer.body) in written) == (200, True)
            reads += 1
        return reads

    readers = [asyncio.create_task(read()) for _ in range(4)]
    await asyncio.gather(*(write(raw) for raw in raws))
    done.set()
    assert all(reads > 0 for reads in await asyncio.gather(*readers))


async def _image() -> bytes:
    from .conftest import image

    return image(())


async def test_a_client_that_sends_nonsense_is_answered_400(registry: Client) -> None:
    reader, writer = await raw_connection(registry.running)
    writer.write(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert (await registry("GET", "/v2/")).status == 200


async def test_a_silent_client_is_cut_off_and_what_it_sent_is_kept(start) -> None:
    from airferry.registry import Limits, RegistryStore

    registry = await start(RegistryStore.in_memory(), None, Limits(silence_s=0.05))
    location = await registry.begin("a")
    reader, writer = await raw_connection(registry.running)
    writer.write(f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n0123456789".encode())
    assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()
    assert (await registry("GET", location)).headers["Range"] == "0-9"


async def test_who_asks_first_is_told_to_go_on_only_if_the_body_is_wanted(registry: Client) -> None:
    for path, first in ((await registry.begin("a"), b" 100 "), ("/v2/a/blobs/uploads/nope", b" 404 ")):
        reader, writer = await raw_connection(registry.running)
        head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        writer.write(head.encode())
        assert first in await reader.readline()
        if first == b" 100 ":
            writer.write(b"abc")
            await reader.readline()
            assert b" 202 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
