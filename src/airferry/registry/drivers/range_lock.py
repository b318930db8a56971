"""Locks on digests, between tasks and processes that share a folder: byte ranges of one file.

They are open file description locks (Linux, fcntl(2)): each holder opens the file for itself, so that two tasks of
one process are strangers to each other, and the kernel lets go of what a killed process held.
"""

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Final

from airferry.oci import Digest

_HEX_DIGITS = 15
"""60 bits of the digest say which byte: two digests on one byte only wait for each other."""


EVERYTHING: Final = 1 << 61
"""A byte that no digest says: who deletes anything shares it, who keeps everything has it alone."""

GATE: Final = EVERYTHING + 1
"""Another: who is about to delete passes here, who wants everything closes it and waits for those behind it."""


def place_of(digest: Digest) -> int:
    """Return the byte that stands for a digest."""
    return int(digest.hex[:_HEX_DIGITS], 16)


def try_lock(file: Path, place: int, *, is_shared: bool) -> int | None:
    """Return a descriptor that holds the lock until it is closed; None when another is in the way."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    kind = fcntl.F_RDLCK if is_shared else fcntl.F_WRLCK
    # struct flock: type, whence, start, length, process (which must be 0)
    wanted = struct.pack("hhqqi0q", kind, os.SEEK_SET, place, 1, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return None
        raise
    return descriptor
