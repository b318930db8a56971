"""Scrubbing: every stored object is read and hashed again, at a bounded rate, while the registry serves.

What is damaged is looked at once more when nobody else is at it, marked, and moved aside: from then on it is answered
as missing, by GET and HEAD, in every process, and a manifest that needs it is refused, so that clients push it again,
which, whole and verified, heals it.
"""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final

from airferry.oci import Digest
from airferry.registry.disk import in_thread
from airferry.registry.metadata import damage
from airferry.registry.metadata.damage import HitImage, StoredContent
from airferry.registry.storage import Storage

_PORTION: Final = 500
_READ_BYTES: Final = 1024 * 1024

Told = Callable[[int], None]
"""Hears of every stored object that was looked at, with its bytes."""


class Pace:
    """Holds a reader to ``rate`` bytes per second; None is as fast as it goes."""

    def __init__(
        self,
        rate: float | None,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._rate = rate
        self._pause = pause
        self._clock = clock
        self._free_s = clock()

    async def take(self, size_bytes: int) -> None:
        """Wait until ``size_bytes`` more may have been read. What was not used in time is not saved up."""
        if self._rate is None:
            return
        now_s = self._clock()
        self._free_s = max(self._free_s, now_s) + size_bytes / self._rate
        if self._free_s > now_s:
            await self._pause(self._free_s - now_s)


@dataclass(frozen=True, slots=True)
class Damage:
    """One damaged object. ``state`` is changed, missing or unreadable; ``moved_to`` is where it was moved aside now."""

    digest: str
    size_bytes: int
    state: str
    moved_to: str | None
    repositories: tuple[str, ...]
    images: tuple[HitImage, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data with stable keys."""
        return {
            "digest": self.digest,
            "sizeBytes": self.size_bytes,
            "state": self.state,
            "quarantine": self.moved_to,
            "repositories": list(self.repositories),
            "images": [
                {"repository": image.repository, "digest": image.digest, "tags": list(image.tags)}
                for image in self.images
            ],
        }


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What was looked at, and everything that is damaged: found now, or before and not pushed again since."""

    objects: int
    size_bytes: int
    damaged: tuple[Damage, ...]


async def scrub(storage: Storage, pace: Pace, told: Told = lambda size_bytes: None) -> Scrubbed:
    """Look through everything that is stored. Raises NoSpaceError, ReadOnlyError."""
    objects = size_bytes = 0
    damaged: list[Damage] = []
    after = ""
    while found := await storage.metadata.read(damage.portion, after, _PORTION):
        after = found[-1].digest
        for stored in found:
            state = "missing" if stored.damaged_s is not None else await _state(storage, stored, pace)
            if state is not None and (noted := await _note(storage, stored, state)):
                damaged.append(noted)
            objects, size_bytes = objects + 1, size_bytes + stored.size_bytes
            told(stored.size_bytes)
    return Scrubbed(objects, size_bytes, tuple(damaged))


async def _note(storage: Storage, suspect: StoredContent, state: str | None) -> Damage | None:
    """Look again, now alone with this digest; None when it was healed or collected meanwhile, or just is."""
    moved_to = None
    async with storage.driver.collecting(Digest(suspect.digest)) as is_alone:
        stored = await storage.metadata.read(damage.find_content, suspect.digest)
        if not is_alone or stored is None:
            return None  # somebody stores it right now, verified, or it was of no use any more
        if stored.damaged_s is None:
            state = await _state(storage, stored, Pace(None))
            if state is None:
                return None
            # Marked before it is moved: nobody is told that it is here while it is on its way.
            mark = partial(
                damage.mark_damaged, digest=stored.digest, object_name=stored.object_name, now_s=storage.clock()
            )
            await storage.metadata.write(mark)
            moved_to = await storage.driver.quarantine(stored.object_name)
    repositories = await storage.metadata.read(damage.holding, suspect.digest)
    images = await storage.metadata.read(damage.hit_images, suspect.digest)
    return Damage(suspect.digest, suspect.size_bytes, state or "missing", moved_to, repositories, images)


async def _state(storage: Storage, stored: StoredContent, pace: Pace) -> str | None:
    """Return what is wrong with a stored object, None when it is whole."""
    content = await storage.driver.open(stored.object_name)
    digest = Digest(stored.digest)
    if isinstance(content, bytes):
        await pace.take(len(content))
        return None if Digest.of(content, digest.algorithm) == digest else "changed"
    try:
        found = await _hash_file(content, digest.algorithm, pace)
    except FileNotFoundError:
        return "missing" if await _is_stored(storage, stored) else None
    except OSError:
        return "unreadable"
    return None if found == digest.hex else "changed"


async def _is_stored(storage: Storage, stored: StoredContent) -> bool:
    """Whether the metadata still know it: it may have been collected since they were asked."""
    found = await storage.metadata.read(damage.find_content, stored.digest)
    return found is not None and found.object_name == stored.object_name


async def _hash_file(file: Path, algorithm: str, pace: Pace) -> str:
    hashing = hashlib.new(algorithm)
    descriptor = await in_thread(os.open, file, os.O_RDONLY)
    try:
        # What the disk has is asked for, not what the page cache remembers of it; and pulls keep the cache.
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        while size_bytes := await in_thread(_hash_block, descriptor, hashing):
            await pace.take(size_bytes)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
    return hashing.hexdigest()


def _hash_block(descriptor: int, hashing: Any) -> int:
    block = os.read(descriptor, _READ_BYTES)
    hashing.update(block)
    return len(block)
