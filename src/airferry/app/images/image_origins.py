"""What is remembered on a disk about images that ``image mirror`` brought: which repositories they came from.

A mapping file for loading the disk says ``file://a/b=mirror/x/a/b``; with this record ``cluster mirror-sets`` knows
by which names clusters ask for them. Copies from registry to registry need none: their mapping says it all, and a
registry has no place for our notes.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from airferry.content.errors import NotFoundError
from airferry.errors import MalformedError, UsageError
from airferry.media import Records
from airferry.oci import Place, PlaceKind
from airferry.oci.pull_sources import normalized
from airferry.openshift.cluster.mirror_scopes import MirroredRepository
from airferry.plan import CopyRequest
from airferry.plan.mapping import Mapping as MappedCopy

_RECORD = "images"
_FROM = (PlaceKind.REGISTRY, PlaceKind.TREE)

Origins = Mapping[str, Mapping[str, bool]]
"""Of each repository on a disk the repositories that its images came from, and whether any was asked for by tag."""


async def read_origins(disk: Path) -> dict[str, dict[str, bool]]:
    """Return what ``disk`` remembers; empty when nothing. Raises MalformedError for a record that is none."""
    document = await Records(disk).find(_RECORD)
    found = (document or {}).get("repositories", {})
    rows = list(found.values()) if isinstance(found, dict) else [None]
    if not all(isinstance(row, dict) and all(isinstance(by_tag, bool) for by_tag in row.values()) for row in rows):
        raise MalformedError(
            f"{Records(disk).path(_RECORD)} is not the record of a disk's images",
            hint="move it away; mirroring the images to the disk again makes it anew",
        )
    return {path: dict(row) for path, row in found.items()}


async def new_origins(requests: Iterable[CopyRequest]) -> dict[Place, Origins]:
    """Return what ``requests`` will make known about each disk that they go to, with what it remembers already.

    From disk to disk, what the one remembers goes over to the other.
    """
    found: dict[Place, dict[str, dict[str, bool]]] = {}
    known: dict[Place, dict[str, dict[str, bool]]] = {}
    for request in requests:
        source, target = request.source.repository, request.destination
        if target.place.kind is not PlaceKind.TREE:
            continue
        if target.place not in found:
            found[target.place] = await read_origins(Path(target.place.address))
        row = found[target.place].setdefault(target.path, {})
        if source.place.kind is PlaceKind.REGISTRY:
            name = str(normalized(source))
            row[name] = row.get(name, False) or request.source.digest is None
        elif source.place.kind is PlaceKind.TREE:
            if source.place not in known:
                known[source.place] = await read_origins(Path(source.place.address))
            for name, by_tag in known[source.place].get(source.path, {}).items():
                row[name] = row.get(name, False) or by_tag
    return {place: {path: row for path, row in rows.items() if row} for place, rows in found.items()}


async def write_origins(origins: Mapping[Place, Origins], *, private: bool) -> None:
    """Remember ``origins``, each on its disk. Raises ReadOnlyError, NoSpaceError."""
    for place, rows in origins.items():
        if rows:
            document = {"repositories": {path: dict(row) for path, row in rows.items()}}
            await Records(Path(place.address), private=private).write(_RECORD, document)


def mirrored_by(mapping: MappedCopy, file: Path, origins: Origins) -> list[MirroredRepository]:
    """Return what one line of the mapping ``file`` mirrors; an image of a disk goes by the names in ``origins``.

    Raises UsageError for what no cluster can pull, NotFoundError where the names are not known.
    """
    source, destination = mapping.source.repository, mapping.destination.repository
    by_tag = mapping.source.digest is None
    if destination.place.kind is not PlaceKind.REGISTRY or source.place.kind not in _FROM:
        raise UsageError(
            f"{file} maps {source} to {destination}, but clusters pull from registries only",
            hint="give the mapping from the source's registry, or from a disk with --from-dir DISK, to the mirror's",
        )
    if source.place.kind is PlaceKind.REGISTRY:
        return [MirroredRepository(str(normalized(source)), str(destination), by_tag=by_tag)]
    if source.path not in origins:
        raise NotFoundError(
            f"{file} maps {source}, and no disk says which registry its images came from",
            hint="--from-dir DISK names the disk that `airferry image mirror` brought them to; else write the "
            "registry's name into the mapping",
        )
    return [
        MirroredRepository(name, str(destination), by_tag=by_tag and was_by_tag)
        for name, was_by_tag in sorted(origins[source.path].items())
    ]
