"""Tables that are made and changed when a registry is opened, and what is refused."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from airferry.errors import UnsupportedError
from airferry.registry.metadata import migrating, open_metadata
from airferry.registry.metadata.reading import list_repositories
from airferry.registry.metadata.schema import REVISION, tables
from airferry.registry.settings import DatabaseUrl

Place = Path | DatabaseUrl


async def test_the_revisions_lead_to_the_tables_as_they_are_described(database: Place) -> None:
    metadata = open_metadata(database)

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), tables))

    assert await metadata.read(differences) == []
    metadata.close()


def test_the_newest_revision_is_the_one_the_tables_are_of() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrating.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


async def test_opening_again_changes_nothing(database: Place) -> None:
    for _ in range(2):
        metadata = open_metadata(database)
        assert await metadata.read(list_repositories, None, None) == ()
        metadata.close()


def test_several_processes_may_open_a_new_registry_at_once(database: Place) -> None:
    with ThreadPoolExecutor(4) as pool:
        for metadata in pool.map(lambda _: open_metadata(database), range(4)):
            metadata.close()


def test_a_new_file_that_another_process_is_writing_to_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself does not wait when a file is to get its log, whatever timeout it was given."""
    file = tmp_path / "metadata.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("CREATE TABLE other (x INTEGER)")
        release = threading.Timer(0.2, other.execute, ["COMMIT"])
        release.start()
        open_metadata(file).close()
        release.join()


async def test_a_newer_revision_is_refused(database: Place) -> None:
    metadata = open_metadata(database)

    def raise_revision(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    await metadata.write(raise_revision)
    metadata.close()
    with pytest.raises(UnsupportedError, match="9999"):
        open_metadata(database)


@pytest.mark.parametrize("version", [1, 99])
def test_a_file_from_before_the_revisions_is_refused_and_stays_as_it_is(tmp_path: Path, version: int) -> None:
    file = tmp_path / "metadata.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE repositories (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE)")
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(UnsupportedError) as refused:
        open_metadata(file)
    assert "registry init" in (refused.value.hint or "")
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [
            ("repositories",)
        ]


def test_a_change_that_fails_leaves_nothing_behind(database: Place, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    broken = tmp_path / "broken"
    (broken / "versions").mkdir(parents=True)
    (broken / "env.py").write_text((migrating._SCRIPTS / "env.py").read_text())
    (broken / "versions" / "r0001.py").write_text(
        f"from alembic import op\nrevision, down_revision = {REVISION!r}, None\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (x INTEGER)')\n    op.execute('nonsense')\n"
    )
    with monkeypatch.context() as changed:
        changed.setattr(migrating, "_SCRIPTS", broken)
        with pytest.raises(Exception, match="nonsense"):
            open_metadata(database)
    open_metadata(database).close()  # would meet the table, had it stayed: see the first test
