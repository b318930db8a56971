"""Short calls on a disk, made in a thread; those that come at the same time share one turn of it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

_T = TypeVar("_T")

_Call = tuple[Callable[[], Any], asyncio.Future[Any]]
_Result = tuple[Any, BaseException | None]


class DiskCalls:
    """Makes calls in a thread, in the order they were asked for and one at a time.

    A turn of a thread costs some 70 µs of CPU (futures, wake-ups, the struggle for the interpreter's lock) and most
    calls two: sixteen workers that each ask whether a blob is there share one turn. For 190 images that is a tenth
    of a second. What takes long (an fsync, a hash of much) has a thread of its own instead and holds nobody up.
    """

    def __init__(self) -> None:
        self._waiting: list[_Call] = []
        self._busy = False

    async def make(self, call: Callable[[], _T]) -> _T:
        """Return what ``call`` returns, or raise what it raises. It is made even if the caller is cancelled."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_T] = loop.create_future()
        self._waiting.append((call, answer))
        if not self._busy:
            self._busy = True
            # Not at once: tasks that are ready now have a call to add.
            loop.call_soon(self._take_turn, loop)
        return await answer

    def _take_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        turn, self._waiting = self._waiting, []
        done = loop.run_in_executor(None, _make_all, [call for call, _ in turn])
        done.add_done_callback(partial(self._deliver, loop, turn))

    def _deliver(self, loop: asyncio.AbstractEventLoop, turn: list[_Call], done: asyncio.Future[list[_Result]]) -> None:
        self._busy = bool(self._waiting)
        if self._busy:
            self._take_turn(loop)
        for (_, answer), (result, error) in zip(turn, done.result(), strict=True):
            if answer.cancelled():
                continue
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)


def _make_all(calls: list[Callable[[], Any]]) -> list[_Result]:
    return [_make(call) for call in calls]


def _make(call: Callable[[], Any]) -> _Result:
    try:
        return call(), None
    except Exception as error:
        return None, error
