"""``registry init`` and ``registry serve``, and ``media serve``: a registry in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from airferry.app.media import require_tree
from airferry.app.release_records import refuse_unverified
from airferry.app.tree_store import TreeStore
from airferry.registry import Provisioned, Running, Settings, init, is_initialized, serve, serve_store


async def init_registry(
    root: Path, hosts: Sequence[str], *, listen: str, user: str, password: str | None
) -> Provisioned:
    """Make a registry in ``root``; without ``hosts`` its certificate is for this machine's names."""
    return await asyncio.to_thread(
        init, root, tuple(hosts) or default_hosts(), listen=listen, user=user, password=password
    )


def default_hosts() -> tuple[str, ...]:
    """Return the names that a certificate is made for when none are given: host name, localhost, 127.0.0.1."""
    return tuple(dict.fromkeys((socket.gethostname(), "localhost", "127.0.0.1")))


@asynccontextmanager
async def serve_registry(
    root: Path, *, listen: str | None, hosts: Sequence[str] = (), use_tls: bool = True, use_auth: bool = True
) -> AsyncIterator[tuple[Running, Provisioned | None]]:
    """Serve the registry in ``root``, making it first where there is none; says what was made."""
    made = None
    if not is_initialized(root):
        made = await asyncio.to_thread(init, root, tuple(hosts) or default_hosts())
    settings = Settings.read(root, listen=listen, use_tls=use_tls, use_auth=use_auth)
    async with serve(settings) as running:
        yield running, made


@asynccontextmanager
async def serve_media(disk: Path, *, listen: str, allow_unverified: bool = False) -> AsyncIterator[Running]:
    """Serve the tree on ``disk`` read-only, straight from its files. Raises UnverifiedReleaseError."""
    require_tree(disk)
    await refuse_unverified(disk, allow_unverified=allow_unverified)
    async with serve_store(TreeStore(disk), listen=listen) as running:
        yield running
