"""A crew of workers over a queue that may grow."""

import asyncio

import pytest

from airferry.survey.crew import work_through


async def test_all_items_are_worked_on_and_what_work_adds_as_well() -> None:
    seen: list[int] = []

    async def halve(number: int) -> list[int]:
        await asyncio.sleep(0)
        seen.append(number)
        return [number // 2, number // 2] if number > 1 else []

    await work_through([8, 4], halve, workers=3)
    assert sorted(seen) == sorted([8, 4, 4, 4, 2, 2, 2, 2, 2, 2] + [1] * 12)


async def test_nothing_to_do_is_done() -> None:
    async def never(item: int) -> list[int]:
        raise AssertionError(item)

    await work_through([], never, workers=3)


async def test_no_more_than_the_workers_are_at_work_and_all_of_them_are() -> None:
    at_work = most = 0

    async def work(item: int) -> list[int]:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1
        return []

    await work_through(range(50), work, workers=4)
    assert most == 4


async def test_a_chain_that_grows_by_one_each_time_comes_to_its_end() -> None:
    last = 0

    async def next_number(number: int) -> list[int]:
        nonlocal last
        last = number
        return [number + 1] if number < 5000 else []

    await work_through([0], next_number, workers=8)
    assert last == 5000


async def test_the_first_error_stops_all_and_is_raised_as_it_is() -> None:
    error = ZeroDivisionError("the first")
    given_up: list[int] = []
    before = asyncio.all_tasks()

    async def work(item: int) -> list[int]:
        if item == 2:
            raise error
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.append(item)
            raise
        return []

    with pytest.raises(ZeroDivisionError) as raised:
        await work_through(range(100), work, workers=3)
    assert raised.value is error
    assert given_up == [0, 1]
    assert asyncio.all_tasks() == before


async def test_an_error_on_the_last_item_is_not_lost() -> None:
    async def work(item: int) -> list[int]:
        if item == 9:
            raise ZeroDivisionError
        return []

    with pytest.raises(ZeroDivisionError):
        await work_through(range(10), work, workers=1)


async def test_who_cancels_it_cancels_every_worker() -> None:
    begun = asyncio.Event()
    given_up = 0
    before = asyncio.all_tasks()

    async def work(item: int) -> list[int]:
        nonlocal given_up
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up += 1
        return []

    running = asyncio.create_task(work_through(range(5), work, workers=3))
    await begun.wait()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert given_up == 3
    assert asyncio.all_tasks() == before
