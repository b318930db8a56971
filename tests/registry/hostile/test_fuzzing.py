"""Whatever is sent, the registry answers below 500, in time, and goes on serving.

Requests go out over bare sockets, so that nothing on our side tidies them. The server runs in a thread of its own;
hypothesis then needs no event loop, and a server that hangs is seen by a socket that waits for it.
"""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.oci import Digest
from airferry.oci.mediatype import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from airferry.registry import RegistryStore, serve_store

from ..conftest import image, index

CONTENT = b"0123456789" * 10
D = Digest.of(CONTENT)
PATIENCE_S = 10.0
ENOUGH = settings(max_examples=150, deadline=None)


class Served:
    """A registry in a thread, and requests to it as bytes."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self.port = 0
        self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.thread.start()
        assert self._ready.wait(PATIENCE_S)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        store = RegistryStore.in_memory()
        try:
            async with serve_store(store) as running:
                self.port = running.port
                self._ready.set()
                await self._stop.wait()
        finally:
            await store.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()

    def send(self, raw: bytes, method: str = "GET", *, ends: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Send one request and return status, headers and body; a silent or broken answer is an error.

        ``ends`` says that nothing more will come, which a server that waits for the rest must notice.
        """
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as connection:
            connection.sendall(raw)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            answer = HTTPResponse(connection, method=method)
            answer.begin()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    def ask(
        self, method: str, target: bytes | str, body: bytes = b"", **headers: bytes | str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request whose target and headers may hold any bytes but those that end a line."""
        lines = [method.encode() + b" " + _bytes(target) + b" HTTP/1.1", b"Host: x", b"Connection: close"]
        lines += [name.replace("_", "-").encode() + b": " + _bytes(value) for name, value in headers.items()]
        lines.append(b"Content-Length: %d" % len(body))
        return self.send(b"\r\n".join(lines) + b"\r\n\r\n" + body, method)

    def begin(self) -> str:
        return self.ask("POST", "/v2/a/blobs/uploads/")[1]["location"]


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    registry = Served()
    try:
        assert registry.ask("POST", f"/v2/a/blobs/uploads/?digest={D}", CONTENT)[0] == 201
        yield registry
        # Whatever was sent in all these tests, this is still there.
        assert registry.ask("GET", f"/v2/a/blobs/{D}")[::2] == (200, CONTENT)
    finally:
        registry.close()


LINE = st.binary(max_size=60).map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b""))
"""Bytes that may stand in a header."""

QUOTED = st.binary(max_size=40).map(lambda raw: quote_from_bytes(raw, safe=""))
PIECES = st.lists(
    st.sampled_from(
        ["/", "//", ".", "..", "%2f", "%2e%2e", "%00", "%0a", "%", "%zz", "a", "A", "_", "-", "é", ":", "@"]
    ),
    max_size=8,
).map("".join)
NAMES = st.one_of(QUOTED, PIECES, st.sampled_from(["a", "blobs", "blobs/uploads", "manifests", "tags/list", "v2"]))
DIGESTS = st.one_of(
    QUOTED,
    PIECES,
    st.builds(
        "{}:{}".format, st.sampled_from(["sha256", "sha512", "md5", "SHA256", ""]), st.text("0aF:/.", max_size=130)
    ),
    st.just(str(D)),
)
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"])


@ENOUGH
@given(method=METHODS, name=NAMES, digest=DIGESTS, body=st.binary(max_size=20))
def test_no_name_and_no_digest_breaks_the_registry(
    served: Served, method: str, name: str, digest: str, body: bytes
) -> None:
    sent = body if method in ("PUT", "POST", "PATCH") else b""
    for target in (
        f"/v2/{name}/blobs/{digest}",
        f"/v2/{name}/manifests/{digest}",
        f"/v2/{name}/referrers/{digest}",
        f"/v2/{name}/tags/list",
        f"/v2/{name}/blobs/uploads/{digest}",
        f"/v2/{name}/blobs/uploads/?digest={digest}",
        f"/v2/{name}",
    ):
        if target != f"/v2/a/blobs/{D}" or method != "DELETE":
            assert served.ask(method, target, sent)[0] < 500, target


@ENOUGH
@given(target=LINE.map(lambda raw: b"/" + raw.replace(b" ", b"")), method=METHODS)
def test_no_path_breaks_the_registry(served: Served, target: bytes, method: str) -> None:
    for path in (target, b"/v2" + target, b"/v2/a" + target):
        assert served.ask(method, path)[0] < 500, path


NUMBERS = st.one_of(
    st.integers(-5, 200).map(str),
    st.integers(-(2**80), 2**80).map(str),
    st.sampled_from(["", "0x1", "1e3", "٣", "²", "00000", "+1", "1_0", " 1", "9" * 500]),
)
RANGES = st.one_of(
    LINE,
    st.builds("{}{}-{}".format, st.sampled_from(["bytes=", "bytes ", "", "BYTES=", "lines="]), NUMBERS, NUMBERS),
    st.lists(st.builds("{}-{}".format, NUMBERS, NUMBERS), max_size=50).map(lambda spans: "bytes=" + ",".join(spans)),
)


@ENOUGH
@given(said=RANGES, condition=st.none() | LINE)
def test_a_range_is_served_exactly_or_refused(served: Served, said: bytes | str, condition: bytes | None) -> None:
    headers = {} if condition is None else {"If_Range": condition}
    status, said_back, body = served.ask("GET", f"/v2/a/blobs/{D}", Range=said, **headers)
    assert status in (200, 206, 400, 416)
    if status == 200:
        assert body == CONTENT
    if status == 206:
        first, _, last = said_back["content-range"].removeprefix("bytes ").partition("/")[0].partition("-")
        assert body == CONTENT[int(first) : int(last) + 1] != b""


@ENOUGH
@given(said=RANGES, size=st.integers(0, 30), method=st.sampled_from(["PATCH", "PUT"]))
def test_a_chunk_is_taken_whole_or_not_at_all(served: Served, said: bytes | str, size: int, method: str) -> None:
    location = served.begin()
    assert served.ask("PATCH", location, CONTENT[:10])[0] == 202
    query = f"?digest={Digest.of(b'never')}" if method == "PUT" else ""
    status, _, _ = served.ask(method, location + query, CONTENT[:size], Content_Range=said)
    assert status in (202, 400, 416)
    if status == 202:
        assert served.ask("GET", location)[1]["range"] == f"0-{10 + size - 1}"
        assert size > 0
    looked = served.ask("GET", location)
    assert looked[0] in (204, 404)
    assert served.ask("DELETE", location)[0] == looked[0]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(
        [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, str(D), 2, {"mediaType": "a/b", "digest": D, "size": 100}]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "blobs", "subject", "annotations", "artifactType"]
)
KINDS = st.sampled_from([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, "application/json", "a/b"])


def _changed(raw: bytes, changes: dict[str, Any]) -> bytes:
    return json.dumps(json.loads(raw) | changes).encode()


MANIFESTS = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.builds(_changed, st.sampled_from([image(), image(()), index(), index(b"x")]), st.dictionaries(FIELDS, JSON)),
    st.builds(lambda raw, cut: raw[:cut], st.just(image()), st.integers(0, len(image()))),
    st.builds(
        lambda raw, at, put: raw[:at] + put + raw[at + len(put) :],
        st.sampled_from([image(), index(b"x")]),
        st.integers(0, len(index(b"x"))),
        st.binary(min_size=1, max_size=3),
    ),
)


@settings(ENOUGH, max_examples=400)
@given(raw=MANIFESTS, kind=KINDS | LINE, by_digest=st.booleans())
def test_a_manifest_comes_back_as_it_was_or_is_refused(
    served: Served, raw: bytes, kind: str | bytes, by_digest: bool
) -> None:
    target = Digest.of(raw) if by_digest else "fuzz"
    status, headers, _ = served.ask("PUT", f"/v2/a/manifests/{target}", raw, Content_Type=kind)
    assert status in (201, 400)
    if status == 201:
        assert headers["docker-content-digest"] == Digest.of(raw)
        assert served.ask("GET", f"/v2/a/manifests/{target}")[::2] == (200, raw)
        subject = headers.get("oci-subject")
        if subject:
            listed = json.loads(served.ask("GET", f"/v2/a/referrers/{subject}")[2])
            assert Digest.of(raw) in [entry["digest"] for entry in listed["manifests"]]


QUERIES = st.lists(
    st.builds(
        "{}={}".format,
        st.sampled_from(
            ["n", "last", "tag", "digest", "mount", "from", "artifactType", "digest-algorithm", "ns", "%00", ""]
        ),
        st.one_of(QUOTED, PIECES, NUMBERS.map(lambda text: quote_from_bytes(text.encode())), st.just(str(D))),
    ),
    max_size=5,
).map("&".join)


@ENOUGH
@given(query=QUERIES | LINE.map(lambda raw: raw.replace(b" ", b"").decode("latin-1")))
def test_no_query_breaks_the_registry(served: Served, query: str) -> None:
    raw = index()
    for method, path, body in (
        ("GET", "/v2/_catalog", b""),
        ("GET", "/v2/a/tags/list", b""),
        ("GET", f"/v2/a/referrers/{D}", b""),
        ("GET", f"/v2/a/manifests/{Digest.of(raw)}", b""),
        ("PUT", f"/v2/a/manifests/{Digest.of(raw)}", raw),
        ("POST", "/v2/a/blobs/uploads/", CONTENT[:20]),
        ("PUT", served.begin(), CONTENT[:20]),
    ):
        status, _, answer = served.ask(method, f"{path}?{query}", body, Content_Type=OCI_INDEX)
        assert status < 500, (method, path, answer)


@ENOUGH
@given(upload_id=QUOTED | PIECES, method=st.sampled_from(["GET", "PATCH", "PUT", "DELETE"]))
def test_no_upload_id_is_one_but_ours(served: Served, upload_id: str, method: str) -> None:
    status, _, _ = served.ask(method, f"/v2/a/blobs/uploads/{upload_id}?digest={D}", b"x")
    assert 400 <= status < 500


HEADERS = st.sampled_from(
    ["If-None-Match", "If-Range", "Accept", "Content-Type", "Content-Encoding", "Expect", "Authorization", "Range"]
)


@ENOUGH
@given(
    name=HEADERS, value=LINE | st.sampled_from([b"*", b'"', b'W/"', b",,,", b"gzip", b"br", b"100-continue", b"\xff"])
)
def test_no_header_breaks_the_registry(served: Served, name: str, value: bytes) -> None:
    raw = index()
    for method, path, body in (
        ("GET", f"/v2/a/blobs/{D}", b""),
        ("PUT", f"/v2/a/manifests/{Digest.of(raw)}", raw),
        ("GET", f"/v2/a/manifests/{Digest.of(raw)}", b""),
    ):
        status, _, _ = served.ask(method, path, body, **{name.replace("-", "_"): value})
        assert status < 500, (method, path)


@ENOUGH
@given(raw=st.binary(min_size=1, max_size=200))
def test_bytes_that_are_no_request_are_answered_or_cut_off(served: Served, raw: bytes) -> None:
    try:
        status, _, _ = served.send(raw + b"\r\n\r\n\r\n\r\n", ends=True)
        assert status < 500
    except (HTTPException, ConnectionError):
        pass
    assert served.ask("GET", "/v2/")[0] == 200
