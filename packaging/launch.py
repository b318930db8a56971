"""Where the self-contained program starts: PyInstaller wants a script, not a module's function."""

import sys

from airferry.cli.main import main

sys.exit(main())
