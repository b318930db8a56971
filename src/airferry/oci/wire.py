"""The distribution API's words on the wire: error codes and bodies, Content-Range, Range, Link.

Pure parsing and printing, shared by our client and our server. Sources: OCI distribution-spec "Error
Codes", "Pushing a blob in chunks"; Docker Registry HTTP API v2; RFC 9110 section 14.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec


class WireCode(StrEnum):
    """Error codes of the distribution API; ``TOOMANYREQUESTS`` and the rest as the specification lists them."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"
    DIGEST_INVALID = "DIGEST_INVALID"
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
    NAME_INVALID = "NAME_INVALID"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    SIZE_INVALID = "SIZE_INVALID"
    TAG_INVALID = "TAG_INVALID"
    UNAUTHORIZED = "UNAUTHORIZED"
    DENIED = "DENIED"
    UNSUPPORTED = "UNSUPPORTED"
    TOOMANYREQUESTS = "TOOMANYREQUESTS"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class WireError:
    """One entry of an error body; ``code`` is kept as sent, since registries invent their own."""

    code: str
    message: str
    detail: Any = None


def parse_errors(body: bytes) -> tuple[WireError, ...]:
    """Return the entries of an error body; a body that is not one (HTML, text, nothing) has none."""
    try:
        fields: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    entries = fields.get("errors") if isinstance(fields, dict) else None
    if not isinstance(entries, list):
        return ()
    return tuple(
        WireError(str(entry.get("code", "UNKNOWN")), str(entry.get("message", "")))
        for entry in entries
        if isinstance(entry, dict)
    )


def print_errors(code: str, message: str, detail: Any = None) -> bytes:
    """Return the JSON body that reports one error."""
    return print_error_list((WireError(code, message, detail),))


def print_error_list(errors: Iterable[WireError]) -> bytes:
    """Return the JSON body that reports several errors; details that are None are left out."""
    entries: list[dict[str, Any]] = []
    for error in errors:
        # A message may quote bytes of a header that were no UTF-8; they are shown as \udc80 and the like.
        message = error.message.encode("utf-8", "backslashreplace").decode()
        entry: dict[str, Any] = {"code": error.code, "message": message}
        if error.detail is not None:
            entry["detail"] = error.detail
        entries.append(entry)
    return msgspec.json.encode({"errors": entries})


_CONTENT_RANGE: Final = re.compile(r"(?:bytes[ =])?([0-9]{1,19})-([0-9]{1,19})(?:/(?:[0-9]+|\*))?\Z")


def parse_content_range(value: str) -> tuple[int, int] | None:
    """Return first and last byte (inclusive) of a chunk's Content-Range, or None if it is malformed.

    Uploads say ``0-1023`` without a unit (distribution-spec); answers say ``bytes 0-1023/4096`` (RFC 9110).
    """
    found = _CONTENT_RANGE.match(value.strip())
    if not found:
        return None
    first, last = int(found[1]), int(found[2])
    return (first, last) if first <= last else None


_RANGE: Final = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})\Z")


def parse_range(value: str, size_bytes: int) -> tuple[int, int] | None:
    """Return first and last byte (inclusive) that a Range header asks of content of ``size_bytes``.

    None when the header is absent of meaning: several ranges, another unit, malformed. RFC 9110 lets a
    server ignore such a header and send everything. Raises ValueError when no byte can satisfy it (416), also
    for a range that ends before it begins: RFC 9110 section 14.2 lets a server reject it, and whoever sent it is
    better told than given everything.
    """
    found = _RANGE.match(value.strip())
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = int(found[2])
        first, last = max(0, size_bytes - length), size_bytes - 1
        if length == 0 or size_bytes == 0:
            raise ValueError(value)
        return first, last
    first = int(found[1])
    last = min(int(found[2]), size_bytes - 1) if found[2] else size_bytes - 1
    if last < first:
        raise ValueError(value)
    return first, last


_LINK_NEXT: Final = re.compile(r'<([^>]*)>\s*;\s*(?:[^,]*;\s*)?rel="?next"?', re.IGNORECASE)


def parse_next_link(value: str) -> str | None:
    """Return the target of the ``rel=next`` entry of a Link header, or None on the last page."""
    found = _LINK_NEXT.search(value)
    return found[1] if found else None
