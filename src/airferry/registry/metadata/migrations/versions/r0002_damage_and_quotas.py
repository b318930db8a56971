"""When stored content was found damaged; quotas of namespaces."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add a column and a table."""
    op.add_column("contents", sa.Column("damaged_s", sa.Double))
    op.create_table(
        "quotas",
        sa.Column("namespace", sa.String().with_variant(sa.String(collation="C"), "postgresql"), primary_key=True),
        sa.Column("limit_bytes", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
