"""The hash of an upload, which can be put away and taken up again where it was left, also by another process."""

from typing import Any, Final, Self

import rehashes  # type: ignore[import-untyped]  # compiled, ships no types

_HASHERS: Final[dict[str, Any]] = {"sha256": rehashes.PySha256, "sha512": rehashes.PySha512}


class Hashing:
    """A hash under way. ``state`` is some hundred bytes, whatever was hashed."""

    __slots__ = ("_hasher", "algorithm")

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._hasher = _HASHERS[algorithm]()

    @classmethod
    def resume(cls, algorithm: str, state: bytes) -> Self:
        """Go on where ``state`` was taken."""
        resumed = cls(algorithm)
        resumed._hasher = _HASHERS[algorithm].deserialize(state)
        return resumed

    def update(self, chunk: bytes) -> None:
        """Add bytes."""
        self._hasher.update(chunk)

    def state(self) -> bytes:
        """Return what :meth:`resume` needs."""
        state: bytes = self._hasher.serialize()
        return state

    def hexdigest(self) -> str:
        """Return the hash of what was added so far."""
        found: str = self._hasher.finalize()
        return found
