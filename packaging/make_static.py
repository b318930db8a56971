"""``make_static.py PROGRAM OUTPUT``: staticx, but the same program always gives the same bytes.

staticx keeps in its archive when, and by whom, each file was made; here all are of $SOURCE_DATE_EPOCH and of root.
It does not compress: PyInstaller did already, and unpacking twice would double the time to start.
"""

import os
import sys
import tarfile
from typing import Any

from staticx.api import generate

_gettarinfo = tarfile.TarFile.gettarinfo


def _steady(self: tarfile.TarFile, *arguments: Any, **named: Any) -> tarfile.TarInfo:
    info = _gettarinfo(self, *arguments, **named)
    info.mtime = int(os.environ["SOURCE_DATE_EPOCH"])
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info


tarfile.TarFile.gettarinfo = _steady  # type: ignore[method-assign]  # staticx offers no other place to say so
generate(sys.argv[1], sys.argv[2], compress=False)
