"""Small records that only save questions: losing one costs time, never content."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_state(file: Path, document: Mapping[str, Any]) -> None:
    """Write a record whole, or not at all. A folder that cannot be written to costs speed only: no error."""
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(json.dumps(document))
            temporary.replace(file)
        except OSError:
            temporary.unlink(missing_ok=True)
