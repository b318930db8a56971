"""Taking a file that lies outside: shared by reflink or hard link where the file system can, copied otherwise."""

import errno
import fcntl
import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from airferry.oci import ContentMismatchError, Digest
from airferry.registry.drivers.protocol import Sharing
from airferry.registry.errors import NotFoundError

_FICLONE: Final = 0x40049409
"""ioctl_ficlone(2): give one file the blocks of another; each later write goes to its own."""

_CANNOT_LINK: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})
_READ_BYTES: Final = 4 * 1024 * 1024


def bring(source: Path, target: Path, *, may_share: bool) -> Sharing:
    """Make ``target``, which must not exist, a file with the content of ``source``. Raises NotFoundError, OSError."""
    try:
        if may_share:
            if _reflink(source, target):
                return Sharing.REFLINK
            if _hard_link(source, target):
                return Sharing.HARD_LINK
        with source.open("rb") as read, target.open("xb") as written:
            shutil.copyfileobj(read, written, _READ_BYTES)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {source}") from None
    return Sharing.COPY


def verify_and_sync(file: Path, digest: Digest) -> int:
    """Hash all of ``file``, wait until the disk has it, and return its length. Raises ContentMismatchError."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        found = hashlib.file_digest(opened, digest.algorithm).hexdigest()
        size_bytes = os.fstat(opened.fileno()).st_size
    if found != digest.hex:
        raise ContentMismatchError(f"the file that should hold {digest} has the digest {digest.algorithm}:{found}")
    return size_bytes


def _reflink(source: Path, target: Path) -> bool:
    with source.open("rb") as read, target.open("xb") as written, suppress(OSError):
        fcntl.ioctl(written.fileno(), _FICLONE, read.fileno())
        return True
    target.unlink()
    return False


def _hard_link(source: Path, target: Path) -> bool:
    if not source.is_file() or os.geteuid() not in (0, source.stat().st_uid):
        return False  # another's file: its mode is not ours to rely on
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno in _CANNOT_LINK:
            return False
        raise
    return True
