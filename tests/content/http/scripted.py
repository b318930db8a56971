"""A transport that follows a script: a table of expected requests, each with the answers it gets in turn."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from multidict import CIMultiDict

from airferry.content.http import Credential, HttpContent, HttpSettings, Timing
from airferry.content.http.transport import FailureKind, Request, TransportError

HOST = "registry.example.com"
BASE = f"https://{HOST}"


@dataclass
class Reply:
    """One answer. ``breaks_after`` bytes of the body the connection breaks; ``fails`` means no answer at all."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = field(default_factory=dict)
    breaks_after: int | None = None
    fails: FailureKind | None = None
    piece: int = 1000


@dataclass
class Exchange:
    """Requests of this method and URL (a path means the registry) get these answers; the last one stays."""

    method: str
    url: str
    replies: list[Reply]
    asked: int = 0

    @property
    def absolute(self) -> str:
        return self.url if "://" in self.url else f"{BASE}{self.url}"


def on(method: str, url: str, *replies: Reply) -> Exchange:
    return Exchange(method, url, list(replies) or [Reply()])


PING = on("GET", "/v2/")


@dataclass
class Sent:
    method: str
    url: str
    headers: CIMultiDict[str]
    body: bytes
    insecure: bool

    @property
    def path(self) -> str:
        parts = urlsplit(self.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")


class ScriptedTransport:
    """Answers by the script; what is not in the script fails the test."""

    def __init__(self, *exchanges: Exchange) -> None:
        self.exchanges = list(exchanges)
        if not any(item.absolute.endswith("/v2/") for item in exchanges):
            self.exchanges.append(on("GET", f"{BASE}/v2/"))
        self.sent: list[Sent] = []
        self.open_answers = 0
        self.during: Callable[[Request], Awaitable[None]] | None = None

    async def send(self, request: Request) -> "ScriptedResponse":
        if self.during is not None:
            await self.during(request)
        body = request.body
        if body is not None and not isinstance(body, bytes):
            body = b"".join([chunk async for chunk in body.chunks()])
        self.sent.append(Sent(request.method, request.url, CIMultiDict(request.headers), body or b"", request.insecure))
        for exchange in self.exchanges:
            if (exchange.method, exchange.absolute) == (request.method, request.url):
                reply = exchange.replies[min(exchange.asked, len(exchange.replies) - 1)]
                exchange.asked += 1
                if reply.fails is not None:
                    raise TransportError(reply.fails, "as the script says")
                self.open_answers += 1
                return ScriptedResponse(self, reply, request)
        raise AssertionError(f"not in the script: {request.method} {request.url}")

    async def close(self) -> None:
        assert self.open_answers == 0, "an answer was not closed"

    def requests(self, *, ping: bool = False) -> list[str]:
        """What was sent to the registry and elsewhere, one line each."""
        lines = [f"{sent.method} {sent.url.removeprefix(BASE)}" for sent in self.sent]
        return lines if ping else [line for line in lines if line != "GET /v2/"]


class ScriptedResponse:
    def __init__(self, transport: ScriptedTransport, reply: Reply, request: Request) -> None:
        self.status = reply.status
        self.headers: CIMultiDict[str] = CIMultiDict(reply.headers)
        self.url = request.url
        self._transport = transport
        self._reply = reply
        self._empty = request.method == "HEAD"
        self._open = True
        if reply.status not in (204, 304) and reply.breaks_after is None:
            self.headers.setdefault("Content-Length", str(len(reply.body)))

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        body = b"" if self._empty else self._reply.body[: self._reply.breaks_after]
        for start in range(0, len(body), self._reply.piece):
            yield body[start : start + self._reply.piece]
        if self._reply.breaks_after is not None:
            raise TransportError(FailureKind.BROKEN, "the connection broke")

    async def close(self) -> None:
        if self._open:
            self._open = False
            self._transport.open_answers -= 1


class FakeTime:
    """A clock that only sleeping moves; chance is always a half."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    @property
    def timing(self) -> Timing:
        return Timing(lambda: self.now_s, lambda: self.now_s + 1.7e9, self.sleep, lambda: 0.5)


class Known:
    """Credentials by host and path prefix, as a test writes them."""

    searched = "auth.json"

    def __init__(self, **by_host: Credential) -> None:
        self.by_host = {host.replace("_", "."): credential for host, credential in by_host.items()}

    async def find(self, host: str, path: str) -> Credential | None:
        return self.by_host.get(host)


ALICE = Credential("alice", "wonderland", origin="registry.example.com in auth.json")


def client(
    *exchanges: Exchange, credential: Credential | None = None, time: FakeTime | None = None, **settings: object
) -> tuple[HttpContent, ScriptedTransport]:
    """Return a client whose every request goes to the script; close the client to check nothing is left open."""
    transport = ScriptedTransport(*exchanges)
    known = Known(**({HOST.replace(".", "_"): credential} if credential else {}))
    made = HttpSettings(credentials=known, **settings)  # type: ignore[arg-type]
    return HttpContent(made, transport=transport, timing=(time or FakeTime()).timing), transport
