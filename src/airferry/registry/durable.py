"""Writing a whole small file so that it is there completely, or not at all, whatever happens meanwhile."""

import os
import secrets
from pathlib import Path


def write_durably(file: Path, content: bytes, mode: int) -> None:
    """Write a whole file with ``mode`` from its first moment on, durable, replacing what is there. Raises OSError.

    Written by root, it belongs to whom its folder belongs to: a registry that serves under an account of its own
    must be able to read what an administrator's command wrote.
    """
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            give_to_owner_of(file.parent, opened.fileno())
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.rename(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def give_to_owner_of(folder: Path, descriptor: int) -> None:
    """Give the open file to the owner of ``folder``, where that is another and we are root. Raises OSError.

    A file with a second name stays as it is: that owner could have put another's file there.
    """
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0 and os.fstat(descriptor).st_nlink == 1:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
