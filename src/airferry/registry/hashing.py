"""The hash of an upload, which can be put away and taken up again where it was left, also by another process."""

import hashlib
from typing import Any, Final, Self

import rehashes  # type: ignore[import-untyped]  # compiled, ships no types

_HASHERS: Final[dict[str, Any]] = {"sha256": rehashes.PySha256, "sha512": rehashes.PySha512}


class Hashing:
    """A hash under way. ``state`` is some hundred bytes, whatever was hashed."""

    __slots__ = ("_hasher", "algorithm", "can_be_put_away")

    def __init__(self, algorithm: str, *, can_be_put_away: bool = True) -> None:
        """Begin. What need not be put away is hashed by ``hashlib``, which lets other threads run meanwhile."""
        self.algorithm = algorithm
        self.can_be_put_away = can_be_put_away
        self._hasher: Any = _HASHERS[algorithm]() if can_be_put_away else hashlib.new(algorithm)

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
        """Return what :meth:`resume` needs, if it ``can_be_put_away``."""
        state: bytes = self._hasher.serialize()
        return state

    def hexdigest(self) -> str:
        """Return the hash of what was added so far."""
        found: str = self._hasher.finalize() if self.can_be_put_away else self._hasher.hexdigest()
        return found
