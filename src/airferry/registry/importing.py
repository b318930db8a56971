"""Taking content that lies in files on this machine into a repository, without HTTP.

The order is that of a push: bytes, verified, durable, named, linked. Nothing is done twice: what the repository has,
whole by its length and not known to be damaged, stays.
"""

from enum import StrEnum
from functools import partial
from pathlib import Path

from airferry.oci import Digest
from airferry.registry.disk import in_thread
from airferry.registry.errors import NotFoundError
from airferry.registry.metadata import damage, linking
from airferry.registry.metadata.quotas import check_quotas
from airferry.registry.metadata.reading import Content, find_blob
from airferry.registry.storage import Storage


class Import(StrEnum):
    """How a blob came into a repository."""

    HELD = "held"
    LINKED = "linked"
    REFLINK = "reflink"
    HARD_LINK = "hard-link"
    COPY = "copy"


async def import_blob(storage: Storage, path: str, digest: Digest, file: Path, *, may_share: bool) -> Import:
    """Make the blob ``digest``, which is in ``file``, readable in the repository ``path``; say how.

    HELD: it was there. LINKED: another repository had it. Raises ContentMismatchError, NotFoundError (no such file),
    NoSpaceError, DeniedError (a quota).
    """
    driver, metadata = storage.driver, storage.metadata
    try:
        held, _ = await metadata.read(find_blob, path, digest)
    except NotFoundError:
        pass
    else:
        if await storage.is_whole(held):
            return Import.HELD
    async with driver.holding(digest):
        stored = await metadata.read(damage.find_content, digest)
        how = Import.LINKED
        if stored is not None and await storage.is_whole(stored):
            content = Content(stored.size_bytes, stored.object_name)
        else:
            size_bytes = (await in_thread(file.stat)).st_size if await in_thread(file.exists) else 0
            await metadata.read(check_quotas, path, digest, size_bytes)
            adopted = await driver.adopt(file, digest, may_share=may_share)
            content, how = Content(adopted.size_bytes, adopted.name), Import(adopted.sharing)
        link = partial(linking.link_blob, path=path, digest=digest, content=content, now_s=storage.clock())
        await metadata.write(link)
    return how
