"""What is remembered on a disk about each release it carries: where it was published, and whether it was trusted."""

import asyncio
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airferry.app.mirror_files import write_files
from airferry.errors import AirferryError
from airferry.media import Records
from airferry.oci import Digest
from airferry.openshift.release.config_map import CONFIG_FOLDER, signature_file_name

_FOLDER = "releases"


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """One release on the disk. ``published_at`` is its repository at the source, such as quay.io's.

    ``components`` are the digests of its component images, by which the record speaks for them as well.
    """

    digest: Digest
    version: str
    arch_word: str
    published_at: str
    verified: bool
    components: tuple[Digest, ...]

    def speaks_for(self, digests: Set[Digest]) -> bool:
        """Whether one of ``digests`` is the release image or a component's."""
        return self.digest in digests or not digests.isdisjoint(self.components)


class UnverifiedReleaseError(AirferryError):
    """The disk holds a release that was copied without a valid signature, and nobody said again that this is fine."""

    code = "untrusted-release"


async def write_record(disk: Path, record: ReleaseRecord, *, private: bool) -> None:
    """Remember ``record`` on ``disk``."""
    document = {
        "digest": str(record.digest),
        "version": record.version,
        "arch": record.arch_word,
        "publishedAt": record.published_at,
        "verified": record.verified,
        "components": sorted(str(digest) for digest in record.components),
    }
    await Records(disk, private=private).write(_name(record.digest), document)


async def read_record(disk: Path, digest: Digest) -> ReleaseRecord | None:
    """Return what ``disk`` remembers about the release ``digest``; None when nothing."""
    document = await Records(disk).find(_name(digest))
    return None if document is None else _parse(document)


async def read_records(disk: Path) -> tuple[ReleaseRecord, ...]:
    """Return what ``disk`` remembers about every release on it, by version."""
    records = Records(disk)
    found = [_parse(await records.read(name)) for name in await records.names(_FOLDER)]
    return tuple(sorted((record for record in found if record), key=lambda record: (record.version, record.digest)))


async def refuse_unverified(disk: Path, digests: Set[Digest] | None = None) -> None:
    """Raise UnverifiedReleaseError when ``disk`` carries an unverified release that has one of ``digests``.

    Images that a verified release on the disk has as well are fine. None stands for everything on the disk. A record
    that cannot be read might be about anything.
    """
    records = Records(disk)
    found: list[ReleaseRecord] = []
    for name in await records.names(_FOLDER):
        record = _parse(await records.read(name))
        if record is None:
            raise UnverifiedReleaseError(
                f"the record {name} on {disk} cannot be read, so it is not known whether its release was verified",
                hint="mirror the release to the disk again; --allow-unverified uses it all the same",
            )
        found.append(record)
    vouched = {digest for record in found if record.verified for digest in (record.digest, *record.components)}
    for record in found:
        if not record.verified and (digests is None or record.speaks_for(digests - vouched)):
            raise UnverifiedReleaseError(
                f"release {record.version} ({record.digest}) on {disk} was copied without a valid signature",
                hint="--allow-unverified uses it all the same",
            )


async def carry_records(source: Path, target: Path, digests: Set[Digest], *, private: bool) -> None:
    """Let what ``source`` remembers about the releases with one of ``digests`` be known on ``target`` too.

    A release whose own image travels brings its signatures along, from ``config/``. What ``target`` remembers
    already stays. Raises ReadOnlyError, NoSpaceError, …
    """
    for record in await read_records(source):
        if not record.speaks_for(digests):
            continue
        if await read_record(target, record.digest) is None:
            await write_record(target, record, private=private)
        name = signature_file_name(record.digest)
        if record.digest in digests and not (target / CONFIG_FOLDER / name).exists():
            with suppress(OSError):
                content = await asyncio.to_thread((source / CONFIG_FOLDER / name).read_bytes)
                await write_files(target / CONFIG_FOLDER, {name: content}, private=private)


def _name(digest: Digest) -> str:
    return f"{_FOLDER}/{digest.algorithm}-{digest.hex}"


def _parse(document: dict[str, Any]) -> ReleaseRecord | None:
    try:
        return ReleaseRecord(
            digest=Digest.parse(str(document["digest"])),
            version=str(document["version"]),
            arch_word=str(document["arch"]),
            published_at=str(document["publishedAt"]),
            verified=document.get("verified") is True,
            components=tuple(Digest.parse(str(digest)) for digest in document["components"]),
        )
    except (KeyError, TypeError, AirferryError):
        return None
