"""Which endpoint of the distribution API a path names. Pure.

Paths are matched from the right, because a repository may itself be called ``blobs``, ``manifests`` or
``tags/list``. Source: OCI distribution-spec "Endpoints"; Docker Registry HTTP API v2 "Methods".
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from airferry.errors import MalformedError
from airferry.oci import Digest
from airferry.oci.reference import is_repository_path, is_tag
from airferry.registry.errors import DigestInvalidError, NameInvalidError, NotFoundError, TagInvalidError


@dataclass(frozen=True, slots=True)
class Ping:
    """``/v2/``: is this a registry, and are the credentials good?"""


@dataclass(frozen=True, slots=True)
class Catalog:
    """``/v2/_catalog``: every repository."""


@dataclass(frozen=True, slots=True)
class TagList:
    """``/v2/PATH/tags/list``."""

    path: str


@dataclass(frozen=True, slots=True)
class ManifestAt:
    """``/v2/PATH/manifests/TARGET``; ``target`` is a :class:`Digest` or a well formed tag."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class BlobAt:
    """``/v2/PATH/blobs/DIGEST``."""

    path: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class Uploads:
    """``/v2/PATH/blobs/uploads/``: where uploads begin."""

    path: str


@dataclass(frozen=True, slots=True)
class UploadAt:
    """``/v2/PATH/blobs/uploads/ID``: one upload. All of its state is in this path, none in the query."""

    path: str
    upload_id: str


@dataclass(frozen=True, slots=True)
class Referrers:
    """``/v2/PATH/referrers/DIGEST``."""

    path: str
    digest: Digest


Endpoint = Ping | Catalog | TagList | ManifestAt | BlobAt | Uploads | UploadAt | Referrers


def parse_endpoint(raw_path: str) -> Endpoint:
    """Return the endpoint that the path of a request, percent-encoded as it came, names.

    Raises NotFoundError (no such endpoint), NameInvalidError, TagInvalidError, DigestInvalidError. Encoded
    slashes do not separate: ``%2f`` inside a part makes that part invalid.
    """
    parts = [_decoded(part) for part in raw_path.split("/")]
    match parts:
        case ["", "v2"] | ["", "v2", ""]:
            return Ping()
        case ["", "v2", "_catalog"]:
            return Catalog()
        case ["", "v2", *name, "blobs", "uploads", ""] | ["", "v2", *name, "blobs", "uploads"]:
            return Uploads(_path(name))
        case ["", "v2", *name, "blobs", "uploads", upload_id]:
            return UploadAt(_path(name), upload_id)
        case ["", "v2", *name, "blobs", digest]:
            return BlobAt(_path(name), _digest(digest))
        case ["", "v2", *name, "manifests", target]:
            return ManifestAt(_path(name), _target(target))
        case ["", "v2", *name, "tags", "list"]:
            return TagList(_path(name))
        case ["", "v2", *name, "referrers", digest]:
            return Referrers(_path(name), _digest(digest))
        case _:
            raise NotFoundError(f"no endpoint of the distribution API at {raw_path[:200]!r}")


def repository_of(endpoint: Endpoint) -> str | None:
    """Return the repository that the endpoint is about, None for those that are about the whole registry."""
    match endpoint:
        case Ping() | Catalog():
            return None
        case _:
            return endpoint.path


_UNDECODABLE: Final = "\x00"


def _decoded(part: str) -> str:
    if "%" not in part:
        return part
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeError:  # also of a part that was no text before it was decoded
        return _UNDECODABLE  # in no grammar, so the part is refused for what it should have been


def _path(parts: list[str]) -> str:
    path = "/".join(parts)
    if any("/" in part for part in parts) or not is_repository_path(path):
        raise NameInvalidError(
            f"the repository name {path[:120]!r} is not valid",
            hint="lower-case letters, digits and separators, at most 255 characters",
        )
    return path


def _digest(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except MalformedError as error:
        raise DigestInvalidError(error.message, hint=error.hint) from error


def _target(text: str) -> str:
    if ":" in text:
        return _digest(text)
    if not is_tag(text):
        raise TagInvalidError(f"the tag {text[:140]!r} is not valid")
    return text
