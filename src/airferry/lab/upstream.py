"""An upstream on loopback that behaves like quay.io: tokens, redirects to a CDN on another port, and faults."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from airferry.lab.calls import Call, Endpoint, read_call, read_cdn_call
from airferry.lab.certificates import Certificates
from airferry.lab.faults import ExpireTokens, Faults
from airferry.lab.gate import Gate
from airferry.lab.policy import Policy
from airferry.lab.reply import Reply
from airferry.lab.sending import LoggedRequest, Sender
from airferry.lab.shelves import Shelves
from airferry.lab.store import LabStore

_ADDRESS: Final = "127.0.0.1"
_PATIENCE_S: Final = 1.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Upstream:
    """Serves a lab store while its ``async with`` block runs, on two free ports of 127.0.0.1.

    With ``certificates`` both ports speak TLS. ``port`` 0 takes a free one. ``requests`` grows by one entry for each
    request, the CDN's included; ``on_complete`` is called with each entry when its answer ended or broke off.
    Changes made to ``faults`` and to the store object take effect at once.
    """

    def __init__(
        self,
        store: LabStore,
        policy: Policy | None = None,
        *,
        faults: Faults | None = None,
        certificates: Certificates | None = None,
        port: int = 0,
        on_complete: Callable[[LoggedRequest], None] | None = None,
    ) -> None:
        self.policy = policy or Policy()
        self.faults = faults or Faults()
        self.requests: list[LoggedRequest] = []
        self._certificates = certificates
        self._port = port
        self._cdn_port = 0
        self._on_complete = on_complete
        self._shelves = Shelves(store, self.policy)
        self._gate: Gate | None = None
        self._runners: list[web.ServerRunner] = []
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, as written in references."""
        return f"{_ADDRESS}:{self._port}"

    @property
    def url(self) -> str:
        """The registry's URL without a path."""
        return f"{self._scheme}://{self.host}"

    @property
    def signature_store_url(self) -> str:
        """Where the signature store is served, without credentials; names follow as ``/sha256=<hex>/signature-N``."""
        return f"{self._scheme}://{_ADDRESS}:{self._cdn_port}/signatures"

    def fetches(self, digest: str) -> int:
        """How many times content of ``digest`` was asked for by GET and given, in whole or in part, redirects aside."""
        return sum(
            entry.method == "GET" and entry.status in (200, 206) and digest.removeprefix("sha256:") in entry.path
            for entry in self.requests
        )

    def expire_tokens(self) -> None:
        """Make every token given out so far worthless."""
        if self._gate is not None:
            self._gate.expire_tokens()

    async def settled(self) -> None:
        """Return when no request is under way: a client may have its last byte before the log says so."""
        await self._quiet.wait()

    async def __aenter__(self) -> Self:
        self._gate = Gate(self.policy, asyncio.get_running_loop().time)
        context = None if self._certificates is None else _server_context(self._certificates)
        self._cdn_port = await self._listen(self._serve_cdn, 0, context)
        self._port = await self._listen(self._serve_registry, self._port, context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.release()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    @property
    def _scheme(self) -> str:
        return "http" if self._certificates is None else "https"

    async def _listen(self, handler: Handler, port: int, context: ssl.SSLContext | None) -> int:
        runner = web.ServerRunner(web.Server(handler, access_log=None), shutdown_timeout=_PATIENCE_S)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, _ADDRESS, port, ssl_context=context)
        await site.start()
        bound: int = runner.addresses[0][1]
        return bound

    async def _serve_registry(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._serve(request, read_call(request.method, request.path), self._registry_reply)

    async def _serve_cdn(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._serve(request, read_cdn_call(request.method, request.path), self._cdn_reply)

    async def _serve(
        self, request: web.BaseRequest, call: Call, reply_to: Callable[[web.BaseRequest, Call], Reply]
    ) -> web.StreamResponse:
        authorized = "Authorization" in request.headers
        entry = LoggedRequest(call.endpoint, call.method, request.path_qs, authorized, request.headers.get("Range"))
        self.requests.append(entry)
        self._under_way += 1
        self._quiet.clear()
        try:
            effect = self.faults.take(call)
            if isinstance(effect, ExpireTokens):
                self.expire_tokens()
            sender = Sender(request, entry, self.faults, self.policy.pace_bytes_per_s)
            return await sender.send(reply_to(request, call), effect)
        except ConnectionError:
            # The client left; the entry stays incomplete and nobody is there to answer.
            return web.Response()
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._quiet.set()
            if self._on_complete is not None:
                self._on_complete(entry)

    def _registry_reply(self, request: web.BaseRequest, call: Call) -> Reply:
        assert self._gate is not None, "requests arrive only while listening"
        authorization = request.headers.get("Authorization")
        if call.endpoint is Endpoint.TOKEN:
            return self._gate.issue(authorization, request.query.getall("scope", []))
        if call.endpoint is Endpoint.OTHER:
            return Reply(404, b"<html>Not Found</html>", {"Content-Type": "text/html"})
        refused = self._gate.refuse(authorization, call.repository, f"{self._scheme}://{request.host}")
        if refused is not None:
            return refused
        # skopeo sends one Accept line for each type.
        headers = {"Accept": ", ".join(request.headers.getall("Accept", ["*/*"]))}
        if "Range" in request.headers:
            headers["Range"] = request.headers["Range"]
        return self._shelves.answer(call, request.query, headers, self._cdn_root(request))

    def _cdn_reply(self, request: web.BaseRequest, call: Call) -> Reply:
        if "Authorization" in request.headers:
            text = b"<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"
            return Reply(400, text, {"Content-Type": "application/xml"})
        match call.endpoint:
            case Endpoint.CDN:
                return self._shelves.content(call.target, request.headers)
            case Endpoint.SIGNATURE:
                return self._shelves.signature(call.target)
            case _:
                return Reply(404, b"<html>Not Found</html>", {"Content-Type": "text/html"})

    def _cdn_root(self, request: web.BaseRequest) -> str:
        """Return the CDN by another host name than the client used: some clients compare names without ports."""
        other = "localhost" if request.host.startswith(_ADDRESS) else _ADDRESS
        return f"{self._scheme}://{other}:{self._cdn_port}"


def _server_context(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificates.certificate_file, certificates.key_file)
    return context
