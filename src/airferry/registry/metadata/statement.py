"""Statements of SQLAlchemy that are compiled once for each database and then run on the driver's own connection.

SQLAlchemy's execution costs some 80 µs a statement, which would be most of what a manifest asked for by tag takes.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.expression import Executable

_INSERT: Final[dict[str, Callable[[Table], Any]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}

Row = tuple[Any, ...]
Build = Callable[[Callable[[Table], Any]], Executable]
"""Makes a statement with the database's own INSERT, the one that has ``on_conflict_do_update``."""


class _Compiled:
    def __init__(self, clause: Any, connection: Connection) -> None:
        compiled = clause.compile(dialect=connection.dialect)
        self.text = str(compiled)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}
        self._order: tuple[str, ...] | None = tuple(compiled.positiontup) if compiled.positional else None

    def values(self, said: dict[str, Any]) -> Any:
        values = self._constants | said
        return values if self._order is None else tuple(values[name] for name in self._order)


class Statement:
    """One statement with named parameters. Takes and gives text, numbers, bytes and None, nothing else."""

    def __init__(self, clause: Executable | Build) -> None:
        self._clause = clause
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: Connection, **values: Any) -> Sequence[Row]:
        """Return all rows."""
        rows: Sequence[Row] = self._run(connection, values).fetchall()
        return rows

    def row(self, connection: Connection, **values: Any) -> Row | None:
        """Return the first row, or None."""
        cursor = self._run(connection, values)
        row: Row | None = cursor.fetchone()
        cursor.close()
        return row

    def change(self, connection: Connection, **values: Any) -> int:
        """Return how many rows were inserted, changed or deleted."""
        count: int = self._run(connection, values).rowcount
        return count

    def change_each(self, connection: Connection, several: Sequence[dict[str, Any]]) -> None:
        """Run once for each set of values."""
        if several:
            compiled = self._on(connection)
            cursor = _driver_connection(connection).cursor()
            cursor.executemany(compiled.text, [compiled.values(values) for values in several])
            cursor.close()

    def _run(self, connection: Connection, values: dict[str, Any]) -> Any:
        compiled = self._on(connection)
        return _driver_connection(connection).execute(compiled.text, compiled.values(values))

    def _on(self, connection: Connection) -> _Compiled:
        name = connection.dialect.name
        found = self._compiled.get(name)
        if found is None:
            clause = self._clause if isinstance(self._clause, Executable) else self._clause(_INSERT[name])
            found = self._compiled[name] = _Compiled(clause, connection)
        return found


def _driver_connection(connection: Connection) -> Any:
    return connection.connection.dbapi_connection
