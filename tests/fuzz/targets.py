"""The parsers that take bytes from a client, each with what must hold of everything that it accepts."""

import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final, cast
from urllib.parse import parse_qsl, quote

import msgspec
from multidict import MultiDict

from airferry.content.http.challenge import choose, parse_challenges
from airferry.oci import Digest, Manifest
from airferry.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from airferry.oci.reference import Reference, is_host, is_repository_path, is_tag
from airferry.oci.wire import parse_content_range, parse_errors, parse_next_link, parse_range, print_errors
from airferry.registry import Limits, parse_endpoint, repository_of
from airferry.registry.acceptance import accept_manifest
from airferry.registry.handlers.call import Page, is_unchanged
from airferry.registry.routes import BlobAt, Catalog, Endpoint, ManifestAt, Ping, Referrers, TagList, UploadAt, Uploads
from airferry.registry.upload import accept_chunk, check_progress, print_progress, upload_key

from .target import Target, header

D: Final = Digest.of(b"x")
D512: Final = Digest.of(b"x", "sha512")
UPLOAD: Final = "0b1d9d1c-95b4-4c3c-8e5a-d2c1e0ffabcd"

DIGEST_WORDS: Final = (b"sha256:", b"sha512:", D.encode(), D512.encode())
PATH_WORDS: Final = (
    b"/v2/",
    b"/blobs/",
    b"/manifests/",
    b"uploads/",
    b"/tags/list",
    b"/referrers/",
    b"%2f",
    b"%00",
    b"..",
)
JSON_WORDS: Final = (
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"1e400",
    b"-1",
    b"\\ud800",
    b"9223372036854775808",
    b"\xef\xbb\xbf",
)


def printed(endpoint: Endpoint) -> str:
    """The path of an endpoint as we write it into a Location."""
    match endpoint:
        case Ping():
            return "/v2/"
        case Catalog():
            return "/v2/_catalog"
        case TagList(path):
            return f"/v2/{path}/tags/list"
        case ManifestAt(path, target):
            return f"/v2/{path}/manifests/{target}"
        case BlobAt(path, digest):
            return f"/v2/{path}/blobs/{digest}"
        case Uploads(path):
            return f"/v2/{path}/blobs/uploads/"
        case UploadAt(path, upload_id):
            return f"/v2/{path}/blobs/uploads/{quote(upload_id, safe='')}"
        case Referrers(path, digest):
            return f"/v2/{path}/referrers/{digest}"


def endpoint(data: bytes) -> None:
    found = parse_endpoint(header(data))
    if not isinstance(found, UploadAt) or found.upload_id.isascii():
        assert parse_endpoint(printed(found)) == found
    path = repository_of(found)
    if path is not None:
        assert is_repository_path(path) and not {"", ".", ".."} & set(path.split("/"))
        assert path.isascii() and path.isprintable() and path == path.lower()
    if isinstance(found, UploadAt):
        key = upload_key(found.path, found.upload_id)
        assert "/" not in key and ".." not in key and key.isprintable()
    if isinstance(found, ManifestAt):
        assert isinstance(found.target, Digest) or is_tag(found.target)


def reference(data: bytes) -> None:
    found = Reference.parse(data.decode("utf-8", "surrogateescape"), tree="tree")
    shown = found if found.digest is None else found.by_digest(found.digest)
    assert Reference.parse(str(found), tree="tree") == shown
    place = found.repository.place
    assert place.kind != "docker" or is_host(place.address)
    assert place.kind == "oci" or is_repository_path(found.repository.path)


def digest(data: bytes) -> None:
    found = Digest.parse(header(data))
    assert found.encode() == data and f"{found.algorithm}:{found.hex}" == found
    assert len(bytes.fromhex(found.hex)) == {"sha256": 32, "sha512": 64}[found.algorithm]


def byte_range(data: bytes) -> None:
    size_bytes = int.from_bytes(data[:2])
    try:
        span = parse_range(header(data[2:]), size_bytes)
    except ValueError:
        return  # 416
    if span is not None:
        first, last = span
        assert 0 <= first <= last < size_bytes
        assert parse_range(f"bytes={first}-{last}", size_bytes) == span


def content_range_by(parse: Callable[[str], tuple[int, int] | None], data: bytes) -> None:
    """What must hold of a Content-Range, whoever parses it."""
    span = parse(header(data))
    if span is not None:
        first, last = span
        assert 0 <= first <= last
        assert parse(f"{first}-{last}") == parse(f"bytes {first}-{last}/{last + 1}") == span


def content_range(data: bytes) -> None:
    content_range_by(parse_content_range, data)


