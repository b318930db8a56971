"""Questions about a registry itself, at the APIs beside the distribution API: asked once, believed little.

What stands at the other end may be anything: a page for people with status 200, a redirect to a login page, a body
without end. So nothing is followed, little is read, and an answer that does not come in time is none.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from airferry.content.errors import RegistryFailedError
from airferry.content.http.auth_files import Credential
from airferry.content.http.refusals import Doing
from airferry.content.http.session import RegistrySession
from airferry.content.http.transport import Request, TransportError, read_body

logger = logging.getLogger(__name__)

_MAX_BYTES: Final = 256 * 1024
_OAUTH_USER: Final = "$oauthtoken"
"""The user name by which Quay takes an OAuth token for a password (facts of Quay's docs, "Docker login")."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer: its status, its headers by names in lower case (the first of each), and its body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object in the body, empty where it is none: HTML, text, a list, too deep."""
        try:
            found: Any = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Proof:
    """The value of an Authorization header, and where it is from in words. Printing it never shows the secret."""

    header: str = field(repr=False)
    origin: str

    @classmethod
    def bearer(cls, token: str, origin: str) -> "Proof":
        """Return the proof that a bearer token is."""
        return cls(f"Bearer {token}", origin)


class Questions:
    """Asks one registry. Nothing is ever sent to another host than the one that was configured."""

    def __init__(self, session: RegistrySession) -> None:
        self._session = session

    async def base(self) -> str:
        """Return scheme and host of the registry. Raises what the first contact does."""
        await self._meet()
        return self._session.base

    async def greeting(self) -> Heard:
        """Return what ``/v2/`` answered at the first contact, to nobody in particular.

        Raises UnreachableError, CertificateError, InterruptedTransferError.
        """
        await self._meet()
        greeting = self._session.greeting
        headers = {name.lower(): value for name, value in reversed(list(greeting.headers.items()))}
        return Heard(greeting.status, headers, greeting.body)

    async def ask(
        self, target: str, *, method: str = "GET", document: Mapping[str, Any] | None = None, proof: Proof | None = None
    ) -> Heard | None:
        """Return what the registry answers at the path ``target``; None for nothing of use in time.

        ``document`` is sent as JSON, ``proof`` as the only credential. A redirect is an answer, and never followed.
        Raises what the first contact does.
        """
        await self._meet()
        headers = {"User-Agent": self._session.settings.user_agent, "Accept": "application/json"}
        if proof is not None:
            headers["Authorization"] = proof.header
        body = None
        if document is not None:
            body = msgspec.json.encode(document)
            headers["Content-Type"] = "application/json"
        request = Request(method, f"{self._session.base}{target}", headers, body)
        try:
            async with asyncio.timeout(self._session.settings.question_timeout_s):
                return await self._exchange(request)
        except (TransportError, TimeoutError, RegistryFailedError) as error:
            extra = {"registry": self._session.host, "target": target, "reason": str(error) or "no answer in time"}
            logger.info("question not answered", extra=extra)
            return None

    async def credential_user(self) -> str | None:
        """Return the user name that we have for this registry, None for none."""
        credential = await self._credential()
        return credential.username if credential is not None and credential.username else None

    async def password_proof(self) -> Proof | None:
        """Return the proof by user name and password, None where there is no such credential."""
        credential = await self._credential()
        if credential is None or not credential.password:
            return None
        return Proof(credential.basic_header(), credential.origin)

    async def oauth_proof(self) -> Proof | None:
        """Return the proof by Quay's OAuth token, where that is what is stored for this registry."""
        credential = await self._credential()
        if credential is None or credential.username != _OAUTH_USER:
            return None
        return Proof.bearer(credential.password, credential.origin)

    async def _meet(self) -> None:
        await self._session.meet(Doing(self._session.host, "", f"reach {self._session.host}", "this registry"))

    async def _exchange(self, request: Request) -> Heard:
        response = await self._session.send_bare(request)
        try:
            body = await read_body(response, _MAX_BYTES)
        finally:
            await response.close()
        headers = {name.lower(): value for name, value in reversed(list(response.headers.items()))}
        return Heard(response.status, headers, body)

    async def _credential(self) -> Credential | None:
        return await self._session.authorizer.credential("")
