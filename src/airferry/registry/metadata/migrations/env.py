"""What Alembic runs: the revisions, on the connection that :mod:`airferry.registry.metadata.migrating` opened."""

from alembic import context

from airferry.registry.metadata.schema import tables

context.configure(connection=context.config.attributes["connection"], target_metadata=tables)
with context.begin_transaction():
    context.run_migrations()
