"""Every target by its name; and one that is wrong on purpose, which shows that a finding is found."""

import re
from typing import Final

from .catalogs import CATALOGS
from .credentials import CREDENTIALS
from .requests import REQUESTS
from .target import Target
from .targets import PARSERS, content_range_by

RIGHT: Final = {target.name: target for target in (*PARSERS, *CREDENTIALS, *REQUESTS, *CATALOGS)}


def _careless(value: str) -> tuple[int, int] | None:
    """A Content-Range as somebody might parse it who trusts the other side."""
    found = re.match(r"(?:bytes )?(\d+)-(\d+)", value)
    return (int(found[1]), int(found[2])) if found else None


WRONG: Final = Target(
    "wrong",
    lambda data: content_range_by(_careless, data),
    tuple(s for s in RIGHT["content-range"].seeds if s != b"9-0"),
)

TARGETS: Final = RIGHT | {WRONG.name: WRONG}
