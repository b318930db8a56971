"""Where the self-contained program starts: PyInstaller wants a script, not a module's function."""

import os
import sys
from collections.abc import MutableMapping

_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "LD_PRELOAD")
_OWN_PREFIX = "_PYI_"
_UNPACKED_AT = "STATICX_BUNDLE_DIR"


def restore_environment(environ: MutableMapping[str, str]) -> None:
    """Give back what the boot loaders took: programs that we start must find their own libraries, not ours.

    Ours come with a C library of their own, which another system's programs crash with. This process goes on
    finding its libraries: the dynamic linker read the variables when it started. ``STATICX_PROG_PATH`` stays,
    it tells where the executable lies. Source: PyInstaller's manual, "LD_LIBRARY_PATH considerations".
    """
    for name in _LIBRARY_PATHS:
        original = environ.pop(f"{name}_ORIG", None)
        if original is not None:
            environ[name] = original
        else:
            environ.pop(name, None)
    for name in [name for name in environ if name.startswith(_OWN_PREFIX) or name == _UNPACKED_AT]:
        del environ[name]


if __name__ == "__main__":
    restore_environment(os.environ)

    from airferry.cli.main import main

    sys.exit(main())
