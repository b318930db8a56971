"""Serving: a socket, TLS, start and stop. Runs inside any event loop and leaves it as it was."""

import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from airferry.errors import UsageError
from airferry.registry.accepting import Accepting, SharedListener
from airferry.registry.access import Access, AccountsFile, Door, Grants, TokenKeysFile, Tokens, pull_everywhere
from airferry.registry.application import make_app
from airferry.registry.audit import AuditLog
from airferry.registry.body import Limits
from airferry.registry.certificates import server_context
from airferry.registry.disk import disk_errors, in_thread
from airferry.registry.errors import InUseError
from airferry.registry.protocol import ReadableStore
from airferry.registry.settings import Settings, parse_listen
from airferry.registry.store import RegistryStore
from airferry.registry.under_way import UNDER_WAY

STALE_UPLOAD_S: Final = 24 * 3600
"""Uploads that nobody touched for this long are forgotten at the start."""

_BODY_BUFFER_BYTES: Final = 512 * 1024
_MOST_HEADER_BYTES: Final = 32 * 1024  # room for the tokens of large directories
_DRAIN_S: Final = 3.0
_STOP_S: Final = 10.0
"""How long a stop waits for requests. An upload that takes longer keeps what came, and goes on after a restart."""

_CANCEL_S: Final = 1.0
_BACKLOG: Final = 1024


@dataclass(frozen=True, slots=True)
class Running:
    """A server that accepts connections. ``url`` is where, with the port that was really taken."""

    url: str
    port: int
    is_tls: bool


@asynccontextmanager
async def serve(
    settings: Settings, *, limits: Limits | None = None, listener: SharedListener | None = None
) -> AsyncIterator[Running]:
    """Serve the registry in ``settings.root`` until the block ends; requests under way are then finished.

    ``listener`` takes the place of ``settings.listen`` where several processes share it.
    Raises InUseError (port taken), CertificateError, ReadOnlyError, NoSpaceError, MalformedError (accounts, keys).
    """
    context = server_context(settings.tls) if settings.tls else None
    audit = AuditLog(settings.root)
    async with _door(settings, audit) as access:
        store = await in_thread(_open_store, settings)
        try:
            if not settings.is_read_only:
                await store.sweep_uploads(STALE_UPLOAD_S)
            app = make_app(store, access, limits=_narrowed(limits or Limits(), settings), audit=audit)
            async with serve_app(app, listener or settings.listen, tls=context) as running:
                yield running
        finally:
            await store.close()


def _narrowed(limits: Limits, settings: Settings) -> Limits:
    """Return ``limits`` less what the settings forbid."""
    return replace(
        limits,
        is_read_only=limits.is_read_only or settings.is_read_only,
        can_delete=limits.can_delete and settings.can_delete,
    )


@asynccontextmanager
async def _door(settings: Settings, audit: AuditLog) -> AsyncIterator[Access | None]:
    """Open accounts and keys; those of an older registry are made here from its htpasswd file."""
    if settings.users is None:
        yield None
        return
    async with AsyncExitStack() as stack:
        accounts = await AccountsFile.open(settings.root, settings.users)
        stack.callback(accounts.close)
        keys = await TokenKeysFile.open(settings.root)
        stack.callback(keys.close)
        everybody = pull_everywhere() if settings.anonymous_pull else Grants()
        door = Door(accounts, Tokens(keys), audit=audit, everybody=everybody)
        stack.callback(door.close)
        yield door


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
    app: web.Application, listen: str | SharedListener = "127.0.0.1:0", *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Running]:
    """Serve an application made by :func:`make_app`, alone or wrapped. Raises InUseError, UsageError."""
    listener = listen_at(listen) if isinstance(listen, str) else listen.socket
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
    site: web.SockSite | Accepting | None = None
    try:
        await runner.setup()
        if isinstance(listen, str):
            site = web.SockSite(runner, listener, ssl_context=tls, backlog=_BACKLOG)
            await site.start()
        else:
            site = _accepting(listen, runner, tls)
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        yield Running(f"{'https' if tls else 'http'}://{shown}:{port}", port, tls is not None)
    finally:
        try:
            await _stop(site, app)
        finally:
            await runner.cleanup()
            listener.close()


def refuse_address(listen: str) -> None:
    """Raise InUseError or UsageError where nobody could listen on ``listen`` now; nothing is kept."""
    listen_at(listen).close()


def _accepting(listener: SharedListener, runner: web.AppRunner, tls: ssl.SSLContext | None) -> Accepting:
    server = runner.server
    assert server is not None, "the runner is set up"
    accepting = Accepting(listener, server, lambda: len(server.connections), tls)
    accepting.begin()
    return accepting


async def _stop(site: web.SockSite | Accepting | None, app: web.Application) -> None:
    """Take no new connections, and let the requests under way finish."""
    if isinstance(site, Accepting):
        site.stop()
    elif site is not None:
        await site.stop()
    if site is not None and UNDER_WAY in app:
        await app[UNDER_WAY].finish(_STOP_S)


def _open_store(settings: Settings) -> RegistryStore:
    with disk_errors(f"opening the registry in {settings.root}"):
        settings.root.mkdir(parents=True, exist_ok=True)
        probe = settings.root / f".writable-{os.getpid()}"
        with suppress(FileNotFoundError):
            probe.touch()
            probe.unlink()
    return RegistryStore.on_disk(settings.root, settings.database, is_read_only=settings.is_read_only)


def listen_at(listen: str) -> socket.socket:
    """Return a socket that has the address ``listen``, for :func:`serve`. Raises InUseError, UsageError."""
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
