"""The way to the disk: every call that may wait for it runs in one pool of threads for each event loop.

The pool is our own and not the loop's default one: the registry also runs inside loops that belong to
others, and slow fsyncs must not keep their work waiting.
"""

import asyncio
import errno
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from airferry.few_threads import FewThreads
from airferry.registry.errors import NoSpaceError, ReadOnlyError

_P = ParamSpec("_P")
_R = TypeVar("_R")

_MOST_THREADS: Final = 32
_pools: "WeakKeyDictionary[asyncio.AbstractEventLoop, FewThreads]" = WeakKeyDictionary()
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


async def in_thread(function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Run ``function`` in a disk thread and return what it returns, or raise what it raises.

    A cancelled caller leaves only when the thread is done: it is about to close the file that the thread uses.
    """
    loop = asyncio.get_running_loop()
    return await (_pools.get(loop) or _new_pool(loop)).call(function, *args, **kwargs)


def _new_pool(loop: asyncio.AbstractEventLoop) -> FewThreads:
    """Make the pool of a loop, whose threads end when nobody holds the loop any more."""
    pool = _pools[loop] = FewThreads(most=_MOST_THREADS)
    weakref.finalize(loop, pool.shutdown, wait=False).atexit = False
    return pool


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn a full disk into NoSpaceError and a read-only one into ReadOnlyError; ``what`` names the work."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpaceError(
                f"no space left while {what}", hint="free space on the registry's disk; pushes then work again"
            ) from error
        if error.errno in _READ_ONLY:
            raise ReadOnlyError(
                f"the registry's folder cannot be written to while {what}: {error.strerror}",
                hint="check owner, mode and mount options of the registry's folder",
            ) from error
        raise
