"""``python -m airferry`` is the ``airferry`` command."""

import sys

from airferry.cli.main import main

sys.exit(main())
