"""``image mirror`` and ``image copy``: any images, from any place to any other, by oc's grammar."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from airferry.app.copies.copy_report import CopyReport
from airferry.app.copies.copying import CopyOptions, Tolerance, copy_images
from airferry.app.images.image_lists import ListFiles, check_platforms, listed_copies, read_lists
from airferry.app.images.image_origins import new_origins, write_origins
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.releases.release_records import ImageOnDisk, carry_records, refuse_unverified
from airferry.content.errors import NotFoundError
from airferry.errors import AirferryError, UsageError
from airferry.oci import Digest, PlaceKind, Reference
from airferry.plan import CopyRequest, Gap
from airferry.plan.lists import ImageList
from airferry.plan.mapping import Mapping, check_mappings, matching_tags, parse_arguments
from airferry.plan.nesting import shallow_requests
from airferry.plan.platforms import PlatformFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorImages:
    """What is asked for; the fields are the flags of ``image mirror``.

    ``settles_platforms``: the user has said which platforms to copy, so that lists need not.
    """

    arguments: tuple[str, ...] = ()
    lists: ListFiles = field(default_factory=ListFiles)
    settles_platforms: bool = False
    tree: Path | None = None
    source_tree: Path | None = None
    platforms: PlatformFilter | None = None
    allow_unverified: bool = False
    max_nested_paths: int | None = None
    options: CopyOptions = field(default_factory=CopyOptions)


async def mirror_images(asked: MirrorImages, places: Places, narrator: Narrator) -> CopyReport:
    """Copy what the arguments and mapping files name. Lists are copied whole unless a filter is asked for.

    A disk remembers where its images came from. From disk to disk, that travels along, and what is known about the
    releases that the images belong to.
    """
    source_tree, tree = str(asked.source_tree or asked.tree or "."), str(asked.tree or ".")
    listed = await read_lists(asked.lists, source_tree=source_tree, tree=tree)
    check_platforms(listed, is_filtered=asked.settles_platforms)
    for note in listed.notes:
        narrator.warn(str(note))
    mappings = _mappings(asked, listed, source_tree=source_tree, tree=tree)
    narrator.phase("resolving names")
    copies = await listed_copies(
        listed,
        asked.lists.template(),
        places,
        tolerates=lambda error: _tolerates(asked.options.tolerance, error),
        tree=tree,
    )
    found, gaps = copies.requests, copies.gaps
    for mapping in mappings:
        try:
            found += await _requests(mapping, places)
        except AirferryError as error:
            if not _tolerates(asked.options.tolerance, error):
                raise
            unread = CopyRequest(
                mapping.source, mapping.destination.repository, (), f"{mapping.source}:{mapping.pattern}"
            )
            gaps.append(Gap(unread, unread.name, error))
    found, renamed = shallow_requests(found, asked.max_nested_paths)
    for name, shallow in renamed.items():
        narrator.note(f"info: {name} is named {shallow}")
    requests = _once(found)
    await _mind_releases(asked, requests, places)
    await new_origins(requests)  # a record that cannot be read stops the run before anything is copied
    report = await copy_images(requests, places, asked.options, narrator, platforms=asked.platforms, gaps=gaps)
    report = replace(report, renamed=renamed)
    if not asked.options.dry_run:
        arrived = [request for request, _ in report.arrived if not request.optional]
        await write_origins(await new_origins(arrived), private=places.settings.private)
    return report


def tolerance(*, skip_missing: bool, go_on: bool) -> Tolerance:
    """Return what ``--skip-missing`` and ``--continue-on-error`` let a copy go on past."""
    return Tolerance.FAILURES if go_on else Tolerance.MISSING if skip_missing else Tolerance.NOTHING


def _tolerates(tolerance: Tolerance, error: AirferryError) -> bool:
    return tolerance is Tolerance.FAILURES or (tolerance is Tolerance.MISSING and isinstance(error, NotFoundError))


def parse_filter(filter_by_os: str, *, keep_manifest_list: bool) -> PlatformFilter | None:
    """Return the platform filter that the flags mean; None keeps every list whole. Raises UsageError."""
    return PlatformFilter.parse(filter_by_os, keep_list=keep_manifest_list)


def _mappings(asked: MirrorImages, listed: ImageList, *, source_tree: str, tree: str) -> tuple[Mapping, ...]:
    given = parse_arguments(asked.arguments, source_tree=source_tree, tree=tree) if asked.arguments else ()
    if asked.lists.to is not None and (given or not asked.lists.files):
        raise UsageError("--to says where the images of a list go", hint="name the list with -f FILE, and nothing else")
    mappings = (*given, *listed.mappings)
    if not mappings and (listed.wishes or listed.registries):
        return ()
    return check_mappings(mappings)


async def _mind_releases(asked: MirrorImages, requests: Sequence[CopyRequest], places: Places) -> None:
    """Refuse images of unverified releases, and let the releases' records travel from disk to disk.

    The records go first: what a copy that is cut off leaves behind must not pass for verified.
    """
    for source in sorted({request.source.repository.place for request in requests}):
        if source.kind is not PlaceKind.TREE:
            continue
        leaving = [request for request in requests if request.source.repository.place == source]
        digests = {request: digest for request in leaving if (digest := await _digest(request, places)) is not None}
        images = {request: ImageOnDisk(request.source.repository.path, digest) for request, digest in digests.items()}
        if not asked.allow_unverified:
            await refuse_unverified(Path(source.address), set(images.values()))
        for target in sorted({request.destination.place for request in leaving}):
            if target.kind is PlaceKind.TREE and not asked.options.dry_run:
                moves = {
                    image: request.destination.path
                    for request, image in images.items()
                    if request.destination.place == target
                }
                private = places.settings.private
                await carry_records(Path(source.address), Path(target.address), moves, private=private)


async def _digest(request: CopyRequest, places: Places) -> Digest | None:
    """Return the digest of an image on disk, None where its tag cannot be read: that will be told as a gap."""
    source = request.source
    if source.digest is not None or source.tag is None:
        return source.digest
    try:
        return await places.source(source.repository.place).resolve_tag(source.repository.path, source.tag)
    except AirferryError:
        return None


async def _requests(mapping: Mapping, places: Places) -> list[CopyRequest]:
    """Return the copies that one mapping means: one image, or each tag that its pattern matches."""
    source, destination = mapping.source, mapping.destination
    if mapping.pattern is None:
        tag = destination.tag or (source.tag if source.digest is None else None)
        return [CopyRequest(source, destination.repository, (tag,) if tag else (), str(source))]
    repository = source.repository
    tags = matching_tags(mapping.pattern, await places.source(repository.place).list_tags(repository.path))
    if not tags:
        raise NotFoundError(
            f"no tag matches {repository}:{mapping.pattern}", hint="`airferry image info REPOSITORY:TAG` looks at one"
        )
    return [
        CopyRequest(Reference(repository, tag), destination.repository, (tag,), f"{repository}:{tag}") for tag in tags
    ]


def _once(requests: Sequence[CopyRequest]) -> list[CopyRequest]:
    """Return the requests, each destination tag once; two patterns may match the same tag of one source."""
    seen: dict[tuple[object, ...], CopyRequest] = {}
    for request in requests:
        key = (request.destination, request.tags or request.source)
        other = seen.setdefault(key, request)
        if other.source != request.source:
            raise UsageError(
                f"each destination tag may only be specified once: {request.destination}:{request.tags[0]}"
            )
    return list(seen.values())
