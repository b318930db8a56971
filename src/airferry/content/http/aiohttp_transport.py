"""The transport over aiohttp. Everything that knows aiohttp's classes and exceptions is here."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Final

from multidict import MultiMapping
from yarl import URL

from airferry.content.http.direct import DirectBody, take_over
from airferry.content.http.lean_aiohttp import aiohttp
from airferry.content.http.proxies import proxy_for
from airferry.content.http.tls import MAYBE_ANOTHER_OF_THE_NAME, TlsContexts, speaks_no_tls
from airferry.content.http.transport import FailureKind, Request, StreamedBody, TransportError

_READ_BUFFER_BYTES: Final = 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_KEEPALIVE_S: Final = 30.0


class AiohttpTransport:
    """Carries requests over one pool of connections. Use it within one event loop; close it at the end."""

    def __init__(
        self, tls: TlsContexts, *, connect_timeout_s: float = 15.0, environ: Mapping[str, str] | None = None
    ) -> None:
        self._tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._environ = os.environ if environ is None else environ
        self._session: aiohttp.ClientSession | None = None
        self._settling: dict[str, asyncio.Task[ssl.SSLContext | ssl.SSLCertVerificationError]] = {}

    async def send(self, request: Request) -> "AiohttpResponse":
        """Return the answer once its head is there. Raises TransportError, or what the body raised."""
        try:
            url = URL(request.url, encoded=True)
            _ = url.port  # taken apart only when it is looked at
            proxy = proxy_for(request.url, self._environ)
        except ValueError as error:
            # Answers name none such any more; a rule or a command line may.
            text = f"not a URL that can be asked: {request.url.partition('?')[0]}"
            raise TransportError(FailureKind.CONNECT, text) from error
        _check_proxy(proxy, url.scheme)
        progress = _Progress(request)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._connect_timeout_s, sock_read=request.answer_timeout_s
        )
        context: ssl.SSLContext | bool = True
        try:
            context = self._context(url, proxy, request)
            async with progress.limit:
                answer = await self._pool().request(
                    request.method,
                    url,
                    headers=progress.headers(),
                    data=progress.payload(),
                    ssl=context,
                    proxy=proxy,
                    timeout=timeout,
                    allow_redirects=False,
                )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            if progress.failure is not None:
                raise progress.failure from error
            if proxy is None and await self._settled(error, url, context):
                return await self.send(request)
            raise await self._failure(error, url, proxy) from error
        finally:
            progress.stop()
        return AiohttpResponse(answer, progress)

    async def close(self) -> None:
        """Give back every connection. Twice is fine."""
        for task in self._settling.values():
            task.cancel()
        await asyncio.gather(*self._settling.values(), return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _context(self, url: URL, proxy: str | None, request: Request) -> ssl.SSLContext | bool:
        """Return whom to trust: for the host asked, or where that is plain HTTP, for the proxy before it."""
        if url.scheme != "https" and proxy is not None and proxy.startswith("https:"):
            url = URL(proxy)
        if url.scheme != "https":
            return True
        return self._tls.context(_host_port(url), insecure=request.insecure)

    async def _settled(self, error: Exception, url: URL, used: ssl.SSLContext | bool) -> bool:
        """Whether a refused certificate is good under one of several CAs of one name, so that asking again helps.

        Raises TransportError where that CA tells more about what is wrong.
        """
        cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
        host = _host_port(url)
        if not isinstance(cause, ssl.SSLCertVerificationError) or cause.verify_code not in MAYBE_ANOTHER_OF_THE_NAME:
            return False
        if url.host is None or url.port is None or not self._tls.may_settle(host):
            return False
        if host not in self._settling:
            from airferry.content.http.same_name import find_anchor  # 18 ms of CPU, for a rare reason

            self._settling[host] = asyncio.create_task(find_anchor(self._tls, url.host, url.port, cause))
        found = await asyncio.shield(self._settling[host])
        if isinstance(found, ssl.SSLContext):
            self._tls.settle(host, found)
            return found is not used
        self._settling.pop(host, None)
        if found is not cause:
            raise await _certificate_failure(found, url, behind_proxy=False) from error
        return False

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No limits here: how much a host gets at once is the budgets' business.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S, ttl_dns_cache=60)
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=_READ_BUFFER_BYTES,
                skip_auto_headers=("Content-Type",),
            )
        return self._session

    async def _failure(self, error: Exception, url: URL, proxy: str | None) -> TransportError:
        """The one table from aiohttp's exceptions to kinds of failure."""
        host = _host_port(url)
        match error:
            case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
                return await _certificate_failure(error, url, behind_proxy=proxy is not None)
            case aiohttp.ClientHttpProxyError():
                text = f"the proxy {_shown(proxy)} answered {error.status} to a connection to {host}"
                return TransportError(FailureKind.CONNECT, text)
            case aiohttp.ClientProxyConnectionError():
                return TransportError(FailureKind.CONNECT, f"the proxy {_shown(proxy)} cannot be reached")
            case aiohttp.ClientConnectorSSLError():
                return _tls_failure(error.os_error, host)
            case aiohttp.ClientConnectorDNSError():
                return TransportError(FailureKind.CONNECT, f"the name {url.host} cannot be resolved")
            case aiohttp.ClientConnectorError():
                return TransportError(FailureKind.CONNECT, f"{host}: {_reason(error.os_error)}")
            case aiohttp.ConnectionTimeoutError():
                text = f"{host} did not take a connection within {self._connect_timeout_s:g} s"
                return TransportError(FailureKind.CONNECT, text)
            case aiohttp.InvalidURL() | ValueError():
                return TransportError(FailureKind.CONNECT, f"not a URL that can be asked: {url.human_repr()}")
            case ssl.SSLError():
                return _tls_failure(error, host)
            case _:
                return _broken(error, host)


