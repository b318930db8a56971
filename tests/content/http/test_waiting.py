"""How long is waited, how often is tried, and how many requests run at once."""

import asyncio

import pytest

from airferry.content.http.budget import Budget
from airferry.content.http.retry import RetryPolicy, Tries, Verdict, parse_retry_after, verdict

from .scripted import FakeTime

POLICY = RetryPolicy(attempts=5, first_wait_s=1.0, longest_wait_s=4.0, patience_s=100.0)


def test_waits_double_up_to_the_longest_and_end_after_the_last_try() -> None:
    tries = Tries(POLICY)
    assert [tries.wait_after_failure(1.0) for _ in range(5)] == [1.0, 2.0, 4.0, 4.0, None]


def test_half_of_a_wait_is_chance() -> None:
    assert Tries(POLICY).wait_after_failure(0.0) == 0.5
    assert 0.5 < (Tries(POLICY).wait_after_failure(0.7) or 0) < 1.0


def test_progress_forgets_failures() -> None:
    tries = Tries(POLICY)
    for _ in range(20):
        assert tries.wait_after_failure(1.0) == 1.0
        tries.progressed()


def test_a_time_that_was_asked_for_is_kept_to() -> None:
    assert (Tries(POLICY).wait_after_throttling(0.5, 30.0) or 0) >= 30.0
    assert (Tries(POLICY).wait_after_failure(0.5, 30.0) or 0) >= 30.0


def test_throttling_ends_when_patience_does_not_when_tries_do() -> None:
    tries = Tries(POLICY)
    waits = [tries.wait_after_throttling(0.0, 20.0) for _ in range(6)]
    assert waits == [20.0, 20.0, 20.0, 20.0, 20.0, None]
    assert Tries(POLICY).wait_after_throttling(0.5, 3600.0) is None


MOMENT = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT
RETRY_AFTER: dict[str, tuple[str | None, float | None]] = {
    "seconds": ("120", 120.0),
    "a date": ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
    "a date that has passed": ("Sun, 06 Nov 1994 08:48:37 GMT", 0.0),
    "absent": (None, None),
    "negative": ("-5", None),
    "words": ("soon", None),
    "beyond reason": ("9" * 40, None),
}


@pytest.mark.parametrize(("value", "expected"), RETRY_AFTER.values(), ids=RETRY_AFTER)
def test_retry_after_is_read(value: str | None, expected: float | None) -> None:
    assert parse_retry_after(value, MOMENT) == expected


STATUSES = {Verdict.THROTTLED: [429], Verdict.FAILING: [408, 425, 500, 502, 503, 504]}


def test_only_these_statuses_are_tried_again() -> None:
    for meaning, statuses in STATUSES.items():
        assert {verdict(status) for status in statuses} == {meaning}
    retried = {status for statuses in STATUSES.values() for status in statuses}
    assert {verdict(status) for status in range(200, 600) if status not in retried} == {Verdict.ANSWERED}


async def test_a_throttling_host_gets_half_at_once_for_all_that_were_under_way() -> None:
    budget = Budget(16, FakeTime().timing)
    slots = [await budget.take() for _ in range(16)]
    for slot in slots:
        budget.throttled(slot)
    assert budget.limit == 8.0
    for slot in slots:
        slot.release()
    late = await budget.take()
    budget.throttled(late)
    assert budget.limit == 4.0


async def test_success_gains_one_more_per_round_up_to_the_most() -> None:
    budget = Budget(4, FakeTime().timing)
    budget.throttled(await budget.take())
    assert budget.limit == 2.0
    budget.succeeded()
    budget.succeeded()
    assert 2.8 < budget.limit < 3.1
    for _ in range(100):
        budget.succeeded()
    assert budget.limit == 4.0


async def test_who_comes_first_is_served_first_and_nobody_over_the_limit() -> None:
    budget = Budget(2, FakeTime().timing)
    running, most, order = 0, 0, []

    async def work(name: int) -> None:
        nonlocal running, most
        slot = await budget.take()
        running += 1
        most = max(most, running)
        order.append(name)
        await asyncio.sleep(0)
        running -= 1
        slot.release()
        slot.release()

    await asyncio.gather(*(work(name) for name in range(20)))
    assert (most, order) == (2, list(range(20)))


async def test_a_host_that_asks_for_time_is_left_alone() -> None:
    time = FakeTime()
    budget = Budget(4, time.timing)
    slot = await budget.take()
    budget.throttled(slot, 30.0)
    await budget.take()
    assert time.slept == [30.0]


async def test_a_wait_that_is_given_up_loses_no_slot() -> None:
    budget = Budget(1, FakeTime().timing)
    first = await budget.take()
    waiting = asyncio.create_task(budget.take())
    granted = asyncio.create_task(budget.take())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    first.release()
    granted.cancel()  # in the very moment the slot is given to it
    await asyncio.gather(waiting, granted, return_exceptions=True)
    async with asyncio.timeout(1):
        (await budget.take()).release()
