"""A tar archive whose every byte is decided here: the same entries give the same bytes with every Python.

Layers of built catalogs are written so, and the digest of a catalog's cache is one of such an archive. Sources:
POSIX.1-2001 ustar and pax interchange formats; what Go's archive/tar makes of a header without owner and times.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

BLOCK_BYTES: Final = 512
_FILE, _FOLDER, _EXTENDED = b"0", b"5", b"x"
_NAME_BYTES: Final = 100
_PREFIX_BYTES: Final = 155


@dataclass(frozen=True, slots=True)
class TarFile:
    """A file in an archive, or with None for ``content`` a folder; owned by root. ``path`` is written as it is."""

    path: str
    content: bytes | None = b""
    mode: int = 0o644


def tar_stream(entries: Iterable[TarFile], *, mtime_s: int = 0) -> Iterator[bytes]:
    """Yield the archive of ``entries``, in their order, in pieces; ``mtime_s`` is every entry's time."""
    for entry in entries:
        content = entry.content or b""
        yield _headers(entry, len(content), mtime_s)
        yield content
        yield bytes(-len(content) % BLOCK_BYTES)
    yield bytes(2 * BLOCK_BYTES)


def _headers(entry: TarFile, size_bytes: int, mtime_s: int) -> bytes:
    kind = _FOLDER if entry.content is None else _FILE
    name = entry.path.encode()
    split = _split(name) if entry.path.isascii() else None
    if split is not None:
        return _block(split, entry.mode, size_bytes, mtime_s, kind)
    record = _record(b"path", name)
    folder, _, last = entry.path.rstrip("/").rpartition("/")
    extended = _ascii("/".join(part for part in (folder, "PaxHeaders.0", last) if part))[:_NAME_BYTES].rstrip(b"/")
    return (
        _block((b"", extended), 0, len(record), 0, _EXTENDED)
        + record
        + bytes(-len(record) % BLOCK_BYTES)
        + _block((b"", _cut(_ascii(entry.path))), entry.mode, size_bytes, mtime_s, kind)
    )


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Return ``name`` as prefix and name, as late a slash as fits between them; None when it does not fit."""
    if len(name) <= _NAME_BYTES:
        return b"", name
    at = name.rfind(b"/", 0, min(len(name.rstrip(b"/")), _PREFIX_BYTES + 1))
    if at <= 0 or not 0 < len(name) - at - 1 <= _NAME_BYTES:
        return None
    return name[:at], name[at + 1 :]


def _ascii(name: str) -> bytes:
    return "".join(letter for letter in name if letter.isascii()).encode()


def _cut(name: bytes) -> bytes:
    """Return what a header has room for; as Go does, a slash at its end must not make a folder of a file."""
    if len(name) <= _NAME_BYTES or name[_NAME_BYTES - 1 : _NAME_BYTES] != b"/":
        return name[:_NAME_BYTES]
    name = name[:_NAME_BYTES]
    end = len(name.rstrip(b"/"))
    return name[:end] + b"\0" + name[end + 1 :]


def _record(key: bytes, value: bytes) -> bytes:
    """Return a pax record, which begins with its own length."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + len(str(len(rest)))
    if len(str(length)) + len(rest) != length:
        length += 1
    return str(length).encode() + rest


def _block(name: tuple[bytes, bytes], mode: int, size_bytes: int, mtime_s: int, kind: bytes) -> bytes:
    prefix, last = name
    numbers = _octal(mode, 8) + _octal(0, 8) * 2 + _octal(size_bytes, 12) + _octal(mtime_s, 12)
    before = last.ljust(_NAME_BYTES, b"\0") + numbers
    devices = bytes(8) * 2 if kind == _EXTENDED else _octal(0, 8) * 2
    after = kind + bytes(100) + b"ustar\x0000" + bytes(32) * 2 + devices + prefix.ljust(_PREFIX_BYTES, b"\0")
    after += bytes(BLOCK_BYTES - len(before) - 8 - len(after))
    return before + _octal(sum(before) + 8 * 0x20 + sum(after), 7) + b" " + after


def _octal(number: int, width: int) -> bytes:
    return f"{number:0{width - 1}o}".encode() + b"\0"
