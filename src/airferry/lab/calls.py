"""What a request asks for: an endpoint, a repository and a target, read from its path. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Endpoint(StrEnum):
    """The kinds of request the lab upstream knows. ``CDN`` and ``SIGNATURE`` are served on the second port."""

    PING = "ping"
    TOKEN = "token"  # noqa: S105 - a name, not a password
    TAGS = "tags"
    MANIFEST = "manifest"
    BLOB = "blob"
    REFERRERS = "referrers"
    CDN = "cdn"
    SIGNATURE = "signature"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``target`` is a tag, a digest or "", ``repository`` is "" where there is none."""

    endpoint: Endpoint
    method: str
    path: str
    repository: str = ""
    target: str = ""


_REGISTRY: Final = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|referrers)/(?P<target>[^/]+)\Z")
_TAGS: Final = re.compile(r"/v2/(?P<name>.+)/tags/list\Z")
_CDN: Final = re.compile(r"/datastorage/registry/sha256/[0-9a-f]{2}/(?P<hex>[0-9a-f]{64})\Z")
_KINDS: Final = {"manifests": Endpoint.MANIFEST, "blobs": Endpoint.BLOB, "referrers": Endpoint.REFERRERS}


def read_call(method: str, path: str) -> Call:
    """Return what ``method`` and ``path`` ask of the registry."""
    if path in ("/v2/", "/v2"):
        return Call(Endpoint.PING, method, path)
    if path == "/v2/auth":
        return Call(Endpoint.TOKEN, method, path)
    if found := _TAGS.match(path):
        return Call(Endpoint.TAGS, method, path, found["name"])
    if found := _REGISTRY.match(path):
        return Call(_KINDS[found["kind"]], method, path, found["name"], found["target"])
    return Call(Endpoint.OTHER, method, path)


def read_cdn_call(method: str, path: str) -> Call:
    """Return what ``method`` and ``path`` ask of the CDN."""
    if found := _CDN.match(path):
        return Call(Endpoint.CDN, method, path, target=f"sha256:{found['hex']}")
    if path.startswith("/signatures/"):
        return Call(Endpoint.SIGNATURE, method, path, target=path.removeprefix("/signatures/"))
    return Call(Endpoint.OTHER, method, path)


def cdn_path(digest: str) -> str:
    """Return where the CDN keeps ``digest``, as Quay lays out its object storage."""
    plain = digest.removeprefix("sha256:")
    return f"/datastorage/registry/sha256/{plain[:2]}/{plain}"
