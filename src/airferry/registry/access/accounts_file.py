"""Accounts in a file of their own, ROOT/accounts.json, mode 0600. Implements ``Accounts``."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal

import msgspec

from airferry.errors import MalformedError, parser_words
from airferry.registry.access.accounts import ANONYMOUS, Account, AccountKind, Password, check_user_name
from airferry.registry.access.grants import EVERYWHERE, Grants, Permission
from airferry.registry.access.passwords import parse_htpasswd
from airferry.registry.access.watched import WatchedFile
from airferry.registry.disk import disk_errors, in_thread
from airferry.registry.durable import write_durably
from airferry.registry.errors import InUseError, NotFoundError

logger: Final = logging.getLogger("airferry.registry")

ACCOUNTS_FILE: Final = "accounts.json"

_WORKERS: Final = frozenset({Permission.PULL, Permission.PUSH, Permission.DELETE})
_ADMINS: Final = frozenset({Permission.ADMIN})


@dataclass(frozen=True, slots=True)
class _Book:
    """The content of the file. Pure: each change is a new book."""

    version: Literal[1] = 1
    anonymous: Grants = field(default_factory=Grants)
    accounts: Mapping[str, Account] = field(default_factory=dict)

    def find(self, name: str) -> Account:
        if name not in self.accounts:
            raise NotFoundError(f"there is no account {name[:80]!r}", hint="see `airferry registry user list`")
        return self.accounts[name]

    def with_accounts(self, added: Sequence[Account]) -> "_Book":
        names = [account.name for account in added]
        for name in names:
            if name in self.accounts or names.count(name) > 1:
                raise InUseError(f"there is an account {name!r} already", hint="choose another name")
        return self._holding({**self.accounts, **{account.name: account for account in added}})

    def changed(self, name: str, alter: Callable[[Account], Account]) -> "_Book":
        return self._holding({**self.accounts, name: alter(self.find(name))})

    def without(self, name: str) -> "_Book":
        self.find(name)
        return self._holding({other: account for other, account in self.accounts.items() if other != name})

    def _holding(self, accounts: Mapping[str, Account]) -> "_Book":
        return replace(self, accounts=dict(sorted(accounts.items())))


class AccountsFile:
    """The accounts of the registry in ``root``. Several processes may read and change them at once."""

    def __init__(self, root: Path) -> None:
        file = root / ACCOUNTS_FILE
        self._book = WatchedFile(file, partial(_parse, where=str(file)), _print, _Book())

    @classmethod
    async def open(cls, root: Path, htpasswd: Path | None = None) -> "AccountsFile":
        """Return the accounts of ``root``; the first time, those of an ``htpasswd`` file that served until now.

        The first user of that file becomes the administrator, the others may pull, push and delete everywhere, as
        they could. Where it lies in ``root`` it is put aside as ``NAME.moved``, so that nobody edits it in vain.
        """
        accounts = cls(root)
        if not await in_thread((root / ACCOUNTS_FILE).exists):
            await accounts._book.change(partial(_first_book, htpasswd=htpasswd))
        if htpasswd is not None and htpasswd.name != ACCOUNTS_FILE and htpasswd.parent == root:
            await in_thread(_put_aside, htpasswd)
        if not (await accounts._book.current()).accounts:
            logger.warning("%s holds no account: add one with `airferry registry user add`", root / ACCOUNTS_FILE)
        return accounts

    async def find(self, name: str) -> Account | None:
        """Return the account, None when there is none."""
        return (await self._book.current()).accounts.get(name)

    async def all(self) -> tuple[Account, ...]:
        """Return all accounts, by name."""
        return tuple((await self._book.current()).accounts.values())

    async def anonymous(self) -> Grants:
        """Return what everybody may do without an account."""
        return (await self._book.current()).anonymous

    async def add(self, accounts: Sequence[Account]) -> None:
        """Add all of ``accounts``, or none."""
        await self._book.change(lambda book: book.with_accounts(accounts))

    async def change(self, name: str, alter: Callable[[Account], Account]) -> Account:
        """Replace an account by what ``alter`` makes of it."""
        return (await self._book.change(lambda book: book.changed(name, alter))).accounts[name]

    async def change_anonymous(self, alter: Callable[[Grants], Grants]) -> Grants:
        """Replace what everybody may do by what ``alter`` makes of it."""
        changed = await self._book.change(lambda book: replace(book, anonymous=alter(book.anonymous)))
        return changed.anonymous

    async def remove(self, name: str) -> None:
        """Remove an account with its grants and tokens."""
        await self._book.change(lambda book: book.without(name))

    def close(self) -> None:
        """Give back the open file."""
        self._book.close()


def write_first_account(root: Path, name: str, bcrypt: str) -> None:
    """Make the accounts of a new registry: one administrator, and nothing for the anonymous. Raises OSError."""
    write_durably(root / ACCOUNTS_FILE, _print(_Book().with_accounts([_account(name, bcrypt, _ADMINS)])), 0o600)


def _first_book(book: _Book, htpasswd: Path | None) -> _Book:
    if htpasswd is None or htpasswd.name == ACCOUNTS_FILE or not htpasswd.exists():
        return book
    with disk_errors(f"reading {htpasswd}"):
        hashes = parse_htpasswd(htpasswd.read_bytes(), str(htpasswd))
    # Names that only new users may not have, such as a+b@example.com, stay: people log in with them.
    if ANONYMOUS in hashes:
        check_user_name(ANONYMOUS)
    return book.with_accounts(
        [
            _account(name, bcrypt, _ADMINS if position == 0 else _WORKERS)
            for position, (name, bcrypt) in enumerate(hashes.items())
        ]
    )


def _put_aside(htpasswd: Path) -> None:
    if htpasswd.exists():
        logger.warning("%s is not read any more, users are in %s", htpasswd, ACCOUNTS_FILE)
        with disk_errors(f"moving {htpasswd}"):
            htpasswd.rename(htpasswd.with_name(f"{htpasswd.name}.moved"))


def _account(name: str, bcrypt: str, permissions: frozenset[Permission]) -> Account:
    grants = Grants({EVERYWHERE: permissions})
    return Account(name, AccountKind.USER, datetime.now(UTC), Password.of(bcrypt), grants=grants)


def _parse(raw: bytes, where: str) -> _Book:
    try:
        book = msgspec.json.decode(raw, type=_Book)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # The error's text tells the place in the file, never a value.
        raise MalformedError(
            f"{where} does not hold accounts: {parser_words(error)}", hint="bring back a copy that does"
        ) from None
    if any(account.name != name for name, account in book.accounts.items()):
        raise MalformedError(f"{where} holds an account under another's name", hint="bring back a copy that does not")
    return book


def _print(book: _Book) -> bytes:
    return msgspec.json.format(msgspec.json.encode(book, order="deterministic"), indent=1) + b"\n"