class AiohttpResponse:
    """An answer of aiohttp behind our seam."""

    def __init__(self, answer: aiohttp.ClientResponse, progress: "_Progress") -> None:
        self.status = answer.status
        self.headers: MultiMapping[str] = answer.headers
        self.url = str(answer.url)
        self._answer = answer
        self._progress = progress
        self._direct: DirectBody | None = None

    async def chunks(self) -> AsyncGenerator[bytes | bytearray, None]:
        """Yield the body in the pieces it came in; small ones are put together, large bodies come directly."""
        content = self._answer.content
        self._direct = take_over(self._answer, self._progress.idle_timeout_s)
        if self._direct is not None:
            async with aclosing(self._direct.chunks()) as direct:
                async for piece in direct:
                    yield piece
            return
        parts: list[bytes] = []
        size = 0
        try:
            while not content.at_eof():
                # Not readany(), which joins everything that is there into one new copy.
                chunk, _ = await content.readchunk()
                size += len(chunk)
                parts.append(chunk)
                if size < _CHUNK_BYTES:
                    continue
                yield parts[0] if len(parts) == 1 else b"".join(parts)
                parts.clear()
                size = 0
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if parts:
                yield b"".join(parts)  # what arrived is not asked for again
            raise _broken(error, _host_port(self._answer.url)) from error
        if parts:
            yield b"".join(parts)

    async def close(self) -> None:
        """Give the connection back if the body was read, else drop it."""
        if self._direct is not None:
            self._direct.close()
            return
        if self._progress.sending is None:
            self._answer.release()
            return
        # The answer came before all was sent. The connection must not be used again: the server would take
        # the next request for the rest of this one's body.
        self._answer.close()
        # A generator that runs at this moment is being cancelled by aiohttp, and closes by that.
        with suppress(RuntimeError):
            await self._progress.sending.aclose()


