"""The failures that workers share: never fewer because others guess, in bounded memory, whoever is killed."""

import subprocess
import sys
from collections.abc import Iterator
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.registry.access.failures import Failures, OwnLedger, Subject
from airferry.registry.access.shared_failures import SharedLedger
from airferry.registry.access.throttle import SlowedError, Throttle

from .guarded import Clock

FORGOTTEN_AFTER_S = 900.0
SUBJECTS: list[Subject] = [("account", f"n{number}") for number in range(24)]


@pytest.fixture
def small() -> Iterator[SharedLedger]:
    """Two buckets: everybody is in the way of everybody."""
    ledger = SharedLedger(failure_buckets=2, trust_buckets=2)
    yield ledger
    ledger.close()


failing = st.tuples(st.just("fail"), st.sampled_from(SUBJECTS), st.integers(1, 6))
others = st.tuples(st.sampled_from(["take one back", "forget"]), st.sampled_from(SUBJECTS), st.integers(1, 3))
waiting = st.tuples(st.just("wait"), st.just(SUBJECTS[0]), st.sampled_from([1, 10, 500, 901]))
steps = st.lists(st.one_of(failing, failing, failing, others, waiting), min_size=30, max_size=100)


@given(steps)
@settings(max_examples=150, deadline=None)
def test_nobody_has_fewer_failures_or_earlier_ones_because_others_fail(done: list[tuple[str, Subject, int]]) -> None:
    """Compared with a ledger that has room for all; each counts on from what it says itself."""
    exact, shared, now_s = OwnLedger(), SharedLedger(failure_buckets=1, trust_buckets=1), 1000.0
    size = len(shared._memory)
    for what, subject, much in done:
        now_s += much if what == "wait" else 0.1
        since_s = now_s - FORGOTTEN_AFTER_S
        for ledger in (exact, shared):
            before = ledger.failures(subject, since_s)
            if what == "fail":
                ledger.keep(subject, Failures(before.count + much, now_s), since_s)
            elif what == "take one back":
                ledger.keep(subject, Failures(before.count - much, before.last_s), since_s)
            elif what == "forget":
                ledger.keep(subject, Failures(0, -inf), since_s)
        for each in SUBJECTS:
            true, said = exact.failures(each, since_s), shared.failures(each, since_s)
            assert said.count >= true.count and said.last_s >= true.last_s, each
    assert len(shared._memory) == size
    shared.close()


def test_those_with_the_least_failures_make_room_and_strangers_get_no_more_than_those() -> None:
    ledger = SharedLedger(failure_buckets=1, trust_buckets=1)
    ledger.keep(("account", "victim"), Failures(50, 1000.0), 0.0)
    for number in range(30):
        count = ledger.failures(("account", f"n{number}"), 0.0).count
        ledger.keep(("account", f"n{number}"), Failures(count + 1, 1000.0 + number), 0.0)
    assert ledger.failures(("account", "victim"), 0.0) == Failures(50, 1000.0)
    assert 1 <= ledger.failures(("account", "stranger"), 0.0).count <= 30 / 7
    ledger.close()


@given(st.integers(5, 12), st.lists(st.integers(0, 10_000), max_size=400))
def test_a_flood_of_names_does_not_open_the_account_that_was_guessed(failures: int, flood: list[int]) -> None:
    clock, ledger = Clock(), SharedLedger(failure_buckets=2, trust_buckets=2)
    throttle = Throttle(clock, ledger)
    for number in range(failures):
        throttle.guess(f"192.0.2.{number}", "victim")
        clock.now += 8
    throttle.guess("198.51.100.1", "victim")
    for number in flood:
        try:
            throttle.guess(f"10.0.{number >> 8}.{number & 255}", f"name {number}")
        except SlowedError:
            continue
    with pytest.raises(SlowedError) as slowed:
        throttle.guess("198.51.100.1", "victim")
    assert slowed.value.retry_after_s >= 2 ** min(3, failures + 1 - 5)
    ledger.close()


