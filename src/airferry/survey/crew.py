"""A fixed crew of workers over a queue that may grow while they work."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


async def work_through(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Iterable[Item]]], *, workers: int
) -> None:
    """Run ``work`` on every item, and on every item that ``work`` returns, with at most ``workers`` at once.

    The first exception stops all workers and is raised as it is.
    """
    queue: asyncio.Queue[Item] = asyncio.Queue()
    for item in items:
        queue.put_nowait(item)
    if queue.empty():
        return

    async def worker() -> None:
        while True:
            item = await queue.get()
            for more in await work(item):
                queue.put_nowait(more)
            queue.task_done()

    tasks = [asyncio.create_task(worker()) for _ in range(workers)]
    finished = asyncio.create_task(queue.join())
    try:
        done, _ = await asyncio.wait([finished, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (finished, *tasks):
            task.cancel()
        await asyncio.gather(finished, *tasks, return_exceptions=True)
