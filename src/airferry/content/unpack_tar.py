"""A tar archive as it streams by: bytes go in, entries and their content come out. No file, no thread, no seek.

Sources: POSIX pax interchange format; GNU tar manual "Basic Tar Format". Understands ustar, pax and GNU long
names; sparse files are named as such and their content is not offered, since it is not the file's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from airferry.content.errors import UnsafeArchiveError
from airferry.errors import MalformedError

_BLOCK: Final = 512
_EXTENSION_LIMIT: Final = 1024 * 1024
"""Long names and pax records are gathered in memory; no honest ones are near this."""
_ZEROS: Final = bytes(_BLOCK)


class EntryKind(StrEnum):
    """What an entry makes in a file system."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"
    DEVICE = "device"
    FIFO = "fifo"
    SPARSE = "sparse file"
    OTHER = "unknown entry"


_KINDS: Final = {
    b"0": EntryKind.FILE,
    b"\0": EntryKind.FILE,
    b"7": EntryKind.FILE,
    b"1": EntryKind.HARDLINK,
    b"2": EntryKind.SYMLINK,
    b"3": EntryKind.DEVICE,
    b"4": EntryKind.DEVICE,
    b"5": EntryKind.FOLDER,
    b"6": EntryKind.FIFO,
    b"S": EntryKind.SPARSE,
}
_WITH_CONTENT: Final = (EntryKind.FILE, EntryKind.SPARSE, EntryKind.OTHER)


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One entry. ``name`` and ``link`` are as written and not to be trusted; ``mtime`` is in seconds since 1970."""

    name: str
    kind: EntryKind
    mode: int
    mtime: int
    size_bytes: int
    link: str = ""


class TarReader:
    """Takes a tar in pieces of any size. What follows the end marker is ignored, as tar does."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._extension: bytearray | None = None
        self._extension_type = b""
        self._content_left = 0
        self._padding_left = 0
        self._offered = False
        self._sparse_map_follows = False
        self._pending: dict[str, str] = {}
        self._ended = False

    def feed(self, data: bytes) -> Iterator[TarEntry | memoryview]:
        """Yield each entry that begins in ``data``, followed by its content in pieces (files only).

        Raises MalformedError for what is not a tar and UnsafeArchiveError for unreasonable headers. The iterator
        must be used up before the next call.
        """
        view = memoryview(data)
        while view and not self._ended:
            if self._sparse_map_follows:
                view = self._gather_header(view)
                if len(self._header) == _BLOCK:
                    self._sparse_map_follows = self._header[504] != 0
                    self._header.clear()
            elif self._content_left:
                piece, view = view[: self._content_left], view[self._content_left :]
                self._content_left -= len(piece)
                yield from self._take_content(piece)
            elif self._padding_left:
                skipped = min(self._padding_left, len(view))
                self._padding_left -= skipped
                view = view[skipped:]
            else:
                view = self._gather_header(view)
                if len(self._header) == _BLOCK:
                    header, self._header = bytes(self._header), bytearray()
                    yield from self._take_header(header)

    def finish(self) -> None:
        """Raise MalformedError when the archive breaks off. A missing end marker is forgiven, as tar does."""
        if self._content_left or self._padding_left or self._header or self._extension is not None:
            raise MalformedError("the tar breaks off in the middle of an entry")

    def _gather_header(self, view: memoryview) -> memoryview:
        needed = _BLOCK - len(self._header)
        self._header += view[:needed]
        return view[needed:]

    def _take_content(self, piece: memoryview) -> Iterator[memoryview]:
        if self._extension is None:
            if self._offered:
                yield piece
            return
        self._extension += piece
        if not self._content_left:
            content, self._extension = bytes(self._extension), None
            self._take_extension(content)

    def _take_extension(self, content: bytes) -> None:
        match self._extension_type:
            case b"L":
                self._pending["path"] = _text(content)
            case b"K":
                self._pending["linkpath"] = _text(content)
            case b"x":
                self._pending.update(_pax_records(content))

    def _take_header(self, header: bytes) -> Iterator[TarEntry]:
        if header == _ZEROS:
            self._ended = True
            return
        _check_sum(header)
        size = _number(header[124:136], "size")
        if header[156:157] in b"LKxg" and header[156:157]:
            self._begin_extension(header[156:157], size)
            return
        records, self._pending = self._pending, {}
        entry = _entry(header, records, size)
        self._begin_content(entry.size_bytes if entry.kind in _WITH_CONTENT else 0)
        self._offered = entry.kind is EntryKind.FILE
        self._sparse_map_follows = header[156:157] == b"S" and header[482] != 0
        yield entry

    def _begin_extension(self, kind: bytes, size: int) -> None:
        if size > _EXTENSION_LIMIT:
            raise UnsafeArchiveError(f"the tar has a header of {size} bytes")
        self._extension, self._extension_type = bytearray(), kind
        self._begin_content(size)
        if not size:
            self._extension = None

    def _begin_content(self, size: int) -> None:
        self._content_left = size
        self._padding_left = -size % _BLOCK


