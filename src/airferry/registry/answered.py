"""What is known of a request when it was answered: for logs and metrics, never anything secret."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from airferry.registry.routes import (
    BlobAt,
    Catalog,
    Endpoint,
    ManifestAt,
    Ping,
    Referrers,
    TagList,
    UploadAt,
    Uploads,
)

ROUTES: Final[dict[type[Endpoint], str]] = {
    Ping: "ping",
    Catalog: "catalog",
    TagList: "tags",
    Referrers: "referrers",
    ManifestAt: "manifest",
    BlobAt: "blob",
    Uploads: "uploads",
    UploadAt: "upload",
}
"""What the endpoints are called in metrics."""

NO_ROUTE: Final = "other"
TOKEN_ROUTE: Final = "token"  # noqa: S105 - a name
PAGE_ROUTE: Final = "operation"


@dataclass(frozen=True, slots=True)
class Answered:
    """One request. ``path`` is as it was sent and without the query; ``user`` is a proven account or None.

    ``received_bytes`` and ``sent_bytes`` are of bodies. ``status`` is 499 where the client went away.
    """

    method: str
    path: str
    route: str
    status: int
    user: str | None
    remote: str | None
    received_bytes: int
    sent_bytes: int
    duration_s: float


Observer = Callable[[Answered], None]
"""Is told of every request when it was answered. Must neither wait nor fail."""
