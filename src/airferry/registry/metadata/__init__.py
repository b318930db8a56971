"""Who holds what: repositories, links, manifests, tags and uploads, in SQLite or PostgreSQL. No image bytes."""

from airferry.registry.metadata.database import Metadata, open_metadata

__all__ = ["Metadata", "open_metadata"]
