"""Serving: a socket, TLS, start and stop. Runs inside any event loop and leaves it as it was."""

import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from aiohttp import web

from airferry.errors import UsageError
from airferry.registry.access import Access, AccountsFile, Door, Grants, TokenKeysFile, Tokens, pull_everywhere
from airferry.registry.application import change_limits, make_app
from airferry.registry.audit import AuditLog
from airferry.registry.body import Limits
from airferry.registry.disk import disk_errors, in_thread
from airferry.registry.errors import InUseError
from airferry.registry.operation.access_log import access_log
from airferry.registry.operation.live import Reloaded
from airferry.registry.operation.operated import GuardedBy, Operated
from airferry.registry.protocol import ReadableStore
from airferry.registry.settings import Settings, parse_listen
from airferry.registry.store import RegistryStore
from airferry.registry.under_way import UNDER_WAY
from airferry.registry.upkeep import STALE_UPLOAD_S, looked_after

_BODY_BUFFER_BYTES: Final = 512 * 1024
_MOST_HEADER_BYTES: Final = 32 * 1024  # room for the tokens of large directories
_DRAIN_S: Final = 3.0
GRACE_S: Final = 10.0
"""How long a stop waits for requests. An upload that takes longer keeps what came, and goes on after a restart."""

_PARK_S: Final = 30.0  # what came of such uploads has to reach the disk
_CANCEL_S: Final = 1.0
_BACKLOG: Final = 1024


@dataclass(frozen=True, slots=True)
class Running:
    """A server that accepts connections. ``url`` is where, with the port that was really taken.

    ``reload`` reads certificate and settings again, see :class:`Live`; None where there are none.
    """

    url: str
    port: int
    is_tls: bool
    reload: Callable[[], Awaitable[Reloaded]] | None = None


@asynccontextmanager
async def serve(
    settings: Settings,
    *,
    limits: Limits | None = None,
    reread: Callable[[], Settings] | None = None,
    access_log_to: str | None = None,
    grace_s: float = GRACE_S,
) -> AsyncIterator[Running]:
    """Serve the registry in ``settings.root`` until the block ends; requests under way then have ``grace_s``.

    ``reread`` gives the settings of a later moment, for a reload; ``access_log_to`` is a file or ``-`` for stdout.
    Raises InUseError (port taken), CertificateError, ReadOnlyError, NoSpaceError, MalformedError (accounts, keys).
    """
    audit = AuditLog(settings.root)
    async with _door(settings, audit) as guarded:
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
                    serve_app(app, settings.listen, tls=operated.tls, grace_s=grace_s) as running,
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
async def _door(settings: Settings, audit: AuditLog) -> AsyncIterator[GuardedBy | None]:
    """Open accounts and keys; those of an older registry are made here from its htpasswd file."""
    if settings.users is None:
        yield None
        return
    async with AsyncExitStack() as stack:
        accounts = await AccountsFile.open(settings.root, settings.users)
        stack.callback(accounts.close)
        keys = await TokenKeysFile.open(settings.root)
        stack.callback(keys.close)
        door = Door(accounts, Tokens(keys), audit=audit, everybody=_everybody(settings))
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


@asynccontextmanager
async def serve_app(
    app: web.Application,
    listen: str = "127.0.0.1:0",
    *,
    tls: ssl.SSLContext | None = None,
    grace_s: float = GRACE_S,
) -> AsyncIterator[Running]:
    """Serve an application made by :func:`make_app`, alone or wrapped. Raises InUseError, UsageError.

    When the block ends, requests have ``grace_s`` to finish; what takes longer is broken off, uploads where they are.
    """
    listener = _bind(listen)
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,  # a compressed body is content, not a way to send content
        read_bufsize=_BODY_BUFFER_BYTES,
        max_line_size=_MOST_HEADER_BYTES,
        max_field_size=_MOST_HEADER_BYTES,
        lingering_time=_DRAIN_S,
        shutdown_timeout=_CANCEL_S,
    )
    site: web.SockSite | None = None
    try:
        await runner.setup()
        site = web.SockSite(runner, listener, ssl_context=tls, backlog=_BACKLOG)
        await site.start()
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        yield Running(f"{'https' if tls else 'http'}://{shown}:{port}", port, tls is not None)
    finally:
        try:
            await _stop(site, app, grace_s)
        finally:
            await runner.cleanup()
            listener.close()


def refuse_address(listen: str) -> None:
    """Raise InUseError or UsageError where nobody could listen on ``listen`` now; nothing is kept."""
    _bind(listen).close()


async def _stop(site: web.SockSite | None, app: web.Application, grace_s: float) -> None:
    """Take no new connections, let the requests under way finish, and park what does not."""
    if site is not None:
        await site.stop()
        if UNDER_WAY in app:
            await app[UNDER_WAY].finish(grace_s)
            await app[UNDER_WAY].park(_PARK_S)


def _open_store(settings: Settings) -> RegistryStore:
    with disk_errors(f"opening the registry in {settings.root}"):
        settings.root.mkdir(parents=True, exist_ok=True)
        probe = settings.root / f".writable-{os.getpid()}"
        with suppress(FileNotFoundError):
            probe.touch()
            probe.unlink()
    return RegistryStore.on_disk(settings.root, settings.database, is_read_only=settings.is_read_only)


def _bind(listen: str) -> socket.socket:
    host, port = parse_listen(listen)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise UsageError(
            f"cannot listen on {listen}: {error.strerror}", hint="give an address of this machine"
        ) from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _bind_error(listen, error) from error
    listener.setblocking(False)
    return listener


def _bind_error(listen: str, error: OSError) -> InUseError | UsageError:
    if error.errno == errno.EADDRINUSE:
        return InUseError(
            f"the address {listen} is taken by another program", hint="choose another port with --listen HOST:PORT"
        )
    if error.errno == errno.EACCES:
        return UsageError(f"not allowed to listen on {listen}", hint="choose a port above 1023")
    return UsageError(f"cannot listen on {listen}: {error.strerror}", hint="give an address of this machine")
