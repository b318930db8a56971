"""``registry backup`` and ``registry restore``."""

import asyncio
import logging
from pathlib import Path

from airferry.app.narration import Narrator
from airferry.app.registry.registry_upkeep import opened_store
from airferry.errors import UsageError
from airferry.quantities import print_binary_size
from airferry.registry.backup import BackedUp, back_up
from airferry.registry.metadata import damage
from airferry.registry.restoring import SQLITE, Restored, restore
from airferry.registry.settings import DatabaseUrl

logger = logging.getLogger(__name__)


async def backup_registry(root: Path, file: Path, narrator: Narrator) -> BackedUp:
    """Back up the registry in ``root``, which may be served, to the new file ``file``."""
    async with opened_store(root) as (_, store):
        objects, size_bytes = await store.metadata.read(damage.total)
        narrator.phase("backing up", steps=objects, size_bytes=size_bytes)
        done = await back_up(store.storage, root, file, lambda size: narrator.advance(steps=1, size_bytes=size))
    logger.info("registry backed up", extra={"file": str(file), "objects": done.objects})
    return done


async def restore_registry(file: Path, root: Path, database: str | None, narrator: Narrator) -> Restored:
    """Make the registry that was backed up to ``file`` again, in ``root``, which holds nothing yet.

    Raises UsageError for a password in ``database``: others on this machine could read it.
    """
    if database not in (None, SQLITE) and DatabaseUrl.parse(database).url.password is not None:
        raise UsageError("the database's address holds a password", hint="put the password into ~/.pgpass")
    size_bytes = (await asyncio.to_thread(file.stat)).st_size if await asyncio.to_thread(file.exists) else None
    narrator.phase("restoring", size_bytes=size_bytes)
    done = await restore(file, root, database=database, told=lambda size: narrator.advance(size_bytes=size))
    logger.info("registry restored", extra={"root": str(root), "objects": done.objects})
    return done


def print_backed_up(done: BackedUp) -> str:
    """Return the text of ``registry backup``."""
    lines = [f"Backed up {done.objects} objects, {print_binary_size(done.size_bytes)}, to {done.file}"]
    lines += [f"damaged, not in it: {digest}" for digest in done.damaged]
    return "".join(f"{line}\n" for line in lines)


def print_restored(done: Restored) -> str:
    """Return the text of ``registry restore``."""
    lines = [f"Restored {done.objects} objects, {print_binary_size(done.size_bytes)}, into {done.root}"]
    lines += [f"damaged in the backup: {digest}" for digest in done.damaged]
    lines.append(f"Serve it: airferry registry serve --root {done.root}")
    return "".join(f"{line}\n" for line in lines)
