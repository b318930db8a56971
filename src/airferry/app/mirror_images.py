"""``image mirror`` and ``image copy``: any images, from any place to any other, by oc's grammar."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airferry.app.copy_report import CopyReport
from airferry.app.copying import CopyOptions, copy_images
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.release_records import refuse_unverified
from airferry.content.errors import NotFoundError
from airferry.errors import UsageError
from airferry.oci import PlaceKind, Reference
from airferry.plan import CopyRequest
from airferry.plan.mapping import Mapping, check_mappings, matching_tags, parse_arguments, parse_file
from airferry.plan.platforms import PlatformFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorImages:
    """What is asked for; the fields are the flags of ``image mirror``."""

    arguments: tuple[str, ...] = ()
    mapping_files: tuple[str, ...] = ()
    tree: Path | None = None
    source_tree: Path | None = None
    platforms: PlatformFilter | None = None
    allow_unverified: bool = False
    options: CopyOptions = field(default_factory=CopyOptions)


async def mirror_images(asked: MirrorImages, places: Places, narrator: Narrator) -> CopyReport:
    """Copy what the arguments and mapping files name. Lists are copied whole unless a filter is asked for."""
    mappings = await _mappings(asked)
    await _refuse_unverified(mappings, allow_unverified=asked.allow_unverified)
    narrator.phase("resolving names")
    requests = _once([request for mapping in mappings for request in await _requests(mapping, places)])
    if not requests:
        patterns = ", ".join(f"{mapping.source}:{mapping.pattern}" for mapping in mappings)
        raise NotFoundError(f"no tag matches {patterns}", hint="`airferry image info REPOSITORY:TAG` looks at one")
    return await copy_images(requests, places, asked.options, narrator, platforms=asked.platforms)


def parse_filter(filter_by_os: str, *, keep_manifest_list: bool) -> PlatformFilter | None:
    """Return the platform filter that the flags mean; None keeps every list whole. Raises UsageError."""
    return PlatformFilter.parse(filter_by_os, keep_list=keep_manifest_list)


async def _mappings(asked: MirrorImages) -> tuple[Mapping, ...]:
    tree = str(asked.tree or ".")
    source_tree = str(asked.source_tree or asked.tree or ".")
    mappings: list[Mapping] = []
    if asked.arguments:
        mappings += parse_arguments(asked.arguments, source_tree=source_tree, tree=tree)
    for name in asked.mapping_files:
        mappings += parse_file(name, await _read_text(name), source_tree=source_tree, tree=tree)
    return check_mappings(mappings)


async def _read_text(name: str) -> str:
    if name == "-":
        return await asyncio.to_thread(sys.stdin.read)
    try:
        return await asyncio.to_thread(Path(name).read_text)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"the mapping file {name} cannot be read: {reason}") from error


async def _refuse_unverified(mappings: Sequence[Mapping], *, allow_unverified: bool) -> None:
    sources = {mapping.source.repository.place for mapping in mappings}
    for place in sorted(sources):
        if place.kind is PlaceKind.TREE:
            await refuse_unverified(Path(place.address), allow_unverified=allow_unverified)


async def _requests(mapping: Mapping, places: Places) -> list[CopyRequest]:
    """Return the copies that one mapping means: one image, or each tag that its pattern matches."""
    source, destination = mapping.source, mapping.destination
    if mapping.pattern is None:
        tag = destination.tag or (source.tag if source.digest is None else None)
        return [CopyRequest(source, destination.repository, (tag,) if tag else (), str(source))]
    repository = source.repository
    tags = await places.source(repository.place).list_tags(repository.path)
    return [
        CopyRequest(Reference(repository, tag), destination.repository, (tag,), f"{repository}:{tag}")
        for tag in matching_tags(mapping.pattern, tags)
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
