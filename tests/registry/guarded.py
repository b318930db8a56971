"""A registry with users whose door is made here: accounts in a folder, quick bcrypt, a clock that can be set."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bcrypt
import jwt

from airferry.registry.access import (
    Account,
    AccountKind,
    AccountsFile,
    Door,
    Grants,
    Permission,
    Scheme,
    TokenKeysFile,
    Tokens,
)
from airferry.registry.access.accounts import AccessToken, Password, make_access_token
from airferry.registry.access.grants import parse_permissions
from airferry.registry.access.passwords import PasswordChecks
from airferry.registry.access.throttle import Throttle
from airferry.registry.audit import AuditLog

NOW = datetime.now(UTC).replace(microsecond=0)


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


def quick_hash(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def grants(**by_namespace: str) -> Grants:
    """``team="pull,push"``; ``everywhere`` stands for ``*``, two underscores for a slash."""
    return Grants(
        {
            {"everywhere": "*"}.get(name, name.replace("__", "/")): parse_permissions(text)
            for name, text in by_namespace.items()
        }
    )


def user(name: str, password: str = "", **by_namespace: str) -> Account:
    secret = Password.of(quick_hash(password or f"{name}'s password"))
    return Account(name, AccountKind.USER, NOW, secret, grants=grants(**by_namespace))


def robot(name: str, expires: datetime | None = None, **by_namespace: str) -> tuple[Account, str]:
    token, secret = make_access_token(NOW, expires)
    return Account(name, AccountKind.ROBOT, NOW, tokens=(token,), grants=grants(**by_namespace)), secret


def bound_token(permissions: str, expires: datetime | None = None) -> tuple[AccessToken, str]:
    return make_access_token(NOW, expires, parse_permissions(permissions))


def basic(name: str, password: str = "") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password or f'{name}{chr(39)}s password'}".encode()).decode()


class Guarded:
    """The parts of a door, so that tests can turn each of them."""

    def __init__(self, root: Path, accounts: AccountsFile, keys: TokenKeysFile, **options: Any) -> None:
        self.root = root
        self.accounts = accounts
        self.keys = keys
        self.clock = Clock()
        self.audit = AuditLog(root)
        self.checks = PasswordChecks(self.clock)
        self.tokens = Tokens(keys)
        self.offers: tuple[Scheme, ...] = options.get("offers", tuple(Scheme))
        self.door = Door(
            accounts, self.tokens, audit=self.audit, checks=self.checks, throttle=Throttle(self.clock), **options
        )

    @classmethod
    async def make(cls, root: Path, *accounts: Account, **options: Any) -> "Guarded":
        root.mkdir(exist_ok=True)
        made = await AccountsFile.open(root)
        await made.add(accounts)
        return cls(root, made, await TokenKeysFile.open(root), **options)

    async def allow_everybody(self, namespace: str) -> None:
        await self.accounts.change_anonymous(lambda before: before.replaced(namespace, frozenset({Permission.PULL})))

    def audited(self) -> list[dict[str, Any]]:
        if not self.audit.file.exists():
            return []
        return [json.loads(line) for line in self.audit.file.read_text().splitlines()]

    def close(self) -> None:
        self.door.close()
        self.accounts.close()
        self.keys.close()


def claims_of(token: str) -> Mapping[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})
