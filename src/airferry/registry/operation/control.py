"""How commands reach the processes that serve a registry: a Unix socket for each, in ``ROOT/state``, mode 0600.

A request is one word and a line feed, the answer one line of JSON; then the connection ends. A folder that takes no
sockets (read-only, some network file systems) is served without; signals work there all the same.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from airferry.errors import AirferryError
from airferry.registry.disk import in_thread
from airferry.registry.state_files import STATE_FOLDER, state_folder

logger: Final = logging.getLogger("airferry.registry")

_PATTERN: Final = "serving-*.sock"
_MOST_PATH_BYTES: Final = 100  # what fits into a socket's address everywhere
_PATIENCE_S: Final = 30.0
_MOST_ANSWER_BYTES: Final = 1024 * 1024

Answers = Mapping[str, Callable[[], Awaitable[dict[str, Any]]]]


@asynccontextmanager
async def controlled(root: Path, answers: Answers) -> AsyncIterator[None]:
    """Answer the words in ``answers`` as long as the block runs. An AirferryError becomes ``{"error": …}``."""
    try:
        listener, file = await in_thread(_listen, root)
    except OSError as error:
        logger.warning("commands cannot reach this process, only signals can: %s", error)
        yield
        return

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                word = (await reader.readline()).decode(errors="replace").strip()
                writer.write(msgspec.json.encode(await _answer(answers, word)) + b"\n")
                await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(meet, sock=listener)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        server.close()


async def ask_serving(root: Path, word: str, *, patience_s: float = _PATIENCE_S) -> list[dict[str, Any]]:
    """Ask every process that serves ``root`` and return what they answer. One that does not in time is left out."""
    files = await in_thread(lambda: sorted((root / STATE_FOLDER).glob(_PATTERN)))
    answers = await asyncio.gather(*(_ask(file, word, patience_s) for file in files))
    return [answer for answer in answers if answer is not None]


async def _answer(answers: Answers, word: str) -> dict[str, Any]:
    answer = answers.get(word)
    if answer is None:
        return {"error": {"code": "unsupported", "message": f"this process does not know {word[:40]!r}", "hint": None}}
    try:
        return await answer()
    except AirferryError as error:
        return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


async def _ask(file: Path, word: str, patience_s: float) -> dict[str, Any] | None:
    try:
        async with asyncio.timeout(patience_s):
            with _short_path(file) as path:
                reader, writer = await asyncio.open_unix_connection(path, limit=_MOST_ANSWER_BYTES)
            try:
                writer.write(word.encode() + b"\n")
                answer: dict[str, Any] = msgspec.json.decode(await reader.readline())
            finally:
                writer.close()
            return answer
    except (OSError, ValueError, TimeoutError):
        return None


def _listen(root: Path) -> tuple[socket.socket, Path]:
    """Return a socket that listens and where it is; those of processes that were killed are removed."""
    folder = state_folder(root)
    for old in folder.glob(_PATTERN):
        if _is_abandoned(old):
            old.unlink(missing_ok=True)
    name = secrets.token_hex(6)
    made, file = folder / f".{name}", folder / f"serving-{name}.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short_path(made) as path:
            listener.bind(path)
        made.chmod(0o600)
        listener.listen()
        listener.setblocking(False)
        made.rename(file)  # only now may others find it: it answers
    except BaseException:
        listener.close()
        made.unlink(missing_ok=True)
        raise
    return listener, file


def _is_abandoned(file: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, _short_path(file) as path:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


@contextmanager
def _short_path(file: Path) -> Iterator[str]:
    """Give a path of ``file`` that fits into a socket's address: by its folder's descriptor where it is too long."""
    if len(os.fsencode(file)) <= _MOST_PATH_BYTES:
        yield str(file)
        return
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{file.name}"
    finally:
        os.close(folder)
