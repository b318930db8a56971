"""What is remembered on a disk about each release it carries: where it was published, and whether it was trusted."""

import asyncio
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airferry.app.generated_files import write_files
from airferry.content.filesystem import writing
from airferry.errors import AirferryError, MalformedError
from airferry.media import Records
from airferry.oci import Digest
from airferry.openshift.release.config_map import CONFIG_FOLDER, signature_file_name

_FOLDER = "releases"


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """One release on the disk. ``published_at`` is its repository at the source, such as quay.io's.

    ``components`` are the digests of its component images, by which the record speaks for them as well;
    ``repositories`` are those of the disk that it lies in.
    """

    digest: Digest
    version: str
    arch_word: str
    published_at: str
    verified: bool
    components: tuple[Digest, ...]
    repositories: tuple[str, ...]

    @property
    def digests(self) -> frozenset[Digest]:
        """Of the release image and of every component."""
        return frozenset((self.digest, *self.components))

    def may_have(self, image: "ImageOnDisk") -> bool:
        """Whether ``image`` may be of this release: a child or an attachment is known by its repository only."""
        return image.digest in self.digests or image.path in self.repositories


@dataclass(frozen=True, slots=True)
class ImageOnDisk:
    """An image by its repository on a disk and its digest."""

    path: str
    digest: Digest


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
        "repositories": list(record.repositories),
    }
    await Records(disk, private=private).write(_name(record.digest), document)


async def read_record(disk: Path, digest: Digest) -> ReleaseRecord | None:
    """Return what ``disk`` remembers about the release ``digest``; None when nothing."""
    document = await Records(disk).find(_name(digest))
    return None if document is None else _parse(document)


async def read_records(disk: Path) -> tuple[ReleaseRecord, ...]:
    """Return what ``disk`` remembers about every release on it, by version."""
    found = (await _records_by_name(disk)).values()
    return tuple(sorted((record for record in found if record), key=lambda record: (record.version, record.digest)))


async def require_records(disk: Path) -> tuple[ReleaseRecord, ...]:
    """Return what ``disk`` remembers about every release on it; for those who must not overlook one.

    Raises MalformedError for a record that cannot be read.
    """
    found = await _records_by_name(disk)
    for name, record in found.items():
        if record is None:
            raise MalformedError(
                f"the record {name} on {disk} cannot be read", hint="mirror the release to the disk again"
            )
    return tuple(sorted((record for record in found.values() if record), key=lambda record: record.version))


async def forget_record(disk: Path, record: ReleaseRecord) -> None:
    """Remove what ``disk`` remembers about a release that is no longer on it, and its signatures."""
    signatures = disk / CONFIG_FOLDER / signature_file_name(record.digest)
    with writing(signatures):
        await asyncio.to_thread(signatures.unlink, True)
    await Records(disk).remove(_name(record.digest))


async def refuse_unverified(disk: Path, images: Set[ImageOnDisk] | None = None) -> None:
    """Raise UnverifiedReleaseError when ``disk`` carries an unverified release that may have one of ``images``.

    Images that a verified release on the disk has as well are fine. None stands for everything on the disk. A record
    that cannot be read might be about anything.
    """
    found: list[ReleaseRecord] = []
    for name, record in (await _records_by_name(disk)).items():
        if record is None:
            raise UnverifiedReleaseError(
                f"the record {name} on {disk} cannot be read, so it is not known whether its release was verified",
                hint="mirror the release to the disk again; --allow-unverified uses it all the same",
            )
        found.append(record)
    vouched = frozenset[Digest]().union(*(record.digests for record in found if record.verified))
    doubtful = None if images is None else [image for image in images if image.digest not in vouched]
    for record in found:
        if not record.verified and (doubtful is None or any(record.may_have(image) for image in doubtful)):
            raise UnverifiedReleaseError(
                f"release {record.version} ({record.digest}) on {disk} was copied without a valid signature",
                hint="--allow-unverified uses it all the same",
            )


async def carry_records(source: Path, target: Path, moves: Mapping[ImageOnDisk, str], *, private: bool) -> None:
    """Let what ``source`` remembers about the releases of the images that move be known on ``target`` too.

    ``moves`` gives the repository on ``target`` that each image goes to. A release whose own image travels brings its
    signatures along, from ``config/``. What ``target`` remembers already stays. Raises ReadOnlyError, NoSpaceError, …
    """
    for record in await read_records(source):
        into = {path for image, path in moves.items() if record.may_have(image)}
        if not into:
            continue
        known = await read_record(target, record.digest)
        repositories = tuple(sorted(into.union(known.repositories if known is not None else ())))
        await write_record(target, replace(known or record, repositories=repositories), private=private)
        name = signature_file_name(record.digest)
        travels = any(image.digest == record.digest for image in moves)
        if travels and not (target / CONFIG_FOLDER / name).exists():
            with suppress(OSError):
                content = await asyncio.to_thread((source / CONFIG_FOLDER / name).read_bytes)
                await write_files(target / CONFIG_FOLDER, {name: content}, private=private)


async def _records_by_name(disk: Path) -> dict[str, ReleaseRecord | None]:
    """Return every record on ``disk``; None for one that cannot be understood."""
    records = Records(disk)
    return {name: _parse(await records.read(name)) for name in await records.names(_FOLDER)}


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
            repositories=tuple(map(str, document["repositories"])),
        )
    except (KeyError, TypeError, AirferryError):
        return None
