"""``release mirror``: a release, whole and trusted, to a disk or a registry, with all the files that go with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airferry.app.copies.copy_report import CopyReport
from airferry.app.copies.copying import copy_images, reserve
from airferry.app.generated_files import write_files
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.releases.carried_tool import carry_tool, find_tool
from airferry.app.releases.mirror_files import check_writable, forget_ledger
from airferry.app.releases.release_files import ReleaseFiles, files_folder
from airferry.app.releases.release_image import OpenedRelease, components_repository, read_release
from airferry.app.releases.release_records import ReleaseRecord, read_record, write_record
from airferry.app.releases.release_request import MirrorRelease
from airferry.app.releases.release_trust import judge, published_at
from airferry.oci import PlaceKind, Reference
from airferry.openshift.release.instructions import mapping_text
from airferry.openshift.release.ledger import with_consequence
from airferry.openshift.release.naming import release_copies
from airferry.openshift.release.signature import Trust
from airferry.plan import CopyRequest


@dataclass(frozen=True, slots=True)
class MirroredRelease:
    """What came of it: the copy, the text for stdout, and the files that were written."""

    copy: CopyReport
    text: str
    release: OpenedRelease
    trust: Trust
    files: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON object with stable keys."""
        return {
            "version": self.release.payload.version,
            "release": str(self.release.reference),
            "digest": self.release.digest,
            "verified": self.trust.is_trusted,
            "files": [str(file) for file in self.files],
            **self.copy.to_json(),
        }


async def mirror_release(asked: MirrorRelease, places: Places, narrator: Narrator) -> MirroredRelease:
    """Mirror a release. Nothing is copied before it is trusted, or ``allow_unverified`` was given."""
    asked = asked.checked()
    tool = await find_tool() if asked.with_tool else None
    narrator.phase("reading the release")
    release = await read_release(asked.source, places, architecture=asked.architecture)
    trust = await _trusted(asked, release, places, narrator)
    requests = await _requests(asked, release, places)
    record = await _record_of(asked, release, trust)
    if not asked.options.dry_run:
        await reserve(requests, places)
        await check_writable(files_folder(asked, release))
    if tool is not None:
        asked = await carry_tool(tool, asked, narrator)
    if not record.verified:
        # First of all: what a run that is cut off leaves behind must not pass for verified.
        await _remember(asked, record, places)
    narrator.note(f"info: Mirroring {len(requests)} images to {asked.target} ...")
    report = await copy_images(requests, places, asked.options, narrator)
    version = release.payload.version
    report = replace(report, gaps=tuple(with_consequence(gap, version) for gap in report.gaps))
    files = ReleaseFiles(asked=asked, release=release, trust=trust, record=record, report=report)
    written: tuple[Path, ...] = ()
    if not asked.options.dry_run:
        for folder, content in files.content().items():
            written += await write_files(folder, content, private=places.settings.private)
        if not report.gaps:
            await forget_ledger(files.folder, version)
        await _remember(asked, record, places)
    return MirroredRelease(report, files.text(), release, trust, written)


def mapping_lines(requests: Sequence[CopyRequest]) -> str:
    """Return what ``--to-mirror`` prints for the requests: a source and a destination on each line."""
    return mapping_text([(item.source, Reference(item.destination, item.tags[0])) for item in requests])


async def release_mapping(asked: MirrorRelease, places: Places) -> str:
    """Return the text of ``--to-mirror``: the mapping, with nothing copied."""
    release = await read_release(asked.source, places, architecture=asked.architecture)
    return mapping_lines(await _requests(asked, release, places))


async def _trusted(asked: MirrorRelease, release: OpenedRelease, places: Places, narrator: Narrator) -> Trust:
    trust = await judge(
        release.digest,
        places,
        disk=asked.from_dir,
        stores=asked.signature_stores,
        key_files=asked.verification_keys,
    )
    if trust.is_trusted:
        claims = ", ".join(verdict.reason for _, verdict in trust.verdicts if verdict.trusted)
        narrator.note(f"info: release {release.payload.version} is {claims}")
    elif asked.allow_unverified:
        narrator.warn(f"release {release.digest} is not verified; going on because of --allow-unverified")
    else:
        trust.require()
    return trust


async def _requests(asked: MirrorRelease, release: OpenedRelease, places: Places) -> tuple[CopyRequest, ...]:
    return release_copies(
        release.payload,
        release.reference,
        asked.target,
        release.arch_word,
        release_target=asked.release_target,
        skip_release_image=asked.skip_release_image,
        components_from=await components_repository(release, places),
    )


async def _record_of(asked: MirrorRelease, release: OpenedRelease, trust: Trust) -> ReleaseRecord:
    published = str(release.asked.repository)
    if release.asked.repository.place.kind is not PlaceKind.REGISTRY:
        kept = await read_record(asked.from_dir, release.digest) if asked.from_dir is not None else None
        published = kept.published_at if kept is not None else published_at(trust)
    image = asked.release_target or asked.target
    digests = (component.image.digest for component in release.payload.components)
    return ReleaseRecord(
        digest=release.digest,
        version=release.payload.version,
        arch_word=release.arch_word,
        published_at=published,
        verified=trust.is_trusted,
        components=tuple(dict.fromkeys(digest for digest in digests if digest is not None)),
        repositories=tuple(
            dict.fromkeys(repository.path for repository in (asked.target.repository, image.repository))
        ),
    )


async def _remember(asked: MirrorRelease, record: ReleaseRecord, places: Places) -> None:
    if asked.to_dir is not None and not asked.options.dry_run:
        await write_record(asked.to_dir, record, private=places.settings.private)
