"""Indexes of operators in SQLite, read only: nothing is ever written beside them.

An index comes from strangers: its tables must be tables, a statement may only take so many steps, a value only so
many bytes, and the schema may not call functions.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from airferry.content.filesystem import reading
from airferry.errors import MalformedError
from airferry.openshift.catalog.database_rows import (
    OTHER_TABLES,
    REQUIRED_TABLES,
    DatabaseTables,
    Row,
    database_metas,
)
from airferry.openshift.catalog.findings import Finding
from airferry.openshift.catalog.metas import Meta

HEADER: Final = b"SQLite format 3\x00"
"""The first bytes of every SQLite database."""
_MAX_VALUE_BYTES: Final = 64 * 1024 * 1024
_STEPS: Final = 1_000_000
_MAX_STEPS: Final = 500
"""How many million steps of SQLite's machine the whole reading may take; a real index of 100 MB takes under ten."""
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


def database_file_metas(file: Path, findings: list[Finding], *, with_manifests: bool = False) -> Iterator[Meta]:
    """Yield the documents that the index in ``file`` stands for. Blocks while it reads.

    Raises MalformedError, with the file's name, for what is no index of operators or is damaged.
    """
    if not is_database(file):
        raise MalformedError(f"{file} is not a SQLite database", hint="an index of operators is named such as index.db")
    with _opened(file) as connection:
        kinds = dict(connection.execute("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"))
        missing = [table for table in REQUIRED_TABLES if kinds.get(table) != "table"]
        if missing:
            raise MalformedError(f"{file} is not an index of operators: it has no table {', '.join(missing)}")
        small = [table for table in (*REQUIRED_TABLES[:-1], *OTHER_TABLES) if kinds.get(table) == "table"]
        tables = DatabaseTables(file.name, {table: tuple(_rows(connection, table, file)) for table in small})
        yield from database_metas(
            tables, _rows(connection, "operatorbundle", file), findings, with_manifests=with_manifests
        )


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return steps > _MAX_STEPS

    try:
        # immutable: no lock, no journal, nothing written beside it, also where the folder cannot be written to.
        address = f"file:{quote(str(file.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True, check_same_thread=False)) as connection:
            connection.text_factory = lambda content: content.decode("utf-8", "replace")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
            connection.set_progress_handler(count, _STEPS)
            connection.execute("PRAGMA trusted_schema = OFF")
            yield connection
    except sqlite3.Error as error:
        raise MalformedError(f"{file} is not an index that can be read: {error}") from error


def _rows(connection: sqlite3.Connection, table: str, file: Path) -> Iterator[Row]:
    cursor = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # a name of our own table above
    columns = [column[0].lower() for column in cursor.description]
    lacking = _COLUMNS[table] - set(columns)
    if lacking:
        raise MalformedError(f"{file} is not an index of operators: {table} has no column {', '.join(sorted(lacking))}")
    for row in cursor:
        yield dict(zip(columns, map(_text, row), strict=True))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)
