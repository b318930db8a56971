"""What release an installer was made for: the values that were written over its markers. Pure.

Source: what ``oc adm release extract`` writes (:mod:`airferry.openshift.release.patching`): the value and a NUL over
the beginning of the marker, so that its end, filler and NUL, still shows where it stood.
"""

import re
from dataclasses import dataclass
from mmap import mmap
from typing import Final

from airferry.openshift.release.patching import RELEASE_ARCHITECTURE, RELEASE_IMAGE, RELEASE_VERSION, Marker, written

_END: Final = re.compile(rb"(?<!X)X{20,300}\0")
_VALUE: Final = re.compile(rb"[!-~]+\Z")


@dataclass(frozen=True, slots=True)
class Baked:
    """What a program says of its release; None where it says nothing."""

    image: str | None = None
    version: str | None = None
    architecture: str | None = None


def find_baked(program: bytes | mmap) -> Baked:
    """Return the values in ``program``; a marker that was never written over gives None."""
    found: dict[Marker, str] = {}
    for end in _END.finditer(program):
        for marker in (RELEASE_IMAGE, RELEASE_VERSION, RELEASE_ARCHITECTURE):
            start = end.end() - len(marker.pattern)
            if not 0 <= start < end.start() or marker in found:
                continue  # the filler is longer than this marker: it is another one's
            stands = bytes(program[start : end.end()])
            value = stands.partition(b"\0")[0]
            if value.endswith(b"_LOCATION_"):
                continue  # the name of a marker that was not written over, seen from its middle
            if _VALUE.match(value) and written(marker, value.decode("ascii")) == stands:
                found[marker] = value.decode("ascii")
                break
    return Baked(found.get(RELEASE_IMAGE), found.get(RELEASE_VERSION), found.get(RELEASE_ARCHITECTURE))
