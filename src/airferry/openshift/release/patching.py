"""Writing the release's name into a tool's binary, while it streams past.

Tools carry markers: a NUL, a name, a NUL, filler ``X``, a NUL. The value and one NUL are written over the first
occurrence, starting at the marker's leading NUL; every other byte, and so the size, stays. Source: what
``oc adm release extract`` does, seen on its output.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from airferry.errors import MalformedError


@dataclass(frozen=True, slots=True)
class Marker:
    """A place in a binary for one value; ``pattern`` is found whole, with its filler."""

    title: str
    pattern: bytes

    @property
    def max_value_bytes(self) -> int:
        """The longest value that fits, its NUL not counted."""
        return len(self.pattern) - 1


RELEASE_IMAGE: Final = Marker("release image", b"\0_RELEASE_IMAGE_LOCATION_\0" + b"X" * 300 + b"\0")
RELEASE_VERSION: Final = Marker("release version", b"\0_RELEASE_VERSION_LOCATION_\0" + b"X" * 64 + b"\0")
RELEASE_ARCHITECTURE: Final = Marker("release architecture", b"\0_RELEASE_ARCHITECTURE_LOCATION_\0" + b"X" * 64 + b"\0")


class Patcher:
    """Replaces markers in a stream of chunks of any size, each marker once, at its first occurrence.

    It holds back at most one marker's length of bytes. Feed it every chunk, then call :meth:`finish`.
    """

    __slots__ = ("_held", "_keep", "_remaining", "patched")

    def __init__(self, values: Mapping[Marker, str]) -> None:
        """Take the value for each marker. Raises MalformedError when one is too long or holds a NUL."""
        self._remaining: dict[Marker, bytes] = {}
        for marker, value in values.items():
            raw = value.encode()
            if len(raw) > marker.max_value_bytes:
                raise MalformedError(
                    f"the {marker.title} value has {len(raw)} bytes, "
                    f"but the maximum replacement length is {marker.max_value_bytes}"
                )
            if b"\0" in raw or not raw:
                raise MalformedError(f"the {marker.title} value {value!r} cannot be written into a binary")
            self._remaining[marker] = raw
        self._keep = max((len(marker.pattern) for marker in values), default=1) - 1
        self._held = b""
        self.patched: tuple[Marker, ...] = ()

    @property
    def missing(self) -> tuple[Marker, ...]:
        """The markers that were not met so far, in the order they were given."""
        return tuple(self._remaining)

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes that are settled after ``chunk``; the same count comes out as went in, in the end."""
        if not self._remaining:
            settled, self._held = self._held + chunk, b""
            return settled
        window = bytearray(self._held + chunk)
        for marker in tuple(self._remaining):
            at = window.find(marker.pattern)
            if at >= 0:
                value = self._remaining.pop(marker) + b"\0"
                window[at : at + len(value)] = value
                self.patched += (marker,)
        # All but the last bytes are settled: those may be the beginning of a marker that goes on in the next chunk.
        cut = max(0, len(window) - self._keep) if self._remaining else len(window)
        self._held = bytes(window[cut:])
        return bytes(window[:cut])

    def finish(self) -> bytes:
        """Return what was held back. :attr:`missing` then tells the markers that the binary does not have."""
        held, self._held = self._held, b""
        return held


class PatchCheck:
    """Looks through a written binary, chunk by chunk, for the values that should be in it.

    It looks for value, NUL and the rest of the marker together, so that a value that stands there by chance, or
    in the wrong place, does not count.
    """

    __slots__ = ("_expected", "_held", "_keep")

    def __init__(self, values: Mapping[Marker, str]) -> None:
        self._expected = {marker: written(marker, value) for marker, value in values.items()}
        self._keep = max((len(marker.pattern) for marker in values), default=1) - 1
        self._held = b""

    def feed(self, chunk: bytes) -> None:
        """Look at the next chunk."""
        window = self._held + chunk
        for marker in [marker for marker, value in self._expected.items() if value in window]:
            del self._expected[marker]
        self._held = window[-self._keep :] if self._keep else b""

    @property
    def unwritten(self) -> tuple[Marker, ...]:
        """The markers whose value was not found; empty when the binary is as it should be."""
        return tuple(self._expected)


def written(marker: Marker, value: str) -> bytes:
    """Return what stands in place of a marker that was replaced: the value, one NUL, and what is left of it."""
    raw = value.encode() + b"\0"
    return raw + marker.pattern[len(raw) :]