class _Progress:
    """Watches that an upload moves: the limit runs only while the other side takes our bytes."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self.limit = asyncio.timeout(None)
        self.failure: Exception | None = None
        self.sending: AsyncGenerator[bytes | bytearray | memoryview, None] | None = None
        self._watching = True

    @property
    def idle_timeout_s(self) -> float:
        """How long the other side may be silent."""
        return self._request.idle_timeout_s

    def stop(self) -> None:
        """There is an answer, or there will be none: what is still sent is not watched any more."""
        self._watching = False

    def headers(self) -> dict[str, str]:
        headers = dict(self._request.headers)
        body = self._request.body
        if body is not None and not isinstance(body, bytes):
            headers["Content-Length"] = str(body.size_bytes)
        return headers

    def payload(self) -> bytes | AsyncGenerator[bytes | bytearray | memoryview, None] | None:
        body = self._request.body
        if body is None or isinstance(body, bytes):
            return body
        self.sending = self._watched(body)
        return self.sending

    async def _watched(self, body: StreamedBody) -> AsyncGenerator[bytes | bytearray | memoryview, None]:
        loop = asyncio.get_running_loop()
        try:
            async with aclosing(body.chunks()) as chunks:
                async for chunk in chunks:
                    self._limit(loop.time() + self._request.idle_timeout_s)
                    yield chunk
                    self._limit(None)
            self.sending = None
        except Exception as error:
            # aiohttp would tell of a failed connection; the session needs the true reason.
            self.failure = error
            raise

    def _limit(self, when_s: float | None) -> None:
        if self._watching:
            self.limit.reschedule(when_s)


def _check_proxy(proxy: str | None, scheme: str) -> None:
    try:
        _ = URL(proxy or "").port
    except ValueError as error:
        text = f"the variable {scheme}_proxy holds no URL of a proxy"
        raise TransportError(FailureKind.CONNECT, text) from error


async def _certificate_failure(error: Exception, url: URL, *, behind_proxy: bool) -> TransportError:
    from airferry.content.http import certificate_errors  # 18 ms of CPU, for a rare reason

    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
    assert isinstance(cause, ssl.SSLCertVerificationError)
    certificate = None
    if not behind_proxy and url.host is not None and url.port is not None:
        certificate = await certificate_errors.fetch_certificate(url.host, url.port)
    explained = certificate_errors.explain(_host_port(url), cause, certificate, certificate_errors.utc_now())
    return TransportError(FailureKind.CERTIFICATE, explained.message, explained)


def _tls_failure(error: OSError, host: str) -> TransportError:
    if isinstance(error, ssl.SSLError) and speaks_no_tls(error):
        return TransportError(FailureKind.NOT_TLS, f"{host} does not speak TLS: it answers in plain HTTP")
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    words = (reason or str(error)).replace("_", " ").lower()
    return TransportError(FailureKind.CONNECT, f"the TLS handshake with {host} failed: {words}")


def _broken(error: Exception, host: str) -> TransportError:
    if isinstance(error, TimeoutError):
        return TransportError(FailureKind.IDLE, f"{host} fell silent")
    if isinstance(error, aiohttp.ClientPayloadError):
        return TransportError(FailureKind.BROKEN, f"{host} closed the connection in the middle of a body")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return TransportError(FailureKind.BROKEN, f"{host} closed the connection without an answer")
    reason = _reason(error) if isinstance(error, OSError) else type(error).__name__
    return TransportError(FailureKind.BROKEN, f"the connection to {host} broke: {reason}")


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the name cannot be resolved"
    if error.errno:
        return os.strerror(error.errno).lower()
    if isinstance(error, ConnectionResetError):
        return "connection reset by peer"
    return str(error) or type(error).__name__


def _host_port(url: URL) -> str:
    host = f"[{url.host}]" if url.host and ":" in url.host else url.host
    return f"{host}:{url.port}" if url.port is not None and not url.is_default_port() else str(host)


def _shown(proxy: str | None) -> str:
    """A proxy's URL may hold a password."""
    return str(URL(proxy).with_user(None)) if proxy else "?"
