"""Who takes connections from a shared socket, and when not."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from airferry.registry.accepting import Accepting, SharedListener, Shares


class Greeter(asyncio.Protocol):
    def __init__(self, name: bytes) -> None:
        self.name = name

    def connection_made(self, transport: Any) -> None:
        transport.write(self.name)


class Listening:
    """A listening socket that says of its first ``failures`` connections that there are no descriptors left."""

    def __init__(self, failures: int = 0, same_as: "Listening | None" = None) -> None:
        self.real = same_as.real.dup() if same_as else socket.create_server(("127.0.0.1", 0))
        self.failures = failures
        self.asked = 0

    def accept(self) -> Any:
        self.asked += 1
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self.real.accept()

    def fileno(self) -> int:
        return self.real.fileno()

    def setblocking(self, flag: bool) -> None:
        self.real.setblocking(flag)


@pytest.fixture
async def connections() -> AsyncIterator[list[asyncio.StreamWriter]]:
    made: list[asyncio.StreamWriter] = []
    yield made
    for writer in made:
        writer.close()


def accepting(listening: Any, shares: Shares, name: bytes, number: int = 0, count: int = 0) -> Accepting:
    return Accepting(SharedListener(listening, shares, number), lambda: Greeter(name), lambda: count, None)


async def connect(listening: Listening, connections: list[asyncio.StreamWriter]) -> asyncio.StreamReader:
    reader, writer = await asyncio.open_connection(*listening.real.getsockname())
    connections.append(writer)
    return reader


async def test_a_process_without_descriptors_rests_and_then_takes_what_waits(
    connections: list[asyncio.StreamWriter],
) -> None:
    with (listening := Listening(failures=1)).real:
        worker = accepting(listening, Shares(), b"hello")
        worker.begin()
        reader = await connect(listening, connections)
        while not listening.asked:
            await asyncio.sleep(0)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert listening.asked == 1
        assert await reader.readexactly(5) == b"hello"
        worker.stop()


async def test_one_that_has_more_leaves_connections_to_one_that_has_fewer_and_takes_what_nobody_took(
    connections: list[asyncio.StreamWriter],
) -> None:
    shares, listening = Shares(), Listening()
    with listening.real, (other := Listening(same_as=listening)).real:
        busy = accepting(listening, shares, b"busy!", 0, count=5)
        idle = accepting(other, shares, b"idle!", 1)
        busy.begin()
        idle.begin()
        for _ in range(5):
            assert await (await connect(listening, connections)).readexactly(5) == b"idle!"
        idle.stop()
        assert await (await connect(listening, connections)).readexactly(5) == b"busy!"
        busy.stop()
