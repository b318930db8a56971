"""Run airferry as it would fare on FAT: `python as_on_fat.py FOLDER COMMAND…`.

Below FOLDER there are no links, and names with a colon are refused, with the error numbers of Linux' vfat.
"""

import errno
import os
import sys
from pathlib import Path
from typing import Any


def make_fat(folder: str) -> None:
    """Let the system calls about names fail below ``folder`` as vfat lets them fail."""
    real_open = os.open

    def is_below(path: Any) -> bool:
        return os.fspath(path).startswith(folder)

    def no_link(source: Any, target: Any, **_: Any) -> None:
        assert is_below(target)
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), os.fspath(target))

    def open_file(path: Any, flags: int, *more: Any, **named: Any) -> int:
        if is_below(path) and ":" in Path(path).name and flags & os.O_CREAT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), os.fspath(path))
        return real_open(path, flags, *more, **named)

    os.link = no_link
    os.symlink = no_link
    os.open = open_file


if __name__ == "__main__":
    make_fat(sys.argv[1])
    from airferry.cli.main import main

    sys.exit(main(sys.argv[2:]))