def _entry(header: bytes, records: Mapping[str, str], size: int) -> TarEntry:
    name = records.get("path") or _name(header)
    kind = _KINDS.get(header[156:157], EntryKind.OTHER)
    if kind is EntryKind.FILE and name.endswith("/") and header[156:157] in (b"\0", b"0"):
        kind = EntryKind.FOLDER  # tar before POSIX had no type for folders
    if any(record.startswith("GNU.sparse.") for record in records):
        kind, name = EntryKind.SPARSE, records.get("GNU.sparse.name", name)
    if "size" in records:
        size = _decimal(records["size"], "size")
    mtime = _decimal(records["mtime"].partition(".")[0], "mtime") if "mtime" in records else None
    return TarEntry(
        name,
        kind,
        _number(header[100:108], "mode") & 0o7777,
        _number(header[136:148], "mtime", signed=True) if mtime is None else mtime,
        size if kind in _WITH_CONTENT else 0,
        records.get("linkpath") or _text(header[157:257]),
    )


def _name(header: bytes) -> str:
    name = _text(header[:100])
    if header[257:263] == b"ustar\0" and (prefix := _text(header[345:500])):
        return f"{prefix}/{name}"
    return name


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _number(field: bytes, what: str, *, signed: bool = False) -> int:
    """Read octal text, or the base-256 form of GNU tar for what is too large for it."""
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40:
            value -= 1 << (8 * len(field) - 1)
    else:
        digits = field.replace(b"\0", b" ").strip().split(b" ")[0]
        if digits.strip(b"01234567"):
            raise MalformedError(f"the tar has an entry whose {what} is not a number")
        value = int(digits or b"0", 8)
    if value < 0 and not signed:
        raise MalformedError(f"the tar has an entry with a negative {what}")
    if value >= 1 << 63:
        raise UnsafeArchiveError(f"the tar has an entry whose {what} is {value}")
    return value


def _decimal(text: str, what: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19) or (what == "size" and digits != text):
        raise MalformedError(f"the tar has a pax record whose {what} is {text[:40]!r}")
    return int(text)


def _check_sum(header: bytes) -> None:
    said = _number(header[148:156], "check sum")
    others = header[:148] + b" " * 8 + header[156:]
    # Some old programs added the bytes up as signed numbers.
    if said not in (sum(others), sum(byte - 256 if byte > 127 else byte for byte in others)):
        raise MalformedError("this is not a tar: the check sum of an entry's header is wrong")


def _pax_records(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield the records ``<length> <key>=<value>\\n`` of a pax header."""
    while content.strip(b"\0"):
        digits, space, _ = content[:20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = content[len(digits) + 1 : length]
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        if not space or not equals or length > len(content) or not record.endswith(b"\n"):
            raise MalformedError("the tar has a broken pax header")
        yield key.decode("utf-8", "replace"), value.decode("utf-8", "surrogateescape")
        content = content[length:]
