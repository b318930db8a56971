"""Registries within this process, each odd in one way, and images that are odd in one way."""

import gzip
import hashlib
import io
import json
import ssl
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

OCI: Final = "application/vnd.oci.image"
DOCKER: Final = "application/vnd.docker"
PLAIN: Final = "application/octet-stream"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tar(word: str) -> bytes:
    """Return a tar of one file, unlike that of any other word."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        entry = tarfile.TarInfo("etc/word")
        entry.size = len(word.encode())
        archive.addfile(entry, io.BytesIO(word.encode()))
    return made.getvalue()


@dataclass
class Shelf:
    """What one registry holds, by digest and tag, and how it answers otherwise than others."""

    word: str
    content: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    odd: Callable[["Asked"], bool] = lambda asked: False
    host: str = ""

    def put(self, content: bytes, kind: str = PLAIN, tag: str | None = None) -> str:
        digest = digest_of(content)
        for name in (digest, *([tag] if tag else [])):
            self.content[name] = (content, kind)
        return digest

    def image(
        self,
        *,
        docker: bool = False,
        config: Mapping[str, Any] | None = None,
        layer: bytes | None = None,
        tag: str | None = None,
        change: Callable[[dict[str, Any]], object] = lambda manifest: None,
    ) -> str:
        """Put an image whose configuration has other fields, whose layer is other bytes, or whose manifest is other."""
        plain = tar(self.word)
        packed = gzip.compress(plain, mtime=0) if layer is None else layer
        fields = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(plain)]},
            **(config or {}),
        }
        said = json.dumps(fields).encode()
        kinds = (
            (
                f"{DOCKER}.distribution.manifest.v2+json",
                f"{DOCKER}.container.image.v1+json",
                f"{DOCKER}.image.rootfs.diff.tar.gzip",
            )
            if docker
            else (f"{OCI}.manifest.v1+json", f"{OCI}.config.v1+json", f"{OCI}.layer.v1.tar+gzip")
        )
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": kinds[0],
            "config": {"mediaType": kinds[1], "digest": self.put(said), "size": len(said)},
            "layers": [{"mediaType": kinds[2], "digest": self.put(packed), "size": len(packed)}],
        }
        change(manifest)
        return self.put(json.dumps(manifest).encode(), kinds[0], tag)


class Asked(BaseHTTPRequestHandler):
    """One request to a registry that holds a shelf, whatever the repository is called."""

    protocol_version = "HTTP/1.1"
    shelf: Shelf

    def log_message(self, *words: object) -> None:
        pass

    def give(self, status: int, body: bytes = b"", **headers: str) -> bool:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        return True

    def answer(self) -> None:
        shelf = type(self).shelf
        if shelf.odd(self):
            return
        content, kind = shelf.content.get(self.path.rpartition("/")[2], (None, PLAIN))
        if self.path == "/v2/":
            self.give(200, b"{}")
        elif content is None:
            self.give(404)
        else:
            self.give(200, content, Content_Type=kind)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815 - the names that the standard library looks for


@contextmanager
def registry(shelf: Shelf, certificate: Path | None = None) -> Iterator[None]:
    """Serve ``shelf`` on a port of localhost, over TLS with a ``certificate`` and key in one PEM file."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("AskedShelf", (Asked,), {"shelf": shelf}))
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    shelf.host = f"localhost:{server.server_address[1]}"
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
