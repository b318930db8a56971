"""The code signature inside a macOS program, made to match again after bytes of the program were replaced.

macOS on arm64 ends a program at the first page whose hash is not the one in its signature, and starts none without a
signature. Go's linker leaves an ad-hoc signature (hashes, no identity), which anybody can renew. One by an Apple
identity cannot be renewed; it becomes ad-hoc: the identity, its team and its requirements go, the hashes stay.

Thin 64-bit programs only. Source of the layout: Apple's xnu, ``osfmk/kern/cs_blobs.h`` and ``EXTERNAL_HEADERS/
mach-o/loader.h``; signature blobs are big-endian, the program itself is little-endian.
"""

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from airferry.errors import MalformedError, UnsupportedError

ReadAt = Callable[[int, int], bytes]
"""``read_at(offset, size_bytes)``: that many bytes from there, fewer only at the end of the file."""
WriteAt = Callable[[int, bytes], None]
"""``write_at(offset, content)``: put bytes over those that are there."""

_THIN_64: Final = 0xFEEDFACF
_THIN_32: Final = 0xFEEDFACE
_FAT: Final = (0xCAFEBABE, 0xCAFEBABF)
_HEADER: Final = struct.Struct("<7I4x")
_LC_CODE_SIGNATURE: Final = 0x1D
_MAX_COMMANDS_BYTES: Final = 1 << 20
_MAX_SIGNATURE_BYTES: Final = 1 << 28

_SUPER_BLOB: Final = 0xFADE0CC0
_CODE_DIRECTORY: Final = 0xFADE0C02
_SLOT_CODE_DIRECTORY: Final = 0
_SLOT_REQUIREMENTS: Final = 2
_ALTERNATE_SLOTS: Final = range(0x1000, 0x1005)
_SLOT_IDENTITY: Final = 0x10000
_EMPTY_REQUIREMENTS: Final = struct.pack(">III", 0xFADE0C01, 12, 0)
_BLOB_HEADER_BYTES: Final = 8

_FLAGS_AT: Final = 12
_TEAM_AT: Final = 48
_FLAG_AD_HOC: Final = 0x2
_WITH_SCATTER: Final = 0x20100
_WITH_TEAM: Final = 0x20200
_WITH_LIMIT_64: Final = 0x20300
_HASHES: Final = {1: ("sha1", 20), 2: ("sha256", 32), 3: ("sha256", 20), 4: ("sha384", 48)}
_READ_BYTES: Final = 1 << 20


class Resigned(StrEnum):
    """What became of a program's signature."""

    RENEWED = "the ad-hoc signature matches again"
    MADE_AD_HOC = "the signature by an identity was made an ad-hoc one"
    UNSIGNED = "the program has no signature"
    NOT_MACH_O = "the file is not a macOS program"


def resign(read_at: ReadAt, write_at: WriteAt) -> Resigned:
    """Make the hashes in the signature those of the program as it is now, in place; no size or offset changes.

    Raises UnsupportedError for a fat or 32-bit program and for a signature of a form that Apple does not use for
    programs on disk, MalformedError for one that contradicts itself; nothing was written then.
    """
    signature = _find_signature(read_at)
    if not isinstance(signature, _Signature):
        return signature
    directories = signature.directories()
    by_identity = signature.is_by_identity
    if by_identity:
        _make_ad_hoc(signature, directories)
    for directory in directories:
        for slot, page_hash in _page_hashes(directory, read_at):
            signature.put(directory.hash_at(slot), page_hash)
    write_at(signature.file_offset, bytes(signature.content))
    return Resigned.MADE_AD_HOC if by_identity else Resigned.RENEWED


def signing_remark(command: str, architecture: str | None, became: Resigned | None) -> str | None:
    """Return what the user should know about the signature of the tool ``command``, None when all is as it was."""
    if became is Resigned.MADE_AD_HOC:
        return (
            f"{command} was signed by an identity; since the release was written into it, its signature is an ad-hoc "
            "one, as `codesign --sign -` makes it"
        )
    if became is Resigned.UNSIGNED and architecture == "arm64":
        return (
            f"{command} has no code signature; sign it on the Mac before its first start: codesign --sign - {command}"
        )
    return None


