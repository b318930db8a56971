"""``registry init`` and ``registry serve``, and ``media serve``: a registry in this process."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airferry.app.media import require_tree
from airferry.app.registry.registry_upkeep import changed_upkeep
from airferry.app.releases.release_records import refuse_unverified
from airferry.app.tree_store import TreeStore
from airferry.registry import (
    CA_FILE,
    DEFAULT_LISTEN,
    GRACE_S,
    PASSWORD_FILE,
    AccountsFile,
    Ended,
    Ledger,
    Provisioned,
    Running,
    Settings,
    SharedListener,
    Worker,
    add_hosts,
    certified_hosts,
    init,
    is_initialized,
    listen_at,
    refuse_address,
    serve,
    serve_store,
    share_work,
)

logger = logging.getLogger(__name__)

_BACKLOG = 1024

__all__ = ["Ended", "Worker", "share_work"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was done to a folder before it is served: a registry ``made``, or host names added to one that was there."""

    made: Provisioned | None
    added_hosts: tuple[str, ...] = ()


async def init_registry(
    root: Path, hosts: Sequence[str], *, listen: str, user: str, password: str | None
) -> Provisioned:
    """Make a registry in ``root``; without ``hosts`` its certificate is for this machine's names."""
    made = await asyncio.to_thread(
        init, root, tuple(hosts) or default_hosts(), listen=listen, user=user, password=password
    )
    logger.info("registry made", extra={"root": str(root), "hosts": list(made.hosts), "user": made.user})
    return made


def default_hosts() -> tuple[str, ...]:
    """Return the names that a certificate is made for when none are given: host name, localhost, 127.0.0.1."""
    return tuple(dict.fromkeys((socket.gethostname(), "localhost", "127.0.0.1")))


async def prepare_registry(root: Path, *, listen: str | None, hosts: Sequence[str] = ()) -> Prepared:
    """Make the registry in ``root`` where there is none, to listen on ``listen``; else add ``hosts`` to its names.

    Raises InUseError before anything is made when the address is taken; UsageError for a certificate that was made
    elsewhere and is not for ``hosts``.
    """
    if is_initialized(root):
        added = await asyncio.to_thread(add_hosts, root, hosts) if hosts else ()
        return Prepared(None, added)
    address = listen or DEFAULT_LISTEN
    await asyncio.to_thread(refuse_address, address)
    return Prepared(await init_registry(root, hosts, listen=address, user="admin", password=None))


@dataclass(frozen=True, slots=True)
class HowToServe:
    """What was said for this run of the registry in ``root``; all else stands in its registry.toml.

    ``upkeep`` are the words for :func:`airferry.app.registry.registry_upkeep.changed_upkeep`; ``access_log_to`` is a
    file, or ``-`` for stdout.
    """

    root: Path
    listen: str | None = None
    use_tls: bool = True
    use_auth: bool = True
    is_read_only: bool = False
    can_delete: bool = True
    access_log_to: str | None = None
    grace_s: float = GRACE_S
    upkeep: Mapping[str, str | None] = field(default_factory=dict)

    def settings(self) -> Settings:
        """Read the settings as they are now. Raises UsageError, NotFoundError, MalformedError."""
        settings = Settings.read(
            self.root,
            listen=self.listen,
            use_tls=self.use_tls,
            use_auth=self.use_auth,
            is_read_only=self.is_read_only,
            can_delete=self.can_delete,
        )
        return replace(settings, upkeep=changed_upkeep(settings.upkeep, **self.upkeep))


@asynccontextmanager
async def serve_registry(
    how: HowToServe, *, listener: SharedListener | None = None, ledger: Ledger | None = None
) -> AsyncIterator[Running]:
    """Serve the registry in ``how.root``, which was prepared.

    ``listener`` and ``ledger`` are a worker's, where several processes serve; see ``share_work``.
    """
    async with serve(
        how.settings(),
        reread=how.settings,
        listener=listener,
        ledger=ledger,
        access_log_to=how.access_log_to,
        grace_s=how.grace_s,
    ) as running:
        logger.info("registry serves", extra={"root": str(how.root), "url": running.url})
        yield running


def listen_for(how: HowToServe) -> socket.socket:
    """Take the address of the registry before several processes serve it. Raises InUseError, UsageError."""
    listener = listen_at(how.settings().listen)
    listener.listen(_BACKLOG)
    return listener


async def describe_registry(root: Path, running: Running, *, use_auth: bool = True) -> dict[str, Any]:
    """Return what a client needs to know of the registry that is ``running``; a password is never in it."""
    settings = Settings.read(root, use_tls=running.is_tls, use_auth=use_auth)
    password_file = root / PASSWORD_FILE
    return {
        **_address(running),
        "root": str(root),
        "hosts": list(certified_hosts(settings.tls)) if settings.tls else [],
        "caCertificate": str(root / CA_FILE) if settings.tls and (root / CA_FILE).exists() else None,
        "users": await _user_names(root) if settings.users else None,
        "passwordFile": str(password_file) if settings.users and password_file.exists() else None,
    }


@asynccontextmanager
async def serve_media(disk: Path, *, listen: str, allow_unverified: bool = False) -> AsyncIterator[Running]:
    """Serve the tree on ``disk`` read-only, straight from its files. Raises UnverifiedReleaseError."""
    require_tree(disk)
    if not allow_unverified:
        await refuse_unverified(disk)
    async with serve_store(TreeStore(disk), listen=listen) as running:
        logger.info("disk serves", extra={"disk": str(disk), "url": running.url})
        yield running


def describe_media(disk: Path, running: Running) -> dict[str, Any]:
    """Return what a client needs to know of the disk that is served: it only reads, and asks for no user."""
    return {**_address(running), "disk": str(disk), "readOnly": True, "caCertificate": None, "users": None}


async def _user_names(root: Path) -> list[str]:
    accounts = AccountsFile(root)
    try:
        return [account.name for account in await accounts.all()]
    finally:
        accounts.close()


def _address(running: Running) -> dict[str, Any]:
    """Return where it listens: ``url``, ``address`` as HOST:PORT, and whether that is TLS."""
    return {"url": running.url, "address": running.url.partition("://")[2], "tls": running.is_tls}
