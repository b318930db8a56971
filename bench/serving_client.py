"""One client of a registry under measurement, alone in its process: blocking sockets, nothing made while it is timed.

``python -m bench.serving_client`` reads its :class:`Work` as a line of JSON, makes what it needs, says ``ready``, and
begins at the next line. It answers with a line of JSON: how long it took in all, and each request, in seconds.
"""

import hashlib
import json
import os
import socket
import ssl
import sys
import time
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

_BUFFER_BYTES = 1024 * 1024
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_ACCEPT = f"Accept: {_MANIFEST}\r\n"  # without it docker-registry does not know its own manifests


@dataclass(frozen=True)
class Work:
    """What to do: ``kind`` is push, pull or head; ``target`` a repository, or the path to ask for ``count`` times."""

    kind: str
    address: str
    ca: str | None
    target: str
    size_bytes: int
    count: int


@dataclass(frozen=True)
class Done:
    """How it went, in seconds."""

    wall_s: float
    each_s: list[float]


class Connection:
    """One connection, kept open. Knows only what registries answer here: Content-Length, no chunks."""

    def __init__(self, address: str, ca: str | None) -> None:
        host, port = address.rsplit(":", 1)
        plain = socket.create_connection((host, int(port)))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = address
        self._socket = ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname=host) if ca else plain
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))

    def ask(
        self, method: str, path: str, body: "bytes | memoryview" = b"", kind: str = "application/octet-stream"
    ) -> tuple[int, dict[str, str]]:
        """Send a request and read its whole answer; return status and headers, names in lower case."""
        more = f"Content-Length: {len(body)}\r\nContent-Type: {kind}\r\n" if method in ("POST", "PUT") else _ACCEPT
        self._socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{more}\r\n".encode())
        if body:
            self._socket.sendall(body)
        filled = 0
        while (end := bytes(self._buffer[:filled]).find(b"\r\n\r\n")) < 0:
            filled += self._receive(filled)
        status, *lines = bytes(self._buffer[:end]).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        rest = 0 if method == "HEAD" else int(headers.get("content-length", "0")) - (filled - end - 4)
        while rest > 0:
            rest -= self._discard(rest)
        return int(status.split()[1]), headers

    def _discard(self, size_bytes: int) -> int:
        """Take bytes of a body without looking at them: in the clear the kernel need not even copy them.

        Copying is the same work for both registries, and would be most of what is measured.
        """
        if isinstance(self._socket, ssl.SSLSocket) or not hasattr(socket, "MSG_TRUNC"):
            return self._receive(0)
        received = self._socket.recv_into(self._buffer, min(size_bytes, _BUFFER_BYTES), socket.MSG_TRUNC)
        if not received:
            raise SystemExit("the registry closed the connection")
        return received

    def _receive(self, at: int) -> int:
        received = self._socket.recv_into(self._buffer[at:])
        if not received:
            raise SystemExit("the registry closed the connection")
        return received


def main() -> None:
    work = Work(**json.loads(sys.stdin.readline()))
    connection = Connection(work.address, work.ca)
    contents = _contents(work) if work.kind == "push" else []
    print("ready", flush=True)
    sys.stdin.readline()
    each_s: list[float] = []
    began = time.perf_counter()
    for number in range(work.count):
        at = time.perf_counter()
        if work.kind == "push":
            _push(connection, work.target, *contents[number])
        else:
            status, _ = connection.ask("HEAD" if work.kind == "head" else "GET", work.target)
            assert status == 200, status
        each_s.append(time.perf_counter() - at)
    print(json.dumps(asdict(Done(time.perf_counter() - began, each_s))), flush=True)


def _contents(work: Work) -> list[tuple[memoryview, bytearray, str]]:
    """Return contents that differ in their last bytes only: hashed beforehand, all in the memory of one."""
    content = bytearray(os.urandom(work.size_bytes))
    begun = hashlib.sha256(memoryview(content)[:-16])
    made = []
    for _ in range(work.count):
        tail, whole = os.urandom(16), begun.copy()
        whole.update(tail)
        made.append((memoryview(content), bytearray(tail), whole.hexdigest()))
    return made


def _push(connection: Connection, repository: str, content: memoryview, tail: bytearray, digest: str) -> None:
    content[-len(tail) :] = tail
    status, headers = connection.ask("POST", f"/v2/{repository}/blobs/uploads/")
    assert status == 202, status
    there = urlsplit(headers["location"])
    target = f"{there.path}?{there.query}{'&' if there.query else ''}digest=sha256:{digest}"
    status, _ = connection.ask("PUT", target, content)
    assert status == 201, status


def push_image(address: str, ca: str | None, repository: str, size_bytes: int) -> str:
    """Push a random blob and an image of it, tagged ``t``; return the blob's digest."""
    connection, digests = Connection(address, ca), []
    for content in (os.urandom(size_bytes), b"{}"):
        digests.append(hashlib.sha256(content).hexdigest())
        _push(connection, repository, memoryview(bytearray(content)), bytearray(content[-16:]), digests[-1])
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": f"sha256:{digests[0]}"}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": f"sha256:{digests[1]}", "size": 2}
    manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": [layer | {"size": size_bytes}]}
    raw = json.dumps(manifest).encode()
    status, _ = connection.ask("PUT", f"/v2/{repository}/manifests/t", raw, _MANIFEST)
    assert status == 201, status
    return f"sha256:{digests[0]}"


if __name__ == "__main__":
    main()
