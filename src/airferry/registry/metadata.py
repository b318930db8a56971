"""Repositories, links, manifests and tags: who holds what, in SQLite. No image bytes.

WAL with one writer (:mod:`airferry.registry.writer`) and full syncs: what was answered 201 survives a power cut.
Reads are single look-ups by key, tens of microseconds from the page cache, so they run where they are asked.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from airferry.errors import UnsupportedError
from airferry.oci import Descriptor, Digest
from airferry.registry.acceptance import PushedManifest
from airferry.registry.errors import MissingContentError, NotFoundError
from airferry.registry.writer import Work, Writer, transact_one, translated

SCHEMA_VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE repositories (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE blobs (
    repository_id INTEGER NOT NULL REFERENCES repositories, digest TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    PRIMARY KEY (repository_id, digest)
) WITHOUT ROWID;
CREATE INDEX blobs_by_digest ON blobs (digest);
CREATE TABLE manifests (
    repository_id INTEGER NOT NULL REFERENCES repositories, digest TEXT NOT NULL, media_type TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, subject TEXT, artifact_type TEXT, annotations TEXT,
    PRIMARY KEY (repository_id, digest)
) WITHOUT ROWID;
CREATE INDEX manifests_by_subject ON manifests (repository_id, subject) WHERE subject IS NOT NULL;
CREATE INDEX manifests_by_digest ON manifests (digest);
CREATE TABLE tags (
    repository_id INTEGER NOT NULL REFERENCES repositories, name TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (repository_id, name)
) WITHOUT ROWID;
CREATE INDEX tags_by_digest ON tags (repository_id, digest);
"""

_BY_DIGEST: Final = """
SELECT m.digest, m.media_type, m.size_bytes FROM repositories r
JOIN manifests m ON m.repository_id = r.id WHERE r.path = ? AND m.digest = ?
"""
_BY_TAG: Final = """
SELECT m.digest, m.media_type, m.size_bytes FROM repositories r
JOIN tags t ON t.repository_id = r.id JOIN manifests m ON m.repository_id = r.id AND m.digest = t.digest
WHERE r.path = ? AND t.name = ?
"""
_BLOB: Final = """
SELECT b.size_bytes FROM repositories r JOIN blobs b ON b.repository_id = r.id WHERE r.path = ? AND b.digest = ?
"""
_REFERRERS: Final = """
SELECT m.media_type, m.digest, m.size_bytes, m.artifact_type, m.annotations FROM repositories r
JOIN manifests m ON m.repository_id = r.id WHERE r.path = ? AND m.subject = ? ORDER BY m.digest
"""
_DELETE: Final = {
    "blob": "DELETE FROM blobs WHERE repository_id = (SELECT id FROM repositories WHERE path = ?) AND digest = ?",
    "manifest": (
        "DELETE FROM manifests WHERE repository_id = (SELECT id FROM repositories WHERE path = ?) AND digest = ?"
    ),
    "tag": "DELETE FROM tags WHERE repository_id = (SELECT id FROM repositories WHERE path = ?) AND name = ?",
    "tags": "DELETE FROM tags WHERE repository_id = (SELECT id FROM repositories WHERE path = ?) AND digest = ?",
}


