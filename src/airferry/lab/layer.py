"""Layers that cost next to nothing to make: tar in gzip, whose content is noise and whose blocks are stored.

Noise does not compress, so nothing is lost by not trying, and the bytes (so the digests) are the same with every
zlib. Sources: RFC 1951 section 3.2.4 (stored blocks), RFC 1952 (gzip), POSIX ustar.
"""

import hashlib
import struct
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from airferry.oci import Digest

_CHUNK: Final = 1024 * 1024
_STORED_MAX: Final = 65_535
_MTIME: Final = 1_673_548_192
"""2023-01-12T18:29:52Z, when 4.12.0 was made."""


@dataclass(frozen=True, slots=True)
class Noise:
    """``size_bytes`` of incompressible bytes; the same ``key`` gives the same bytes."""

    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class File:
    """A file in a layer; a ``path`` that ends in ``/`` is a folder."""

    path: str
    content: bytes | Noise = b""
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link in a layer."""

    path: str
    target: str


Entry = File | Symlink


@dataclass(frozen=True, slots=True)
class Layer:
    """A written layer: ``digest`` and ``size_bytes`` of the gzip, ``diff_id`` of the tar in it."""

    digest: Digest
    size_bytes: int
    diff_id: Digest


def noise(source: Noise) -> Iterator[bytes]:
    """Yield the bytes of ``source`` in chunks of at most a MiB."""
    for start in range(0, source.size_bytes, _CHUNK):
        wanted = min(_CHUNK, source.size_bytes - start)
        yield hashlib.shake_128(f"{source.key}/{start}".encode()).digest(wanted)


def write_layer(target: BinaryIO, entries: Iterable[Entry]) -> Layer:
    """Write ``entries`` as a tar.gz to ``target`` and return what it became. Same entries, same bytes."""
    whole, plain = hashlib.sha256(), hashlib.sha256()
    checksum = plain_bytes = written = 0

    def put(block: bytes) -> None:
        nonlocal written
        whole.update(block)
        written += target.write(block)

    put(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
    for chunk in _tar(entries):
        plain.update(chunk)
        checksum = zlib.crc32(chunk, checksum)
        plain_bytes += len(chunk)
        put(_stored(chunk))
    put(b"\x01\x00\x00\xff\xff" + struct.pack("<II", checksum, plain_bytes & 0xFFFFFFFF))
    return Layer(Digest(f"sha256:{whole.hexdigest()}"), written, Digest(f"sha256:{plain.hexdigest()}"))


def _stored(chunk: bytes) -> bytes:
    pieces = []
    for start in range(0, len(chunk), _STORED_MAX):
        piece = chunk[start : start + _STORED_MAX]
        pieces.append(struct.pack("<BHH", 0, len(piece), len(piece) ^ 0xFFFF))
        pieces.append(piece)
    return b"".join(pieces)


def _tar(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the tar in chunks, small things gathered so that no chunk is tiny."""
    pending = bytearray()
    for entry in entries:
        pending += _header(entry)
        content = entry.content if isinstance(entry, File) else b""
        if isinstance(content, bytes):
            size_bytes = len(content)
            pending += content
        else:
            size_bytes = content.size_bytes
            for chunk in noise(content):
                pending += chunk
                if len(pending) >= _CHUNK:
                    yield bytes(pending)
                    pending.clear()
        pending += bytes(-size_bytes % tarfile.BLOCKSIZE)
    yield bytes(pending + bytes(2 * tarfile.BLOCKSIZE))


def _header(entry: Entry) -> bytes:
    member = tarfile.TarInfo(entry.path)
    member.mtime = _MTIME
    match entry:
        case Symlink():
            member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.target, 0o777
        case File() if entry.path.endswith("/"):
            member.type, member.mode = tarfile.DIRTYPE, entry.mode
        case File():
            member.mode = entry.mode
            member.size = len(entry.content) if isinstance(entry.content, bytes) else entry.content.size_bytes
    return member.tobuf(tarfile.USTAR_FORMAT)
