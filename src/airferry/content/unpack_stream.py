"""A layer as it streams by: checked against its descriptor, decompressed, cut into tar entries, within limits.

The compression is told by the first bytes, not by the media type, as containers/image does: peers mislabel layers.
"""

import asyncio
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import zstandard

from airferry.content.errors import UnsafeArchiveError
from airferry.content.protocol import Chunk, ContentSource
from airferry.content.unpack_tar import TarEntry, TarReader
from airferry.errors import MalformedError, UnsupportedError
from airferry.oci import Descriptor, Verifier

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE: Final = b"\x2a\x4d\x18"
_OTHERS: Final = {b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_MAGIC_BYTES: Final = 6
_OUTPUT_BYTES: Final = 1024 * 1024
_ZSTD_INPUT_BYTES: Final = 4096
"""zstd gives all its output at once; the worst four KiB unpack to 128 MiB."""
_ZSTD_WINDOW_BYTES: Final = 128 * 1024 * 1024
_GATHER_BYTES: Final = 256 * 1024
_RATIO_COUNTS_FROM: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class UnpackLimits:
    """How much a layer may unpack to before it counts as a bomb.

    ``file_bytes`` bounds files that are held in memory; ``ratio`` (unpacked to packed) counts only above 256 MiB.
    """

    file_bytes: int = 64 * 1024 * 1024
    layer_bytes: int = 64 * 1024 * 1024 * 1024
    ratio: int = 400
    entries: int = 5_000_000


DEFAULT_LIMITS: Final = UnpackLimits()


class LayerVisitor(Protocol):
    """What looks at a layer's entries; called in worker threads, one call at a time."""

    def entry(self, entry: TarEntry) -> None:
        """See the next entry; its content follows if it is a file."""

    def content(self, piece: memoryview) -> None:
        """See more content of the last entry. The view is good until this returns."""

    def satisfied(self) -> bool:
        """Whether the rest need not be unpacked; its bytes are checked all the same."""
        ...


class LayerUnpacker:
    """One layer: packed bytes in, a visitor called. Nothing a visitor saw may be used before :meth:`finish`."""

    def __init__(self, layer: Descriptor, visitor: LayerVisitor, limits: UnpackLimits = DEFAULT_LIMITS) -> None:
        self._layer = layer
        self._verifier = Verifier(layer.digest, layer.size_bytes)
        self._visitor = visitor
        self._limits = limits
        self._decoder = LayerDecoder()
        self._tar = TarReader()
        self._entries = 0
        self._unpacked_bytes = 0
        self._trouble: MalformedError | None = None

    def feed(self, packed: bytes) -> None:
        """Take in more of the layer. Raises UnsafeArchiveError, and ContentMismatchError for too many bytes."""
        self._verifier.update(packed)
        if self._trouble is None and not self._visitor.satisfied():
            try:
                self._unpack(self._decoder.feed(packed))
            except MalformedError as error:
                # Damage on the way here explains it better than "not a tar": the digest is asked first.
                self._trouble = error

    def finish(self) -> None:
        """Raise ContentMismatchError if these were not the layer's bytes, then MalformedError if no whole tar."""
        self._verifier.finish()
        if self._trouble is None and not self._visitor.satisfied():
            try:
                self._unpack(self._decoder.finish())
                self._tar.finish()
            except MalformedError as error:
                self._trouble = error
        if self._trouble is not None:
            raise MalformedError(f"layer {self._layer.digest}: {self._trouble.message}") from self._trouble

    def _unpack(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            self._unpacked_bytes += len(piece)
            self._check_limits()
            try:
                self._show(piece)
            except UnsafeArchiveError as error:
                text = f"layer {self._layer.digest}: {error.message}"
                raise UnsafeArchiveError(text, hint=error.hint) from error
            if self._visitor.satisfied():
                return

    def _show(self, piece: bytes) -> None:
        for item in self._tar.feed(piece):
            if isinstance(item, TarEntry):
                self._entries += 1
                self._visitor.entry(item)
            else:
                self._visitor.content(item)

    def _check_limits(self) -> None:
        unpacked, packed = self._unpacked_bytes, max(1, self._verifier.seen_bytes)
        if (
            unpacked > self._limits.layer_bytes
            or self._entries > self._limits.entries
            or (unpacked > _RATIO_COUNTS_FROM and unpacked > packed * self._limits.ratio)
        ):
            raise UnsafeArchiveError(
                f"layer {self._layer.digest} unpacks to more than is allowed: {unpacked} bytes and "
                f"{self._entries} entries out of {packed} bytes",
                hint="a layer like this is made to fill a disk; do not use the image",
            )


class LayerDecoder:
    """Decompresses gzip (of any number of members, as eStargz has them), zstd frames, or nothing at all."""

    def __init__(self) -> None:
        self._start: bytes = b""
        self._decode: _Frames | None = None
        self._plain = False

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Yield what ``packed`` unpacks to, in bounded pieces. Raises MalformedError, UnsupportedError."""
        if self._decode is None and not self._plain:
            packed = self._start + packed
            if len(packed) < _MAGIC_BYTES:
                self._start = packed
                return
            self._choose(packed)
        if self._decode is None:
            yield packed
        else:
            yield from self._decode.feed(packed)

    def finish(self) -> Iterator[bytes]:
        """Yield what is left. Raises MalformedError when the compressed stream breaks off."""
        if self._decode is not None:
            self._decode.finish()
        elif not self._plain:
            yield self._start

    def _choose(self, start: bytes) -> None:
        for magic, name in _OTHERS.items():
            if start.startswith(magic):
                raise UnsupportedError(f"the layer is compressed with {name}, which images do not use any more")
        if start.startswith(_GZIP):
            self._decode = _Frames(_GzipMember)
        elif start.startswith(_ZSTD) or start[1:4] == _ZSTD_SKIPPABLE:
            self._decode = _Frames(_ZstdFrame)
        else:
            self._plain = True


class _Frame(Protocol):
    ended: bool
    rest: bytes

    def feed(self, packed: bytes) -> Iterator[bytes]: ...


class _Frames:
    """Compressed streams one after another, as if they were one."""

    def __init__(self, frame: type["_GzipMember"] | type["_ZstdFrame"]) -> None:
        self._kind = frame
        self._frame: _Frame | None = frame()

    def feed(self, packed: bytes) -> Iterator[bytes]:
        while packed:
            if self._frame is None:
                packed = packed.lstrip(b"\0")  # some tools pad to whole blocks
                if not packed:
                    return
                self._frame = self._kind()
            yield from self._frame.feed(packed)
            if not self._frame.ended:
                return
            packed, self._frame = self._frame.rest, None

    def finish(self) -> None:
        if self._frame is not None:
            raise MalformedError("the compressed content breaks off")


class _GzipMember:
    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)
        self.ended = False
        self.rest = b""

    def feed(self, packed: bytes) -> Iterator[bytes]:
        while packed and not self._decoder.eof:
            try:
                piece = self._decoder.decompress(packed, _OUTPUT_BYTES)
            except zlib.error as error:
                raise MalformedError(f"the gzip content is broken: {error}") from error
            packed = self._decoder.unconsumed_tail
            if piece:
                yield piece
        # A full last piece may hide more output that needs no more input.
        while not self._decoder.eof and (piece := self._decoder.decompress(b"", _OUTPUT_BYTES)):
            yield piece
        self.ended, self.rest = self._decoder.eof, self._decoder.unused_data


class _ZstdFrame:
    def __init__(self) -> None:
        self._decoder: Any = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()
        self.ended = False
        self.rest = b""

    def feed(self, packed: bytes) -> Iterator[bytes]:
        for start in range(0, len(packed), _ZSTD_INPUT_BYTES):
            try:
                piece: bytes = self._decoder.decompress(packed[start : start + _ZSTD_INPUT_BYTES])
            except zstandard.ZstdError as error:
                raise MalformedError(f"the zstd content is broken: {error}") from error
            if piece:
                yield piece
            if self._decoder.eof:
                self.ended = True
                self.rest = self._decoder.unused_data + packed[start + _ZSTD_INPUT_BYTES :]
                return


async def visit_layer(
    source: ContentSource,
    path: str,
    layer: Descriptor,
    visitor: LayerVisitor,
    limits: UnpackLimits = DEFAULT_LIMITS,
) -> None:
    """Read all of ``layer`` and show ``visitor`` its entries, in threads; returns when every byte was checked.

    Raises what the source raises, ContentMismatchError, MalformedError, UnsupportedError, UnsafeArchiveError.
    """
    unpacker = LayerUnpacker(layer, visitor, limits)
    gathered: list[Chunk] = []
    gathered_bytes = 0
    async with source.open_blob(path, layer) as stream:
        async for chunk in stream:
            gathered.append(chunk)
            gathered_bytes += len(chunk)
            if gathered_bytes >= _GATHER_BYTES:
                await asyncio.to_thread(unpacker.feed, b"".join(gathered))
                gathered, gathered_bytes = [], 0
    await asyncio.to_thread(_finish, unpacker, b"".join(gathered))


def _finish(unpacker: LayerUnpacker, rest: bytes) -> None:
    if rest:
        unpacker.feed(rest)
    unpacker.finish()
