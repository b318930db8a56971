"""``registry user``, ``robot``, ``token`` and ``keys``: the accounts of a registry, changed while it serves or not.

Each change is seen by every server of that folder at once, and is written into its audit log. Secrets are returned
to the caller once, and are kept nowhere.
"""

import asyncio
import getpass
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from airferry.app.registry.registry_documents import NewSecret, grants_document
from airferry.errors import UsageError
from airferry.registry import AccountsFile, AuditLog, Grants, Settings, TokenKeysFile
from airferry.registry.access import Account, AccountKind
from airferry.registry.access.accounts import (
    ANONYMOUS,
    AccessToken,
    Password,
    check_robot_name,
    check_user_name,
    make_access_token,
)
from airferry.registry.access.grants import parse_namespace, parse_permissions, print_permissions
from airferry.registry.access.passwords import hash_password, parse_htpasswd
from airferry.registry.access.token_keys import KeyRing
from airferry.registry.audit import AuditEvent
from airferry.registry.disk import disk_errors
from airferry.registry.errors import NotFoundError

_GENERATED_BYTES: Final = 24
_LIFE: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class RegistryAccounts:
    """The accounts of the registry in one folder, with the audit log that every change goes to."""

    def __init__(self, root: Path, accounts: AccountsFile) -> None:
        self._root = root
        self._accounts = accounts
        self._audit = AuditLog(root)

    @classmethod
    @asynccontextmanager
    async def open(cls, root: Path) -> AsyncIterator["RegistryAccounts"]:
        """Open them. Raises ``not-found`` where there is no registry, MalformedError for a file that was spoilt."""
        settings = Settings.read(root)
        accounts = await AccountsFile.open(root, settings.users)
        try:
            yield cls(root, accounts)
        finally:
            accounts.close()

    async def add_user(self, name: str, password: str | None, grants: Sequence[str]) -> NewSecret:
        """Add a user; without ``password`` a random one is made."""
        chosen = password if password is not None else secrets.token_urlsafe(_GENERATED_BYTES)
        hashed = Password.of(hash_password(chosen))
        user = Account(check_user_name(name), AccountKind.USER, _now(), hashed, grants=parse_grants(grants))
        await self._accounts.add([user])
        await self._say(AuditEvent.ACCOUNT_ADDED, user)
        return NewSecret(user, None if password is not None else chosen)

    async def import_users(self, htpasswd: Path, grants: Sequence[str]) -> tuple[Account, ...]:
        """Add all users of an htpasswd file, or none when one of the names is taken or cannot be a user's."""
        given = parse_grants(grants)
        try:
            with disk_errors(f"reading {htpasswd}"):
                raw = await asyncio.to_thread(htpasswd.read_bytes)
        except FileNotFoundError:
            raise NotFoundError(f"there is no file {htpasswd}") from None
        hashes = parse_htpasswd(raw, str(htpasswd))
        users = tuple(
            Account(check_user_name(name), AccountKind.USER, _now(), Password.of(hashed), grants=given)
            for name, hashed in hashes.items()
        )
        await self._accounts.add(users)
        for user in users:
            await self._say(AuditEvent.ACCOUNT_ADDED, user)
        return users

    async def set_password(self, name: str, password: str | None) -> NewSecret:
        """Give a user a new password, a random one without ``password``; bearer tokens got with the old one end."""
        chosen = password if password is not None else secrets.token_urlsafe(_GENERATED_BYTES)
        hashed = Password.of(hash_password(chosen))

        def changed(account: Account) -> Account:
            _require(account, AccountKind.USER)
            return replace(account, password=hashed)

        user = await self._accounts.change(name, changed)
        await self._audit.write(AuditEvent.PASSWORD_CHANGED, account=name, actor=actor())
        return NewSecret(user, None if password is not None else chosen)

    async def remove(self, name: str, *, is_robot: bool) -> None:
        """Remove a user or a robot, with grants and tokens."""
        kind = AccountKind.ROBOT if is_robot else AccountKind.USER
        account = await self._accounts.find(name)
        if account is not None:
            _require(account, kind)
        await self._accounts.remove(name)
        await self._audit.write(AuditEvent.ACCOUNT_REMOVED, account=name, actor=actor())

    async def grant(self, name: str, namespace: str, permissions: str) -> Grants:
        """Let an account, or everybody (``anonymous``), have exactly ``permissions`` in ``namespace``."""
        where, given = parse_namespace(namespace), parse_permissions(permissions)
        if name == ANONYMOUS:
            if not given <= parse_permissions("pull"):
                raise UsageError("everybody may at most pull", hint="make a user or a robot for more")
            grants = await self._accounts.change_anonymous(lambda before: before.replaced(where, given))
        else:
            account = await self._accounts.change(
                name, lambda before: replace(before, grants=before.grants.replaced(where, given))
            )
            grants = account.grants
        await self._audit.write(
            AuditEvent.PERMISSIONS_CHANGED,
            account=name,
            namespace=where,
            permissions=print_permissions(given),
            actor=actor(),
        )
        return grants

    async def add_robot(self, name: str, grants: Sequence[str], life: str) -> NewSecret:
        """Add a robot with a first token; without ``grants`` it may pull in its own namespace."""
        namespace, _ = check_robot_name(name)
        token, secret = make_access_token(_now(), _expiry(life))
        given = parse_grants(grants) if grants else parse_grants([f"{namespace}=pull"])
        robot = Account(name, AccountKind.ROBOT, _now(), tokens=(token,), grants=given)
        await self._accounts.add([robot])
        await self._say(AuditEvent.ACCOUNT_ADDED, robot)
        return NewSecret(robot, secret, token.id, token.expires)

    async def add_token(self, name: str, life: str, permissions: str | None) -> NewSecret:
        """Give an account another token, which may be bound to less than the account may do."""
        limit = parse_permissions(permissions) if permissions is not None else None
        token, secret = make_access_token(_now(), _expiry(life), limit)
        account = await self._accounts.change(
            name, lambda before: replace(before, tokens=(*_unexpired(before.tokens), token))
        )
        await self._audit.write(AuditEvent.TOKEN_ADDED, account=name, token=token.id, actor=actor())
        return NewSecret(account, secret, token.id, token.expires)

    async def remove_token(self, token_id: str) -> Account:
        """Remove a token by its id; bearer tokens got with it end."""
        for account in await self._accounts.all():
            if account.token(token_id) is not None:
                changed = await self._accounts.change(
                    account.name,
                    lambda before: replace(before, tokens=tuple(one for one in before.tokens if one.id != token_id)),
                )
                await self._audit.write(AuditEvent.TOKEN_REMOVED, account=account.name, token=token_id, actor=actor())
                return changed
        raise NotFoundError(f"there is no token {token_id[:40]!r}", hint="see `airferry registry token list`")

    async def all(self, *, is_robot: bool | None = None) -> tuple[Account, ...]:
        """Return robots, users, or (None) both, by name."""
        accounts = await self._accounts.all()
        return tuple(one for one in accounts if is_robot in (None, one.kind is AccountKind.ROBOT))

    async def anonymous(self) -> Grants:
        """Return what everybody may do."""
        return await self._accounts.anonymous()

    async def _say(self, event: AuditEvent, account: Account) -> None:
        granted = grants_document(account.grants)
        await self._audit.write(event, account=account.name, kind=account.kind, grants=granted, actor=actor())


