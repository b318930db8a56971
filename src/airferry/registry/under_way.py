"""The requests that are being answered right now, so that a stop can let them finish.

aiohttp's own graceful stop takes no more body bytes from the moment it begins, which would break every upload.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from aiohttp import web


class UnderWay:
    """Counts requests. Used from one event loop."""

    def __init__(self) -> None:
        self.is_stopping = False
        self.count = 0
        """How many requests are being answered now."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a request as long as the block runs."""
        self.count += 1
        task = asyncio.current_task()
        assert task is not None, "requests are answered in tasks"
        self._tasks.add(task)
        self._none.clear()
        try:
            yield
        finally:
            self.count -= 1
            self._tasks.discard(task)
            if self.count == 0:
                self._none.set()

    async def finish(self, patience_s: float) -> None:
        """From now on close connections after their request, and wait at most ``patience_s`` for the last one."""
        self.is_stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._none.wait()

    async def park(self, patience_s: float) -> None:
        """Break off what is still under way; uploads note how far they came, for which ``patience_s`` is left."""
        for task in tuple(self._tasks):
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._none.wait()


UNDER_WAY: Final = web.AppKey("under_way", UnderWay)
"""Where an application keeps its count."""
