"""Proves to one registry who we are: remembers what it asks for and answers with as little as that needs."""

import asyncio

from multidict import MultiMapping

from airferry.content.http.addresses import named_url
from airferry.content.http.auth_files import Credential
from airferry.content.http.challenge import Challenge, choose, parse_challenges
from airferry.content.http.credentials import CredentialSource
from airferry.content.http.refusals import Doing, Identity, denied, unauthorized
from airferry.content.http.tokens import Tokens, wish_for


def pull_scope(path: str) -> str:
    """Return the scope to read a repository."""
    return f"repository:{path}:pull"


def push_scope(path: str) -> str:
    """Return the scope to read and write a repository."""
    return f"repository:{path}:pull,push"


def delete_scope(path: str) -> str:
    """Return the scope to read a repository and delete from it (distribution's actions)."""
    return f"repository:{path}:pull,delete"


class Authorizer:
    """The Authorization header of every request to one registry."""

    def __init__(self, host: str, credentials: CredentialSource, tokens: Tokens) -> None:
        """``host`` is as the user wrote it, since that is what auth files have as key."""
        self._host = host
        self._credentials = credentials
        self._tokens = tokens
        self._challenge: Challenge | None = None
        self._own_scopes: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._found: dict[str, Credential | None] = {}
        self._lock = asyncio.Lock()

    @property
    def scheme(self) -> str | None:
        """``basic``, ``bearer``, or None while the registry asked for nothing."""
        return self._challenge.scheme if self._challenge else None

    def learn(self, headers: MultiMapping[str], url: str, doing: Doing) -> Challenge | None:
        """Remember what a 401 answer from the registry at ``url`` asks for, and return it.

        Raises RegistryFailedError when it sends us to a token service that is no URL.
        """
        found = choose(parse_challenges(headers.getall("WWW-Authenticate", [])))
        if found is not None and found.scheme == "bearer":
            realm = named_url(found.parameters["realm"], url, self._host, doing)
            found = Challenge(found.scheme, {**found.parameters, "realm": realm})
        if found is not None:
            self._challenge = found
        return found

    async def header(self, scopes: tuple[str, ...], doing: Doing) -> str | None:
        """Return the header for a request, None for none. Raises UnauthorizedError, DeniedError, …"""
        challenge = self._challenge
        if challenge is None:
            return None
        credential = await self.credential(doing.path)
        if challenge.scheme == "basic":
            if credential is None:
                raise unauthorized(doing, self._identity(credential))
            return credential.basic_header()
        if credential is not None and credential.registry_token is not None:
            return f"Bearer {credential.registry_token}"
        wish = wish_for(challenge, self._own_scopes.get(scopes, scopes), credential)
        return f"Bearer {await self._tokens.get(wish, doing, self._identity(credential))}"

    async def renewed(
        self, challenge: Challenge | None, scopes: tuple[str, ...], doing: Doing, used: str | None
    ) -> str | None:
        """Return another header after a 401 to the header ``used``, or None when there is nothing else to try."""
        if used is not None and used.startswith("Bearer "):
            self._tokens.forget(used.removeprefix("Bearer "))
        if challenge is None:
            return None
        own_scope = challenge.parameters.get("scope")
        if scopes and own_scope and challenge.scheme == "bearer":
            # The registry knows best which scope its own answer needs.
            self._own_scopes[scopes] = tuple(dict.fromkeys((*scopes, *own_scope.split())))[:4]
        header = await self.header(scopes, doing)
        return None if header == used else header

    async def refused(self, challenge: Challenge | None, doing: Doing, said: str = "") -> Exception:
        """Return the error for a 401 that stays: a good credential without the right is denied, not wrong."""
        identity = self._identity(await self.credential(doing.path))
        scope_missing = challenge is not None and challenge.parameters.get("error") == "insufficient_scope"
        if scope_missing and identity.origin is not None:
            return denied(doing, identity, said)
        return unauthorized(doing, identity, said)

    async def identity(self, path: str) -> Identity:
        """Return as whom requests for ``path`` are made, for error messages."""
        if self._challenge is None:
            return Identity(None, self._credentials.searched)
        return self._identity(await self.credential(path))

    async def credential(self, path: str) -> Credential | None:
        """Return the credential for ``path``; looked up once."""
        async with self._lock:
            if path not in self._found:
                self._found[path] = await self._credentials.find(self._host, path)
            return self._found[path]

    def _identity(self, credential: Credential | None) -> Identity:
        return Identity(credential.origin if credential else None, self._credentials.searched)
