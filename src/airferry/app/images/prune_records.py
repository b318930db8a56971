"""What a disk records of that which pruning takes away: releases, and samples and catalogs, which no record keeps."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Final

from airferry.app.catalogs.catalog_records import read_catalog_records
from airferry.app.releases.release_records import ReleaseRecord
from airferry.app.samples.samples_records import read_samples_records
from airferry.oci import Digest, Place, PlaceKind
from airferry.plan.pruning import Removal, Shelf

_HINT: Final = "--keep-list with the mapping.txt of the run that brought them keeps them"


async def recorded_losses(place: Place, removal: Removal) -> tuple[str, ...]:
    """Return a sentence for the samples, and for each catalog, that a disk records and that lose images.

    Other places record nothing. Raises MalformedError for a record that cannot be read.
    """
    if place.kind is not PlaceKind.TREE:
        return ()
    going = {digest for _, digest in removal.manifests}
    return tuple([line async for line in _losses(Path(place.address), going)])


async def _losses(disk: Path, going: set[Digest]) -> AsyncIterator[str]:
    samples = {digest for record in await read_samples_records(disk) for digest in record.digests.values()}
    if lost := len(samples & going):
        yield f"{lost} of the {len(samples)} images of samples that the disk records go; {_HINT}"
    for record in await read_catalog_records(disk):
        images = {record.digest, *(at.digest for at in record.images.values())}
        if lost := len(images & going):
            yield f"{lost} of the {len(images)} images of {record.named} go; {_HINT}"


def gone_releases(dropped: Iterable[ReleaseRecord], done: Removal, shelves: Iterable[Shelf]) -> list[ReleaseRecord]:
    """Return the dropped releases whose image is nowhere any more."""
    gone = done.manifests
    left = {digest for shelf in shelves for digest in shelf.manifests if (shelf.repository, digest) not in gone}
    return [record for record in dropped if record.digest not in left]
