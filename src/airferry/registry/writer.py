"""The one writer of the metadata: a thread that makes short transactions, several pieces of work in each.

Work that waits while a transaction is being synced to disk goes into the next one together, so that many
pushes share one sync. Each piece has its own savepoint: one that fails takes nothing else with it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

from airferry.registry.errors import DamagedError, NoSpaceError, ReadOnlyError

_R = TypeVar("_R")
Work = Callable[[sqlite3.Connection], _R]
"""One piece of work; it may raise, and then leaves nothing behind."""

_MOST_TOGETHER: Final = 256


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"


class Writer:
    """Owns the writing connection. May serve several event loops at once."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="airferry-registry-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Work[_R]) -> _R:
        """Do ``work`` in a transaction; when this returns, its effect is durable and visible to readers."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_R] = loop.create_future()
        self._jobs.put(_Job(work, loop, future))
        return await future

    def close(self) -> None:
        """Finish what was asked for, then stop. Closing twice is fine."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection = self._connect()
        try:
            while (job := self._jobs.get()) is not None:
                jobs, last = self._waiting(job)
                self._transact(connection, jobs)
                if last:
                    return
        finally:
            connection.close()

    def _waiting(self, first: _Job) -> tuple[list[_Job], bool]:
        jobs = [first]
        while len(jobs) < _MOST_TOGETHER:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return jobs, False
            if job is None:
                return jobs, True
            jobs.append(job)
        return jobs, False

    def _transact(self, connection: sqlite3.Connection, jobs: list[_Job]) -> None:
        try:
            with translated():
                connection.execute("BEGIN IMMEDIATE")
                answers = [transact_one(connection, job.work) for job in jobs]
                connection.execute("COMMIT")
        except Exception as error:  # every waiter must hear of it, whatever it is
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            answers = [error] * len(jobs)
        for job, answer in zip(jobs, answers, strict=True):
            _deliver(job, answer)


def transact_one(connection: sqlite3.Connection, work: Work[Any]) -> Any:
    """Do ``work`` inside a savepoint and return its result, or the error it raised."""
    connection.execute("SAVEPOINT work")
    try:
        result = work(connection)
    except sqlite3.OperationalError:
        raise  # the disk is full or broken: the whole transaction goes
    except Exception as error:  # handed to the one who asked
        connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
        return error
    connection.execute("RELEASE work")
    return result


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's words for a full or read-only disk into our errors."""
    try:
        yield
    except sqlite3.OperationalError as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith("SQLITE_FULL"):
            raise NoSpaceError(
                "no space left for the registry's metadata", hint="free space on the registry's disk"
            ) from error
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            raise ReadOnlyError(
                "the registry's metadata cannot be written to",
                hint="check owner, mode and mount options of the registry's folder",
            ) from error
        raise
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "") in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            raise DamagedError(
                "the registry's metadata are damaged", hint="put back metadata.sqlite from a copy; or mirror again"
            ) from error
        raise


def _deliver(job: _Job, answer: Any) -> None:
    def set_answer() -> None:
        if job.future.done():
            return
        if isinstance(answer, Exception):
            job.future.set_exception(answer)
        else:
            job.future.set_result(answer)

    with suppress(RuntimeError):  # the loop that asked is closed: nobody listens any more
        job.loop.call_soon_threadsafe(set_answer)