def test_strangers_are_slowed_by_a_flood_for_seconds_and_not_after_quiet_minutes(small: SharedLedger) -> None:
    clock = Clock()
    throttle = Throttle(clock, small)
    for number in range(2000):
        try:
            throttle.guess(f"10.0.{number >> 8}.{number & 255}", f"name {number}")
        except SlowedError:
            clock.now += 1
    clock.now += 30
    throttle.guess("192.0.2.1", "owner")
    clock.now += 901
    assert small.failures(("account", "owner"), clock.now - 900).count == 0


def test_who_is_known_is_forgotten_for_newer_ones_only(small: SharedLedger) -> None:
    for number in range(100):
        small.trust("192.0.2.1", f"n{number}", 1000.0 + number)
        assert small.is_trusted("192.0.2.1", f"n{number}")
    known = [number for number in range(100) if small.is_trusted("192.0.2.1", f"n{number}")]
    assert len(known) == 16 and min(known) > 50
    assert not small.is_trusted("192.0.2.2", "n99")


def test_where_somebody_is_written_down_is_not_to_be_told_beforehand() -> None:
    """A key of chance for each registry, and another bucket for each of them."""
    ledgers = [SharedLedger(failure_buckets=4096, trust_buckets=1) for _ in range(8)]
    places = {ledger._failures.read(ledger._mark("account", "admin"))[0] for ledger in ledgers}
    assert len(places) > 4
    for ledger in ledgers:
        ledger.close()


# Forks happen in a program of their own: this one may have threads.

PROGRAM = """
import os, signal, sys
from airferry.registry.access.failures import Failures
from airferry.registry.access.shared_failures import SharedLedger
from airferry.registry.access.throttle import SlowedError, Throttle

ledger = SharedLedger()

def forked(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid

def await_all(pids):
    for pid in pids:
        os.waitpid(pid, 0)
"""


def output_of(rest: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + rest], check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_processes_that_count_at_once_lose_nothing() -> None:
    said = output_of("""
def count():
    for _ in range(3000):
        with ledger.alone():
            before = ledger.failures(("account", "admin"), 0.0)
            ledger.keep(("account", "admin"), Failures(before.count + 1, 1.0), 0.0)
await_all([forked(count) for _ in range(4)])
print(ledger.failures(("account", "admin"), 0.0).count)
""")
    assert int(said) == 12_000


def test_many_at_once_in_many_processes_are_many() -> None:
    said = output_of("""
read, write = os.pipe()
def guess():
    throttle = Throttle(lambda: 1000.0, ledger)
    for _ in range(200):
        try:
            throttle.guess("192.0.2.1", "admin")
            os.write(write, b"x")
        except SlowedError:
            pass
await_all([forked(guess) for _ in range(4)])
print(len(os.read(read, 10_000)))
""")
    assert int(said) == 5


def test_an_owner_is_known_to_all_processes() -> None:
    said = output_of("""
def log_in():
    throttle = Throttle(lambda: 1000.0, ledger)
    throttle.guess("192.0.2.1", "admin")
    throttle.succeeded("192.0.2.1", "admin")
await_all([forked(log_in)])
throttle = Throttle(lambda: 1000.0, ledger)
for number in range(10):
    throttle.guess("192.0.2.1", "admin")
print("still heard")
""")
    assert said.strip() == "still heard"


def test_a_process_that_is_killed_while_it_writes_blocks_nobody() -> None:
    said = output_of("""
read, write = os.pipe()
def stay():
    with ledger.alone():
        ledger.keep(("account", "admin"), Failures(7, 1000.0), 0.0)
        os.write(write, b"in")
        signal.pause()
pid = forked(stay)
os.read(read, 2)
def try_it():
    with ledger.alone():
        os.write(write, b"got it")
waiting = forked(try_it)
os.set_blocking(read, False)
try:
    print("not locked:", os.read(read, 10))
except BlockingIOError:
    pass
os.kill(pid, signal.SIGKILL)
await_all([pid, waiting])
signal.alarm(20)
with ledger.alone():
    print(os.read(read, 10).decode(), ledger.failures(("account", "admin"), 0.0).count)
""")
    assert said.strip() == "got it 7"
