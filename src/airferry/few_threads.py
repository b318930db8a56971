"""Threads for calls that may wait for a disk: one while they are short, more while they really wait."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, ParamSpec, TypeVar

from airferry.answers import Answer

_P = ParamSpec("_P")
_T = TypeVar("_T")

LONG_S: Final = 0.005
"""A call that takes longer waits for something: hashing and writing a MiB takes a fifth of that."""


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A call whose caller holds a future."""

    future: Future[Any]
    call: Callable[[], Any]

    def make(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.call()
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    def drop(self) -> None:
        self.future.cancel()


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A call that a coroutine waits for."""

    answer: Answer[Any]
    call: Callable[[], Any]

    def make(self) -> None:
        self.answer.give_from(self.call)

    def drop(self) -> None:
        self.answer.fail(asyncio.CancelledError())


_Call = _Submitted | _Awaited


class FewThreads(ThreadPoolExecutor):
    """Makes calls in one thread as long as each is short, and in more as long as all of them are held up.

    Threads that hash and write to memory gain nothing from each other but struggle for the interpreter's lock
    (measured for 190 images: 9 % of all CPU time with six threads instead of one); threads that wait for an fsync
    must not hold others up. So another thread is started, one each :data:`LONG_S` and at most ``most``, while calls
    wait and every thread has been in its call for that long; it ends after a call that was short.

    Calls begin in the order they were handed in. It is an executor for event loops: :meth:`submit` is called in one.
    """

    def __init__(self, most: int) -> None:
        super().__init__(max_workers=most)
        self._most = most
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._alive: set[threading.Thread] = set()
        self._began: dict[threading.Thread, float] = {}
        self._watched = False
        self._closed = False

    @property
    def thread_count(self) -> int:
        """How many threads there are now."""
        return len(self._alive)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Have ``fn`` called. Raises RuntimeError after :meth:`shutdown` and outside an event loop."""
        future: Future[_T] = Future()
        self._hand_in(_Submitted(future, partial(fn, *args, **kwargs)), asyncio.get_running_loop())
        return future

    async def call(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call ``fn`` and return what it returns, or raise what it raises; at less cost than by :meth:`submit`.

        A cancelled caller leaves only when the call was made. Raises RuntimeError after :meth:`shutdown`.
        """
        loop = asyncio.get_running_loop()
        answer: Answer[_T] = Answer(loop)
        self._hand_in(_Awaited(answer, partial(fn, *args, **kwargs)), loop)
        return await answer.taken()

    def _hand_in(self, call: _Call, loop: asyncio.AbstractEventLoop) -> None:
        if self._closed:
            raise RuntimeError("these threads were shut down")
        self._calls.put(call)
        if not self._alive:
            self._start(self._serve)
        if not self._watched:
            self._watched = True
            loop.call_later(LONG_S, self._watch, loop)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; ``wait`` for those handed in, unless ``cancel_futures`` drops what has not begun."""
        self._closed = True
        while cancel_futures and (call := self._next_call()) is not None:
            call.drop()
        self._calls.put(None)
        for thread in tuple(self._alive) if wait else ():
            thread.join()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start another thread if all that there are wait; look again as long as a call waits for its turn."""
        self._watched = not (self._calls.empty() or self._closed)
        if not self._watched:
            return
        began = list(self._began.values())
        if len(began) == len(self._alive) < self._most and max(began) < time.monotonic() - LONG_S:
            self._start(self._help)
        loop.call_later(LONG_S, self._watch, loop)

    def _start(self, work: Callable[[], None]) -> None:
        # A daemon, so that a program may end which never shut us down.
        thread = threading.Thread(target=work, name="airferry-disk", daemon=True)
        self._alive.add(thread)
        thread.start()

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            self._make(call)
        self._alive.discard(threading.current_thread())

    def _help(self) -> None:
        began = 0.0
        while time.monotonic() - began >= LONG_S and (call := self._next_call()) is not None:
            began = time.monotonic()
            self._make(call)
        self._alive.discard(threading.current_thread())

    def _next_call(self) -> _Call | None:
        try:
            call = self._calls.get_nowait()
        except Empty:
            return None
        if call is None:
            self._calls.put(None)  # the end, which is for the thread that serves
        return call

    def _make(self, call: _Call) -> None:
        thread = threading.current_thread()
        self._began[thread] = time.monotonic()
        try:
            call.make()
        finally:
            del self._began[thread]
