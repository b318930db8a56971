"""``cluster mirror-sets``: what was really mirrored, as mirror sets that keep what earlier runs put into them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from airferry.app.generated_files import kept_file_hint, write_files
from airferry.app.images.image_origins import mirrored_by, read_origins
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.releases.mirror_files import FILE_NAMES
from airferry.app.releases.release_image import OpenedRelease, parse_release, read_release
from airferry.app.releases.release_records import ReleaseRecord, read_records
from airferry.app.text_files import read_text_file
from airferry.content.errors import NotFoundError
from airferry.errors import AirferryError, ExitCode, UsageError
from airferry.oci import Digest, Place, PlaceKind, Reference, Repository
from airferry.oci.reference import parse_repository
from airferry.openshift.cluster.accumulating import accumulate, split_objects
from airferry.openshift.cluster.mirror_files import parse_mirror_sets
from airferry.openshift.cluster.mirror_scopes import MirroredRepository, ScopeWidth, scoped_entries
from airferry.openshift.cluster.mirror_sets import (
    MirrorKind,
    MirrorSet,
    SourcePolicy,
    print_documents,
    print_fragment,
)
from airferry.openshift.cluster.object_names import check_object_name
from airferry.openshift.cluster.release_fields import source_section
from airferry.openshift.release.naming import OFFICIAL_REPOSITORY, version_reference
from airferry.openshift.release.payload import Component
from airferry.plan.mapping import Mapping, parse_file
from airferry.plan.nesting import with_shallow_names
from airferry.survey.crew import work_through

_OBJECT_WORDS: Final = {"idms": MirrorKind.IDMS, "itms": MirrorKind.ITMS, "icsp": MirrorKind.ICSP}
_FRAGMENTS: Final = (MirrorKind.DIGEST_SOURCES, MirrorKind.CONTENT_SOURCES)


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSetsRequest:
    """What is asked for; the fields are the flags of ``cluster mirror-sets``."""

    from_dir: Path | None = None
    releases: tuple[str, ...] = ()
    architecture: str = "amd64"
    to: str | None = None
    published_at: str = str(OFFICIAL_REPOSITORY)
    mapping_files: tuple[Path, ...] = ()
    max_nested_paths: int | None = None
    width: ScopeWidth = ScopeWidth.REPOSITORY
    policy: SourcePolicy | None = None
    kinds: tuple[str, ...] = ("idms", "itms")
    name: str = "openshift-release"
    accumulated: tuple[Path, ...] = ()
    to_dir: Path | None = None
    release_version: str | None = None


@dataclass(frozen=True, slots=True)
class MirrorSetsAnswer:
    """The documents by file name, the sets they show, what was written, and which images the mirror lacks."""

    documents: dict[str, str]
    sets: tuple[MirrorSet, ...]
    written: tuple[Path, ...]
    missing: tuple[str, ...]
    version: str | None
    """The oldest release among what was mirrored, where any is."""

    @property
    def exit_code(self) -> ExitCode:
        """GAPS where the mirror lacks images that the sets speak of."""
        return ExitCode.GAPS if self.missing else ExitCode.DONE

    def text(self) -> str:
        """Return all documents as one stream, or the names of the files that were written."""
        if self.written:
            return "".join(f"{file}\n" for file in self.written)
        texts = self.documents.values()
        return "".join(text if text.startswith("---\n") else f"---\n{text}" for text in texts)

    def to_json(self) -> dict[str, Any]:
        """Return the sets as JSON with stable keys."""
        return {
            "mirrorSets": [_set_to_json(item) for item in self.sets],
            "files": [str(file) for file in self.written],
            "missing": list(self.missing),
        }


@dataclass(frozen=True, slots=True)
class _Found:
    """What was mirrored, with the versions of the releases among it and the images that are not there."""

    mirrored: tuple[MirroredRepository, ...] = ()
    versions: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


async def mirror_sets(asked: MirrorSetsRequest, places: Places, narrator: Narrator) -> MirrorSetsAnswer:
    """Return the mirror sets, and write them with ``to_dir``. Raises UsageError, MalformedError, NotFoundError, …"""
    _check(asked)
    check_object_name(asked.name)
    found = await _find(asked, places, narrator)
    version = asked.release_version or min(found.versions, key=_age, default=None)
    kinds = _kinds(asked, version)
    existing = [file for file in _existing(asked.to_dir, kinds) if file not in asked.accumulated]
    earlier = [item for file in dict.fromkeys(asked.accumulated) for item in read_sets(file)]
    earlier += [item for file in existing for item in _read_existing(file)]
    entries = scoped_entries(found.mirrored, asked.width, asked.policy)
    new = (
        MirrorSet(MirrorKind.IDMS, entries.by_digest, "", "this run"),
        MirrorSet(MirrorKind.ITMS, entries.by_tag, "", "this run"),
    )
    together = accumulate(earlier, new)
    documents: dict[str, str] = {}
    sets: list[MirrorSet] = []
    for kind in kinds:
        shown = together.entries(kind)
        _check_policy(kind, shown)
        if kind in _FRAGMENTS:
            documents[FILE_NAMES[kind]] = print_fragment(kind, shown)
            sets.append(MirrorSet(kind, shown))
        elif shown:
            parts = split_objects(kind, shown, asked.name)
            check_object_name(max((part.name for part in parts), key=len))
            documents[FILE_NAMES[kind]] = print_documents(parts)
            sets += parts
    written: tuple[Path, ...] = ()
    if asked.to_dir is not None:
        written = await write_files(asked.to_dir, {name: text.encode() for name, text in documents.items()})
    return MirrorSetsAnswer(documents, tuple(sets), written, found.missing, version)


def _check(asked: MirrorSetsRequest) -> None:
    if asked.from_dir is None and not asked.releases and not asked.mapping_files and not asked.accumulated:
        raise UsageError(
            "nothing says what was mirrored",
            hint="--from-dir DISK --to REPOSITORY, --release RELEASE --to REPOSITORY, -f MAPPING, or --accumulate FILE",
        )
    if (asked.releases or (asked.from_dir is not None and not asked.mapping_files)) and asked.to is None:
        raise UsageError(
            "--to REPOSITORY is missing: the repository of the mirror that releases were loaded into",
            hint="such as --to mirror.example.com:8443/ocp4/openshift4",
        )
    if asked.policy is SourcePolicy.NEVER and "icsp" in asked.kinds:
        raise _never_in(MirrorKind.ICSP)


def _check_policy(kind: MirrorKind, entries: Sequence[Any]) -> None:
    if kind in (MirrorKind.ICSP, MirrorKind.CONTENT_SOURCES):
        for entry in entries:
            if entry.policy is SourcePolicy.NEVER:
                raise _never_in(kind)


def _never_in(kind: MirrorKind) -> UsageError:
    return UsageError(
        f"{kind.value} cannot say NeverContactSource",
        hint="ImageDigestMirrorSet can, from OpenShift 4.13 on: --kind idms; install-config from 4.14 on",
    )


def _kinds(asked: MirrorSetsRequest, version: str | None) -> tuple[MirrorKind, ...]:
    words = dict.fromkeys(asked.kinds)
    return tuple(_OBJECT_WORDS[word] if word in _OBJECT_WORDS else source_section(version) for word in words)


def _age(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-", 1)[0].split(".") if part.isdecimal())


async def _find(asked: MirrorSetsRequest, places: Places, narrator: Narrator) -> _Found:
    parts: list[_Found] = []
    if asked.from_dir is not None and asked.to is not None:
        narrator.phase("reading the releases on the disk")
        parts += [await _from_record(asked, record, places) for record in await _records(asked.from_dir)]
    for release in asked.releases:
        narrator.phase("reading the release", steps=None)
        parts.append(await _from_mirror(asked, release, places, narrator))
    origins = await read_origins(asked.from_dir) if asked.from_dir is not None and asked.mapping_files else {}
    for file, mappings in _mappings(asked):
        parts.append(_Found(tuple(one for item in mappings for one in mirrored_by(item, file, origins))))
    return _Found(
        tuple(item for part in parts for item in part.mirrored),
        tuple(item for part in parts for item in part.versions),
        tuple(item for part in parts for item in part.missing),
    )


def _mappings(asked: MirrorSetsRequest) -> list[tuple[Path, tuple[Mapping, ...]]]:
    """Return what each mapping file says, with names as short as `image mirror` made them. Raises UsageError."""
    said = [(file, parse_file(str(file), read_text_file(file))) for file in asked.mapping_files]
    with_shallow_names((item for _, mappings in said for item in mappings), asked.max_nested_paths)
    return [(file, with_shallow_names(mappings, asked.max_nested_paths)) for file, mappings in said]


async def _records(disk: Path) -> tuple[ReleaseRecord, ...]:
    records = await read_records(disk)
    if not records:
        raise NotFoundError(
            f"{disk} remembers no release", hint="name the folder that was given to `airferry release mirror --to-dir`"
        )
    return records


async def _from_record(asked: MirrorSetsRequest, record: ReleaseRecord, places: Places) -> _Found:
    """Return what one release on the disk needs, read from its own image: the record knows digests only."""
    place = Place(PlaceKind.TREE, str(asked.from_dir))
    failure: NotFoundError | None = None
    for path in record.repositories:
        reference = Reference(Repository(place, path), None, record.digest)
        try:
            release = await read_release(reference, places, architecture=asked.architecture)
        except NotFoundError as error:
            failure = error
            continue
        sources = {str(component.image.repository) for component in release.payload.components}
        return _release_mirrored(asked, release, sources, record.published_at, asked.to or "")
    raise NotFoundError(
        f"the image of release {record.version} ({record.digest}) is not on {asked.from_dir}",
        hint="`airferry media verify` says what is missing there",
    ) from failure


async def _from_mirror(asked: MirrorSetsRequest, text: str, places: Places, narrator: Narrator) -> _Found:
    """Return what a release needs, as far as the mirror holds it."""
    target = parse_repository(asked.to or "")
    named = version_reference(text, asked.architecture)
    reference = parse_release(text, architecture=asked.architecture, disk=None)
    if named is not None:
        reference = Reference(target, named.tag)
    release = await read_release(reference, places, architecture=asked.architecture)
    source = places.source(target.place)
    held: set[Digest] = set()
    missing: list[str] = []
    narrator.phase("asking the mirror", steps=len(release.payload.components))

    async def ask(component: Component) -> tuple[Component, ...]:
        digest = component.image.digest
        assert digest is not None, "parse_payload takes components by digest only"
        try:
            await source.read_manifest(target.path, digest)
            held.add(digest)
        except NotFoundError:
            missing.append(f"{component.name}: {target}@{digest}")
        narrator.advance(steps=1)
        return ()

    await work_through(release.payload.components, ask, workers=16)
    narrator.done()
    for item in sorted(missing):
        narrator.warn(f"the mirror does not hold {item}")
    sources = {str(item.image.repository) for item in release.payload.components if item.image.digest in held}
    found = _release_mirrored(asked, release, sources, asked.published_at, str(reference.repository))
    return _Found(found.mirrored, found.versions, tuple(sorted(missing)))


def _release_mirrored(
    asked: MirrorSetsRequest, release: OpenedRelease, sources: set[str], published_at: str, image_at: str
) -> _Found:
    to = str(parse_repository(asked.to or ""))
    mirrored = {MirroredRepository(source, to) for source in sources}
    mirrored.add(MirroredRepository(published_at, image_at, by_tag=True))
    return _Found(tuple(sorted(mirrored)), (release.payload.version,))


def _existing(folder: Path | None, kinds: Sequence[MirrorKind]) -> list[Path]:
    return (
        [] if folder is None else [folder / FILE_NAMES[kind] for kind in kinds if (folder / FILE_NAMES[kind]).exists()]
    )


def read_sets(file: Path) -> tuple[MirrorSet, ...]:
    """Return the mirror sets of a file. Raises UsageError, MalformedError, UnsupportedError."""
    return parse_mirror_sets(read_text_file(file), str(file))


def _read_existing(file: Path) -> tuple[MirrorSet, ...]:
    """Return the mirror sets of a file that nobody named: it stands where ours is written to."""
    try:
        return read_sets(file)
    except AirferryError as error:
        error.hint = kept_file_hint(file, error.hint)
        raise


def _set_to_json(item: MirrorSet) -> dict[str, Any]:
    entries = [
        {"source": one.source, "mirrors": list(one.mirrors), "policy": one.policy.value if one.policy else None}
        for one in item.entries
    ]
    return {"kind": item.kind.value, "name": item.name or None, "entries": entries}


def new_request(*, scope: str, mirror_source_policy: str | None, **flags: Any) -> MirrorSetsRequest:
    """Return the request that the command line's flags mean."""
    policy = SourcePolicy(mirror_source_policy) if mirror_source_policy is not None else None
    return MirrorSetsRequest(width=ScopeWidth(scope), policy=policy, **flags)
