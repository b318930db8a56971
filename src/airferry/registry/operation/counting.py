"""How much a registry holds, asked beside the processes that serve it."""

from pathlib import Path

from sqlalchemy import Connection

from airferry.registry.disk import in_thread
from airferry.registry.metadata import open_metadata
from airferry.registry.metadata.counting import Holdings, Stock, count_holdings, count_stock
from airferry.registry.settings import DatabaseUrl, Settings
from airferry.registry.store import METADATA_FILE


async def count_stored(settings: Settings) -> tuple[Stock, Holdings]:
    """Return how much there is; nothing where nothing was ever served.

    Raises UnsupportedError (another airferry's metadata), DamagedError, DatabaseUnreachableError.
    """
    place: Path | DatabaseUrl = settings.database or settings.root / METADATA_FILE
    if isinstance(place, Path) and not await in_thread(place.exists):
        return Stock(), Holdings()
    metadata = await in_thread(open_metadata, place)
    try:
        return await metadata.read(_count)
    finally:
        await in_thread(metadata.close)


def _count(connection: Connection) -> tuple[Stock, Holdings]:
    return count_stock(connection), count_holdings(connection)