def stale_pages(read_at: ReadAt) -> tuple[int, ...]:
    """Return the offsets in bytes of the pages whose hash in any code directory is wrong; none without a signature.

    Raises as :func:`resign` does.
    """
    signature = _find_signature(read_at)
    if not isinstance(signature, _Signature):
        return ()
    stale = {
        slot * directory.page_bytes
        for directory in signature.directories()
        for slot, page_hash in _page_hashes(directory, read_at)
        if signature.get(directory.hash_at(slot), directory.hash_bytes) != page_hash
    }
    return tuple(sorted(stale))


@dataclass(frozen=True, slots=True)
class _Directory:
    """One code directory: the hashes of all pages of the program, by one algorithm. Offsets are in the signature."""

    offset: int
    hashes_offset: int
    special_slots: int
    code_slots: int
    code_limit: int
    page_bytes: int
    algorithm: str
    hash_bytes: int
    has_team: bool

    def hash_at(self, slot: int) -> int:
        """Return where the hash of page ``slot`` stands; negative ones are those of other blobs."""
        return self.hashes_offset + slot * self.hash_bytes

    def digest(self, content: bytes | memoryview) -> bytes:
        """Return the hash of ``content`` as it stands in this directory."""
        return hashlib.new(self.algorithm, content, usedforsecurity=False).digest()[: self.hash_bytes]


