"""What is remembered on a disk about each catalog it carries: its name, and where each of its images lies.

The disk's own names lack the registries that images come from; a cluster on the far side asks by the full ones.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from airferry.content.errors import NotFoundError
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.media import Records
from airferry.oci import Digest, Reference
from airferry.oci.reference import is_repository_path

_FOLDER: Final = "catalogs"


@dataclass(frozen=True, slots=True)
class ImageOnDisk:
    """Where an image lies: its repository on the disk and its digest."""

    path: str
    digest: Digest


@dataclass(frozen=True, slots=True)
class CatalogRecord:
    """One catalog on the disk: ``named`` as it was asked for at its source, the image at ``path``.

    ``images`` gives what arrived, by the references of the catalog's documents.
    """

    named: str
    path: str
    tag: str
    digest: Digest
    images: Mapping[str, ImageOnDisk] = field(default_factory=dict)


async def write_catalog_record(disk: Path, record: CatalogRecord, *, private: bool) -> CatalogRecord:
    """Remember ``record`` on ``disk``, with the images that an earlier run noted, and return what is remembered."""
    known = await read_catalog_record(disk, record.path, record.digest)
    images = {**(known.images if known is not None else {}), **record.images}
    document = {
        "catalog": record.named,
        "repository": record.path,
        "tag": record.tag,
        "digest": str(record.digest),
        "images": {name: {"repository": at.path, "digest": str(at.digest)} for name, at in sorted(images.items())},
    }
    await Records(disk, private=private).write(_name(record.path, record.digest), document)
    return CatalogRecord(record.named, record.path, record.tag, record.digest, images)


async def read_catalog_record(disk: Path, path: str, digest: Digest) -> CatalogRecord | None:
    """Return what ``disk`` remembers of the catalog image ``digest`` at ``path``; None when nothing of use."""
    try:
        document = await Records(disk).find(_name(path, digest))
    except AirferryError:
        return None
    return None if document is None else _parse(document)


async def read_catalog_records(disk: Path) -> list[CatalogRecord]:
    """Return what ``disk`` remembers of every catalog. Raises MalformedError."""
    records = Records(disk)
    documents = [await records.read(name) for name in await records.names(_FOLDER)]
    return [record for record in map(_parse, documents) if record is not None]


async def find_catalog(disk: Path, named: str) -> str:
    """Return the ``file://`` name of the catalog that has the name ``named`` at its source.

    Raises NotFoundError, and UsageError when it was mirrored to ``disk`` under several names.
    """
    if not await asyncio.to_thread(disk.is_dir):
        raise NotFoundError(f"there is no folder {disk}", hint="is the disk mounted? --from-dir names where")
    known = await read_catalog_records(disk)
    # A tag that moved has several records; the disk's own tag says which of them is meant.
    names = sorted({f"file://{record.path}:{record.tag}" for record in known if record.named == named})
    if not names:
        others = ", ".join(sorted({record.named for record in known}))
        raise NotFoundError(
            f"{disk} remembers no catalog {named}",
            hint=f"it has {others}" if others else "name it as file://NAME:TAG, as it lies there",
        )
    if len(names) > 1:
        raise UsageError(f"{named} is on {disk} several times", hint=f"choose one of {', '.join(names)}")
    return names[0]


def _name(path: str, digest: Digest) -> str:
    return f"{_FOLDER}/{path}/{digest.algorithm}-{digest.hex}"


def _parse(document: dict[str, Any]) -> CatalogRecord | None:
    """Return the record; None for one that was not written by us, such as one that leads out of the disk."""
    try:
        images = {
            str(name): ImageOnDisk(_path(at["repository"]), Digest.parse(str(at["digest"])))
            for name, at in document["images"].items()
        }
        return CatalogRecord(
            named=str(Reference.parse(str(document["catalog"]))),
            path=_path(document["repository"]),
            tag=str(document["tag"]),
            digest=Digest.parse(str(document["digest"])),
            images=images,
        )
    except (KeyError, TypeError, AttributeError, AirferryError):
        return None


def _path(value: Any) -> str:
    if not isinstance(value, str) or not is_repository_path(value):
        raise MalformedError(f"{value!r} is not the path of a repository")
    return value
