"""Sending files through the kernel alone, also where the event loop cannot (uvloop): over a second descriptor of the
socket, in a disk thread, while the transport has nothing to write.
"""

import asyncio
import os
import select
import socket
from typing import Final

from airferry.registry.disk import in_thread

_PIECE_BYTES: Final = 1024 * 1024
_PATIENCE_MS: Final = 5
"""How long a thread waits for a client that takes what it is sent; for slower ones the event loop waits."""

_FLUSHES: Final = 4


async def plain_socket(transport: asyncio.Transport | None) -> socket.socket | None:
    """Return the socket to send files to once the headers are out; None over TLS, or while more waits to be sent."""
    if transport is None or transport.is_closing() or transport.get_extra_info("sslcontext") is not None:
        return None
    for _ in range(_FLUSHES):
        if transport.get_write_buffer_size() == 0:
            found: socket.socket | None = transport.get_extra_info("socket")
            return found
        await asyncio.sleep(0)  # uvloop writes at the end of its round
    return None


async def send_file(to: socket.socket, descriptor: int, offset: int, end: int) -> int:
    """Send a file's bytes from ``offset`` up to ``end``; return where it stopped, earlier only where the file ends.

    Raises ConnectionError when the client has gone.
    """
    duplicate = os.dup(to.fileno())  # the event loop lets nobody watch a descriptor that is its own
    try:
        while offset < end:
            sent, is_held_up = await in_thread(_send_some, duplicate, descriptor, offset, end)
            offset += sent
            if is_held_up:
                await _writable(duplicate)
            elif not sent:
                break
    finally:
        os.close(duplicate)
    return offset


def _send_some(to: int, descriptor: int, offset: int, end: int) -> tuple[int, bool]:
    """Send as long as the client keeps up; return how much, and whether it did not."""
    at, poll = offset, select.poll()
    poll.register(to, select.POLLOUT)
    while at < end:
        try:
            sent = os.sendfile(to, descriptor, at, min(_PIECE_BYTES, end - at))
        except BlockingIOError:
            if not poll.poll(_PATIENCE_MS):
                return at - offset, True
        else:
            at += sent
            if not sent:
                break
    return at - offset, False


async def _writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    free = asyncio.Event()
    loop.add_writer(descriptor, free.set)
    try:
        await free.wait()
    finally:
        loop.remove_writer(descriptor)
