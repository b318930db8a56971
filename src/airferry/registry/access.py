"""Who may do what. Pure: it is given credentials that were checked elsewhere and decides.

Source: Docker Registry HTTP API v2 "Authentication" (a request that may succeed with credentials is answered
401 with a challenge); RFC 7617 for Basic.
"""

import base64
import binascii
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from airferry.registry.errors import DeniedError, UnauthorizedError


class Verb(StrEnum):
    """What a request wants to do."""

    PING = "ping"
    LIST = "list"
    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and a password as a client sent them. Never shown."""

    name: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(***)"


class Visitor(Protocol):
    """Someone whose request was let in; ``name`` is None for the anonymous."""

    @property
    def name(self) -> str | None:
        """The account's name."""
        ...

    def may(self, verb: Verb, path: str | None) -> bool:
        """Whether this visitor may do ``verb`` to the repository ``path`` (None: the registry as a whole)."""
        ...


class Access(Protocol):
    """The door. What :func:`airferry.registry.make_app` asks for every request."""

    @property
    def challenge(self) -> str:
        """The WWW-Authenticate header of a 401."""
        ...

    async def admit(self, authorization: str | None, verb: Verb, path: str | None) -> Visitor:
        """Return who it is, or raise UnauthorizedError or DeniedError."""
        ...


@dataclass(frozen=True, slots=True)
class Everyone:
    """The visitor of a registry without users: may do everything."""

    name: str | None = None

    def may(self, verb: Verb, path: str | None) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a registry with users: accounts may do everything, the anonymous pull if that is allowed."""

    anonymous_pull: bool = False

    def allows(self, name: str | None, verb: Verb, path: str | None) -> bool:
        """Whether the account ``name``, None for nobody, may do ``verb`` to ``path``."""
        if name is not None:
            return True
        return self.anonymous_pull and verb in (Verb.PING, Verb.PULL)


@dataclass(frozen=True, slots=True)
class Account:
    """A visitor with a name, or the anonymous one, under a policy."""

    name: str | None
    policy: Policy

    def may(self, verb: Verb, path: str | None) -> bool:
        """Ask the policy."""
        return self.policy.allows(self.name, verb, path)


def decide(name: str | None, policy: Policy, verb: Verb, path: str | None) -> Account:
    """Let the visitor in, or raise: UnauthorizedError if credentials might help, DeniedError if not."""
    visitor = Account(name, policy)
    if visitor.may(verb, path):
        return visitor
    what = f"{verb} {path}" if path else f"{verb} the registry"
    if name is None:
        raise UnauthorizedError(f"credentials are needed to {what}")
    raise DeniedError(f"{name} may not {what}")


def parse_basic(authorization: str | None) -> Credentials | None:
    """Return the credentials of an Authorization header, None when there is no header.

    Raises UnauthorizedError for another scheme and for what cannot be decoded.
    """
    if authorization is None:
        return None
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise UnauthorizedError("this registry takes Basic credentials")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise UnauthorizedError("the Basic credentials cannot be decoded") from None
    name, colon, password = text.partition(":")
    if not colon or not name:
        raise UnauthorizedError("the Basic credentials are not of the form name:password")
    return Credentials(name, password)