async def token_keys(root: Path, *, rotate: bool = False) -> KeyRing:
    """Return the keys that bearer tokens are signed with, after a new one has taken over if that is wanted."""
    Settings.read(root)
    keys = await TokenKeysFile.open(root)
    try:
        if not rotate:
            return (await keys.current()).ring
        ring = await keys.rotate()
        await AuditLog(root).write(AuditEvent.KEYS_ROTATED, key=ring.keys[0].kid, actor=actor())
        return ring
    finally:
        keys.close()


def parse_grants(texts: Sequence[str]) -> Grants:
    """Return the grants of texts such as ``team=pull,push``. Raises UsageError."""
    grants = Grants()
    for text in texts:
        namespace, equals, permissions = text.partition("=")
        if not equals:
            raise UsageError(
                f"{text[:80]!r} is not a grant", hint="write NAMESPACE=PERMISSIONS, such as team=pull,push"
            )
        grants = grants.added(Grants({parse_namespace(namespace): parse_permissions(permissions)}))
    return Grants({namespace: given for namespace, given in grants.by_namespace.items() if given})


def _require(account: Account, kind: AccountKind) -> None:
    if account.kind is not kind:
        raise UsageError(f"{account.name} is a {account.kind}", hint=f"see `airferry registry {account.kind} --help`")


def _unexpired(tokens: Sequence[AccessToken]) -> tuple[AccessToken, ...]:
    return tuple(token for token in tokens if not token.is_expired(_now()))


def _expiry(life: str) -> datetime | None:
    if life == "never":
        return None
    match = _LIFE.fullmatch(life)
    if match is None:
        raise UsageError(f"{life[:40]!r} is not a time to live", hint="write 30m, 12h, 90d, or never")
    return _now() + int(match[1]) * _UNITS[match[2]]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def actor() -> str:
    """Return who runs this command, as the machine knows them."""
    try:
        return f"{getpass.getuser()} at the command line"
    except (KeyError, OSError):  # an account without a name, as in containers
        return "the command line"
