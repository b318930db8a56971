"""How guesses are slowed: the same, wherever failures are written down."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from airferry.registry.access.failures import OwnLedger
from airferry.registry.access.shared_failures import SharedLedger
from airferry.registry.access.throttle import ACCOUNT_PACE, ADDRESS_PACE, SlowedError, Throttle

from .guarded import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["in one process", "in shared memory"])
def throttle(request: pytest.FixtureRequest, clock: Clock) -> Iterator[Throttle]:
    if request.param == "in one process":
        yield Throttle(clock, OwnLedger())
        return
    ledger = SharedLedger()
    yield Throttle(clock, ledger)
    ledger.close()


def guesses(throttle: Throttle, clock: Clock, address: str, seconds: int, name: str = "admin") -> int:
    """How many guesses get through in so many seconds, at ten a second."""
    through = 0
    for _ in range(10 * seconds):
        try:
            throttle.guess(address, name)
            through += 1
        except SlowedError as slowed:
            assert 0 < slowed.retry_after_s <= ADDRESS_PACE.longest_s
        clock.now += 0.1
    return through


def test_one_address_gets_slower_and_slower(throttle: Throttle, clock: Clock) -> None:
    first = guesses(throttle, clock, "192.0.2.1", 60, "a")
    assert first <= ACCOUNT_PACE.free + 12
    later = sum(guesses(throttle, clock, "192.0.2.1", 60, f"n{n}") for n in range(10))
    assert later <= 20 + 600 / ADDRESS_PACE.longest_s + 10, "with other names, too"


def test_one_account_is_guarded_against_many_addresses_that_guess_on(throttle: Throttle, clock: Clock) -> None:
    through = 0
    for _ in range(60):
        for host in range(10):
            through += guesses(throttle, clock, f"198.51.100.{host}", 1)
    assert through <= ACCOUNT_PACE.free + 600 / ACCOUNT_PACE.longest_s + 20


def test_the_owner_is_not_locked_out_while_others_guess(throttle: Throttle, clock: Clock) -> None:
    guesses(throttle, clock, "198.51.100.7", 120)
    throttle.guess("192.0.2.1", "admin")
    throttle.succeeded("192.0.2.1", "admin")
    guesses(throttle, clock, "198.51.100.7", 120)
    throttle.guess("192.0.2.1", "admin")
    with pytest.raises(SlowedError):
        throttle.guess("198.51.100.7", "admin")


def test_the_owner_who_mistyped_waits_for_seconds_only(throttle: Throttle, clock: Clock) -> None:
    guesses(throttle, clock, "198.51.100.7", 600)
    throttle.guess("192.0.2.1", "admin")
    with pytest.raises(SlowedError) as slowed:
        throttle.guess("192.0.2.1", "admin")
    assert slowed.value.retry_after_s <= ACCOUNT_PACE.longest_s
    clock.now += slowed.value.retry_after_s
    throttle.guess("192.0.2.1", "admin")


def test_failures_are_forgotten_and_success_costs_nothing(throttle: Throttle, clock: Clock) -> None:
    for _ in range(200):
        throttle.guess("192.0.2.1", "admin")
        throttle.succeeded("192.0.2.1", "admin")
    guesses(throttle, clock, "192.0.2.9", 600)
    clock.now += 901
    for _ in range(ACCOUNT_PACE.free):
        throttle.guess("192.0.2.9", "admin")


def test_who_owns_a_whole_ipv6_network_is_one_guesser(throttle: Throttle, clock: Clock) -> None:
    through = sum(guesses(throttle, clock, f"2001:db8::{n:x}", 1, f"n{n}") for n in range(1, 60))
    assert through < 40
    throttle.guess("2001:db8:0:1::1", "somebody")


@pytest.mark.parametrize("of", [OwnLedger, SharedLedger])
def test_no_number_of_addresses_or_names_fills_the_memory(
    clock: Clock, of: type[OwnLedger] | type[SharedLedger]
) -> None:
    ledger = of()
    before = memory(ledger)
    throttle = Throttle(clock, ledger)
    for number in range(40_000):
        with suppress(SlowedError):  # the flood slows itself
            throttle.guess(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"name {number}")
            if number % 2:
                throttle.succeeded(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"name {number}")
    assert memory(ledger) <= (20_000 if isinstance(ledger, OwnLedger) else before)


def memory(ledger: OwnLedger | SharedLedger) -> int:
    return len(ledger) if isinstance(ledger, OwnLedger) else len(ledger._memory)


def test_many_at_once_are_many(throttle: Throttle) -> None:
    """A guess counts before it is checked: nothing is gained by not awaiting the answers."""
    for _ in range(ACCOUNT_PACE.free):
        throttle.guess("192.0.2.1", "admin")
    with pytest.raises(SlowedError):
        throttle.guess("192.0.2.1", "admin")
