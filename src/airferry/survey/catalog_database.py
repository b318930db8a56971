"""Indexes of operators in SQLite, read only: nothing is ever written beside them.

An index comes from strangers: its tables must be tables and their columns stored ones, since views and computed columns
run what the schema says; there are no more rows than the file has room for, since pages may lead to each other over
and over; and a value has only so many bytes.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from airferry.content.filesystem import reading
from airferry.errors import MalformedError
from airferry.openshift.catalog.findings import Finding
from airferry.openshift.catalog.reading.database_rows import (
    OTHER_TABLES,
    REQUIRED_TABLES,
    DatabaseTables,
    Row,
    database_metas,
)
from airferry.openshift.catalog.reading.metas import Meta

HEADER: Final = b"SQLite format 3\x00"
"""The first bytes of every SQLite database."""
_MAX_VALUE_BYTES: Final = 64 * 1024 * 1024
_ROW_BYTES: Final = 6
"""The least that a row takes in a file: a cell of four bytes, and two for where it is."""
_COLUMNS: Final = {
    "package": {"name"},
    "channel": {"name", "package_name"},
    "channel_entry": {"entry_id", "channel_name", "package_name", "operatorbundle_name"},
    "operatorbundle": {"name"},
    "related_image": {"image", "operatorbundle_name"},
    "api_provider": {"group_name", "version", "kind"},
    "api_requirer": {"group_name", "version", "kind"},
    "dependencies": {"type", "value", "operatorbundle_name"},
    "properties": {"type", "value", "operatorbundle_name"},
    "deprecated": {"operatorbundle_name"},
}


def is_database(file: Path) -> bool:
    """Whether the file begins as SQLite databases do. Raises NotFoundError, DeniedError."""
    with reading(file), file.open("rb") as opened:
        return opened.read(len(HEADER)) == HEADER


def database_file_metas(
    file: Path, findings: list[Finding], *, shown: str = "", with_manifests: bool = False
) -> Iterator[Meta]:
    """Yield the documents that the index in ``file`` stands for. Blocks while it reads.

    Raises MalformedError for what is no index of operators or is damaged; errors call it ``shown``, or by its path.
    """
    name = shown or str(file)
    if not is_database(file):
        raise MalformedError(f"{name} is not a SQLite database", hint="an index of operators is named such as index.db")
    with _opened(file, name) as connection:
        rows = _Rows(connection, name, file.stat().st_size // _ROW_BYTES)
        kinds = dict(connection.execute("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"))
        missing = [table for table in REQUIRED_TABLES if kinds.get(table) != "table"]
        if missing:
            raise MalformedError(f"{name} is not an index of operators: it has no table {', '.join(missing)}")
        small = [table for table in (*REQUIRED_TABLES[:-1], *OTHER_TABLES) if kinds.get(table) == "table"]
        tables = DatabaseTables(name, {table: tuple(rows.of(table)) for table in small})
        yield from database_metas(tables, rows.of("operatorbundle"), findings, with_manifests=with_manifests)


@contextmanager
def _opened(file: Path, name: str) -> Iterator[sqlite3.Connection]:
    try:
        # immutable: no lock, no journal, nothing written beside it, also where the folder cannot be written to.
        address = f"file:{quote(str(file.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True, check_same_thread=False)) as connection:
            connection.text_factory = lambda content: content.decode("utf-8", "replace")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
            connection.execute("PRAGMA trusted_schema = OFF")
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter for names in a damaged schema
        raise MalformedError(f"{name} is not an index that can be read: {error}") from error


class _Rows:
    """Reads tables, at most so many rows in all."""

    def __init__(self, connection: sqlite3.Connection, name: str, most: int) -> None:
        self._connection = connection
        self._name = name
        self._left = most

    def of(self, table: str) -> Iterator[Row]:
        """Yield a table's rows. Raises MalformedError when it lacks what every generation has."""
        described = self._connection.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (table,)).fetchall()
        columns = [column.lower() for column, hidden in described if not hidden]
        lacking = _COLUMNS[table] - set(columns)
        if lacking or len(columns) < len(described):
            what = f"no column {', '.join(sorted(lacking))}" if lacking else "columns that are computed"
            raise MalformedError(f"{self._name} is not an index of operators: {table} has {what}")
        for row in self._connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  # a name of our own table above
            self._left -= 1
            if self._left < 0:
                raise MalformedError(f"{self._name} is damaged: it has more rows than it has room for")
            yield dict(zip(columns, map(_text, row), strict=True))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)
