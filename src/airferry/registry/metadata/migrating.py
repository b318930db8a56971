"""Bringing the tables up to date when a registry is opened, and refusing what this airferry does not know.

Alembic is imported only when there is something to do: a registry that is up to date starts without it.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect

from airferry.errors import UnsupportedError
from airferry.registry.metadata.schema import REVISION
from airferry.registry.writer import sqlite_of

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x6169_7266_6572_7279  # "airferry": one process migrates, others wait for it


def prepare_sqlite(connection: Connection) -> None:
    """Make or change the tables in a file, in one transaction. Raises UnsupportedError."""
    (old_version,) = sqlite_of(connection).execute("PRAGMA user_version").fetchone()
    if old_version:
        raise UnsupportedError(
            f"the registry's metadata were written by a development version (format {old_version}) or another program",
            hint="make a new registry with `airferry registry init` and push to it again",
        )
    if _revision(connection) == REVISION:
        return
    connection.commit()
    with connection.begin():  # says nothing to SQLite, whose own BEGIN would lock too late
        sqlite_of(connection).execute("BEGIN IMMEDIATE")
        _migrate(connection)


def prepare_postgresql(engine: Engine) -> None:
    """Make or change the tables in a database, in one transaction. Raises UnsupportedError."""
    with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection, connection.begin():
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        _migrate(connection)


def _migrate(connection: Connection) -> None:
    found = _revision(connection)
    if found == REVISION:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise UnsupportedError(
            f"the registry's metadata have revision {found}, this airferry knows up to {REVISION}",
            hint="use the airferry that wrote it, or a newer one",
        )
    command.upgrade(config, REVISION)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)
