"""The one place that knows which database there is: SQLite in the registry's folder, or PostgreSQL by URL.

SQLite: WAL, one writer (:mod:`airferry.registry.writer`) and full syncs; reads are single look-ups by key, tens of
microseconds from the page cache, so they run where they are asked. PostgreSQL: threads over a pool of connections;
writes are serializable and are done again when they met others.
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import psycopg
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from airferry.answers import Answer
from airferry.registry.errors import DatabaseUnreachableError, NoSpaceError, ReadOnlyError
from airferry.registry.metadata.migrating import prepare_postgresql, prepare_sqlite
from airferry.registry.metadata.schema import tables
from airferry.registry.settings import DatabaseUrl
from airferry.registry.writer import Work, Writer, sqlite_of, transact_one, translated

_P = ParamSpec("_P")
_R = TypeVar("_R")

_MET_OTHERS: Final = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.UniqueViolation,
    psycopg.errors.ForeignKeyViolation,
)
_THREADS: Final = 16
_MOST_ATTEMPTS: Final = 200
_LONGEST_PAUSE_S: Final = 0.05
_CONNECT_TIMEOUT_S: Final = 10
_BUSY_S: Final = 30
_BUSY_PAUSE_S: Final = 0.01


class Metadata(Protocol):
    """The registry's records. Ask with the functions of ``reading``, change with those of ``linking``."""

    async def read(self, query: Callable[Concatenate[Connection, _P], _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Return what ``query`` returns on a connection, or raise what it raises; it sees all that was written."""
        ...

    async def write(self, work: Work[_R], *, is_lasting: bool = True) -> _R:
        """Do ``work`` in a transaction, all or nothing, as if nobody else did anything meanwhile.

        Durable when this returns; ``is_lasting=False`` is for what a power cut may undo. Raises what ``work``
        raises, NoSpaceError, ReadOnlyError, DatabaseUnreachableError. ``work`` may be called several times.
        """
        ...

    async def snapshot(self, query: Callable[[Connection], _R]) -> _R:
        """Return what several questions find that must agree, as of one moment; nobody who writes waits for it."""
        ...

    def close(self) -> None:
        """Finish writing and let go of the database. Closing twice is fine."""
        ...


def open_metadata(place: Path | DatabaseUrl | None) -> Metadata:
    """Open the records in a SQLite file, in a PostgreSQL database, or (None) in memory; bring the tables up to date.

    Raises UnsupportedError for what another airferry wrote, ReadOnlyError, NoSpaceError, DatabaseUnreachableError.
    """
    return PostgresMetadata(place.url) if isinstance(place, DatabaseUrl) else SqliteMetadata(place)


class SqliteMetadata:
    """Implements :class:`Metadata` in the file ``file``, or in memory when it is None."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._engine = create_engine(
            "sqlite://", creator=self._connect, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        with translated():
            self._reader = self._engine.connect()
            try:
                if file is None:
                    tables.create_all(self._reader)
                else:
                    prepare_sqlite(self._reader)
            except BaseException:
                self._reader.close()
                raise
        self._writer = Writer(self._engine.connect) if file is not None else None

    async def read(self, query: Callable[Concatenate[Connection, _P], _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Ask at once; see :class:`Metadata`."""
        try:
            return query(self._reader, *args, **kwargs)
        except (sqlite3.Error, DBAPIError):
            with translated():  # only now: this is asked several times for every request
                raise

    async def write(self, work: Work[_R], *, is_lasting: bool = True) -> _R:
        """Hand ``work`` to the writer; see :class:`Metadata`."""
        if self._writer is not None:
            return await self._writer.run(work, is_lasting=is_lasting)
        answer = transact_one(self._reader, work)
        if isinstance(answer, Exception):
            raise answer
        done: _R = answer
        return done

    async def snapshot(self, query: Callable[[Connection], _R]) -> _R:
        """Ask in a thread, on a connection of its own; see :class:`Metadata`."""
        return query(self._reader) if self._file is None else await asyncio.to_thread(self._snapshot, query)

    def close(self) -> None:
        """Finish writing and close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._reader.close()

    def _snapshot(self, query: Callable[[Connection], _R]) -> _R:
        with translated(), self._engine.connect() as connection:
            driver = sqlite_of(connection)
            driver.execute("BEGIN")
            try:
                return query(connection)
            finally:
                driver.execute("ROLLBACK")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._file or ":memory:", isolation_level=None, timeout=_BUSY_S, check_same_thread=False
        )
        try:
            _use_log(connection)
            for pragma in ("synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection


def _use_log(connection: sqlite3.Connection) -> None:
    """Give a new file its log (WAL). SQLite does not wait for other processes here, whatever its timeout."""
    deadline_s = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline_s:
                raise
            time.sleep(_BUSY_PAUSE_S)
        else:
            return


class PostgresMetadata:
    """Implements :class:`Metadata` in the PostgreSQL database at ``url``."""

    def __init__(self, url: URL) -> None:
        self._shown = url.render_as_string(hide_password=True)
        self._readers = self._engine(url, "AUTOCOMMIT")
        self._writers = self._engine(url, "SERIALIZABLE")
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="airferry-registry-database")
        try:
            with self._translated():
                prepare_postgresql(self._writers)
        except BaseException:
            self.close()
            raise

    async def read(self, query: Callable[Concatenate[Connection, _P], _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Ask in a thread; see :class:`Metadata`."""

        def ask(connection: Connection) -> _R:
            return query(connection, *args, **kwargs)

        return await self._in_thread(self._read, ask)

    async def write(self, work: Work[_R], *, is_lasting: bool = True) -> _R:
        """Do ``work`` in a serializable transaction, again and again until it fits; see :class:`Metadata`."""
        return await self._in_thread(self._write, work, is_lasting)

    async def snapshot(self, query: Callable[[Connection], _R]) -> _R:
        """Ask in a transaction that sees one moment; see :class:`Metadata`."""
        return await self._in_thread(self._snapshot, query)

    def close(self) -> None:
        """Finish what is under way and close all connections."""
        self._threads.shutdown()
        self._readers.dispose()
        self._writers.dispose()

    def _engine(self, url: URL, isolation: Any) -> Engine:
        # Sequential scans of small tables would lock them whole, and every two writers would be in each other's way.
        options = {
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "options": "-c enable_seqscan=off -c client_min_messages=error",
        }
        return create_engine(
            url,
            isolation_level=isolation,
            pool_size=_THREADS,
            max_overflow=0,
            # A write must not be begun on a connection that died while nobody used it; a read is simply asked again.
            pool_pre_ping=isolation != "AUTOCOMMIT",
            pool_reset_on_return=None if isolation == "AUTOCOMMIT" else "rollback",
            connect_args=options,
        )

    async def _in_thread(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        answer: Answer[_R] = Answer(asyncio.get_running_loop())
        self._threads.submit(answer.give_from, partial(function, *args, **kwargs))
        return await answer.taken()

    def _read(self, query: Work[_R]) -> _R:
        with self._translated():
            try:
                return self._ask(query)
            except (psycopg.OperationalError, DBAPIError):
                self._readers.dispose()  # the server was restarted: all connections of the pool are dead
                return self._ask(query)

    def _ask(self, query: Work[_R]) -> _R:
        with self._readers.connect() as connection:
            try:
                return query(connection)
            except psycopg.OperationalError:
                connection.invalidate()
                raise

    def _snapshot(self, query: Callable[[Connection], _R]) -> _R:
        with self._translated(), self._writers.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                return query(connection)

    def _write(self, work: Work[_R], is_lasting: bool) -> _R:
        with self._translated():
            for attempt in range(_MOST_ATTEMPTS):
                try:
                    return self._transact(work, is_lasting)
                except (
                    psycopg.OperationalError,
                    psycopg.errors.UniqueViolation,
                    psycopg.errors.ForeignKeyViolation,
                    DBAPIError,
                ) as error:
                    if not _may_try_again(error, attempt):
                        raise
                time.sleep(random.uniform(0, min(_LONGEST_PAUSE_S, 0.001 * 2 ** min(attempt, 10))))  # noqa: S311
            raise AssertionError("the last attempt either returns or raises")

    def _transact(self, work: Work[_R], is_lasting: bool) -> _R:
        with self._writers.begin() as connection:
            if not is_lasting:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
            return work(connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn PostgreSQL's words into our errors; none shows the password."""
        try:
            yield
        except (psycopg.Error, DBAPIError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            if isinstance(cause, psycopg.errors.DiskFull):
                raise NoSpaceError(
                    "no space left for the registry's metadata", hint="free space on the database's disk"
                ) from error
            if isinstance(cause, psycopg.errors.ReadOnlySqlTransaction | psycopg.errors.InsufficientPrivilege):
                raise ReadOnlyError(
                    f"the database {self._shown} cannot be written to", hint="let the registry's user own the database"
                ) from error
            if isinstance(cause, psycopg.OperationalError):
                raise DatabaseUnreachableError(
                    f"the database {self._shown} cannot be used: {str(cause).strip()[:300]}",
                    hint="start PostgreSQL, or check the setting `database` in registry.toml",
                ) from error
            raise


def _may_try_again(error: Exception, attempt: int) -> bool:
    """Whether a transaction met others, which is ordinary."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return attempt + 1 < _MOST_ATTEMPTS and isinstance(cause, _MET_OTHERS)