def chunk(data: bytes) -> None:
    received, length, said = int.from_bytes(data[:2]), int.from_bytes(data[2:4]), header(data[4:])
    announced = None if length == 0xFFFF else length
    promise = accept_chunk(received, said or None, announced)
    assert promise.start == received
    assert announced is None or promise.size_bytes == announced
    if promise.size_bytes is not None:
        check_progress(promise, promise.size_bytes, ended=True)
        if promise.size_bytes:
            assert print_progress(received + promise.size_bytes) == f"0-{received + promise.size_bytes - 1}"


_SERVABLE: Final = re.compile(r"[!-~]+/[!-~]+\Z")


def manifest(data: bytes) -> None:
    line, _, raw = data.partition(b"\n")
    pushed = accept_manifest(raw, header(line) or None, None)
    assert pushed.raw == raw and pushed.digest == Digest.of(raw)
    assert _SERVABLE.match(pushed.media_type)
    assert accept_manifest(raw, pushed.media_type, pushed.digest) == pushed
    assert set(pushed.needs) <= pushed.refers
    assert pushed.subject is None or pushed.subject in pushed.refers
    assert (pushed.referrer is None) == (pushed.subject is None)
    if pushed.referrer is not None:
        # It is kept as JSON, and its type is compared with what a query asks for.
        kept = msgspec.json.encode([dict(pushed.referrer.annotations), pushed.referrer.artifact_type])
        assert msgspec.json.decode(kept)[0] == pushed.referrer.annotations
        assert (pushed.referrer.digest, pushed.referrer.size_bytes) == (pushed.digest, len(raw))


def carried_manifest(data: bytes) -> None:
    line, _, raw = data.partition(b"\n")
    found = Manifest.parse(raw, header(line) or None)
    assert found.raw == raw and found.digest == Digest.of(raw)
    assert Manifest.parse(raw, found.media_type) == found
    assert len({blob.digest for blob in found.blobs}) == len(found.blobs)
    assert found.is_index or found.config is not None


def page(data: bytes) -> None:
    """A query, an LF, and the name that the page ends with: the link to the next page asks for just that one."""
    query, _, name = data.partition(b"\n")
    fields = MultiDict(parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True))
    call: Any = SimpleNamespace(request=SimpleNamespace(query=fields), limits=Limits(page=20))
    found = Page.of(call)
    assert 0 <= found.limit <= 20
    assert found.after is None or "\0" not in found.after
    last = name.decode("utf-8", "replace").replace("\0", "")
    link = found.link([last] * (found.limit + 1), "/v2/a/tags/list").get("Link")
    assert (link is None) == (found.limit == 0)
    if link is not None:
        target = parse_next_link(link)
        assert target is not None and link.isascii() and link.isprintable()
        asked = dict(parse_qsl(target.partition("?")[2], keep_blank_values=True))
        call.request.query = asked
        assert Page.of(call) == Page(found.limit, last)


def unchanged(data: bytes) -> None:
    """An If-None-Match: an entity tag counts wherever it stands in the list, and nothing else does."""
    said, request = header(data), cast(Any, SimpleNamespace(headers={}))
    assert not is_unchanged(request, D)
    request.headers["If-None-Match"] = said
    assert not is_unchanged(request, D) or "*" in said or f'"{D}"' in said
    request.headers["If-None-Match"] = f'{said},W/"{D}"'
    assert is_unchanged(request, D)


def challenges(data: bytes) -> None:
    found = parse_challenges([header(line) for line in data.split(b"\n")])
    for one in found:
        assert one.scheme == one.scheme.lower() and one.scheme
    chosen = choose(found)
    assert chosen is None or chosen in found


def next_link(data: bytes) -> None:
    found = parse_next_link(header(data))
    if found is not None:
        assert ">" not in found
        assert parse_next_link(f'<{found}>; rel="next"') == found


def error_body(data: bytes) -> None:
    for error in parse_errors(data):
        (again,) = parse_errors(print_errors(error.code, error.message))
        assert (again.code, again.message) == (error.code, error.message)


def _layer(kind: str = OCI_LAYER_GZIP, **more: object) -> dict[str, object]:
    return {"mediaType": kind, "digest": D, "size": 1, **more}


def _pushed(kind: str, **fields: object) -> bytes:
    return kind.encode() + b"\n" + json.dumps({"schemaVersion": 2, "mediaType": kind, **fields}).encode()


