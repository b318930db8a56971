"""The life of one blob upload, with no socket and no disk in it.

Sources: OCI distribution-spec "Pushing a blob in chunks"; Docker Registry HTTP API v2 "Chunked Upload".
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from airferry.oci.wire import parse_content_range
from airferry.registry.errors import NotFoundError, SizeInvalidError, UploadRangeError

ALGORITHMS: Final = ("sha256", "sha512")
"""What content may be addressed by; the algorithms registered in the image-spec."""

_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


def upload_key(path: str, upload_id: str) -> str:
    """Return the name under which a driver keeps the upload ``upload_id`` of the repository ``path``.

    The repository is part of the name, so an id from another repository finds nothing (the fault of
    CVE-2026-32589) and no record of whose upload it is has to be kept. Raises NotFoundError when the id
    is not one that we give out, so that it may be used in a file name.
    """
    if not _ID.match(upload_id):
        raise NotFoundError(f"no upload {upload_id[:40]!r} in {path}")
    return f"{upload_id}.{hashlib.sha256(path.encode()).hexdigest()[:32]}"


@dataclass(frozen=True, slots=True)
class ChunkPromise:
    """What a request says about the chunk in its body: where it begins and, if it says so, how long it is."""

    start: int
    size_bytes: int | None


def accept_chunk(received_bytes: int, content_range: str | None, content_length: int | None) -> ChunkPromise:
    """Return what to expect of a chunk that comes to an upload holding ``received_bytes``.

    A chunk without Content-Range goes to the end of the upload (a streamed upload). Raises SizeInvalidError
    (range and length contradict each other) and UploadRangeError (gap, replay, no range at all: Docker's API
    wants 416 for each); the upload is then as it was.
    """
    if content_range is None:
        return ChunkPromise(received_bytes, content_length)
    span = parse_content_range(content_range)
    if span is None:
        raise UploadRangeError(
            f"the Content-Range {content_range[:80]!r} is not of the form 0-1023", received_bytes=received_bytes
        )
    first, last = span
    size_bytes = last - first + 1
    if content_length is not None and content_length != size_bytes:
        raise SizeInvalidError(
            f"Content-Range {content_range} announces {size_bytes} bytes, Content-Length {content_length}"
        )
    if first != received_bytes:
        raise UploadRangeError(
            f"the chunk begins at byte {first}, the upload goes on at byte {received_bytes}",
            received_bytes=received_bytes,
        )
    return ChunkPromise(first, size_bytes)


def check_progress(promise: ChunkPromise, taken_bytes: int, *, ended: bool) -> None:
    """Raise SizeInvalidError when a body holds more, or at its end less, than its headers promised."""
    if promise.size_bytes is None:
        return
    if taken_bytes > promise.size_bytes or (ended and taken_bytes < promise.size_bytes):
        raise SizeInvalidError(f"a chunk of {promise.size_bytes} bytes was announced, its body holds {taken_bytes}")


def print_progress(received_bytes: int) -> str:
    """Return the Range header of an upload's status: the last byte received is inclusive, as peers print it.

    An empty upload says ``0-0``, as an upload of one byte does: Docker's API has no other word for it.
    """
    return f"0-{max(received_bytes - 1, 0)}"
