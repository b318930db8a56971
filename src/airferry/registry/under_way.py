"""The requests that are being answered right now, so that a stop can let them finish.

aiohttp's own graceful stop takes no more body bytes from the moment it begins, which would break every upload.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from aiohttp import web


class UnderWay:
    """Counts requests. Used from one event loop."""

    def __init__(self) -> None:
        self.is_stopping = False
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count a request as long as the block runs."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if self._count == 0:
                self._none.set()

    async def finish(self, patience_s: float) -> None:
        """From now on close connections after their request, and wait at most ``patience_s`` for the last one."""
        self.is_stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._none.wait()


UNDER_WAY: Final = web.AppKey("under_way", UnderWay)
"""Where an application keeps its count."""
