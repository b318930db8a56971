"""Lists of images in any format: read, told about, and turned into the copies they ask for."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airferry.app.places import Places
from airferry.app.text_files import read_standard_input, read_text_file
from airferry.content.errors import NotFoundError
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import PlaceKind, Reference, Repository
from airferry.plan import CopyRequest, Gap
from airferry.plan.lists import ImageList, ListFormat, Template, Wish, parse_list
from airferry.plan.lists.model import RegistryWish, chosen
from airferry.survey.crew import work_through

_WORKERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFiles:
    """Files that hold lists (``-`` is stdin), their format where it is told, and the template for what they name."""

    files: tuple[str, ...] = ()
    form: str | None = None
    to: str | None = None

    def template(self) -> Template | None:
        """Return the template for destinations. Raises UsageError."""
        return Template.parse(self.to) if self.to is not None else None


@dataclass(slots=True)
class ListedCopies:
    """What a list comes to: a request for each image, and a gap for each entry that could not be resolved."""

    requests: list[CopyRequest] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


async def read_lists(
    lists: ListFiles, *, source_tree: str = ".", tree: str = ".", are_sources: bool = False
) -> ImageList:
    """Return all lists as one. Raises UsageError, MalformedError and UnsupportedError, with file and line.

    With ``are_sources`` a list without destinations is none the worse for that: it says what there is.
    """
    form = ListFormat(lists.form) if lists.form is not None else None
    found = []
    for name in lists.files:
        text = await read_list_text(name)
        parsed = parse_list(
            name, text, form, has_destination=lists.to is not None or are_sources, source_tree=source_tree, tree=tree
        )
        if lists.to is not None and parsed.names_targets:
            raise UsageError(
                f"{name} says itself where its images go",
                hint=f"leave out the destination {lists.to}, or change the list",
            )
        is_empty = not (parsed.wishes or parsed.registries or parsed.mappings)
        if is_empty and (lists.to is not None or are_sources):
            raise MalformedError(f"{name} names no image", hint="is it the right file?")
        found.append(parsed)
    return ImageList(
        wishes=tuple(wish for parsed in found for wish in parsed.wishes),
        registries=tuple(wish for parsed in found for wish in parsed.registries),
        mappings=tuple(mapping for parsed in found for mapping in parsed.mappings),
        notes=tuple(note for parsed in found for note in parsed.notes),
    )


async def read_list_text(name: str) -> str:
    """Return what the file ``name``, or stdin for ``-``, holds. Raises UsageError."""
    if name == "-":
        return await asyncio.to_thread(read_standard_input, "the list")
    return await asyncio.to_thread(read_text_file, Path(name), "the mapping file")


def check_platforms(listed: ImageList, *, is_filtered: bool) -> None:
    """Raise UsageError when a list wants some platforms only, and nobody said whether that is to be followed.

    To leave platforms out changes digests, by which clusters and mirror sets know images.
    """
    entries: list[Wish | RegistryWish] = [*listed.wishes, *listed.registries]
    wanting = [wish for wish in entries if wish.platforms]
    if is_filtered or not wanting:
        return
    platforms = sorted({platform for wish in wanting for platform in wish.platforms})
    expression = "|".join(f"^{re.escape(platform)}".replace("\\-", "-") for platform in platforms)
    raise UsageError(
        f"{wanting[0].where}: the list wants only {', '.join(platforms)} of {len(wanting)} entries, "
        "which changes the digests of their images",
        hint=f"--filter-by-os '{expression}' copies only those, of all images; --filter-by-os '.*' copies all of them",
    )


async def listed_copies(
    listed: ImageList,
    template: Template | None,
    places: Places,
    *,
    tolerates: Callable[[AirferryError], bool],
    tree: str = ".",
) -> ListedCopies:
    """Return what the entries of ``listed`` ask for. The tags of each repository are asked for once.

    Raises what ``tolerates`` does not let pass, and UsageError when two images are sent to one tag.
    """
    copies = ListedCopies()
    wishes = list(listed.wishes)
    for whole in listed.registries:
        try:
            wishes += await _expand(whole, places)
        except AirferryError as error:
            if not tolerates(error):
                raise
            unread = Repository(whole.source, "*")
            copies.gaps.append(_gap(Reference(unread), whole.where, error))
    tags = await _tags_of({wish.source.repository for wish in wishes if wish.choices}, places, tolerates)
    for wish in wishes:
        known = tags.get(wish.source.repository, ())
        if wish.choices and isinstance(known, AirferryError):
            copies.gaps.append(_gap(wish.source, wish.where, known))
            continue
        try:
            copies.requests += _requests(wish, () if isinstance(known, AirferryError) else known, template, tree)
        except NotFoundError as error:
            if not tolerates(error):
                raise
            copies.gaps.append(_gap(wish.source, wish.where, error))
    _check_tags(copies.requests)
    return copies


def _gap(source: Reference, where: str, error: AirferryError) -> Gap:
    request = CopyRequest(source, source.repository, (), f"{source} ({where})")
    return Gap(request, str(source), error)


async def _expand(whole: RegistryWish, places: Places) -> list[Wish]:
    paths = whole.repositories.of(await places.registry(whole.source.address).list_repositories())
    if not paths:
        raise NotFoundError(f"{whole.where}: no repository of {whole.source} is chosen")
    return [
        Wish(
            Reference(Repository(whole.source, path)),
            whole.where,
            whole.choices,
            Reference.parse(f"{whole.target}/{path}"),
            whole.platforms,
        )
        for path in paths
    ]


async def _tags_of(
    repositories: set[Repository], places: Places, tolerates: Callable[[AirferryError], bool]
) -> dict[Repository, tuple[str, ...] | AirferryError]:
    found: dict[Repository, tuple[str, ...] | AirferryError] = {}

    async def look(repository: Repository) -> tuple[Repository, ...]:
        try:
            found[repository] = await places.source(repository.place).list_tags(repository.path)
        except AirferryError as error:
            if not tolerates(error):
                raise
            found[repository] = error
        return ()

    await work_through(sorted(repositories), look, workers=_WORKERS)
    return found


def _requests(wish: Wish, tags: Sequence[str], template: Template | None, tree: str) -> list[CopyRequest]:
    sources = [wish.source]
    if wish.choices:
        sources = [Reference(wish.source.repository, tag) for tag in chosen(wish.choices, tags)]
        if not sources:
            raise NotFoundError(f"{wish.where}: none of the {len(tags)} tags of {wish.source.repository} is chosen")
    return [_request(source, wish, template, tree) for source in sources]


def _request(source: Reference, wish: Wish, template: Template | None, tree: str) -> CopyRequest:
    if wish.target is not None:
        target = wish.target
        tag = target.tag or source.tag
    elif template is not None:
        target = template.place(source, tree=tree)
        tag = target.tag
    else:
        raise UsageError(
            f"{wish.where}: nothing says where {source} goes",
            hint="--to HOST/PATH, such as --to 'mirror.example.com:8443/{repository}:{tag}'",
        )
    if (
        target.repository.place.kind is PlaceKind.REGISTRY
        and target.repository == source.repository
        and tag == source.tag
    ):
        raise UsageError(f"{wish.where}: {source} would go to where it is")
    return CopyRequest(source, target.repository, (tag,) if tag else (), str(source))


def _check_tags(requests: Sequence[CopyRequest]) -> None:
    taken: dict[tuple[Repository, str], CopyRequest] = {}
    for request in requests:
        for tag in request.tags:
            other = taken.setdefault((request.destination, tag), request)
            if other.source != request.source:
                raise UsageError(
                    f"{other.source} and {request.source} would both be {request.destination}:{tag}",
                    hint="a destination such as HOST/{registry}/{repository}:{tag} keeps them apart",
                )