NOTES: Final = {"org.opencontainers.image.ref.name": "a"}
MANIFESTS: Final = (
    _pushed(OCI_MANIFEST, config=_layer(OCI_CONFIG), layers=[_layer(), _layer(annotations=NOTES, urls=["http://x"])]),
    _pushed(OCI_MANIFEST, config=_layer(OCI_CONFIG), layers=[], subject=_layer(OCI_MANIFEST), annotations=NOTES),
    _pushed(DOCKER_MANIFEST, config=_layer(), layers=[_layer("application/vnd.docker.image.rootfs.foreign.diff.tar")]),
    _pushed(OCI_INDEX, manifests=[_layer(OCI_MANIFEST, platform={"os": "linux", "architecture": "amd64"})]),
    _pushed(DOCKER_LIST, manifests=[]),
    _pushed("a/b", artifactType="c/d", blobs=[_layer()], subject=_layer()),
    b"\n" + json.dumps({"mediaType": "a/b", "config": _layer("x", digest=D512)}).encode(),
)
MANIFEST_WORDS: Final = (
    *(f'"{name}":'.encode() for name in ("mediaType", "config", "layers", "manifests", "subject", "annotations")),
    *(
        f'"{name}":'.encode()
        for name in ("artifactType", "digest", "size", "urls", "platform", "schemaVersion", "blobs")
    ),
    *(kind.encode() for kind in (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)),
    *DIGEST_WORDS,
    *JSON_WORDS,
)

PATHS: Final = tuple(
    path.encode()
    for path in (
        "/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/b__c/manifests/latest", f"/v2/a-b/manifests/{D}",
        f"/v2/blobs/blobs/{D512}", "/v2/a/blobs/uploads/", f"/v2/a/blobs/uploads/{UPLOAD}", f"/v2/a/referrers/{D}",
        "/v2/%61/tags/list", "/v2/a%2fb/tags/list", "/v2/%ff/tags/list", "/v2/../../etc/manifests/passwd",
        f"/v2/a/blobs/sha256%3A{D.hex}", "/v2/a/blobs/uploads/..%2f..%2fetc", "/v2/a/manifests/a%0a",
    )
)  # fmt: skip
REFERENCES: Final = tuple(
    text.encode()
    for text in (
        "quay.io/a/b:latest", f"localhost:5000/a@{D}", f"[::1]:5000/a/b:t@{D}", "docker://registry.test/a", "ubi9",
        f"file://openshift/release:4.14@{D}", "file:///a", "oci:///srv/layout:tag", f"oci://x@{D512}", "s3://x/y",
        "user:secret@quay.io/a", "quay.io/A",
    )
)  # fmt: skip

PARSERS: Final = (
    Target("endpoint", endpoint, PATHS, (*PATH_WORDS, *DIGEST_WORDS, UPLOAD.encode())),
    Target("reference", reference, REFERENCES, (b"docker://", b"file://", b"oci://", b"s3://", b"@", *DIGEST_WORDS)),
    Target("digest", digest, (D.encode(), D512.encode(), D.upper().encode(), b"md5:00"), DIGEST_WORDS),
    Target(
        "range",
        byte_range,
        tuple(b"\0\x64" + said for said in (b"bytes=0-9", b"bytes=-5", b"bytes=90-", b"bytes=5-1,7-9", b"lines=1-2")),
        (b"bytes=", b"-", b"9" * 19, b"\xd9\xa3"),
    ),
    Target("content-range", content_range, (b"0-9", b"bytes 0-9/10", b"bytes=3-4/*", b"9-0"), (b"bytes ", b"/*")),
    Target(
        "chunk",
        chunk,
        (b"\0\0\0\x0a0-9", b"\0\x0a\xff\xff10-19", b"\0\x0a\0\x0a", b"\0\x0a\0\x05bytes 10-19/20"),
        (b"bytes ", b"\xff\xff"),
    ),
    Target(
        "page",
        page,
        (b"n=1&last=a\nb", b"n=0\n", b"last=%00x\n&=?", b"n=-1\n", b"n=\xd9\xa3\n", b"n=99999999999999999999999\n<>"),
        (b"n=", b"&last=", b"%00", b">", b"#"),
    ),
    Target("unchanged", unchanged, (f'"{D}"'.encode(), b'W/"x", *', b",,"), (b"*", b"W/", b'"', b",", D.encode())),
    Target("manifest", manifest, MANIFESTS, MANIFEST_WORDS),
    Target("carried-manifest", carried_manifest, MANIFESTS, MANIFEST_WORDS),
    Target(
        "challenges",
        challenges,
        (
            b'Bearer realm="https://x/token",service="x",scope="a:b:pull"',
            b'Basic realm="a\\"b", Negotiate abc==\nDigest',
        ),
        (b"Bearer ", b"Basic ", b'realm="', b"\\"),
    ),
    Target(
        "next-link", next_link, (b'</v2/_catalog?last=a&n=1>; rel="next"', b"<a>; rel=prev, <b>; rel=next"), (b"rel=",)
    ),
    Target(
        "error-body",
        error_body,
        (b'{"errors":[{"code":"DENIED","message":"no","detail":{"a":1}}]}', b"<html>", b'{"errors":[1,{}]}'),
        (b'"errors":', b'"code":', b'"message":', *JSON_WORDS),
    ),
)
"""Names, numbers and documents. Credentials and whole requests are in modules of their own."""
