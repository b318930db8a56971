"""Bearer tokens: fetched once per scope, kept until shortly before they expire, never shown.

Sources: Docker token specification (GET with service and scope) and its OAuth2 form (POST with a refresh
token). Tokens are asked for one repository at a time: lists of scopes overflow the headers of large copies.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from airferry.content.errors import (
    InterruptedTransferError,
    RegistryFailedError,
    UnauthorizedError,
    UnreachableError,
)
from airferry.content.http.auth_files import Credential
from airferry.content.http.challenge import Challenge
from airferry.content.http.patience import ask_patiently
from airferry.content.http.refusals import LATER_HINT, Doing, Identity, NoTokenError, denied, throttled, unauthorized
from airferry.content.http.retry import RetryPolicy, Verdict, verdict
from airferry.content.http.timing import Timing
from airferry.content.http.transport import Answer, FailureKind, Request, Transport, TransportError

logger = logging.getLogger(__name__)

_DEFAULT_LIFE_S: Final = 60.0
_MAX_ANSWER_BYTES: Final = 1024 * 1024
_CLIENT_ID: Final = "airferry"


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and the moment, by the monotonic clock, from which it is not used any more."""

    secret: str
    stale_at_s: float

    def __repr__(self) -> str:
        return "***"


@dataclass(frozen=True, slots=True)
class TokenWish:
    """What a token is for. ``realm`` is a URL that was taken apart before; ``credential`` None asks as anonymous."""

    realm: str
    service: str | None
    scopes: tuple[str, ...]
    credential: Credential | None


class Tokens:
    """The tokens for one registry."""

    def __init__(
        self, transport: Transport, retry: RetryPolicy, timing: Timing, *, insecure: bool, user_agent: str
    ) -> None:
        self._transport = transport
        self._retry = retry
        self._timing = timing
        self._insecure = insecure
        self._user_agent = user_agent
        self._kept: dict[TokenWish, Token] = {}
        self._coming: dict[TokenWish, asyncio.Task[Token]] = {}

    async def get(self, wish: TokenWish, doing: Doing, identity: Identity) -> str:
        """Return a token that is still fresh; concurrent wishes for the same token share one request.

        Raises UnauthorizedError, DeniedError, RegistryFailedError, ThrottledError, UnreachableError.
        """
        kept = self._kept.get(wish)
        if kept is not None and self._timing.clock_s() < kept.stale_at_s:
            return kept.secret
        coming = self._coming.get(wish)
        if coming is None:
            coming = asyncio.create_task(self._fetch(wish, doing, identity))
            self._coming[wish] = coming
            coming.add_done_callback(lambda _: self._coming.pop(wish, None))
        token = await asyncio.shield(coming)
        self._kept[wish] = token
        return token.secret

    def forget(self, secret: str) -> None:
        """Never give out this token again: the registry refused it."""
        for wish in [wish for wish, token in self._kept.items() if token.secret == secret]:
            del self._kept[wish]

    async def close(self) -> None:
        """Stop what is being fetched."""
        coming = tuple(self._coming.values())
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)

    async def _fetch(self, wish: TokenWish, doing: Doing, identity: Identity) -> Token:
        request = self._request(wish, doing)
        asked_at_s = self._timing.clock_s()
        try:
            answer = await ask_patiently(self._transport, request, self._retry, self._timing, _MAX_ANSWER_BYTES)
        except TransportError as error:
            raise _unanswered(error, doing) from error
        if answer.status != 200:
            raise _refused(answer, doing, identity)
        logger.debug("token fetched", extra={"registry": doing.registry, "scopes": wish.scopes})
        return _parse_token(answer.body, asked_at_s, doing)

    def _request(self, wish: TokenWish, doing: Doing) -> Request:
        """Credentials leave only over TLS, unless plain HTTP was asked for."""
        realm = urlsplit(wish.realm)
        credential = wish.credential
        if realm.scheme == "http" and credential is not None and not self._insecure:
            raise UnauthorizedError(
                f"{doing.registry} wants its credentials sent to {realm.hostname} in plain HTTP; they were not sent",
                hint="use --insecure if that is really meant",
            )
        headers = {"User-Agent": self._user_agent, "Accept": "application/json"}
        fields = [("service", wish.service)] if wish.service else []
        if credential is not None and credential.identity_token is not None:
            fields += [
                ("grant_type", "refresh_token"),
                ("client_id", _CLIENT_ID),
                ("refresh_token", credential.identity_token),
                ("scope", " ".join(wish.scopes)),
            ]
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return Request("POST", wish.realm, headers, urlencode(fields).encode(), insecure=self._insecure)
        fields += [("scope", scope) for scope in wish.scopes]
        if credential is not None:
            fields.append(("account", credential.username))
            headers["Authorization"] = credential.basic_header()
        separator = "&" if realm.query else "?"
        url = f"{wish.realm}{separator}{urlencode(fields, safe=':,/')}" if fields else wish.realm
        return Request("GET", url, headers, insecure=self._insecure)


def wish_for(challenge: Challenge, scopes: tuple[str, ...], credential: Credential | None) -> TokenWish:
    """Return the wish for a token that answers a Bearer ``challenge``."""
    parameters = challenge.parameters
    return TokenWish(parameters.get("realm", ""), parameters.get("service"), scopes, credential)


def _parse_token(body: bytes, asked_at_s: float, doing: Doing) -> Token:
    """``token`` and ``access_token`` mean the same; life counts from our question, so clocks need not agree."""
    try:
        fields: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        fields = None
    secret = _first_text(fields, ("token", "access_token")) if isinstance(fields, dict) else None
    if secret is None:
        raise NoTokenError(f"the token service of {doing.registry} answered without a token")
    life_s = fields.get("expires_in")
    if not isinstance(life_s, int | float) or isinstance(life_s, bool) or life_s <= 0:
        life_s = _DEFAULT_LIFE_S
    return Token(secret, asked_at_s + life_s - min(30.0, life_s * 0.1))


def _first_text(fields: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if isinstance(value := fields.get(name), str) and value), None)


def _refused(answer: Answer, doing: Doing, identity: Identity) -> Exception:
    match answer.status:
        case 400 if identity.origin is not None:
            return unauthorized(doing, identity)  # what OAuth2 says to a refresh token that is void
        case 401:
            return unauthorized(doing, identity)
        case 403:
            return denied(doing, identity)
        case 429:
            return throttled(doing, ", at its token service")
        case _:
            kind = NoTokenError if verdict(answer.status) is Verdict.ANSWERED else RegistryFailedError
            return kind(
                f"the token service of {doing.registry} answered {answer.status} when asked to {doing}",
                hint=LATER_HINT,
            )


def _unanswered(error: TransportError, doing: Doing) -> Exception:
    if error.explained is not None:
        return error.explained
    text = f"the token service of {doing.registry} gave no answer: {error.text}"
    if error.kind in (FailureKind.BROKEN, FailureKind.IDLE):
        return InterruptedTransferError(text, hint=LATER_HINT)
    return UnreachableError(text, hint="check name, route, firewall and proxy of that host as well")