class Metadata:
    """The registry's records, in the SQLite file at ``file``, or in memory when it is None."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        with translated():
            self._reader = self._connect()
            try:
                _prepare(self._reader)
            except BaseException:
                self._reader.close()
                raise
        self._writer = Writer(self._connect) if file is not None else None

    async def write(self, work: Work[Any]) -> Any:
        """Do ``work`` in a transaction; durable when this returns. Raises what ``work`` raises."""
        if self._writer is not None:
            return await self._writer.run(work)
        answer = transact_one(self._reader, work)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Finish writing and close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._reader.close()

    def manifest(self, path: str, target: str) -> tuple[Digest, str, int]:
        """Return digest, media type and size in bytes of the manifest at a tag or digest; or NotFoundError."""
        query = _BY_DIGEST if ":" in target else _BY_TAG
        row = self._reader.execute(query, (path, target)).fetchone()
        if row is None:
            raise NotFoundError(f"no manifest {target} in {path}")
        return Digest(row[0]), row[1], row[2]

    def blob_size(self, path: str, digest: Digest) -> int:
        """Return the size in bytes of a blob that the repository links; or NotFoundError."""
        row = self._reader.execute(_BLOB, (path, digest)).fetchone()
        if row is None:
            raise NotFoundError(f"no blob {digest} in {path}")
        return int(row[0])

    def holders(self, digest: Digest) -> tuple[tuple[str, int], ...]:
        """Return the repositories that link a blob, each with its size in bytes."""
        return tuple(
            self._reader.execute(
                "SELECT path, size_bytes FROM blobs JOIN repositories ON id = repository_id WHERE digest = ?",
                (digest,),
            )
        )

    def tags(self, path: str, after: str | None, limit: int | None) -> tuple[str, ...]:
        """Return tags in byte order; or NotFoundError when there is no such repository."""
        found = self._reader.execute("SELECT id FROM repositories WHERE path = ?", (path,)).fetchone()
        if found is None:
            raise NotFoundError(f"no repository {path}")
        rows = self._reader.execute(
            "SELECT name FROM tags WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?",
            (found[0], after or "", -1 if limit is None else limit),
        )
        return tuple(name for (name,) in rows)

    def repositories(self, after: str | None, limit: int | None) -> tuple[str, ...]:
        """Return repository names in byte order."""
        rows = self._reader.execute(
            "SELECT path FROM repositories WHERE path > ? ORDER BY path LIMIT ?",
            (after or "", -1 if limit is None else limit),
        )
        return tuple(path for (path,) in rows)

    def referrers(self, path: str, subject: Digest) -> tuple[Descriptor, ...]:
        """Return the manifests whose subject is ``subject``, in the order of their digests."""
        rows = self._reader.execute(_REFERRERS, (path, subject))
        return tuple(
            Descriptor(kind, Digest(digest), size, None, msgspec.json.decode(annotations), artifact_type)
            for kind, digest, size, artifact_type, annotations in rows
        )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._file or ":memory:", isolation_level=None, timeout=30, check_same_thread=False
        )
        try:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection


def link_blob(connection: sqlite3.Connection, path: str, digest: Digest, size_bytes: int) -> None:
    """Make a stored blob readable in a repository, which appears if it is new."""
    connection.execute(
        "INSERT INTO blobs VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET size_bytes = excluded.size_bytes",
        (_repository_id(connection, path), digest, size_bytes),
    )


def link_manifest(connection: sqlite3.Connection, path: str, pushed: PushedManifest, tags: Sequence[str]) -> None:
    """Make a stored manifest readable in a repository and point ``tags`` at it.

    Raises MissingContentError when the repository lacks a blob that the manifest needs.
    """
    repository_id = _repository_id(connection, path)
    for digest in pushed.needs:
        held = connection.execute(
            "SELECT 1 FROM blobs WHERE repository_id = ? AND digest = ?", (repository_id, digest)
        ).fetchone()
        if held is None:
            raise MissingContentError(f"the manifest {pushed.digest} needs blob {digest}, which {path} does not hold")
    referrer = pushed.referrer
    connection.execute(
        "INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            repository_id,
            pushed.digest,
            pushed.media_type,
            len(pushed.raw),
            pushed.subject,
            referrer.artifact_type if referrer else None,
            msgspec.json.encode(dict(referrer.annotations)).decode() if referrer else None,
        ),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO tags VALUES (?, ?, ?)", [(repository_id, tag, pushed.digest) for tag in tags]
    )


def unlink_blob(connection: sqlite3.Connection, path: str, digest: Digest) -> None:
    """Make a blob unreadable in one repository; or NotFoundError."""
    _delete(connection, "blob", path, digest)


def unlink_manifest(connection: sqlite3.Connection, path: str, digest: Digest) -> None:
    """Make a manifest unreadable in one repository, with every tag that points at it; or NotFoundError."""
    _delete(connection, "manifest", path, digest)
    connection.execute(_DELETE["tags"], (path, digest))


def untag(connection: sqlite3.Connection, path: str, tag: str) -> None:
    """Remove one tag; or NotFoundError."""
    _delete(connection, "tag", path, tag)


def _delete(connection: sqlite3.Connection, kind: str, path: str, value: str) -> None:
    if connection.execute(_DELETE[kind], (path, value)).rowcount == 0:
        raise NotFoundError(f"no {kind} {value} in {path}")


def _repository_id(connection: sqlite3.Connection, path: str) -> int:
    found = connection.execute("SELECT id FROM repositories WHERE path = ?", (path,)).fetchone()
    if found is None:
        found = connection.execute("INSERT INTO repositories (path) VALUES (?) RETURNING id", (path,)).fetchone()
    return int(found[0])


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables in a new file; refuse a file that a newer airferry wrote."""
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        for statement in _SCHEMA.split(";"):
            with closing(connection.execute(statement)):
                pass
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")
    if version > SCHEMA_VERSION:
        raise UnsupportedError(
            f"the registry's metadata has version {version}, this airferry knows {SCHEMA_VERSION}",
            hint="use the airferry that wrote it, or a newer one",
        )
