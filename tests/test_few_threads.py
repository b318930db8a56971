"""Threads for calls that may wait: few while calls are short, more while they wait."""

import asyncio
import threading

import pytest

from airferry.few_threads import FewThreads


async def in_threads(threads: FewThreads, *calls) -> list:
    loop = asyncio.get_running_loop()
    return await asyncio.gather(*(loop.run_in_executor(threads, call) for call in calls), return_exceptions=True)


@pytest.fixture
def threads():
    threads = FewThreads(most=4)
    yield threads
    threads.shutdown()
    assert threads.thread_count == 0


async def test_short_calls_share_one_thread_and_are_made_in_order(threads):
    made = []
    named = await in_threads(threads, *(lambda number=number: made.append(number) for number in range(100)))
    assert named == [None] * 100
    assert made == list(range(100))
    assert len(set(await in_threads(threads, *[threading.get_ident] * 100))) == 1


async def test_calls_that_wait_for_each_other_get_a_thread_each_up_to_the_most(threads):
    together = threading.Barrier(4)
    assert len(await in_threads(threads, *[lambda: together.wait(30)] * 4)) == 4
    assert not together.broken


async def test_no_more_threads_than_allowed_are_started(threads):
    together = threading.Barrier(5)
    outcomes = await in_threads(threads, *[lambda: together.wait(0.2)] * 5)
    assert all(isinstance(outcome, threading.BrokenBarrierError) for outcome in outcomes)


async def test_the_others_end_when_calls_are_short_again(threads):
    together = threading.Barrier(3)
    await in_threads(threads, *[lambda: together.wait(30)] * 3)
    while threads.thread_count > 1:
        await in_threads(threads, *[lambda: None] * 10)
    assert threads.thread_count == 1


async def test_what_a_call_raises_reaches_its_caller(threads):
    def fail() -> None:
        raise OSError("no such disk")

    failed, fine = await in_threads(threads, fail, lambda: 1)
    assert isinstance(failed, OSError)
    assert fine == 1


async def test_a_call_that_was_cancelled_before_its_turn_is_not_made(threads):
    goes_on = threading.Event()
    made = []
    loop = asyncio.get_running_loop()
    first = loop.run_in_executor(threads, lambda: goes_on.wait(30))
    second = loop.run_in_executor(threads, lambda: made.append("second"))
    second.cancel()
    await asyncio.sleep(0)  # only then does the loop tell the threads
    goes_on.set()
    await first
    await in_threads(threads, lambda: made.append("third"))
    assert made == ["third"]


async def test_shutting_down_waits_for_what_was_handed_in_and_takes_nothing_more():
    threads = FewThreads(most=2)
    made = []
    waiting = [threads.submit(made.append, number) for number in range(20)]
    threads.shutdown()
    assert made == list(range(20))
    assert all(future.done() for future in waiting)
    with pytest.raises(RuntimeError, match="shut down"):
        threads.submit(made.append, 21)


async def test_shutting_down_may_drop_what_has_not_begun():
    threads = FewThreads(most=1)
    began, goes_on = threading.Event(), threading.Event()
    first = threads.submit(lambda: (began.set(), goes_on.wait(30)))
    second = threads.submit(lambda: None)
    began.wait(30)
    threads.shutdown(wait=False, cancel_futures=True)
    assert second.cancelled()
    goes_on.set()
    assert first.result(30)
    threads.shutdown()
    assert threads.thread_count == 0


async def test_what_is_awaited_is_returned_or_raised(threads):
    assert await threads.call(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await threads.call(divmod, 7, 0)


async def test_a_cancelled_caller_leaves_only_when_its_call_was_made(threads):
    begun, go_on, made = threading.Event(), threading.Event(), []

    def work() -> None:
        begun.set()
        go_on.wait(30)
        made.append(True)

    caller = asyncio.ensure_future(threads.call(work))
    while not begun.is_set():
        await asyncio.sleep(0)
    for _ in range(3):  # however often it is asked to go
        caller.cancel()
        await asyncio.wait([caller], timeout=0)
        assert not caller.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert made == [True]


async def test_awaiting_after_the_end_is_refused_and_what_was_dropped_is_cancelled():
    threads = FewThreads(most=1)
    hold, begun = threading.Event(), threading.Event()
    first = asyncio.ensure_future(threads.call(lambda: begun.set() or hold.wait(30)))
    while not begun.is_set():
        await asyncio.sleep(0)
    second = asyncio.ensure_future(threads.call(lambda: None))
    await asyncio.sleep(0)
    threads.shutdown(wait=False, cancel_futures=True)
    hold.set()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await first is True
    with pytest.raises(RuntimeError):
        await threads.call(lambda: None)
