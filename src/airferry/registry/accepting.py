"""Taking connections from a socket that several processes listen on, so that each gets its part of them.

Whoever the kernel wakes first would take what there is: of four connections, one worker often got three or all (and the
others' cores stood idle). So each worker tells the others how many it has, and one that has more than another waits a
moment, and then takes what nobody took.
"""

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from mmap import mmap
from typing import Any, Final

logger: Final = logging.getLogger("airferry.registry")

_PATIENCE_S: Final = 0.002
_EXHAUSTED_S: Final = 1.0
"""How long a process that has no descriptors or memory left takes no connections; its others go on meanwhile."""

_HANDSHAKE_S: Final = 60.0
_COUNT: Final = struct.Struct("I")
_GONE: Final = 2**32 - 1

MOST_WORKERS: Final = 64


class Shares:
    """How many connections each worker has, in memory that the workers share. A worker that is gone has the most."""

    def __init__(self) -> None:
        self._memory = mmap(-1, MOST_WORKERS * _COUNT.size)
        for number in range(MOST_WORKERS):
            self.leave(number)

    def tell(self, number: int, count: int) -> None:
        """Say that the worker ``number`` has ``count`` connections."""
        _COUNT.pack_into(self._memory, number * _COUNT.size, count)

    def leave(self, number: int) -> None:
        """Say that there is no worker ``number``: nobody waits for it to take a connection."""
        self.tell(number, _GONE)

    def least(self) -> int:
        """Return how many connections the worker has that has fewest."""
        counts: list[int] = [count for (count,) in _COUNT.iter_unpack(self._memory[:])]
        return min(counts)


@dataclass(frozen=True, slots=True)
class SharedListener:
    """A listening socket, and which of its several listeners this process is."""

    socket: socket.socket
    shares: Shares
    number: int


Serve = Callable[[], asyncio.Protocol]


class Accepting:
    """Hands connections of a shared socket to protocols made by ``serve``, from :meth:`begin` to :meth:`stop`.

    ``count`` says how many of them are open.
    """

    def __init__(
        self, listener: SharedListener, serve: Serve, count: Callable[[], int], tls: ssl.SSLContext | None
    ) -> None:
        self._listener = listener
        self._serve = serve
        self._count = count
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._handshakes: set[asyncio.Future[Any]] = set()
        self._pause: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Take connections from now on."""
        self._listener.socket.setblocking(False)
        self._tell()
        self._loop.add_reader(self._listener.socket, self._look)

    def stop(self) -> None:
        """Take no more."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener.socket)
        self._listener.shares.leave(self._listener.number)

    def _tell(self) -> int:
        own = self._count() + len(self._handshakes)
        self._listener.shares.tell(self._listener.number, own)
        return own

    def _look(self) -> None:
        if self._tell() > self._listener.shares.least():
            self._come_again(_PATIENCE_S)
        elif not self._accept():
            self._come_again(_EXHAUSTED_S)

    def _come_again(self, after_s: float) -> None:
        self._loop.remove_reader(self._listener.socket)
        self._pause = self._loop.call_later(after_s, self._take_what_is_left)

    def _take_what_is_left(self) -> None:
        self._pause = None
        if self._accept():
            self._loop.add_reader(self._listener.socket, self._look)
        else:
            self._pause = self._loop.call_later(_EXHAUSTED_S, self._take_what_is_left)

    def _accept(self) -> bool:
        """Take a connection if there is one; return whether this process can hold more."""
        try:
            accepted, _ = self._listener.socket.accept()
        except (BlockingIOError, ConnectionError):
            return True  # another worker was quicker, or the client has gone
        except OSError as error:
            logger.error("no connection can be taken for a moment: %s", error.strerror)
            return False
        accepted.setblocking(False)
        connecting = self._loop.connect_accepted_socket(
            self._serve, accepted, ssl=self._tls, ssl_handshake_timeout=_HANDSHAKE_S if self._tls else None
        )
        handshake = asyncio.ensure_future(_quietly(connecting))
        self._handshakes.add(handshake)
        handshake.add_done_callback(self._handshakes.discard)
        self._tell()
        return True


async def _quietly(connecting: Awaitable[object]) -> None:
    """A client that does not come through its handshake is nobody's error."""
    with suppress(OSError, ssl.SSLError):
        await connecting
