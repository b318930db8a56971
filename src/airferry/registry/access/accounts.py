"""Accounts: users and robots, how they prove who they are, what they may do; and where accounts are kept.

A user has a password, a robot only access tokens; users may have those, too. Each credential has an id of its own,
which is in every bearer token that was made from it: with the credential, its bearer tokens end.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from airferry.errors import UsageError
from airferry.oci.reference import is_repository_path
from airferry.registry.access.grants import Grants, Permission

ANONYMOUS: Final = "anonymous"
"""Nobody's name: what it is granted, everybody may do. No account can have it."""

_MOST_NAME_CHARACTERS: Final = 255
_SECRET: Final = re.compile(r"afr_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


class AccountKind(StrEnum):
    """People have passwords and may have tokens; robots, named ``namespace+name``, have tokens only."""

    USER = "user"
    ROBOT = "robot"


@dataclass(frozen=True, slots=True)
class Password:
    """A bcrypt hash. Never shown. ``id`` changes with the password."""

    id: str
    bcrypt: str = field(repr=False)

    @classmethod
    def of(cls, bcrypt: str) -> "Password":
        """Return a new password with this hash."""
        return cls(secrets.token_hex(8), bcrypt)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that stands in for a password, by the hash of its text; ``expires`` None: never.

    ``permissions`` bounds what it may be used for; None: whatever its account may do.
    """

    id: str
    sha256: str = field(repr=False)
    created: datetime
    expires: datetime | None = None
    permissions: frozenset[Permission] | None = None

    def is_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires is not None and self.expires <= now


@dataclass(frozen=True, slots=True)
class Account:
    """One account. A robot's ``password`` is None."""

    name: str
    kind: AccountKind
    created: datetime
    password: Password | None = None
    tokens: tuple[AccessToken, ...] = ()
    grants: Grants = field(default_factory=Grants)

    def token_for(self, secret: str) -> AccessToken | None:
        """Return the token whose text this is, expired or not."""
        digest = _digest(secret)
        return next((token for token in self.tokens if hmac.compare_digest(token.sha256, digest)), None)

    def token(self, token_id: str) -> AccessToken | None:
        """Return the token with this id."""
        return next((token for token in self.tokens if token.id == token_id), None)


class Accounts(Protocol):
    """Where accounts are kept. Every change is seen by every process at once, and is all or nothing.

    ``alter`` gets what is there at that moment, under the lock that keeps other changes out; it must not wait.
    """

    async def find(self, name: str) -> Account | None:
        """Return the account, None when there is none. Asked for every request: it must be quick."""
        ...

    async def all(self) -> tuple[Account, ...]:
        """Return all accounts, by name."""
        ...

    async def anonymous(self) -> Grants:
        """Return what everybody may do without an account."""
        ...

    async def add(self, accounts: Sequence[Account]) -> None:
        """Add all of ``accounts``, or none: raises InUseError when one of the names is taken."""
        ...

    async def change(self, name: str, alter: Callable[[Account], Account]) -> Account:
        """Replace an account by what ``alter`` makes of it, and return that. Raises ``not-found``."""
        ...

    async def change_anonymous(self, alter: Callable[[Grants], Grants]) -> Grants:
        """Replace what everybody may do by what ``alter`` makes of it, and return that."""
        ...

    async def remove(self, name: str) -> None:
        """Remove an account with its grants and tokens. Raises ``not-found``."""
        ...


def make_access_token(
    now: datetime, expires: datetime | None = None, permissions: frozenset[Permission] | None = None
) -> tuple[AccessToken, str]:
    """Return a new token and its text, which is kept nowhere."""
    token_id = secrets.token_hex(6)
    secret = f"afr_{token_id}_{secrets.token_urlsafe(32)}"
    return AccessToken(token_id, _digest(secret), now, expires, permissions), secret


def is_access_token(password: str) -> bool:
    """Whether ``password`` has the form of an access token; whether it is one, its account knows."""
    return _SECRET.fullmatch(password) is not None


def check_user_name(name: str) -> str:
    """Return ``name`` if a new user may have it. Raises UsageError."""
    bad = not name or len(name) > _MOST_NAME_CHARACTERS or not name.isprintable() or ":" in name
    # Names with + are robots', names with $ are what registries call ways to log in ($oauthtoken, $app).
    if bad or name != name.strip() or name[0] in "#$" or "+" in name or name == ANONYMOUS:
        raise UsageError(
            f"{name[:40]!r} cannot be a user name", hint="letters, digits, dots and dashes; no colon and no plus"
        )
    return name


def check_robot_name(name: str) -> tuple[str, str]:
    """Return namespace and short name of ``namespace+name``. Raises UsageError."""
    namespace, plus, short = name.rpartition("+")
    if not plus or not is_repository_path(namespace) or not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,253}", short):
        raise UsageError(f"{name[:80]!r} cannot be a robot's name", hint="write NAMESPACE+NAME, such as openshift+ci")
    return namespace, short


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
