"""Content that lies in files: blobs opened as stored, manifests read and checked. Blocking but for the stream."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from io import BufferedReader
from pathlib import Path
from typing import Final

from airferry.content.errors import DamagedError
from airferry.content.filesystem import reading
from airferry.oci import Descriptor, Digest, Manifest
from airferry.oci.manifest import MAX_MANIFEST_BYTES

READ_BYTES: Final = 1024 * 1024
DAMAGE_HINT: Final = "`airferry media verify` names everything that is damaged; copy it again from its source"


async def open_in_thread(opening: Callable[[], BufferedReader]) -> BufferedReader:
    """Return what ``opening`` returns, called in a thread; a file opened for a caller who is cancelled is closed."""
    future = asyncio.get_running_loop().run_in_executor(None, opening)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        future.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(future: asyncio.Future[BufferedReader]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().close()


async def read_file(content: BufferedReader) -> AsyncIterator[bytes]:
    """Yield what an open file still holds, read in threads."""
    while chunk := await asyncio.to_thread(content.read, READ_BYTES):
        yield chunk


def open_blob_file(file: Path, blob: Descriptor, offset: int) -> BufferedReader:
    """Open a stored blob at ``offset`` in bytes. Raises DamagedError when the file's size is not the blob's."""
    with reading(file):
        content = file.open("rb")
        size = os.fstat(content.fileno()).st_size
        if size != blob.size_bytes:
            content.close()
            raise DamagedError(f"{file} has {size} bytes and should have {blob.size_bytes}", hint=DAMAGE_HINT)
        content.seek(offset)
        return content


def load_manifest(file: Path, digest: Digest, media_type: str | None = None) -> Manifest:
    """Return the manifest in ``file``, or raise DamagedError that names the file when its digest is another."""
    with reading(file):
        raw = file.read_bytes() if file.stat().st_size <= MAX_MANIFEST_BYTES else b""
    actual = Digest.of(raw, digest.algorithm)
    if actual != digest:
        raise DamagedError(f"{file} does not match its name: its content has the digest {actual}", hint=DAMAGE_HINT)
    return Manifest.parse(raw, media_type, digest.algorithm)


def has_size(file: Path, size_bytes: int) -> bool:
    """Whether ``file`` is there with this size."""
    try:
        return file.stat().st_size == size_bytes
    except (FileNotFoundError, NotADirectoryError):
        return False


def manifest_bytes(file: Path) -> bytes | None:
    """Return the bytes of ``file``; None when it is not there or too large for a manifest."""
    try:
        return file.read_bytes() if file.stat().st_size <= MAX_MANIFEST_BYTES else None
    except (FileNotFoundError, NotADirectoryError):
        return None
