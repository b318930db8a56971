"""What is remembered on a disk about the samples it carries: the streams of their source, and what arrived of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airferry.errors import AirferryError, MalformedError
from airferry.media import Records
from airferry.oci import Digest
from airferry.openshift.samples.streams import Belonging, Inventory, Stream, StreamTag, make_inventory

_FOLDER = "samples"
_NAME = f"{_FOLDER}/streams"
_NAME_BELOW = f"{_FOLDER}/at"


@dataclass(frozen=True, slots=True)
class SamplesRecord:
    """The samples on a disk: the whole ``inventory`` they were chosen from, and the ``digests`` by image as written."""

    inventory: Inventory
    digests: Mapping[str, Digest] = field(default_factory=dict)

    def joined(self, newer: "SamplesRecord") -> "SamplesRecord":
        """Return both as one: what ``newer`` says of a stream or an image counts."""
        streams = {(stream.name, stream.architecture): stream for stream in self.inventory.streams}
        streams |= {(stream.name, stream.architecture): stream for stream in newer.inventory.streams}
        version = newer.inventory.version or self.inventory.version
        return SamplesRecord(make_inventory(streams.values(), version), {**self.digests, **newer.digests})


async def read_samples_record(disk: Path, prefix: str = "") -> SamplesRecord | None:
    """Return what ``disk`` remembers about the samples below ``prefix``; None when nothing. Raises MalformedError."""
    records = Records(disk)
    document = await records.find(_name(prefix))
    if document is None:
        return None
    try:
        streams = [_parse_stream(item) for item in document["streams"]]
        digests = {str(image): Digest.parse(str(digest)) for image, digest in document["images"].items()}
        return SamplesRecord(make_inventory(streams, document.get("version")), digests)
    except (KeyError, TypeError, ValueError, AttributeError, AirferryError) as error:
        raise MalformedError(
            f"the record {records.path(_name(prefix))} cannot be read",
            hint="mirror the samples to the disk again; what is there is not fetched twice",
        ) from error


async def read_samples_records(disk: Path) -> list[SamplesRecord]:
    """Return what ``disk`` remembers about samples, below every prefix. Raises MalformedError."""
    names = await Records(disk).names(_FOLDER)
    prefixes = [name.removeprefix(_NAME_BELOW).removeprefix("/") for name in names if name != _NAME]
    found = [await read_samples_record(disk, prefix) for prefix in ("", *prefixes)]
    return [record for record in found if record is not None]


async def write_samples_record(disk: Path, prefix: str, record: SamplesRecord, *, private: bool) -> None:
    """Remember ``record`` on ``disk``. Raises NoSpaceError, ReadOnlyError."""
    document = {
        "version": record.inventory.version,
        "streams": [_stream(stream) for stream in record.inventory.streams],
        "images": {image: str(digest) for image, digest in record.digests.items()},
    }
    await Records(disk, private=private).write(_name(prefix), document)


def _name(prefix: str) -> str:
    return f"{_NAME_BELOW}/{prefix}" if prefix else _NAME


def _stream(stream: Stream) -> dict[str, Any]:
    return {
        "name": stream.name,
        "architecture": stream.architecture,
        "repository": stream.repository,
        "belonging": stream.belonging.value,
        "tags": [
            {"name": tag.name, "image": tag.image, "alias": tag.alias, "oddity": tag.oddity} for tag in stream.tags
        ],
    }


def _parse_stream(item: Mapping[str, Any]) -> Stream:
    return Stream(
        name=str(item["name"]),
        tags=tuple(
            StreamTag(str(tag["name"]), _optional(tag["image"]), _optional(tag["alias"]), _optional(tag["oddity"]))
            for tag in item["tags"]
        ),
        architecture=_optional(item["architecture"]),
        repository=_optional(item["repository"]),
        belonging=Belonging(item["belonging"]),
    )


def _optional(value: Any) -> str | None:
    return None if value is None else str(value)
