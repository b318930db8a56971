"""What the registry asks at its door, and what it learns there: verbs, knocks, visitors.

Source: Docker Registry HTTP API v2 "Authentication": a request that may succeed with credentials is answered
401 with a challenge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from airferry.errors import AirferryError
from airferry.registry.access.credentials import Credentials
from airferry.registry.errors import DeniedError, UnauthorizedError


class Verb(StrEnum):
    """What a request wants to do."""

    PING = "ping"
    LIST = "list"
    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    ADMINISTER = "administer"


@dataclass(frozen=True, slots=True)
class Knock:
    """A request at the door: what it brings, what it wants, where it comes from.

    ``path`` is None for the registry as a whole. ``address`` is the peer's, ``origin`` the registry's own URL as
    the client wrote it, without a path; None where that cannot be told.
    """

    authorization: str | None
    verb: Verb
    path: str | None = None
    address: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class TokenWish:
    """A request for a bearer token: who asks, for which scopes as they were written, at which service."""

    credentials: Credentials | None
    scopes: tuple[str, ...] = ()
    service: str | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A bearer token, valid for ``life_s`` from ``issued_at_s`` (seconds since 1970), and the scopes it got."""

    secret: str
    issued_at_s: int
    life_s: int
    scopes: tuple[str, ...]

    def __repr__(self) -> str:
        return "IssuedToken(***)"


class Visitor(Protocol):
    """Someone whose request was let in; ``name`` is None for the anonymous."""

    @property
    def name(self) -> str | None:
        """The account's name."""
        ...

    def may(self, verb: Verb, path: str | None) -> bool:
        """Whether this visitor may do ``verb`` to the repository ``path`` (None: the registry as a whole)."""
        ...

    def sees(self, path: str) -> bool:
        """Whether the repository ``path`` is in the catalog that this visitor may list."""
        ...


class Access(Protocol):
    """The door. What :func:`airferry.registry.make_app` asks for every request."""

    async def admit(self, knock: Knock) -> Visitor:
        """Return who it is, or raise UnauthorizedError, DeniedError, ThrottledError."""
        ...

    async def challenges(self, knock: Knock, error: AirferryError) -> Sequence[str]:
        """Return the WWW-Authenticate headers of a 401, in order; clients take the first that they know."""
        ...

    async def issue(self, wish: TokenWish) -> IssuedToken:
        """Return a bearer token, or raise as ``admit`` does; ``not-found`` where there are none."""
        ...


class NotGrantedError(DeniedError):
    """An ``account`` wants what it was not granted."""

    def __init__(self, message: str, *, account: str) -> None:
        super().__init__(message)
        self.account = account


class ScopeMissingError(UnauthorizedError):
    """A good token that was not made for this, of an account that could have one that is.

    ``also_pull`` is a repository that must be read besides the one that was knocked for.
    """

    def __init__(self, message: str, *, hint: str | None = None, also_pull: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.also_pull = also_pull


@dataclass(frozen=True, slots=True)
class Everyone:
    """The visitor of a registry without users: may do everything."""

    name: str | None = None

    def may(self, verb: Verb, path: str | None) -> bool:
        """Always."""
        return True

    def sees(self, path: str) -> bool:
        """Always."""
        return True
