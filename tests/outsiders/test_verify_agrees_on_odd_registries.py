"""What stands before a registry may answer oddly; ``verify`` says yes where podman pulls all the same, and else no."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from failures.stage import airferry

from .conftest import BUSYBOX_DIGEST, DATA
from .strangers import Podman

pytestmark = pytest.mark.outsider("podman")

BLOBS = DATA / "images/busybox-uclibc/blobs/sha256"
IMAGE = f"source.example.invalid/org/app@{BUSYBOX_DIGEST}"


class Asked(BaseHTTPRequestHandler):
    """One request to a registry that holds the blobs of a layout, whatever the repository is called."""

    protocol_version = "HTTP/1.1"
    odd: Callable[["Asked"], bool]

    def log_message(self, *words: object) -> None:
        pass

    def give(self, status: int, body: bytes = b"", **headers: str) -> bool:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
        return True

    def answer(self) -> None:
        if type(self).odd(self):
            return
        file = BLOBS / self.path.rpartition(":")[2]
        if self.path == "/v2/":
            self.give(200, b"{}")
        elif not file.is_file():
            self.give(404)
        else:
            content = file.read_bytes()
            kind = json.loads(content)["mediaType"] if "/manifests/" in self.path else "application/octet-stream"
            self.give(200, content, Content_Type=kind)

    do_GET = do_HEAD = answer  # noqa: N815 - the names that the standard library looks for


def no_head(status: int) -> Callable[[Asked], bool]:
    return lambda asked: asked.command == "HEAD" and asked.give(status)


def signed_links(asked: Asked) -> bool:
    """Redirect blobs to links that are good for GET alone, as stores of objects make them."""
    if "/blobs/" not in asked.path:
        return False
    if asked.path.startswith("/store"):
        return asked.command == "HEAD" and asked.give(403)
    return asked.give(307, Location=f"/store{asked.path}")


def first_contact(status: int) -> Callable[[Asked], bool]:
    return lambda asked: asked.path == "/v2/" and asked.give(status)


def ends_at_layers(asked: Asked) -> bool:
    return "/blobs/" in asked.path and asked.command == "GET" and asked.give(404)


def served_as(kind: str) -> Callable[[Asked], bool]:
    def odd(asked: Asked) -> bool:
        if "/manifests/" not in asked.path:
            return False
        content = (BLOBS / asked.path.rpartition(":")[2]).read_bytes()
        word = kind.format(json.loads(content)["mediaType"])
        return asked.give(200, content, **({"Content_Type": word} if word else {}))

    return odd


ODD: dict[str, tuple[Callable[[Asked], bool], str]] = {
    "nothing is odd": (lambda asked: False, ""),
    "HEAD is not allowed": (no_head(405), ""),
    "HEAD is refused": (no_head(403), ""),
    "HEAD wants a login": (no_head(401), ""),
    "HEAD finds nothing": (no_head(404), ""),
    "HEAD is not known": (no_head(501), ""),
    "blobs are links for GET alone": (signed_links, ""),
    "HEAD finds what GET does not": (ends_at_layers, "no-blob"),
    "manifests are served as text": (served_as("text/plain"), "bad-manifest"),
    "manifests are served as JSON": (served_as("application/json"), "bad-manifest"),
    "manifests are served as bytes": (served_as("application/octet-stream"), "bad-manifest"),
    "manifests are served as nothing": (served_as(""), "bad-manifest"),
    "manifests are served as those of Docker": (
        served_as("application/vnd.docker.distribution.manifest.v2+json"),
        "bad-manifest",
    ),
    "manifests are served with a parameter": (
        served_as("{}; charset=utf-8"),
        "",
    ),
    "the way to /v2/ is not open": (first_contact(404), "unreachable"),
    "the way to /v2/ is forbidden": (first_contact(403), "unreachable"),
    "/v2/ has nothing to say": (first_contact(204), "unreachable"),
}


@contextmanager
def registry(odd: Callable[[Asked], bool]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OddAsked", (Asked,), {"odd": staticmethod(odd)}))
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("name", ODD)
def test_an_odd_registry(name: str, tmp_path: Path, new_node: Callable[[Path | None], Podman]) -> None:
    odd, code = ODD[name]
    conf, images, secret = tmp_path / "registries.conf", tmp_path / "images.txt", tmp_path / "auth.json"
    images.write_text(f"{IMAGE}\n")
    secret.write_text('{"auths": {}}')
    with registry(odd) as host:
        conf.write_text(
            '[[registry]]\nlocation = "source.example.invalid"\n'
            f'[[registry.mirror]]\nlocation = "{host}"\ninsecure = true\n'
        )
        given = ("--images", images, "--registries-conf", conf, "--platform", "linux/amd64", "-o", "json")
        run = airferry("verify", *given, *(("--deep",) if "GET does not" in name else ()))
        pulled = new_node(conf)("pull", "--authfile", secret, "--arch", "amd64", "--os", "linux", IMAGE)
    (image,) = json.loads(run.out)["images"]
    assert (image["answer"] == "yes") is (pulled.code == 0) and image["answer"] != "cannot tell", (image, pulled.err)
    assert image["code"] == code, image
