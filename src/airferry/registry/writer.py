"""The one writer of metadata in SQLite: a thread that makes short transactions, several pieces of work in each.

Work that waits while a transaction is being synced to disk goes into the next one together, so that many
pushes share one sync. Each piece has its own savepoint: one that fails takes nothing else with it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from airferry.answers import Answer
from airferry.registry.errors import DamagedMetadataError, NoSpaceError, ReadOnlyError

_R = TypeVar("_R")
Work = Callable[[Connection], _R]
"""One piece of work; it may raise, and then leaves nothing behind."""

_MOST_TOGETHER: Final = 256


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    is_lasting: bool
    answer: Answer[Any]


class Writer:
    """Owns the writing connection. May serve several event loops at once."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._is_full_sync = True
        self._thread = Thread(target=self._run, name="airferry-registry-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Work[_R], *, is_lasting: bool) -> _R:
        """Do ``work`` in a transaction; when this returns, its effect is visible to readers.

        What is lasting survives a power cut, too; the rest survives the end of the process.
        """
        answer: Answer[_R] = Answer(asyncio.get_running_loop())
        self._jobs.put(_Job(work, is_lasting, answer))
        return await answer.taken()

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

    def _transact(self, connection: Connection, jobs: list[_Job]) -> None:
        driver = sqlite_of(connection)
        try:
            with translated():
                self._set_sync(driver, is_full=any(job.is_lasting for job in jobs))
                driver.execute("BEGIN IMMEDIATE")
                answers = [transact_one(connection, job.work) for job in jobs]
                driver.execute("COMMIT")
        except Exception as error:  # every waiter must hear of it, whatever it is
            if sqlite_of(connection).in_transaction:
                driver.execute("ROLLBACK")
            answers = [error] * len(jobs)
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, Exception):
                job.answer.fail(answer)
            else:
                job.answer.give(answer)

    def _set_sync(self, driver: sqlite3.Connection, *, is_full: bool) -> None:
        if is_full != self._is_full_sync:
            driver.execute(f"PRAGMA synchronous = {'FULL' if is_full else 'NORMAL'}")
            self._is_full_sync = is_full


def sqlite_of(connection: Connection) -> sqlite3.Connection:
    """Return SQLite's own connection below SQLAlchemy's."""
    driver: Any = connection.connection.dbapi_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def transact_one(connection: Connection, work: Work[Any]) -> Any:
    """Do ``work`` inside a savepoint and return its result, or the error it raised."""
    driver = sqlite_of(connection)
    driver.execute("SAVEPOINT work")
    try:
        result = work(connection)
    except Exception as error:  # handed to the one who asked
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError):
            raise  # the disk is full or broken: the whole transaction goes
        driver.execute("ROLLBACK TO work")
        driver.execute("RELEASE work")
        return error
    driver.execute("RELEASE work")
    return result


@contextmanager
def translated() -> Iterator[None]:
    """Turn SQLite's words for a full, read-only or damaged file into our errors."""
    try:
        yield
    except (sqlite3.Error, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        name = getattr(cause, "sqlite_errorname", None) or ""
        if name.startswith("SQLITE_FULL"):
            raise NoSpaceError(
                "no space left for the registry's metadata", hint="free space on the registry's disk"
            ) from error
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            raise ReadOnlyError(
                "the registry's metadata cannot be written to",
                hint="check owner, mode and mount options of the registry's folder",
            ) from error
        if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise DamagedMetadataError(
                "the registry's metadata are damaged", hint="put back metadata.sqlite from a copy; or mirror again"
            ) from error
        raise
