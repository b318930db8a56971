"""All that the metadata know, out of one database and into another of any kind. Uploads under way are left behind."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from airferry.registry.errors import InUseError
from airferry.registry.metadata.schema import blobs, contents, manifests, quotas, references, repositories, tags

_COPIED: Final = (contents, repositories, blobs, manifests, references, tags, quotas)
"""Those first that others refer to."""

_TOGETHER: Final = 1000

Rows = Mapping[str, list[dict[str, Any]]]
"""Every row of every table, by the table's name."""


def dump(connection: Connection) -> Rows:
    """Return everything. To be asked in a snapshot."""
    return {table.name: [dict(row) for row in connection.execute(select(table)).mappings()] for table in _COPIED}


def load(connection: Connection, rows: Rows) -> None:
    """Write everything into a database that holds nothing yet; raises InUseError when it does."""
    if any(connection.execute(select(table).limit(1)).first() is not None for table in _COPIED):
        raise InUseError(
            "the database holds a registry's metadata already", hint="restore into an empty database, or into SQLite"
        )
    for table in _COPIED:
        found = rows[table.name]
        for first in range(0, len(found), _TOGETHER):
            connection.execute(insert(table), found[first : first + _TOGETHER])
    if connection.dialect.name == "postgresql" and rows[repositories.name]:
        last = max(row["id"] for row in rows[repositories.name])
        connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('repositories', 'id'), {int(last)})")
