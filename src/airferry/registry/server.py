"""Serving a registry, or any store: what it is made of, opened in order and closed again."""

import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

from airferry.registry.accepting import SharedListener
from airferry.registry.access import Access, AccountsFile, Door, Grants, Ledger, TokenKeysFile, Tokens, pull_everywhere
from airferry.registry.access.throttle import Throttle
from airferry.registry.application import change_limits, make_app
from airferry.registry.audit import AuditLog
from airferry.registry.body import Limits
from airferry.registry.disk import disk_errors, in_thread
from airferry.registry.listening import GRACE_S, Running, serve_app
from airferry.registry.operation.access_log import access_log
from airferry.registry.operation.operated import GuardedBy, Operated
from airferry.registry.protocol import ReadableStore
from airferry.registry.settings import Settings
from airferry.registry.store import RegistryStore
from airferry.registry.under_way import UNDER_WAY
from airferry.registry.upkeep import STALE_UPLOAD_S, looked_after


@asynccontextmanager
async def serve(
    settings: Settings,
    *,
    limits: Limits | None = None,
    listener: SharedListener | None = None,
    ledger: Ledger | None = None,
    reread: Callable[[], Settings] | None = None,
    access_log_to: str | None = None,
    grace_s: float = GRACE_S,
) -> AsyncIterator[Running]:
    """Serve the registry in ``settings.root`` until the block ends; requests under way then have ``grace_s``.

    ``listener`` takes the place of ``settings.listen`` where several processes share it; ``ledger``
    is where these count failed logins together.
    ``reread`` gives the settings of a later moment, for a reload; ``access_log_to`` is a file or ``-`` for stdout.
    Raises InUseError (port taken), CertificateError, ReadOnlyError, NoSpaceError, MalformedError (accounts, keys).
    """
    audit = AuditLog(settings.root)
    async with _door(settings, audit, ledger) as guarded:
        store = await in_thread(_open_store, settings)
        try:
            if not settings.is_read_only:
                await store.sweep_uploads(STALE_UPLOAD_S)
            with access_log(access_log_to) as log:

                def apply(changed: Settings) -> None:
                    change_limits(app, _narrowed(limits or Limits(), changed))
                    store.is_read_only = changed.is_read_only
                    if guarded is not None:
                        guarded.door.let_everybody(_everybody(changed))

                operated = Operated(
                    settings, store.metadata, guarded, reread=reread or _as_given(settings), apply=apply, log=log
                )
                app = make_app(
                    store,
                    guarded.door if guarded else None,
                    limits=_narrowed(limits or Limits(), settings),
                    audit=audit,
                    pages=operated.pages,
                    observers=operated.observers,
                )
                async with (
                    _upkeep(store, settings),
                    serve_app(app, listener or settings.listen, tls=operated.tls, grace_s=grace_s) as running,
                    operated.reachable(running.url, app[UNDER_WAY]),
                ):
                    yield replace(running, reload=operated.reload)
        finally:
            await store.close()


@asynccontextmanager
async def _upkeep(store: RegistryStore, settings: Settings) -> AsyncIterator[None]:
    """Collect garbage and scrub from time to time, unless nothing may be written."""
    if settings.is_read_only:
        yield
        return
    async with looked_after(store, settings.root, settings.upkeep):
        yield


def _as_given(settings: Settings) -> Callable[[], Settings]:
    """Return what reads the file again and lets nothing be that ``settings`` switched off."""
    return partial(
        Settings.read,
        settings.root,
        listen=settings.listen,
        use_tls=settings.tls is not None,
        use_auth=settings.users is not None,
    )


def _everybody(settings: Settings) -> Grants:
    return pull_everywhere() if settings.anonymous_pull else Grants()


def _narrowed(limits: Limits, settings: Settings) -> Limits:
    """Return ``limits`` less what the settings forbid."""
    return replace(
        limits,
        is_read_only=limits.is_read_only or settings.is_read_only,
        can_delete=limits.can_delete and settings.can_delete,
    )


@asynccontextmanager
async def _door(settings: Settings, audit: AuditLog, ledger: Ledger | None) -> AsyncIterator[GuardedBy | None]:
    """Open accounts and keys; those of an older registry are made here from its htpasswd file."""
    if settings.users is None:
        yield None
        return
    async with AsyncExitStack() as stack:
        accounts = await AccountsFile.open(settings.root, settings.users)
        stack.callback(accounts.close)
        keys = await TokenKeysFile.open(settings.root)
        stack.callback(keys.close)
        throttle = Throttle(ledger=ledger)
        door = Door(accounts, Tokens(keys), audit=audit, everybody=_everybody(settings), throttle=throttle)
        stack.callback(door.close)
        yield GuardedBy(door, accounts, keys)


@asynccontextmanager
async def serve_store(
    store: ReadableStore,
    access: Access | None = None,
    listen: str = "127.0.0.1:0",
    *,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Running]:
    """Serve any store, such as a disk tree that only reads; the caller closes it. Raises InUseError."""
    async with serve_app(make_app(store, access, limits=limits), listen, tls=tls) as running:
        yield running


def _open_store(settings: Settings) -> RegistryStore:
    with disk_errors(f"opening the registry in {settings.root}"):
        settings.root.mkdir(parents=True, exist_ok=True)
        probe = settings.root / f".writable-{os.getpid()}"
        with suppress(FileNotFoundError):
            probe.touch()
            probe.unlink()
    return RegistryStore.on_disk(settings.root, settings.database, is_read_only=settings.is_read_only)
