"""``release mirror``: a release, whole and trusted, to a disk or a registry, with all the files that go with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airferry.app.copy_report import CopyReport
from airferry.app.copying import CopyOptions, copy_images
from airferry.app.mirror_files import LEDGER, UNKNOWN_MIRROR, MirrorRules, forget_ledger, ledger_text, write_files
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.release_image import OpenedRelease, components_repository, one_release, parse_release, read_release
from airferry.app.release_records import ReleaseRecord, read_record, write_record
from airferry.app.release_trust import judge
from airferry.errors import UnsupportedError, UsageError
from airferry.oci import PlaceKind, Reference
from airferry.openshift.cluster.mirror_sets import MirrorKind
from airferry.openshift.release.config_map import (
    CONFIG_FOLDER,
    config_map_name,
    print_config_map,
    signature_file_name,
)
from airferry.openshift.release.instructions import (
    InstructionStyle,
    SignatureFile,
    apply_signatures_text,
    mapping_text,
    mirror_text,
    signature_text,
    success_text,
    upload_text,
)
from airferry.openshift.release.ledger import with_consequence
from airferry.openshift.release.naming import DEFAULT_DISK_PATH, OFFICIAL_REPOSITORY, Target, release_copies
from airferry.openshift.release.runbook import RunBook, print_runbook
from airferry.openshift.release.signature import Trust
from airferry.plan import CopyRequest

MANIFESTS_FOLDER = "manifests"
"""Where generated files stand below ``--to-dir``, unless ``--manifests-dir`` says otherwise."""


_APPLIED_OBJECTS = ("imageDigestMirrorSet.yaml", "imageTagMirrorSet.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorRelease:
    """What is asked for; the fields are the flags of ``release mirror``."""

    release: str
    architecture: str
    to: str | None = None
    to_dir: Path | None = None
    from_dir: Path | None = None
    to_release_image: str | None = None
    skip_release_image: bool = False
    mirror_registry: str | None = None
    instructions: InstructionStyle = InstructionStyle.ICSP
    signature_dir: Path | None = None
    manifests_dir: Path | None = None
    verification_keys: tuple[Path, ...] = ()
    signature_stores: tuple[str, ...] = ()
    allow_unverified: bool = False
    tool_name: str | None = None
    options: CopyOptions = field(default_factory=CopyOptions)


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


def new_request(**flags: Any) -> MirrorRelease:
    """Return the request that the command line's flags mean. Raises UsageError for flags that exclude each other."""
    return MirrorRelease(
        release=one_release(flags["release"], flags["source"]),
        architecture=flags["arch"],
        to=flags["to"],
        to_dir=flags["to_dir"],
        from_dir=flags["from_dir"],
        to_release_image=flags["to_release_image"],
        skip_release_image=flags["skip_release_image"],
        mirror_registry=flags["mirror_registry"],
        instructions=InstructionStyle.parse(flags["print_mirror_instructions"]),
        signature_dir=flags["release_image_signature_to_dir"],
        manifests_dir=flags["manifests_dir"],
        verification_keys=flags["verification_key"],
        signature_stores=flags["signature_store"],
        allow_unverified=flags["allow_unverified"],
        options=CopyOptions(
            dry_run=flags["dry_run"],
            attachments=not flags["no_attachments"],
            refresh=flags["refresh"],
            workers=flags["max_per_registry"],
        ),
    )


async def mirror_release(asked: MirrorRelease, places: Places, narrator: Narrator) -> MirroredRelease:
    """Mirror a release. Nothing is copied before it is trusted, or ``allow_unverified`` was given."""
    target, on_disk = _target(asked)
    narrator.phase("reading the release")
    reference = parse_release(asked.release, architecture=asked.architecture, disk=asked.from_dir)
    asked = _with_disks(asked, reference, target)
    release = await read_release(reference, places, architecture=asked.architecture)
    trust = await _trusted(asked, release, places, narrator)
    requests = await _requests(asked, release, target, places)
    record = await _record_of(asked, release, trust)
    disk = Path(target.repository.place.address) if target.repository.place.kind is PlaceKind.TREE else None
    if disk is not None and not record.verified and not asked.options.dry_run:
        # First of all: what a run that is cut off leaves behind must not pass for verified.
        await write_record(disk, record, private=places.settings.private)
    report = await copy_images(requests, places, asked.options, narrator)
    version = release.payload.version
    report = replace(report, gaps=tuple(with_consequence(gap, version) for gap in report.gaps))
    rules = _rules(asked, release, record, target, on_disk)
    image = _image_at_target(asked, release, target)
    files, signatures = _files(asked, release, trust, rules, report, image)
    written: tuple[Path, ...] = ()
    if not asked.options.dry_run:
        for folder, content in files.items():
            written += await write_files(folder, content, private=places.settings.private)
        if not report.gaps:
            await forget_ledger(_manifests_folder(asked, release), version)
        if disk is not None and record.verified:
            await write_record(disk, record, private=places.settings.private)
    text = _text(asked, target, report, rules, image, signatures, on_disk)
    return MirroredRelease(report, text, release, trust, written)


