"""One registry host: which scheme it speaks, who we are to it, how patient and how greedy we are with it.

Every request of the client goes through :meth:`RegistrySession.exchange`, which knows nothing of manifests or
blobs.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from airferry.content.errors import (
    CertificateError,
    InterruptedTransferError,
    NotTlsError,
    RegistryFailedError,
    UnreachableError,
)
from airferry.content.http.addresses import absolute, named_url, same_host
from airferry.content.http.authorizer import Authorizer
from airferry.content.http.budget import Budget, Slot
from airferry.content.http.refusals import LATER_HINT, Doing, refusal, throttled
from airferry.content.http.retry import Tries, Verdict, parse_retry_after, verdict
from airferry.content.http.settings import HttpSettings
from airferry.content.http.timing import Timing
from airferry.content.http.tokens import Tokens
from airferry.content.http.transport import (
    Answer,
    FailureKind,
    Request,
    Response,
    StreamedBody,
    Transport,
    TransportError,
    read_body,
)
from airferry.errors import AirferryError

logger = logging.getLogger(__name__)

_MAX_REDIRECTS: Final = 10
_MAX_ERROR_BYTES: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_GIVEN_UP_S: Final = 60.0
"""How long a failed first contact is not made again for whoever has another place to ask."""
_HUB: Final = "docker.io"
_HUB_API: Final = "registry-1.docker.io"


class Side(Enum):
    """Reads and writes have budgets of their own, so that a copy within one host cannot wait for itself."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the registry. ``target`` is a path such as ``/v2/…``, or an absolute URL it named.

    Answers whose status is in ``expected`` are given back; any other becomes an error. With ``once`` a failure
    is not tried again here, because only the caller can start over.
    """

    method: str
    target: str
    doing: Doing
    scopes: tuple[str, ...]
    expected: frozenset[int] = frozenset({200})
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | StreamedBody | None = field(default=None, repr=False)
    side: Side = Side.READ
    once: bool = False
    answer_timeout_s: float | None = None


class RegistrySession:
    """The way to one registry. ``insecure`` is what settings or the rule that led here say."""

    def __init__(
        self, host: str, settings: HttpSettings, transport: Transport, timing: Timing, *, insecure: bool
    ) -> None:
        self.host = host
        self.settings = settings
        self.timing = timing
        self._transport = transport
        self._insecure = insecure
        self._tokens = Tokens(transport, settings.retry, timing, insecure=insecure, user_agent=settings.user_agent)
        self.authorizer = Authorizer(host, settings.credentials, self._tokens)
        self._budgets = {side: Budget(settings.max_per_host, timing) for side in Side}
        self._base: str | None = None
        self._meeting = asyncio.Lock()
        self._given_up: tuple[float, AirferryError] | None = None
        self._greeting: Answer | None = None

    @property
    def greeting(self) -> Answer:
        """What the registry said at the first contact, where nobody had proven anything yet; once it was met."""
        assert self._greeting is not None
        return self._greeting

    @property
    def base(self) -> str:
        """Scheme and host of the registry's API, known once it was met."""
        assert self._base is not None
        return self._base

    async def close(self) -> None:
        """Stop what goes on in the background."""
        await self._tokens.close()

    @asynccontextmanager
    async def exchange(self, call: Call) -> AsyncIterator[Response]:
        """Carry out ``call`` with credentials, redirects, waits and retries; yields an expected answer.

        Raises NotFoundError, UnauthorizedError, DeniedError, ThrottledError, RegistryFailedError,
        InterruptedTransferError, UnreachableError, CertificateError. While the answer is open it counts
        against the host's budget. A TransportError while the body is read is the caller's to handle.
        """
        await self.meet(call.doing)
        response, slot = await self._persist(call)
        try:
            yield response
        finally:
            slot.release()
            await response.close()

    async def answer(self, call: Call, limit_bytes: int = _MAX_ERROR_BYTES) -> Answer:
        """Carry out ``call`` and read the answer; a body that breaks off is asked for again.

        Raises as :meth:`exchange` does, and RegistryFailedError for more than ``limit_bytes``.
        """
        tries = Tries(self.settings.retry)
        while True:
            try:
                async with self.exchange(call) as response:
                    body = await read_body(response, limit_bytes)
                    return Answer(response.status, response.headers, body)
            except TransportError as error:
                wait_s = tries.wait_after_failure(self.timing.chance())
                if wait_s is None:
                    raise self.failure(error, call.doing) from error
                logger.info("answer broke off, trying again", extra=_fields(call, error.text, wait_s))
            await self.timing.sleep(wait_s)

    async def meet(self, doing: Doing) -> None:
        """Find out, once, which scheme the registry speaks and what it asks for."""
        if self._base is None:
            async with self._meeting:
                if self._base is None:
                    self._base = await self._find_base(doing)

    async def meet_or_give_up(self) -> None:
        """Meet the registry, for whoever has another place to ask: one that failed is left alone for a minute.

        Raises UnreachableError, CertificateError and InterruptedTransferError, until then at once and anew.
        """
        if self._base is None:
            async with self._meeting:
                if self._base is None:
                    self._base = await self._find_base_or_give_up()

    async def send_bare(self, request: Request) -> Response:
        """Send one request as it is: no credentials but its own, no redirects followed, no second try.

        The registry must have been met, and be the one that is asked. Raises TransportError.
        """
        assert same_host(request.url, self.base)
        return await self._transport.send(replace(request, insecure=self._insecure))

    def failure(self, error: TransportError, doing: Doing) -> Exception:
        """Return the error to show for an exchange without a whole answer."""
        if error.explained is not None:
            return error.explained
        match error.kind:
            case FailureKind.NOT_TLS:
                return NotTlsError(
                    f"cannot {doing}: {error.text}",
                    hint=f"if {self.host} is meant to be asked in plain HTTP, use --insecure",
                )
            case FailureKind.CONNECT | FailureKind.CERTIFICATE:
                return UnreachableError(
                    f"cannot {doing}: {error.text}", hint="check name, port, route, firewall and proxy variables"
                )
            case FailureKind.BROKEN | FailureKind.IDLE:
                return InterruptedTransferError(f"cannot {doing}: {error.text}, again and again", hint=LATER_HINT)

    async def _find_base_or_give_up(self) -> str:
        if self._given_up is not None and self.timing.clock_s() < self._given_up[0]:
            known = self._given_up[1]
            raise type(known)(known.message, hint=known.hint) from known
        try:
            return await self._find_base(Doing(self.host, "", f"reach {self.host}", "this registry"))
        except (UnreachableError, CertificateError, InterruptedTransferError) as error:
            self._given_up = (self.timing.clock_s() + _GIVEN_UP_S, error)
            raise

    async def _find_base(self, doing: Doing) -> str:
        api_host = _HUB_API if self.host == _HUB else self.host
        schemes = ("https", "http") if self._insecure else ("https",)
        first_error: TransportError | None = None
        for scheme in schemes:
            base = f"{scheme}://{api_host}"
            try:
                await self._ping(base, doing, last=scheme == schemes[-1])
            except TransportError as error:
                if error.kind not in (FailureKind.CONNECT, FailureKind.NOT_TLS, FailureKind.BROKEN):
                    raise self.failure(error, doing) from error
                first_error = first_error or error
                continue
            logger.debug("registry met", extra={"registry": self.host, "scheme": scheme})
            return base
        assert first_error is not None
        raise self.failure(first_error, doing) from first_error

    async def _ping(self, base: str, doing: Doing, *, last: bool) -> None:
        """Ask ``/v2/``; any answer will do, only a 401 tells more. Raises TransportError."""
        tries: dict[FailureKind, Tries] = {}
        while True:
            try:
                response = await self._transport.send(self._request("GET", f"{base}/v2/", {}, None, None))
            except TransportError as error:
                connecting = error.kind is FailureKind.CONNECT
                if error.kind in (FailureKind.CERTIFICATE, FailureKind.NOT_TLS) or (not last):
                    raise
                attempts = self.settings.retry.first_contact_attempts if connecting else None
                counter = tries.setdefault(error.kind, Tries(self.settings.retry, attempts))
                wait_s = counter.wait_after_failure(self.timing.chance())
                if wait_s is None:
                    raise
                await self.timing.sleep(wait_s)
                continue
            greeted = await self._greeted(response, f"{base}/v2/", doing)
            if self.settings.as_nodes:
                self._check_greeting(greeted, doing)
            return

    async def _greeted(self, response: Response, url: str, doing: Doing) -> int:
        """Learn from the answer of ``/v2/``, for nodes from that where it leads; returns its status."""
        for _ in range(_MAX_REDIRECTS):
            try:
                if response.status == 401:
                    self.authorizer.learn(response.headers, url, doing)
                self._greeting = Answer(response.status, response.headers, await _drain(response))
            finally:
                await response.close()
            location = response.headers.get("Location")
            if not self.settings.as_nodes or response.status not in _REDIRECTS or location is None:
                return response.status
            url = named_url(location, url, urlsplit(url).netloc, doing)
            response = await self._transport.send(self._request("GET", url, {}, None, None))
        await response.close()
        return response.status

    def _check_greeting(self, status: int, doing: Doing) -> None:
        """Raise for an answer of ``/v2/`` at which containers/image ends."""
        if status in (200, 401):
            return
        if verdict(status) is not Verdict.ANSWERED:
            raise RegistryFailedError(f"cannot {doing}: {self.host} answered {status} at /v2/", hint=LATER_HINT)
        raise UnreachableError(
            f"cannot {doing}: {self.host} answered {status} at /v2/, where a registry answers 200 or 401",
            hint="have what stands before the registry pass on /v2/ as it is",
        )

    async def _persist(self, call: Call) -> tuple[Response, Slot]:
        """Try until there is an answer that settles it; returns it with the slot it occupies."""
        tries = Tries(self.settings.retry, 1 if call.once else None)
        budget = self._budgets[call.side]
        while True:
            slot = await budget.take()
            kept = False
            try:
                response = await self._attempt(call)
                if verdict(response.status) is Verdict.ANSWERED:
                    budget.succeeded()
                    await self._check(response, call)
                    kept = True
                    return response, slot
                wait_s = await self._wait_after(response, call, tries, budget, slot)
            except TransportError as error:
                if error.kind in (FailureKind.CERTIFICATE, FailureKind.NOT_TLS):
                    raise self.failure(error, call.doing) from error
                patience = tries.wait_after_failure(self.timing.chance())
                if patience is None:
                    raise self.failure(error, call.doing) from error
                wait_s = patience
                logger.info("request failed, trying again", extra=_fields(call, error.text, wait_s))
            finally:
                if not kept:
                    slot.release()
            await self.timing.sleep(wait_s)

    async def _wait_after(self, response: Response, call: Call, tries: Tries, budget: Budget, slot: Slot) -> float:
        """Return how long to wait after a 429 or 5xx, or raise the error that ends it."""
        status = response.status
        retry_after_s = parse_retry_after(response.headers.get("Retry-After"), self.timing.wall_clock_s())
        body = await _drain(response)
        await response.close()
        if status in (429, 503):
            # A wait that nobody here has the patience for ends this request, and must not hold up the others.
            is_borne = retry_after_s is not None and retry_after_s <= self.settings.retry.patience_s
            budget.throttled(slot, retry_after_s if is_borne else None)
        chance = self.timing.chance()
        if verdict(status) is Verdict.THROTTLED:
            wait_s = tries.wait_after_throttling(chance, retry_after_s)
            asked = f"; it asks to wait {retry_after_s:.0f} s" if retry_after_s is not None else ""
            final: Exception = throttled(call.doing, asked)
        else:
            wait_s = tries.wait_after_failure(chance, retry_after_s)
            final = refusal(status, body, call.doing, await self.authorizer.identity(call.doing.path))
        if wait_s is None or (call.once and verdict(status) is Verdict.THROTTLED):
            raise final
        logger.info("registry answered, trying again", extra=_fields(call, str(status), wait_s))
        return wait_s

    async def _attempt(self, call: Call) -> Response:
        """One answer, with a second try after a 401 when there is another proof to give."""
        url = absolute(call.target, self.base, call.doing)
        ours = same_host(url, self.base)
        header = await self.authorizer.header(call.scopes, call.doing) if ours else None
        response = await self._follow(call, url, header)
        if response.status != 401 or not same_host(response.url, self.base):
            return response
        body = await _drain(response)
        await response.close()
        challenge = self.authorizer.learn(response.headers, response.url, call.doing)
        renewed = await self.authorizer.renewed(challenge, call.scopes, call.doing, header)
        if renewed is not None:
            response = await self._follow(call, url, renewed)
            if response.status != 401 or not same_host(response.url, self.base):
                return response
            body = await _drain(response)
            await response.close()
            challenge = self.authorizer.learn(response.headers, response.url, call.doing)
        error = await self.authorizer.refused(challenge, call.doing)
        logger.info("registry refused", extra={**_fields(call, "401", 0.0), "body_bytes": len(body)})
        raise error

    async def _follow(self, call: Call, url: str, header: str | None) -> Response:
        """Send and follow redirects; the Authorization header never goes to another host."""
        for _ in range(_MAX_REDIRECTS + 1):
            own = header if same_host(url, self.base) else None
            response = await self._transport.send(
                self._request(call.method, url, call.headers, call.body, own, call.answer_timeout_s)
            )
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None or response.status in call.expected:
                return response
            await _drain(response)
            await response.close()
            url = self._redirected(call, url, location)
        raise RegistryFailedError(f"{self.host} redirects in a circle when asked to {call.doing}")

    def _redirected(self, call: Call, url: str, location: str) -> str:
        host = self.host if same_host(url, self.base) else urlsplit(url).netloc
        target = named_url(location, url, host, call.doing)
        parts = urlsplit(target)
        if parts.scheme == "http" and url.startswith("https:") and not self._insecure:
            raise RegistryFailedError(
                f"{self.host} redirects from HTTPS to plain HTTP at {parts.hostname} when asked to {call.doing}",
                hint="that is refused unless --insecure is given",
            )
        if call.method not in ("GET", "HEAD"):
            raise RegistryFailedError(f"{self.host} redirects a {call.method} when asked to {call.doing}")
        return target

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | StreamedBody | None,
        authorization: str | None,
        answer_timeout_s: float | None = None,
    ) -> Request:
        sent = {"User-Agent": self.settings.user_agent, "Accept-Encoding": "identity", **headers}
        if authorization is not None:
            sent["Authorization"] = authorization
        idle_s = self.settings.idle_timeout_s
        return Request(method, url, sent, body, self._insecure, idle_s, answer_timeout_s or idle_s)

    async def _check(self, response: Response, call: Call) -> None:
        """Raise the error for an answer that was not expected."""
        if response.status in call.expected:
            return
        body = await _drain(response)
        await response.close()
        doing = call.doing
        if not same_host(response.url, self.base):
            # A storage service behind the registry: its 403 or 404 is about a signed URL, not about us.
            host = urlsplit(response.url).hostname or "?"
            raise TransportError(
                FailureKind.BROKEN, f"{host}, where {self.host} redirects to, answered {response.status}"
            )
        raise refusal(response.status, body, doing, await self.authorizer.identity(doing.path))


async def _drain(response: Response) -> bytes:
    """Return the body of an answer nobody expected, up to a limit; the connection can then be used again."""
    try:
        return await read_body(response, _MAX_ERROR_BYTES)
    except (TransportError, RegistryFailedError):
        return b""


def _fields(call: Call, reason: str, wait_s: float) -> dict[str, object]:
    return {
        "registry": call.doing.registry,
        "repository": call.doing.path,
        "subject": call.doing.subject,
        "reason": reason,
        "wait_s": round(wait_s, 3),
    }