class _Signature:
    """The bytes of an embedded signature and where they stand in the file; changed in memory, then written at once."""

    __slots__ = ("content", "file_offset")

    def __init__(self, file_offset: int, content: bytes) -> None:
        self.file_offset = file_offset
        self.content = bytearray(content)
        magic, length = self._words(0, 2)
        if magic != _SUPER_BLOB or not 12 <= length <= len(content):
            raise MalformedError("the program's code signature is not an embedded signature")

    @property
    def is_by_identity(self) -> bool:
        """Whether a certificate vouches for it: an ad-hoc signature has no such blob, or an empty one."""
        at = self.blobs().get(_SLOT_IDENTITY)
        return at is not None and self._words(at, 2)[1] > _BLOB_HEADER_BYTES

    def blobs(self) -> dict[int, int]:
        """Return the offset of each blob by its slot."""
        (count,) = self._words(8, 1)
        if count > 64:
            raise MalformedError(f"the program's code signature claims to have {count} parts")
        index = self._words(12, 2 * count)
        return dict(zip(index[::2], index[1::2], strict=True))

    def directories(self) -> tuple[_Directory, ...]:
        """Return all code directories. Raises MalformedError, UnsupportedError."""
        slots = (_SLOT_CODE_DIRECTORY, *_ALTERNATE_SLOTS)
        found = tuple(self._directory(at) for slot, at in self.blobs().items() if slot in slots)
        if not found:
            raise MalformedError("the program's code signature has no code directory")
        return found

    def _directory(self, at: int) -> _Directory:
        words = self._words(at, 9)
        magic, length, version, _, hashes_offset, _, special_slots, code_slots, code_limit = words
        hash_bytes, hash_type, _, page_shift = self.get(at + 36, 4)
        if magic != _CODE_DIRECTORY or at + length > len(self.content):
            raise MalformedError("a code directory in the program's signature is damaged")
        if version >= _WITH_SCATTER and self._words(at + 44, 1) != (0,):
            raise UnsupportedError("the program's code signature covers scattered pages, which airferry does not renew")
        algorithm, known_bytes = _HASHES.get(hash_type, ("", 0))
        if hash_bytes != known_bytes or page_shift > 31:
            raise UnsupportedError(f"the program's code signature uses hash type {hash_type}, which is not known")
        if version >= _WITH_LIMIT_64:
            code_limit = struct.unpack_from(">Q", self.get(at + 56, 8))[0] or code_limit
        page_bytes = 1 << page_shift if page_shift else max(code_limit, 1)
        directory = _Directory(
            at, at + hashes_offset, special_slots, code_slots, code_limit, page_bytes, algorithm, hash_bytes,
            has_team=version >= _WITH_TEAM,
        )  # fmt: skip
        covered = code_limit <= self.file_offset and code_slots == -(-code_limit // page_bytes)
        first, end = directory.hash_at(-special_slots), directory.hash_at(code_slots)
        if not covered or first < at or end > at + length:
            raise MalformedError("the program's code signature does not fit the program")
        return directory

    def get(self, offset: int, size_bytes: int) -> bytes:
        """Return bytes at ``offset``. Raises MalformedError when the signature ends before."""
        part = bytes(self.content[offset : offset + size_bytes])
        if len(part) != size_bytes:
            raise MalformedError("the program's code signature is cut short")
        return part

    def put(self, offset: int, part: bytes) -> None:
        """Replace bytes at ``offset``."""
        self.content[offset : offset + len(part)] = part

    def replace_blob(self, at: int, blob: bytes) -> None:
        """Put a ``blob`` that is not longer in the place of that at ``at``; what is left over becomes zeros."""
        length = self._words(at, 2)[1]
        if length < len(blob):
            raise MalformedError("a part of the program's code signature is shorter than its header")
        self.get(at, length)
        self.put(at, blob.ljust(length, b"\0"))

    def _words(self, offset: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f">{count}I", self.get(offset, 4 * count))


def _find_signature(read_at: ReadAt) -> _Signature | Resigned:
    header = read_at(0, _HEADER.size)
    magic = int.from_bytes(header[:4], "little")
    if int.from_bytes(header[:4], "big") in _FAT:
        raise UnsupportedError(
            "the program is a fat one, for several architectures, whose signatures airferry does not renew",
            hint="take the program for one architecture, with --command-os=mac/arm64 or mac/amd64",
        )
    if magic == _THIN_32:
        raise UnsupportedError("the program is a 32-bit one, whose signature airferry does not renew")
    if magic != _THIN_64 or len(header) < _HEADER.size:
        return Resigned.NOT_MACH_O
    *_, count, commands_bytes, _ = _HEADER.unpack(header)
    commands = read_at(_HEADER.size, min(commands_bytes, _MAX_COMMANDS_BYTES))
    for command, body in _load_commands(commands, count):
        if command == _LC_CODE_SIGNATURE:
            return _read_signature(read_at, body)
    return Resigned.UNSIGNED


def _load_commands(commands: bytes, count: int) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(count):
        command, size = struct.unpack_from("<II", commands, at) if at + 8 <= len(commands) else (0, 0)
        if size < 8 or at + size > len(commands):
            raise MalformedError("the program's load commands are damaged")
        yield command, commands[at + 8 : at + size]
        at += size


def _read_signature(read_at: ReadAt, body: bytes) -> _Signature:
    if len(body) < 8:
        raise MalformedError("the program's load commands are damaged")
    offset, size_bytes = struct.unpack_from("<II", body)
    if size_bytes > _MAX_SIGNATURE_BYTES:
        raise MalformedError(f"the program claims a code signature of {size_bytes} bytes")
    content = read_at(offset, size_bytes)
    if len(content) != size_bytes:
        raise MalformedError("the program ends before its code signature does")
    return _Signature(offset, content)


def _page_hashes(directory: _Directory, read_at: ReadAt) -> Iterator[tuple[int, bytes]]:
    """Yield the number of each page and the hash that it should have."""
    pages_at_once = max(1, _READ_BYTES // directory.page_bytes)
    for first in range(0, directory.code_slots, pages_at_once):
        offset = first * directory.page_bytes
        size = min(pages_at_once * directory.page_bytes, directory.code_limit - offset)
        block = memoryview(read_at(offset, size))
        if len(block) != size:
            raise MalformedError("the program ends before the code that its signature covers")
        for number, start in enumerate(range(0, size, directory.page_bytes)):
            yield first + number, directory.digest(block[start : start + directory.page_bytes])


def _make_ad_hoc(signature: _Signature, directories: tuple[_Directory, ...]) -> None:
    """Leave what ``codesign --sign -`` would: no identity, no team, no requirements that name a certificate."""
    blobs = signature.blobs()
    identity = signature.get(blobs[_SLOT_IDENTITY], 4)
    signature.replace_blob(blobs[_SLOT_IDENTITY], identity + struct.pack(">I", _BLOB_HEADER_BYTES))
    requirements = blobs.get(_SLOT_REQUIREMENTS)
    if requirements is not None:
        signature.replace_blob(requirements, _EMPTY_REQUIREMENTS)
    for directory in directories:
        flags = struct.unpack(">I", signature.get(directory.offset + _FLAGS_AT, 4))[0]
        signature.put(directory.offset + _FLAGS_AT, struct.pack(">I", flags | _FLAG_AD_HOC))
        if directory.has_team:
            signature.put(directory.offset + _TEAM_AT, bytes(4))
        if requirements is not None and directory.special_slots >= _SLOT_REQUIREMENTS:
            signature.put(directory.hash_at(-_SLOT_REQUIREMENTS), directory.digest(_EMPTY_REQUIREMENTS))
