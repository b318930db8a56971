"""Passwords: bcrypt hashes, Apache's htpasswd files of them, and the check that is made of each request.

bcrypt is slow on purpose. An answer is remembered as an HMAC under a key that only this process knows, so that
throughput does not depend on bcrypt and no password, nor anything it could be guessed from, lies in memory longer
than a request. Wrong ones are remembered for a while, too: a client that repeats its mistake costs nothing and
guesses nothing, so it need not be slowed.
"""

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from functools import partial
from typing import Final

import bcrypt

from airferry.errors import MalformedError, UsageError
from airferry.registry.access.accounts import is_access_token
from airferry.registry.access.credentials import Credentials
from airferry.registry.errors import ThrottledError

MOST_PASSWORD_BYTES: Final = 72
"""bcrypt reads no more."""

_ROUNDS: Final = 11
_MOST_REMEMBERED: Final = 4096
_WRONG_FOR_S: Final = 60.0
_MOST_WAITING: Final = 64
_NOBODY: Final = "$2b$11$" + "." * 53
_HASH_STARTS: Final = ("$2a$", "$2b$", "$2y$")


class Verdict(Enum):
    """What a check found, and whether it took one: only what is new counts as a login or a guess."""

    RIGHT = "right, just checked"
    KNOWN = "right, and was so before"
    WRONG = "wrong, just checked"
    KNOWN_WRONG = "wrong, and was so before"

    @property
    def is_right(self) -> bool:
        """Whether name and password belong together."""
        return self in (Verdict.RIGHT, Verdict.KNOWN)


def hash_password(password: str) -> str:
    """Return the bcrypt hash of ``password``. Raises UsageError when it is empty, too long or holds NUL."""
    encoded = password.encode()
    if not encoded or b"\0" in encoded:
        raise UsageError("a password must hold at least one character, and no NUL")
    if len(encoded) > MOST_PASSWORD_BYTES:
        raise UsageError(f"the password has {len(encoded)} bytes, bcrypt takes at most {MOST_PASSWORD_BYTES}")
    if is_access_token(password):
        raise UsageError("an access token cannot be a password", hint="choose a password of your own")
    return bcrypt.hashpw(encoded, bcrypt.gensalt(_ROUNDS)).decode()


def parse_htpasswd(raw: bytes, where: str) -> Mapping[str, str]:
    """Return name → bcrypt hash. Raises MalformedError, naming the line, for anything but bcrypt."""
    accounts: dict[str, str] = {}
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise MalformedError(f"{where} is not text in UTF-8", hint="write users with `htpasswd -B`") from None
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        name, colon, hashed = line.partition(":")
        if not colon or not name or not hashed.startswith(_HASH_STARTS) or not hashed.isascii():
            raise MalformedError(
                f"line {number} of {where} is not name:bcrypt-hash", hint="write users with `htpasswd -B`"
            )
        accounts[name] = hashed
    return accounts


class PasswordChecks:
    """Compares passwords with hashes, in one thread of its own, and remembers what it found."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._wrong: OrderedDict[bytes, float] = OrderedDict()
        self._checks: dict[bytes, asyncio.Future[bool]] = {}
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="airferry-registry-bcrypt")

    def recall(self, credentials: Credentials, hashed: str | None) -> Verdict | None:
        """Return what is remembered of these ``credentials`` against this hash, None when nothing is."""
        mark = self._mark(credentials, hashed)
        if mark in self._right:
            self._right.move_to_end(mark)
            return Verdict.KNOWN
        if self._clock() < self._wrong.get(mark, 0.0):
            return Verdict.KNOWN_WRONG
        return None

    def is_under_way(self, credentials: Credentials, hashed: str | None) -> bool:
        """Whether the same is being checked for another request: this one then only waits for that answer."""
        return self._mark(credentials, hashed) in self._checks

    async def check(self, credentials: Credentials, hashed: str | None, others: Sequence[str] = ()) -> Verdict:
        """Compare, once for however many requests bring the same at the same time.

        Without a hash (there is no such account) it is compared with one of the ``others``, always the same for
        a name, and is wrong: the time must not tell which names exist. Raises ThrottledError when too many wait.
        """
        mark = self._mark(credentials, hashed)
        check = self._checks.get(mark)
        if check is None:
            if len(self._checks) >= _MOST_WAITING:
                raise ThrottledError("too many logins are waiting to be checked", hint="try again in a few seconds")
            compared = hashed or self._decoy(credentials.name, others)
            work = partial(_matches, credentials.password.encode(), compared.encode(), is_real=hashed is not None)
            check = asyncio.get_running_loop().run_in_executor(self._threads, work)
            self._checks[mark] = check
            check.add_done_callback(partial(self._remember, mark))
        return Verdict.RIGHT if await asyncio.shield(check) else Verdict.WRONG

    def remember_wrong(self, credentials: Credentials) -> None:
        """Remember credentials of another kind that were found wrong, so that ``recall`` knows them without a hash."""
        self._keep(self._wrong, self._mark(credentials, None))

    def close(self) -> None:
        """End the thread that checks."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _mark(self, credentials: Credentials, hashed: str | None) -> bytes:
        question = f"{hashed or ''}\0{credentials.name}\0{credentials.password}"
        return hmac.digest(self._key, question.encode(), "sha256")

    def _decoy(self, name: str, others: Sequence[str]) -> str:
        number = int.from_bytes(hmac.digest(self._key, name.encode(), "sha256")[:8])
        return others[number % len(others)] if others else _NOBODY

    def _remember(self, mark: bytes, check: "asyncio.Future[bool]") -> None:
        self._checks.pop(mark, None)
        if check.cancelled() or check.exception() is not None:
            return
        self._keep(self._right if check.result() else self._wrong, mark)

    def _keep(self, kept: OrderedDict[bytes, float], mark: bytes) -> None:
        kept[mark] = self._clock() + _WRONG_FOR_S
        kept.move_to_end(mark)
        while len(kept) > _MOST_REMEMBERED:
            kept.popitem(last=False)


def _matches(password: bytes, hashed: bytes, *, is_real: bool) -> bool:
    impossible = len(password) > MOST_PASSWORD_BYTES or b"\0" in password
    try:
        found = bcrypt.checkpw(b"-" if impossible else password, hashed)
    except ValueError:  # a hash that is cut short in the file: nobody gets in by it
        return False
    return found and is_real and not impossible
