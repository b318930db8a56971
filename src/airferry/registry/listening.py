"""Listening: sockets, TLS, start and stop of an application. Runs inside any event loop and leaves it as it was."""

import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from airferry.errors import UsageError
from airferry.registry.accepting import Accepting, SharedListener
from airferry.registry.errors import InUseError
from airferry.registry.operation.live import Reloaded
from airferry.registry.settings import parse_listen
from airferry.registry.under_way import UNDER_WAY

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
async def serve_app(
    app: web.Application,
    listen: str | SharedListener = "127.0.0.1:0",
    *,
    tls: ssl.SSLContext | None = None,
    grace_s: float = GRACE_S,
) -> AsyncIterator[Running]:
    """Serve an application made by :func:`make_app`, alone or wrapped. Raises InUseError, UsageError.

    When the block ends, requests have ``grace_s`` to finish; what takes longer is broken off, uploads where they are.
    """
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
            await _stop(site, app, grace_s)
        finally:
            await runner.cleanup()
            listener.close()


def _accepting(listener: SharedListener, runner: web.AppRunner, tls: ssl.SSLContext | None) -> Accepting:
    server = runner.server
    assert server is not None, "the runner is set up"
    accepting = Accepting(listener, server, lambda: len(server.connections), tls)
    accepting.begin()
    return accepting


async def _stop(site: web.SockSite | Accepting | None, app: web.Application, grace_s: float) -> None:
    """Take no new connections, let the requests under way finish, and park what does not."""
    if site is None:
        return
    if isinstance(site, Accepting):
        site.stop()
    else:
        await site.stop()
    if UNDER_WAY in app:
        await app[UNDER_WAY].finish(grace_s)
        await app[UNDER_WAY].park(_PARK_S)


def refuse_address(listen: str) -> None:
    """Raise InUseError or UsageError where nobody could listen on ``listen`` now; nothing is kept."""
    listen_at(listen).close()


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
