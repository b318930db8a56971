"""What is remembered on a disk about each release it carries: where it was published, and whether it was trusted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airferry.errors import AirferryError
from airferry.media import Records
from airferry.oci import Digest

_FOLDER = "releases"


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """One release on the disk. ``published_at`` is its repository at the source, such as quay.io's."""

    digest: Digest
    version: str
    arch_word: str
    published_at: str
    verified: bool


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


async def refuse_unverified(disk: Path, *, allow_unverified: bool) -> None:
    """Raise UnverifiedReleaseError when ``disk`` carries an unverified release, unless it is allowed."""
    if allow_unverified:
        return
    records = Records(disk)
    for name in await records.names(_FOLDER):
        record = _parse(await records.read(name))
        if record is None:
            raise UnverifiedReleaseError(
                f"the record {name} on {disk} cannot be read, so it is not known whether its release was verified",
                hint="mirror the release to the disk again; --allow-unverified uses it all the same",
            )
        if not record.verified:
            raise UnverifiedReleaseError(
                f"release {record.version} ({record.digest}) on {disk} was copied without a valid signature",
                hint="--allow-unverified uses it all the same",
            )


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
        )
    except (KeyError, AirferryError):
        return None
