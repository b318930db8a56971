"""Passwords, and how their checks are remembered."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from airferry.errors import MalformedError, UsageError
from airferry.registry.access import Credentials
from airferry.registry.access import passwords as module
from airferry.registry.access.passwords import PasswordChecks, Verdict, hash_password, parse_htpasswd
from airferry.registry.errors import ThrottledError

from .guarded import Clock, quick_hash

HASH = quick_hash("correct horse")
GOOD = Credentials("admin", "correct horse")
BAD = Credentials("admin", "wrong")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def checks(clock: Clock) -> Iterator[PasswordChecks]:
    made = PasswordChecks(clock)
    yield made
    made.close()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that bcrypt was asked about."""
    asked: list[bytes] = []
    real = module.bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        asked.append(hashed)
        return real(password, hashed)

    monkeypatch.setattr(module.bcrypt, "checkpw", counted)
    return asked


async def test_bcrypt_runs_once_for_many_requests_and_never_again(checks: PasswordChecks, runs: list[bytes]) -> None:
    verdicts = await asyncio.gather(*(checks.check(GOOD, HASH) for _ in range(50)))
    assert set(verdicts) == {Verdict.RIGHT}
    assert checks.recall(GOOD, HASH) is Verdict.KNOWN
    assert len(runs) == 1


async def test_a_wrong_one_is_remembered_for_a_while(checks: PasswordChecks, runs: list[bytes], clock: Clock) -> None:
    assert checks.recall(BAD, HASH) is None
    assert await checks.check(BAD, HASH) is Verdict.WRONG
    assert checks.recall(BAD, HASH) is Verdict.KNOWN_WRONG
    clock.now += 61
    assert checks.recall(BAD, HASH) is None
    assert len(runs) == 1


async def test_with_another_hash_nothing_is_remembered(checks: PasswordChecks) -> None:
    """A changed password counts at once, in both directions."""
    other = quick_hash("wrong")
    await checks.check(GOOD, HASH)
    await checks.check(BAD, HASH)
    assert checks.recall(GOOD, other) is None and checks.recall(BAD, other) is None
    assert await checks.check(BAD, other) is Verdict.RIGHT


async def test_an_unknown_name_costs_what_a_known_one_costs(checks: PasswordChecks, runs: list[bytes]) -> None:
    others = [quick_hash("a"), quick_hash("b")]
    for name in ("who", "who", "else"):
        assert await checks.check(Credentials(name, "a"), None, others) is Verdict.WRONG
    assert len(runs) == 3 and runs[0] == runs[1], "the same hash for the same name: time tells nothing"
    assert {hashed.decode() for hashed in runs} <= set(others)
    assert await checks.check(Credentials("who", "x"), None) is Verdict.WRONG
    assert len(runs) == 4, "and also where there is no account at all"


async def test_a_flood_is_refused_and_who_was_right_before_still_gets_in(checks: PasswordChecks) -> None:
    assert await checks.check(GOOD, HASH) is Verdict.RIGHT
    flood = [asyncio.create_task(checks.check(Credentials("admin", str(n)), HASH)) for n in range(70)]
    await asyncio.sleep(0)
    assert checks.recall(GOOD, HASH) is Verdict.KNOWN
    checks.close()
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(answer, ThrottledError) for answer in answers) == 6
    assert Verdict.RIGHT not in answers


@pytest.mark.parametrize("password", ["x" * 73, "nul\0", ""])
async def test_impossible_passwords_are_wrong_and_cannot_be_set(checks: PasswordChecks, password: str) -> None:
    assert await checks.check(Credentials("admin", password), HASH) is Verdict.WRONG
    with pytest.raises(UsageError):
        hash_password(password)


async def test_seventy_two_right_bytes_and_one_more_are_wrong(checks: PasswordChecks) -> None:
    hashed = quick_hash("x" * 72)
    assert await checks.check(Credentials("admin", "x" * 73), hashed) is Verdict.WRONG


async def test_a_hash_that_is_cut_short_lets_nobody_in(checks: PasswordChecks) -> None:
    assert await checks.check(GOOD, HASH[:-5]) is Verdict.WRONG


def test_users_are_read_from_a_file_as_apache_writes_it() -> None:
    apache = "$2y$05$" + "a" * 53
    assert parse_htpasswd(f"# users\n\nadmin:{HASH}\nbob:{apache}\n".encode(), "f") == {"admin": HASH, "bob": apache}
    for bad in ("admin", "admin:$apr1$x", ":x", "admin:plain", "admin:$2y$\u00e4"):
        with pytest.raises(MalformedError, match="line 1 of users"):
            parse_htpasswd(bad.encode(), "users")


def test_a_user_who_is_commented_out_is_none_even_behind_blanks() -> None:
    assert parse_htpasswd(f"\t#bob:{HASH}\n  # ann:{HASH}\nadmin:{HASH}\n".encode(), "f") == {"admin": HASH}


@pytest.mark.outsider
async def test_what_apaches_own_program_writes_is_right(checks: PasswordChecks, tmp_path: Path) -> None:
    file = tmp_path / "users"
    process = await asyncio.create_subprocess_exec("htpasswd", "-cbB", str(file), "admin", "correct horse", stderr=-3)
    assert await process.wait() == 0
    assert await checks.check(GOOD, parse_htpasswd(file.read_bytes(), "f")["admin"]) is Verdict.RIGHT
