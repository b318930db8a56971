"""Digests, and the check of a stream against one.

Source: OCI image-spec, descriptor.md "Digests" (grammar, registered algorithms sha256 and sha512).
"""

import hashlib
import re
from typing import Final, Protocol, Self

from airferry.errors import MalformedError
from airferry.oci.errors import ContentMismatchError

_GRAMMAR: Final = re.compile(r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\Z")


class Digest(str):
    """A digest as text, ``algorithm:hex``, known to be well formed: make one with :meth:`parse` or :meth:`of`.

    It is a ``str`` so that tens of thousands of them hash, sort and print at native speed.
    Only sha256 and sha512, the algorithms registered in the image-spec, are accepted.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the digest that ``text`` spells, or raise MalformedError (md5, upper case, a path, …)."""
        if not _GRAMMAR.match(text):
            shown = text if len(text) <= 140 else text[:137] + "…"
            raise MalformedError(
                f"not a digest: {shown!r}", hint="a digest is sha256: and 64 lower-case hexadecimal digits"
            )
        return cls(text)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """Return the digest of ``content``."""
        return cls(f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}")

    @property
    def algorithm(self) -> str:
        """``sha256`` or ``sha512``."""
        return self.split(":", 1)[0]

    @property
    def hex(self) -> str:
        """The hexadecimal part."""
        return self.split(":", 1)[1]

    @property
    def short(self) -> str:
        """Twelve hexadecimal digits for people; never enough to identify content."""
        return self.hex[:12]


def is_digest(text: str) -> bool:
    """Whether ``text`` spells a digest that :meth:`Digest.parse` accepts."""
    return _GRAMMAR.match(text) is not None


class Hasher(Protocol):
    """The part of hashlib's objects that a verifier uses; updating releases the GIL on large buffers."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take in more bytes."""

    def hexdigest(self) -> str:
        """Return the hash of all bytes so far."""
        ...


def new_hasher(algorithm: str) -> Hasher:
    """Return a fresh hash of ``algorithm``, one of those that :class:`Digest` accepts."""
    return hashlib.new(algorithm)


class Verifier:
    """Checks a stream against its promised digest and size, one chunk at a time.

    It fails on the first byte too many, so that a lying server cannot fill a disk. ``size_bytes`` may be
    None when nobody promised a size; then only the digest is checked.
    """

    __slots__ = ("_hasher", "digest", "seen_bytes", "size_bytes")

    def __init__(self, digest: Digest, size_bytes: int | None) -> None:
        self.digest = digest
        self.size_bytes = size_bytes
        self.seen_bytes = 0
        self._hasher = new_hasher(digest.algorithm)

    def update(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take in a chunk. Raises ContentMismatchError when the stream is longer than promised."""
        self.seen_bytes += len(chunk)
        if self.size_bytes is not None and self.seen_bytes > self.size_bytes:
            raise ContentMismatchError(f"{self.digest} goes on after its promised {self.size_bytes} bytes")
        self._hasher.update(chunk)

    def finish(self) -> None:
        """Raise ContentMismatchError unless exactly the promised bytes were seen."""
        if self.size_bytes is not None and self.seen_bytes != self.size_bytes:
            raise ContentMismatchError(
                f"{self.digest} ends after {self.seen_bytes} of its promised {self.size_bytes} bytes"
            )
        found = self._hasher.hexdigest()
        if found != self.digest.hex:
            raise ContentMismatchError(
                f"content promised as {self.digest} has the digest {self.digest.algorithm}:{found}"
            )


def check_content(content: bytes, digest: Digest, size_bytes: int | None = None) -> None:
    """Raise ContentMismatchError unless ``content`` is what ``digest`` (and ``size_bytes``) promise."""
    verifier = Verifier(digest, size_bytes)
    verifier.update(content)
    verifier.finish()
