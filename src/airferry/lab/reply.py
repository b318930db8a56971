"""Answers before they are sent: status, headers, and bytes or a part of a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec


@dataclass(frozen=True, slots=True)
class FilePart:
    """``size_bytes`` of a file from ``offset`` in bytes."""

    path: Path
    offset: int
    size_bytes: int

    def read(self) -> bytes:
        """Return the part's bytes."""
        with self.path.open("rb") as source:
            source.seek(self.offset)
            return source.read(self.size_bytes)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to one request."""

    status: int
    body: bytes | FilePart = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """The length of the body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.size_bytes


def json_reply(fields: object, headers: Mapping[str, str] | None = None) -> Reply:
    """Return 200 with ``fields`` as JSON."""
    return Reply(200, msgspec.json.encode(fields), {"Content-Type": "application/json", **(headers or {})})


def refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an error in the form of the distribution API."""
    body = msgspec.json.encode({"errors": [{"code": code, "detail": {}, "message": message}]})
    return Reply(status, body, {"Content-Type": "application/json", **(headers or {})})
