"""Small servers that have nothing, and remember what was asked of them, in one list for all of them."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from airferry.lab import Certificates


class Asked:
    """What was asked for, as ``host:port/repository``, in order, each place once in a row."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self._lock = threading.Lock()

    def add(self, place: str) -> None:
        with self._lock:
            if self.places[-1:] != [place]:
                self.places.append(place)


@contextmanager
def recording(asked: Asked, certificates: Certificates | None = None) -> Iterator[str]:
    """Serve ``/v2/`` and 404 for every manifest, on a free port; yield host:port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, found, _ = self.path.removeprefix("/v2/").partition("/manifests/")
            if found:
                asked.add(f"{host}/{path}")
            self.send_response(200 if self.path == "/v2/" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 (the library's names)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is no news
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate_file, certificates.key_file)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    host = f"localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def several(count: int, certificates: Certificates | None = None) -> Iterator[tuple[Asked, list[str]]]:
    """Serve ``count`` of them; yield what they are asked, and their hosts."""
    asked = Asked()
    with ExitStack() as stack:
        yield asked, [stack.enter_context(recording(asked, certificates)) for _ in range(count)]
