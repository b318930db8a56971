"""Short calls on a disk share turns of a thread, and nothing else."""

import asyncio
import threading

import pytest

from airferry.content.disk_calls import DiskCalls


async def test_calls_made_at_the_same_time_share_a_turn() -> None:
    calls, threads = DiskCalls(), list[int]()
    found = await asyncio.gather(*(calls.make(lambda: threads.append(threading.get_ident())) for _ in range(20)))
    assert found == [None] * 20
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_calls_are_made_in_the_order_they_were_asked_for() -> None:
    calls, made = DiskCalls(), list[int]()

    async def ask(number: int) -> int:
        await calls.make(lambda: made.append(number))
        return await calls.make(lambda: number * 2)

    assert await asyncio.gather(*(ask(number) for number in range(10))) == [number * 2 for number in range(10)]
    assert made == list(range(10))


async def test_a_call_that_fails_fails_for_its_caller_alone() -> None:
    calls = DiskCalls()

    def fail() -> int:
        raise FileNotFoundError("gone")

    one, two, three = await asyncio.gather(
        calls.make(lambda: 1), calls.make(fail), calls.make(lambda: 3), return_exceptions=True
    )
    assert (one, three) == (1, 3)
    assert isinstance(two, FileNotFoundError)


async def test_a_caller_that_is_cancelled_holds_nobody_up() -> None:
    calls, release = DiskCalls(), threading.Event()
    waiting = asyncio.create_task(calls.make(lambda: release.wait(10)))
    other = asyncio.create_task(calls.make(lambda: "answer"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()
    assert await other == "answer"
    assert await calls.make(lambda: "and later") == "and later"