def mapping_lines(requests: Sequence[CopyRequest]) -> str:
    """Return what ``--to-mirror`` prints for the requests: a source and a destination on each line."""
    return mapping_text([(item.source, Reference(item.destination, item.tags[0])) for item in requests])


async def release_mapping(asked: MirrorRelease, places: Places) -> str:
    """Return the text of ``--to-mirror``: the mapping, with nothing copied."""
    target, _ = _target(asked)
    reference = parse_release(asked.release, architecture=asked.architecture, disk=asked.from_dir)
    release = await read_release(reference, places, architecture=asked.architecture)
    return mapping_lines(await _requests(asked, release, target, places))


def _target(asked: MirrorRelease) -> tuple[Target, bool]:
    """Return where components go, and whether that is a disk."""
    tree = str(asked.to_dir) if asked.to_dir is not None else "."
    if asked.to is None and asked.to_dir is None:
        raise UsageError(
            "must specify an image repository or a folder to mirror the release to",
            hint="--to=REGISTRY/REPOSITORY, or --to-dir=FOLDER for a disk",
        )
    target = Target.parse(asked.to or f"file://{DEFAULT_DISK_PATH}", tree=tree)
    if target.repository.place.kind is PlaceKind.LAYOUT:
        raise UnsupportedError(
            f"--to={asked.to}: a release is not mirrored to an OCI layout", hint="--to-dir=FOLDER makes a disk"
        )
    on_disk = target.repository.place.kind is not PlaceKind.REGISTRY
    if asked.to_dir is not None and not on_disk:
        raise UsageError(
            f"--to-dir is for a disk, but --to={asked.to} is a registry",
            hint="leave out one of them, or name the registry the disk is for with --mirror-registry",
        )
    return target, on_disk


def _with_disks(asked: MirrorRelease, source: Reference, target: Target) -> MirrorRelease:
    """Return the request with its disks named, also where only ``file://`` said that there is one."""
    source_place, place = source.repository.place, target.repository.place
    if asked.from_dir is None and source_place.kind is PlaceKind.TREE:
        asked = replace(asked, from_dir=Path(source_place.address))
    if asked.to_dir is None and place.kind is PlaceKind.TREE:
        asked = replace(asked, to_dir=Path(place.address))
    return asked


def _image_at_target(asked: MirrorRelease, release: OpenedRelease, target: Target) -> Reference:
    """Return where the release image is, or with ``skip_release_image`` would be."""
    if asked.to_release_image is not None:
        return Reference.parse(asked.to_release_image, tree=str(asked.to_dir or "."))
    return Reference(target.repository, target.tag(release.payload.version, release.arch_word, None))


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


async def _requests(
    asked: MirrorRelease, release: OpenedRelease, target: Target, places: Places
) -> tuple[CopyRequest, ...]:
    release_target = None
    if asked.to_release_image is not None:
        tree = str(asked.to_dir) if asked.to_dir is not None else "."
        release_target = Reference.parse(asked.to_release_image, tree=tree)
    return release_copies(
        release.payload,
        release.reference,
        target,
        release.arch_word,
        release_target=release_target,
        skip_release_image=asked.skip_release_image,
        components_from=await components_repository(release, places),
    )


async def _record_of(asked: MirrorRelease, release: OpenedRelease, trust: Trust) -> ReleaseRecord:
    """Return what is known about where the release was published: from the disk, the signature, or its name."""
    kept = await read_record(asked.from_dir, release.digest) if asked.from_dir is not None else None
    claims = [verdict.claim for _, verdict in trust.verdicts if verdict.trusted and verdict.claim]
    published = str(release.asked.repository)
    if release.asked.repository.place.kind is not PlaceKind.REGISTRY:
        published = kept.published_at if kept else claims[0].rpartition(":")[0] if claims else str(OFFICIAL_REPOSITORY)
    return ReleaseRecord(
        digest=release.digest,
        version=release.payload.version,
        arch_word=release.arch_word,
        published_at=published,
        verified=trust.is_trusted,
    )


def _rules(
    asked: MirrorRelease, release: OpenedRelease, record: ReleaseRecord, target: Target, on_disk: bool
) -> MirrorRules:
    """Return the mirror rules: every repository of the payload and the release's own, at the mirror's repositories."""
    sources = {str(component.image.repository) for component in release.payload.components}
    sources.add(record.published_at)
    if on_disk:
        mirrors = [asked.mirror_registry or UNKNOWN_MIRROR]
    else:
        mirrors = [str(target.repository)]
        if asked.to_release_image is not None:
            mirrors.append(str(Reference.parse(asked.to_release_image).repository))
    sources -= set(mirrors)
    return MirrorRules(tuple(sorted(sources)), tuple(dict.fromkeys(mirrors)), record.published_at)


