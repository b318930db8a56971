"""What may be shown on a terminal: names in catalogs, manifests and answers are foreign, and may hold anything."""

import re
from typing import Final

_OBEYED: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")


def harmless(text: str) -> str:
    """Return ``text`` with what a terminal would obey as question marks; ends of lines and tabs stay."""
    return _OBEYED.sub("?", text)
