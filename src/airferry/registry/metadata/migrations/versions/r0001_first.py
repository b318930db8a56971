"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make all tables, those first that others refer to."""
    _make_contents_and_repositories()
    _make_blobs()
    _make_manifests()
    _make_tags()
    _make_uploads()


def _make_contents_and_repositories() -> None:
    op.create_table(
        "contents",
        sa.Column("digest", _NAME, primary_key=True),
        sa.Column("object_name", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("idle_since_s", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "repositories",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("path", _NAME, nullable=False, unique=True),
    )


def _make_blobs() -> None:
    op.create_table(
        "blobs",
        sa.Column("repository_id", sa.Integer, sa.ForeignKey("repositories.id"), primary_key=True),
        sa.Column("digest", _NAME, sa.ForeignKey("contents.digest"), primary_key=True),
        sa.Column("idle_since_s", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("blobs_by_digest", "blobs", ["digest"])


def _make_manifests() -> None:
    op.create_table(
        "manifests",
        sa.Column("repository_id", sa.Integer, sa.ForeignKey("repositories.id"), primary_key=True),
        sa.Column("digest", _NAME, sa.ForeignKey("contents.digest"), primary_key=True),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("subject", _NAME),
        sa.Column("artifact_type", sa.Text),
        sa.Column("annotations", sa.Text),
        sa.Column("idle_since_s", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("manifests_by_subject", "manifests", ["repository_id", "subject"])
    op.create_index("manifests_by_digest", "manifests", ["digest"])
    op.create_table(
        "manifest_references",
        sa.Column("repository_id", sa.Integer, primary_key=True),
        sa.Column("manifest", _NAME, primary_key=True),
        sa.Column("target", _NAME, primary_key=True),
        sa.ForeignKeyConstraint(
            ["repository_id", "manifest"], ["manifests.repository_id", "manifests.digest"], ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("references_by_target", "manifest_references", ["repository_id", "target"])


def _make_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("repository_id", sa.Integer, primary_key=True),
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("digest", _NAME, nullable=False),
        sa.ForeignKeyConstraint(["repository_id", "digest"], ["manifests.repository_id", "manifests.digest"]),
        sqlite_with_rowid=False,
    )
    op.create_index("tags_by_digest", "tags", ["repository_id", "digest"])


def _make_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("received_bytes", sa.BigInteger, nullable=False),
        sa.Column("algorithm", sa.Text, nullable=False),
        sa.Column("hash_state", sa.LargeBinary, nullable=False),
        sa.Column("touched_s", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