def _files(
    asked: MirrorRelease, release: OpenedRelease, trust: Trust, rules: MirrorRules, report: CopyReport, image: Reference
) -> tuple[dict[Path, dict[str, bytes]], list[SignatureFile]]:
    """Return what to write by folder, and the signature files among it. ``image`` is the release at its target."""
    disk = asked.to_dir
    folder = _manifests_folder(asked, release)
    content: dict[Path, dict[str, bytes]] = {folder: {name: text.encode() for name, text in rules.files().items()}}
    if report.gaps:
        content[folder][LEDGER] = ledger_text(release.payload.version, report.gaps).encode()
    signatures: list[SignatureFile] = []
    if trust.signatures:
        signature_dir = asked.signature_dir or (disk / CONFIG_FOLDER if disk is not None else folder)
        file = signature_dir / signature_file_name(release.digest)
        content.setdefault(signature_dir, {})[file.name] = print_config_map(release.digest, trust.signatures)
        signatures.append(SignatureFile(str(file), config_map_name(release.digest)))
    page_folder = disk if disk is not None else folder
    page = print_runbook(_run_book(asked, release, trust, rules, image, page_folder, folder, signatures))
    content.setdefault(page_folder, {})["RUNBOOK.md"] = page.encode()
    return content, signatures


def _run_book(
    asked: MirrorRelease,
    release: OpenedRelease,
    trust: Trust,
    rules: MirrorRules,
    image: Reference,
    page_folder: Path,
    folder: Path,
    signatures: Sequence[SignatureFile],
) -> RunBook:
    def seen(file: Path) -> str:
        return str(file.relative_to(page_folder)) if file.is_relative_to(page_folder) else str(file)

    return RunBook(
        version=release.payload.version,
        arch=release.arch_word,
        digest=release.digest,
        components=len(release.payload.components),
        disk="." if asked.to_dir is not None else None,
        tag=image.tag or "",
        registry=str(image.repository)
        if rules.mirrors != (UNKNOWN_MIRROR,) and asked.to_dir is None
        else rules.mirrors[0],
        repository_path=image.repository.path,
        fragment=seen(_applied_from(folder, rules, release) / "install-config-imageDigestSources.yaml"),
        mirror_objects=tuple(seen(_applied_from(folder, rules, release) / name) for name in _APPLIED_OBJECTS),
        signature_files=tuple(seen(Path(file.path)) for file in signatures),
        tool=f"./{asked.tool_name}" if asked.tool_name is not None else None,
        unverified=not trust.is_trusted,
        verification_keys=tuple(seen(key) for key in asked.verification_keys),
    )


def _manifests_folder(asked: MirrorRelease, release: OpenedRelease) -> Path:
    if asked.manifests_dir is not None:
        return asked.manifests_dir
    return asked.to_dir / MANIFESTS_FOLDER if asked.to_dir is not None else Path(_folder_name(release))


def _applied_from(folder: Path, rules: MirrorRules, release: OpenedRelease) -> Path:
    """Return the folder of the files to apply: where the mirror is not known yet, the one that loading will make."""
    if rules.mirrors != (UNKNOWN_MIRROR,):
        return folder
    return Path(_folder_name(release))


def _folder_name(release: OpenedRelease) -> str:
    return f"manifests-{release.payload.version}-{release.arch_word}"


def _text(
    asked: MirrorRelease,
    target: Target,
    report: CopyReport,
    rules: MirrorRules,
    image: Reference,
    signatures: list[SignatureFile],
    on_disk: bool,
) -> str:
    """Return stdout, section by section in oc's order."""
    release_target = Reference.parse(asked.to_release_image) if asked.to_release_image and not on_disk else None
    text = "".join(f"{line}\n" for line in report.lines)
    text += success_text(image, target, release_target)
    if on_disk:
        text += upload_text(str(asked.to_dir or "."), image)
    else:
        fragment, mirror_object = (
            (MirrorKind.CONTENT_SOURCES, MirrorKind.ICSP)
            if asked.instructions is InstructionStyle.ICSP
            else (MirrorKind.DIGEST_SOURCES, MirrorKind.IDMS)
        )
        text += mirror_text(asked.instructions, rules.section(fragment), rules.section(mirror_object))
        if asked.signature_dir is not None:
            text += apply_signatures_text(str(asked.signature_dir))
    return text + signature_text(signatures, dry_run=asked.options.dry_run)
