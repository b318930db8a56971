"""macOS programs made by hand: a header, load commands, code, and a signature whose hashes are right.

Written from Apple's headers (mach-o/loader.h, kern/cs_blobs.h), apart from our reader, so that a mistake in one shows.
"""

import hashlib
import struct
from dataclasses import dataclass

HASHERS = {1: hashlib.sha1, 2: hashlib.sha256, 4: hashlib.sha384}
AD_HOC, LINKER_SIGNED, HARDENED = 0x2, 0x20000, 0x10000
EMPTY_REQUIREMENTS = bytes.fromhex("fade0c01 0000000c 00000000")
REQUIREMENTS = struct.pack(">III", 0xFADE0C01, 40, 0) + b"anchor apple generic, team"[:28].ljust(28, b".")
CERTIFICATES = struct.pack(">II", 0xFADE0B01, 8 + 300) + bytes(300)


@dataclass(frozen=True)
class MacProgram:
    """What a program is made with: a code directory per hash type, and a CMS signature when ``by_identity``."""

    code: bytes = bytes(range(256)) * 80
    page_shift: int = 12
    hash_types: tuple[int, ...] = (2,)
    by_identity: bool = False
    version: int = 0x20400
    scatter: int = 0
    limit_beyond: int = 0

    def build(self) -> bytes:
        signature_at = (32 + 16 + len(self.code) + 15) // 16 * 16
        size = len(self.signature(bytes(signature_at)))
        command = struct.pack("<IIII", 0x1D, 16, signature_at, size + 64)
        header = struct.pack("<IIIIIIII", 0xFEEDFACF, 0x0100000C, 0, 2, 1, 16, 0x200085, 0)
        program = (header + command + self.code).ljust(signature_at, b"\0")
        return program + self.signature(program) + bytes(64)

    def signature(self, program: bytes) -> bytes:
        requirements, team = (REQUIREMENTS, b"TEAM123456\0") if self.by_identity else (b"", b"")
        blobs = {
            0x1000 + number - 1 if number else 0: self.directory(program, kind, requirements, team)
            for number, kind in enumerate(self.hash_types)
        }
        if self.by_identity:
            blobs |= {2: requirements, 0x10000: CERTIFICATES}
        at, index, content = 12 + 8 * len(blobs), b"", b""
        for slot, blob in sorted(blobs.items()):
            index += struct.pack(">II", slot, at + len(content))
            content += blob
        return struct.pack(">III", 0xFADE0CC0, at + len(content), len(blobs)) + index + content

    def directory(self, program: bytes, kind: int, requirements: bytes, team: bytes) -> bytes:
        hashes = [
            HASHERS[kind](program[start : start + self.page_bytes(program)]).digest()
            for start in range(0, len(program), self.page_bytes(program))
        ]
        size = len(HASHERS[kind]().digest())
        specials = [HASHERS[kind](requirements).digest(), bytes(size)] if requirements else []
        identifier = b"a.out\0"
        first = 88 + len(identifier) + len(team) + size * len(specials)
        flags = HARDENED if self.by_identity else AD_HOC | LINKER_SIGNED
        team_at = 88 + len(identifier) if team else 0
        limit = len(program) + self.limit_beyond
        fixed = struct.pack(
            ">9I4B4I4Q",
            *(0xFADE0C02, first + size * len(hashes), self.version, flags, first, 88),
            *(len(specials), len(hashes), limit, size, kind, 0, self.page_shift),
            *(0, self.scatter, team_at, 0, 0, 0, 0, 1),
        )
        return fixed + identifier + team + b"".join(specials + hashes)

    def page_bytes(self, program: bytes) -> int:
        return 1 << self.page_shift if self.page_shift else len(program)


class InMemory:
    """A file in memory, read and written the way ``resign`` wants it; remembers what was written."""

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)
        self.written: list[tuple[int, int]] = []

    def read_at(self, offset: int, size_bytes: int) -> bytes:
        return bytes(self.content[offset : offset + size_bytes])

    def write_at(self, offset: int, content: bytes) -> None:
        self.written.append((offset, len(content)))
        self.content[offset : offset + len(content)] = content
