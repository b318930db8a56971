"""The tables: who holds what. No image bytes. Every change here is a revision in ``migrations/versions`` too.

``idle_since_s`` (seconds since 1970) is when a row was last known to be of use: when it was pushed, mounted or asked
for, and when what referred to it went away. Collection leaves alone what was not idle for the whole grace period.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

REVISION: Final = "0002"
"""The newest revision: what the tables below are."""

_NAME: Final = String().with_variant(String(collation="C"), "postgresql")  # listings are in byte order

tables: Final = MetaData()

contents: Final = Table(
    "contents",
    tables,
    Column("digest", _NAME, primary_key=True),
    Column("object_name", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("idle_since_s", Double, nullable=False),
    Column("damaged_s", Double),
    sqlite_with_rowid=False,
)
"""What is stored: the digest, and under which name the driver knows it; ``damaged_s`` is when it was found spoilt."""

repositories: Final = Table(
    "repositories",
    tables,
    Column("id", Integer, primary_key=True),
    Column("path", _NAME, nullable=False, unique=True),
)

blobs: Final = Table(
    "blobs",
    tables,
    Column("repository_id", Integer, ForeignKey("repositories.id"), primary_key=True),
    Column("digest", _NAME, ForeignKey("contents.digest"), primary_key=True),
    Column("idle_since_s", Double, nullable=False),
    Index("blobs_by_digest", "digest"),
    sqlite_with_rowid=False,
)
"""Which repository a blob can be read from."""

manifests: Final = Table(
    "manifests",
    tables,
    Column("repository_id", Integer, ForeignKey("repositories.id"), primary_key=True),
    Column("digest", _NAME, ForeignKey("contents.digest"), primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("subject", _NAME),
    Column("artifact_type", Text),
    Column("annotations", Text),
    Column("idle_since_s", Double, nullable=False),
    Index("manifests_by_subject", "repository_id", "subject"),
    Index("manifests_by_digest", "digest"),
    sqlite_with_rowid=False,
)

references: Final = Table(
    "manifest_references",
    tables,
    Column("repository_id", Integer, primary_key=True),
    Column("manifest", _NAME, primary_key=True),
    Column("target", _NAME, primary_key=True),
    ForeignKeyConstraint(
        ["repository_id", "manifest"], ["manifests.repository_id", "manifests.digest"], ondelete="CASCADE"
    ),
    Index("references_by_target", "repository_id", "target"),
    sqlite_with_rowid=False,
)
"""Every digest that a manifest points at, whether it is there or not: blobs, foreign layers, children."""

tags: Final = Table(
    "tags",
    tables,
    Column("repository_id", Integer, primary_key=True),
    Column("name", _NAME, primary_key=True),
    Column("digest", _NAME, nullable=False),
    ForeignKeyConstraint(["repository_id", "digest"], ["manifests.repository_id", "manifests.digest"]),
    Index("tags_by_digest", "repository_id", "digest"),
    sqlite_with_rowid=False,
)

quotas: Final = Table(
    "quotas",
    tables,
    Column("namespace", _NAME, primary_key=True),
    Column("limit_bytes", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""How many bytes the repositories of a namespace may hold together, what they share counted once."""

uploads: Final = Table(
    "uploads",
    tables,
    Column("key", Text, primary_key=True),
    Column("generation", BigInteger, nullable=False),
    Column("received_bytes", BigInteger, nullable=False),
    Column("algorithm", Text, nullable=False),
    Column("hash_state", LargeBinary, nullable=False),
    Column("touched_s", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""How far each upload has come for sure. Whoever moves one on raises its generation, and must know the last."""
