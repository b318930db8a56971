"""Tokens and passwords of the lab upstream: who gets one, for what, for how long.

Source: Docker "Token Authentication Specification"; Quay's ``/v2/auth`` (silent down-scoping, 400 for a scope it
cannot read, a body with nothing but ``token``).
"""

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from airferry.lab.policy import Authentication, Policy
from airferry.lab.reply import Reply, json_reply, refusal

_SCOPE: Final = re.compile(r"repository:(?P<name>[a-z0-9._/-]+):(?P<actions>[a-z,*]*)\Z")


@dataclass(frozen=True, slots=True)
class _Grant:
    repositories: frozenset[str]
    expires_at: float


class Gate:
    """Lets requests in or says why not. ``clock`` gives seconds that only grow."""

    def __init__(self, policy: Policy, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._grants: dict[str, _Grant] = {}

    def expire_tokens(self) -> None:
        """Make every token given out so far worthless."""
        self._grants.clear()

    def issue(self, authorization: str | None, scopes: Sequence[str]) -> Reply:
        """Answer a request for a token for ``scopes``, each perhaps several separated by blanks."""
        allowed = self._policy.anonymous_pull
        if authorization is not None:
            if not self._knows(authorization):
                return refusal(401, "UNAUTHORIZED", "Invalid username or password.")
            allowed = True
        names = []
        for scope in (part for text in scopes for part in text.split()):
            found = _SCOPE.match(scope)
            if not found:
                return refusal(400, "INVALID_REQUEST", f"Unable to decode repository and actions: {scope}")
            if "pull" in found["actions"].split(",") and allowed:
                names.append(found["name"])
        token = secrets.token_urlsafe(48)
        self._grants[token] = _Grant(frozenset(names), self._clock() + self._policy.token_lifetime_s)
        body: dict[str, object] = {"token": token}
        if self._policy.says_lifetime:
            body["expires_in"] = int(self._policy.token_lifetime_s)
        return json_reply(body, {"Cache-Control": "no-cache, no-store"})

    def refuse(self, authorization: str | None, repository: str, root: str) -> Reply | None:
        """Return the answer that keeps a request out, or None to let it in.

        ``repository`` is "" for the ping. ``root`` is the registry's own URL, as the client wrote its host.
        """
        if self._lets_in(authorization, repository):
            if repository in self._policy.denied:
                return refusal(403, "DENIED", f"access to {repository} is denied")
            return None
        message = "access to the requested resource is not authorized"
        headers = {"WWW-Authenticate": self._challenge(repository, root, authorization)}
        return refusal(401, "UNAUTHORIZED", message, headers)

    def _lets_in(self, authorization: str | None, repository: str) -> bool:
        match self._policy.authentication:
            case Authentication.NONE:
                return True
            case Authentication.BASIC:
                return (authorization is None and self._policy.anonymous_pull) or self._knows(authorization or "")
            case Authentication.BEARER:
                kind, _, token = (authorization or "").partition(" ")
                grant = self._grants.get(token) if kind.lower() == "bearer" else None
                if grant is None or self._clock() >= grant.expires_at:
                    return False
                return not repository or repository in grant.repositories

    def _challenge(self, repository: str, root: str, authorization: str | None) -> str:
        host = root.partition("://")[2]
        if self._policy.authentication is Authentication.BASIC:
            return 'Basic realm="airferry lab"'
        parts = [f'Bearer realm="{root}/v2/auth"', f'service="{host}"']
        if repository:
            parts.append(f'scope="repository:{repository}:pull"')
        if authorization is not None:
            parts.append('error="invalid_token"')
        return ",".join(parts)

    def _knows(self, authorization: str) -> bool:
        kind, _, encoded = authorization.partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        known = self._policy.users.get(name)
        return known is not None and secrets.compare_digest(known.encode(), password.encode())
