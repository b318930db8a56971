"""Garbage collection while serving: what nobody refers to goes, and nothing that was answered 201 goes with it.

In order: manifests that no tag leads to (only if the policy says so), links to blobs that no manifest of their
repository needs, contents that no repository links, stored objects that the metadata do not know. Each step asks
first, without disturbing anybody, and decides again where it counts: in the transaction that takes a row out, and
for bytes while it alone holds their digest (``collecting`` of the driver), so that whoever
stores the same content finishes linking it first or stores it after. Rows go before bytes: a crash between leaves an
unknown object, which the next run removes. Any number of processes may collect at once.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sqlalchemy import Connection

from airferry.errors import AirferryError
from airferry.oci import Digest
from airferry.registry.drivers import StoredObject
from airferry.registry.errors import InUseError
from airferry.registry.metadata import garbage
from airferry.registry.metadata.garbage import IdleContent
from airferry.registry.storage import Storage

GRACE_S: Final = 24 * 3600.0
_LINKS_TOGETHER: Final = 200
_CONTENTS_TOGETHER: Final = 50
"""How much is done in one transaction, and how long a pusher of the same content may have to wait."""


@dataclass(frozen=True, slots=True)
class CollectionPolicy:
    """What may be collected.

    ``grace_s``: what was pushed, mounted, asked for or last referred to less than this long ago stays. With 0, a blob
    may go between its own push and that of its manifest, which is then refused. ``untagged_after_s``: manifests that
    no tag leads to for this long go, too; None, as it is unless somebody says otherwise: never.
    """

    grace_s: float = GRACE_S
    untagged_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """What went, or in a dry run would have gone. ``links`` are blobs that left a repository."""

    manifests: int = 0
    links: int = 0
    objects: int = 0
    freed_bytes: int = 0

    def with_objects(self, sizes_bytes: Sequence[int]) -> "Collected":
        """Count deleted objects."""
        return replace(self, objects=self.objects + len(sizes_bytes), freed_bytes=self.freed_bytes + sum(sizes_bytes))


class _RehearsedError(AirferryError):
    """Carries what a dry run found out of the transaction that it undoes."""

    code = "internal"

    def __init__(self, found: Collected) -> None:
        super().__init__("the transaction of a dry run is undone")
        self.found = found


async def collect(storage: Storage, policy: CollectionPolicy, *, is_dry_run: bool = False) -> Collected:
    """Collect once and return what was freed; in a dry run change nothing and return what would be.

    Raises InUseError during a backup, NoSpaceError, ReadOnlyError; what was done until then stays done.
    """
    now_s = storage.clock()
    run = _Run(storage, policy, now_s, now_s - policy.grace_s)
    if is_dry_run:
        return await run.rehearse()
    async with storage.driver.deleting() as may_delete:
        if not may_delete:
            raise InUseError("a backup of this registry is under way", hint="collect garbage when it is done")
        return await run.collect()


@dataclass(frozen=True, slots=True)
class _Run:
    storage: Storage
    policy: CollectionPolicy
    now_s: float
    before_s: float

    async def collect(self) -> Collected:
        manifests = await self._remove_untagged()
        links = await self._remove_links()
        done = Collected(manifests, links)
        done = done.with_objects(await self._delete_contents())
        return done.with_objects(await self._delete_unknown())

    async def rehearse(self) -> Collected:
        """Do it all in one transaction, and undo that."""
        try:
            await self.storage.metadata.write(self._rehearse, is_lasting=False)
        except _RehearsedError as done:
            sizes_bytes = [
                stored.size_bytes
                async for portion in self.storage.driver.list_older(self.before_s)
                for stored in await self._unknown(portion)
            ]
            return done.found.with_objects(sizes_bytes)
        raise AssertionError("a rehearsal always raises")

    def _rehearse(self, connection: Connection) -> None:
        manifests = links = 0
        if (untagged_before_s := self._untagged_before_s) is not None:
            for repository_id in garbage.repository_ids(connection):
                manifests += garbage.remove_untagged(connection, repository_id, untagged_before_s, self.now_s)
        while found := garbage.idle_links(connection, self.before_s, _LINKS_TOGETHER):
            links += garbage.remove_links(connection, found, self.before_s)
        contents = garbage.idle_contents(connection, self.before_s, "", 2**31 - 1)
        raise _RehearsedError(Collected(manifests, links).with_objects([content.size_bytes for content in contents]))

    @property
    def _untagged_before_s(self) -> float | None:
        after_s = self.policy.untagged_after_s
        return None if after_s is None else self.now_s - after_s

    async def _remove_untagged(self) -> int:
        count, before_s = 0, self._untagged_before_s
        if before_s is None:
            return 0
        metadata = self.storage.metadata
        for repository_id in await metadata.read(garbage.repository_ids):
            if await metadata.read(garbage.untagged, repository_id, before_s):
                count += await metadata.write(
                    partial(garbage.remove_untagged, repository_id=repository_id, before_s=before_s, now_s=self.now_s)
                )
        return count

    async def _remove_links(self) -> int:
        count, metadata = 0, self.storage.metadata
        while links := await metadata.read(garbage.idle_links, self.before_s, _LINKS_TOGETHER):
            removed = await metadata.write(
                partial(garbage.remove_links, links=links, before_s=self.before_s), is_lasting=False
            )
            count += removed
            if not removed:
                break  # all of them are in use again, or another process was quicker
        return count

    async def _delete_contents(self) -> list[int]:
        freed: list[int] = []
        metadata, after = self.storage.metadata, ""
        while found := await metadata.read(garbage.idle_contents, self.before_s, after, _CONTENTS_TOGETHER):
            after = found[-1].digest
            freed.extend(await self._delete_alone(found))
        return freed

    async def _delete_alone(self, found: Sequence[IdleContent]) -> list[int]:
        driver = self.storage.driver
        async with AsyncExitStack() as stack:
            free: list[str] = []
            for content in found:
                if await stack.enter_async_context(driver.collecting(Digest(content.digest))):
                    free.append(content.digest)
            # Lasting, and with it the links that went before: bytes may not go for a link that comes back.
            taken = await self.storage.metadata.write(partial(garbage.take_out, digests=free, before_s=self.before_s))
            return [content.size_bytes for content in taken if await driver.delete(content.object_name)]

    async def _delete_unknown(self) -> list[int]:
        freed: list[int] = []
        driver = self.storage.driver
        async for portion in driver.list_older(self.before_s):
            for stored in await self._unknown(portion):
                async with driver.collecting(stored.digest) as is_free:
                    if is_free and await self._unknown([stored]) and await driver.delete(stored.name):
                        freed.append(stored.size_bytes)
        return freed

    async def _unknown(self, portion: Sequence[StoredObject]) -> list[StoredObject]:
        read = self.storage.metadata.read
        return [stored for stored in portion if not await read(garbage.is_known, str(stored.digest), stored.name)]
