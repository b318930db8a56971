"""Passwords: a file in Apache's htpasswd format with bcrypt hashes, and the check that is made of each request.

bcrypt is slow on purpose. A password that was right once is remembered as an HMAC under a key that only this
process knows, so that throughput does not depend on bcrypt and no password, nor anything it could be guessed
from, lies in memory longer than a request.
"""

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import bcrypt

from airferry.errors import MalformedError, UsageError
from airferry.registry.access import Account, Credentials, Policy, Verb, decide, parse_basic
from airferry.registry.disk import disk_errors, in_thread
from airferry.registry.errors import ThrottledError, UnauthorizedError

MOST_PASSWORD_BYTES: Final = 72
"""bcrypt reads no more."""

_ROUNDS: Final = 11
_MOST_REMEMBERED: Final = 4096
_MOST_WAITING: Final = 64
_NOBODY: Final = b"$2b$11$" + b"." * 53
_HASH_STARTS: Final = ("$2a$", "$2b$", "$2y$")


def hash_password(password: str) -> str:
    """Return the bcrypt hash of ``password``. Raises UsageError when it is empty, too long or holds NUL."""
    encoded = password.encode()
    if not encoded or b"\0" in encoded:
        raise UsageError("a password must hold at least one character, and no NUL")
    if len(encoded) > MOST_PASSWORD_BYTES:
        raise UsageError(f"the password has {len(encoded)} bytes, bcrypt takes at most {MOST_PASSWORD_BYTES}")
    return bcrypt.hashpw(encoded, bcrypt.gensalt(_ROUNDS)).decode()


def parse_htpasswd(text: str, where: str) -> Mapping[str, bytes]:
    """Return name → bcrypt hash. Raises MalformedError, naming the line, for anything but bcrypt."""
    accounts: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, hashed = line.strip().partition(":")
        if not colon or not name or not hashed.startswith(_HASH_STARTS):
            raise MalformedError(
                f"line {number} of {where} is not name:bcrypt-hash", hint="write users with `htpasswd -B`"
            )
        accounts[name] = hashed.encode()
    return accounts


class Passwords:
    """The accounts of a registry and the check of a password against them."""

    def __init__(self, accounts: Mapping[str, bytes]) -> None:
        self._accounts = accounts
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._checks: dict[bytes, asyncio.Future[bool]] = {}
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="airferry-registry-bcrypt")

    @classmethod
    async def read(cls, file: Path) -> "Passwords":
        """Return the accounts of an htpasswd file."""
        with disk_errors(f"reading {file}"):
            return cls(parse_htpasswd(await in_thread(file.read_text), str(file)))

    @property
    def names(self) -> tuple[str, ...]:
        """The users, in the order of the file."""
        return tuple(self._accounts)

    async def are_right(self, credentials: Credentials) -> bool:
        """Whether name and password belong together. Takes as long for an unknown name as for a known one.

        Raises ThrottledError when too many different passwords wait to be checked.
        """
        hashed = self._accounts.get(credentials.name)
        if hashed is None:
            # Check against somebody's password all the same: the time must not tell which names exist.
            await self._check(secrets.token_bytes(32), b"", next(iter(self._accounts.values()), _NOBODY))
            return False
        question = f"{credentials.name}\0{credentials.password}".encode()
        mark = hmac.digest(self._key, hashed + b"\0" + question, "sha256")
        if mark in self._right:
            self._right.move_to_end(mark)
            return True
        return await self._check(mark, credentials.password.encode(), hashed)

    def close(self) -> None:
        """End the thread that checks."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _check(self, mark: bytes, password: bytes, hashed: bytes) -> bool:
        """Check once however many requests bring the same password at the same time."""
        check = self._checks.get(mark)
        if check is None:
            if len(self._checks) >= _MOST_WAITING:
                raise ThrottledError("too many logins are waiting to be checked", hint="try again in a few seconds")
            check = asyncio.get_running_loop().run_in_executor(self._threads, partial(_matches, password, hashed))
            self._checks[mark] = check
            check.add_done_callback(partial(self._remember, mark))
        return await asyncio.shield(check)

    def _remember(self, mark: bytes, check: "asyncio.Future[bool]") -> None:
        self._checks.pop(mark, None)
        if check.cancelled() or check.exception() is not None or not check.result():
            return
        self._right[mark] = None
        while len(self._right) > _MOST_REMEMBERED:
            self._right.popitem(last=False)


class BasicAccess:
    """The door of a registry with users: Basic credentials under a policy. Implements ``Access``."""

    challenge: Final = 'Basic realm="airferry registry", charset="UTF-8"'

    def __init__(self, passwords: Passwords, policy: Policy | None = None) -> None:
        self._passwords = passwords
        self._policy = policy or Policy()

    async def admit(self, authorization: str | None, verb: Verb, path: str | None) -> Account:
        """Return the account. Wrong credentials are refused even where none are needed."""
        credentials = parse_basic(authorization)
        if credentials is not None and not await self._passwords.are_right(credentials):
            raise UnauthorizedError("the name or the password is wrong")
        return decide(credentials.name if credentials else None, self._policy, verb, path)


def _matches(password: bytes, hashed: bytes) -> bool:
    if len(password) > MOST_PASSWORD_BYTES or b"\0" in password:
        return False
    try:
        return bcrypt.checkpw(password, hashed)
    except ValueError:  # a hash that is cut short in the file: nobody gets in by it
        return False
