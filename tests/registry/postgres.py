"""A PostgreSQL of Debian's package, started for the tests on a socket in a folder of its own."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from airferry.registry.settings import DatabaseUrl

_PORT = 5432  # only part of the socket's name
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300", "listen_addresses=")


class PostgresServer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(host=str(self._folder), port=_PORT, user="airferry", dbname=database, autocommit=True)

    @contextmanager
    def new_database(self) -> Iterator[DatabaseUrl]:
        name = f"registry{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            try:
                yield DatabaseUrl.parse(
                    f"postgresql+psycopg://airferry:not-shown@/{name}?host={self._folder}&port={_PORT}"
                )
            finally:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        if os.environ.get("CI"):
            pytest.fail("Debian's package postgresql is not installed")
        pytest.skip("needs Debian's package postgresql")
    folder = Path(tempfile.mkdtemp(prefix="airferry-postgres-"))  # short, for the socket, and open to its user
    as_whom: list[str] = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_whom = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    # The server goes when the tests do, also when they are killed.
    as_child = ["setpriv", "--pdeathsig", "QUIT", *as_whom]
    initdb = [
        *as_child,
        programs[-1] / "initdb",
        "-D",
        folder / "data",
        "-U",
        "airferry",
        "-A",
        "trust",
        "-N",
        "-E",
        "UTF8",
    ]
    options = [f"-c{option}" for option in (*_QUICK, f"unix_socket_directories={folder}", f"port={_PORT}")]
    try:
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*as_child, programs[-1] / "postgres", "-D", folder / "data", *options],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            server = PostgresServer(folder)
            _wait(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait()
    finally:
        shutil.rmtree(folder)


def _wait(server: PostgresServer, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            server.connect().close()
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("PostgreSQL did not start")
