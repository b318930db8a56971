"""``image prune``: take away from a registry or a disk what no wanted set refers to."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from airferry.app.images.image_lists import ListFiles, read_lists
from airferry.app.images.prune_records import gone_releases, recorded_losses
from airferry.app.images.prune_report import PruneReport, really_removed
from airferry.app.narration import Narrator
from airferry.app.places import Places
from airferry.app.releases.release_records import ReleaseRecord, forget_record, require_records
from airferry.content.errors import DeniedError, NotFoundError, RegistryFailedError, UnauthorizedError
from airferry.content.tree_folder import TreeFolder
from airferry.errors import UsageError
from airferry.media.pruning import held, layout_shelf, prune_layout, prune_tree, tree_shelves
from airferry.oci import Digest, Place, PlaceKind, Repository
from airferry.oci.reference import is_host, is_repository_path, refuse_userinfo
from airferry.plan.pruning import Removal, RepositoryRemoval, Shelf, plan_removal
from airferry.plan.wanted_sets import WantedSet, all_but, under_shallow_names, wanted_digests, wanted_list, wanted_name
from airferry.survey.registry_shelves import look_again, registry_shelves
from airferry.transfer.deleting import delete_manifests

logger = logging.getLogger(__name__)

_NO_CATALOG = (DeniedError, UnauthorizedError, NotFoundError, RegistryFailedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneImages:
    """What is asked for; the fields are the flags of ``image prune``."""

    places: tuple[str, ...]
    tree: Path | None = None
    keep: tuple[str, ...] = ()
    lists: ListFiles = field(default_factory=ListFiles)
    max_nested_paths: int | None = None
    release_disks: tuple[Path, ...] = ()
    dropped_releases: tuple[str, ...] = ()
    may_empty: bool = False
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is looked at: repositories of ``place`` at or below any of ``paths``; all of them when one is empty."""

    place: Place
    paths: tuple[str, ...]

    def has(self, path: str) -> bool:
        return any(not top or path == top or path.startswith(f"{top}/") for top in self.paths)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The repositories of a scope; ``is_all`` when the place has no others."""

    shelves: tuple[Shelf, ...]
    is_all: bool = True


async def prune_images(asked: PruneImages, places: Places, narrator: Narrator) -> PruneReport:
    """Remove what nothing wanted leads to, or without ``confirm`` say what that would be.

    Every wanted set is read first, and one that cannot be read, or names nothing that is there, stops everything.
    Raises UsageError then, DamagedError, InUseError, DeniedError, …
    """
    scope = parse_scope(asked.places, asked.tree)
    async with _held(asked, scope):
        sets = await _wanted_sets(asked, scope)
        narrator.phase("reading manifests")
        seen = await _look(scope, sets, places, narrator)
        wanted = _wanted(sets, seen.shelves)
        for text in _idle_entries(sets, seen.shelves):
            narrator.warn(text)
        dropped = _dropped(asked.dropped_releases, await _own_records(scope), scope)
        lain_in = {path for record in dropped for path in record.repositories}
        may_empty = {shelf.repository for shelf in seen.shelves if asked.may_empty or shelf.repository.path in lain_in}
        removal = plan_removal(seen.shelves, wanted, may_empty=may_empty)
        for text in await recorded_losses(scope.place, removal):
            narrator.warn(text)
        done = await _remove(removal, seen.shelves, places, narrator) if asked.confirm else removal
        gone = gone_releases(dropped, done, seen.shelves)
        if asked.confirm:
            for record in gone:
                # Last, so that a release that was copied unverified is known as such as long as any of it is there.
                await forget_record(Path(scope.place.address), record)
    narrator.done()
    is_disk = scope.place.kind is not PlaceKind.REGISTRY
    return PruneReport(
        place=str(scope.place),
        removal=done,
        dry_run=not asked.confirm,
        is_exact=is_disk or seen.is_all,
        at_once=is_disk,
        wanted=tuple(found.name for found in sets),
        kept_manifests=sum(len(shelf.manifests) for shelf in seen.shelves) - len(done.manifests),
        spared=tuple(sorted(removal.manifests - done.manifests)),
        dropped_releases=tuple(record.version for record in gone),
    )


def parse_scope(texts: Sequence[str], tree: Path | None) -> _Scope:
    """Return what ``HOST[/PATH]``, ``file://[PATH]`` or ``oci://DIR`` name. Raises UsageError."""
    found = [_parse_place(text, tree) for text in texts]
    if len({place for place, _ in found}) != 1:
        raise UsageError("one place is pruned at a time", hint="run the command once for each registry or disk")
    return _Scope(found[0][0], tuple(path for _, path in found))


def _parse_place(text: str, tree: Path | None) -> tuple[Place, str]:
    refuse_userinfo(text)
    scheme, _, rest = text.partition("://") if "://" in text else ("docker", "", text)
    if scheme == "oci" and rest:
        return Place(PlaceKind.LAYOUT, str(Path(rest))), ""
    host, _, path = rest.strip("/").partition("/") if scheme == "docker" else ("", "", rest.strip("/"))
    is_good = not path or is_repository_path(path)
    if scheme == "file" and is_good:
        return Place(PlaceKind.TREE, str(tree or Path())), path
    if scheme == "docker" and is_good and is_host(host):
        return Place(PlaceKind.REGISTRY, host), path
    raise UsageError(
        f"{text!r} is no place to prune", hint="write HOST[:PORT][/PATH], file://[PATH] with --dir, or oci://DIR"
    )


async def _own_records(scope: _Scope) -> tuple[ReleaseRecord, ...]:
    return await require_records(Path(scope.place.address)) if scope.place.kind is PlaceKind.TREE else ()


def _dropped(names: Iterable[str], records: Iterable[ReleaseRecord], scope: _Scope) -> list[ReleaseRecord]:
    found: list[ReleaseRecord] = []
    for name in names:
        meant = [
            record
            for record in records
            if name in (record.version, f"{record.version}-{record.arch_word}", record.digest)
        ]
        if len(meant) != 1:
            raise UsageError(
                f"{len(meant)} releases that {scope.place} records are {name}",
                hint="`airferry media info` lists them; a digest is one",
            )
        elsewhere = [path for path in meant[0].repositories if not scope.has(path)]
        if elsewhere:
            raise UsageError(
                f"release {name} is also in {elsewhere[0]}, which is not to be pruned", hint="prune file://"
            )
        found += meant
    return found


async def _wanted_sets(asked: PruneImages, scope: _Scope) -> list[WantedSet]:
    records = await _own_records(scope)
    dropped = _dropped(asked.dropped_releases, records, scope)
    sets = [wanted_name(text, scope.place) for text in asked.keep]
    sets += await _wanted_lists(asked.lists, scope, asked.max_nested_paths)
    for disk in asked.release_disks:
        if not await asyncio.to_thread((disk / "v2").is_dir):
            raise NotFoundError(f"{disk} holds no images", hint="--keep-releases takes a disk that releases are on")
        digests = [record.digests for record in await require_records(disk)]
        sets.append(wanted_digests(f"--keep-releases {disk}", frozenset[Digest]().union(*digests)))
    if dropped and not sets:
        going = frozenset[Digest]().union(*(record.digests for record in dropped))
        sets.append(all_but("all but the dropped releases", going))
    if not sets:
        # The disk's own records alone do not speak for its other images.
        raise UsageError(
            "nothing is said to be wanted, so everything would go",
            hint="--keep NAME, --keep-list FILE or --keep-releases DISK say what stays",
        )
    kept = [record for record in records if record not in dropped]
    return [*sets, *(wanted_digests(f"release {record.version}", record.digests) for record in kept)]


async def _wanted_lists(lists: ListFiles, scope: _Scope, most_parts: int | None) -> list[WantedSet]:
    template = lists.template()
    if template is not None and not lists.files:
        raise UsageError("--to says where the images of a list went", hint="name the list with --keep-list FILE")
    tree = scope.place.address if scope.place.kind is PlaceKind.TREE else "."
    sets = []
    for name in lists.files:
        one = ListFiles(files=(name,), form=lists.form, to=lists.to)
        listed = await read_lists(one, source_tree=tree, tree=tree, are_sources=True)
        wanted = wanted_list(f"--keep-list {name}", listed, template, tree=tree)
        sets.append(under_shallow_names(wanted, most_parts))
    return sets


@asynccontextmanager
async def _held(asked: PruneImages, scope: _Scope) -> AsyncIterator[None]:
    """Keep other writers away from a disk from before it is looked at until all is done."""
    if not asked.confirm or scope.place.kind is PlaceKind.REGISTRY:
        yield
        return
    holding = held(Path(scope.place.address))
    await asyncio.to_thread(holding.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(holding.__exit__, None, None, None)


async def _look(scope: _Scope, sets: Sequence[WantedSet], places: Places, narrator: Narrator) -> _Seen:
    match scope.place.kind:
        case PlaceKind.TREE:
            folder = TreeFolder(Path(scope.place.address))
            shelves = await asyncio.to_thread(tree_shelves, folder)
            return _Seen(tuple(shelf for shelf in shelves if scope.has(shelf.repository.path)))
        case PlaceKind.LAYOUT:
            return _Seen((await asyncio.to_thread(layout_shelf, Path(scope.place.address)),))
        case PlaceKind.REGISTRY:
            return await _look_at_registry(scope, sets, places, narrator)


async def _look_at_registry(scope: _Scope, sets: Sequence[WantedSet], places: Places, narrator: Narrator) -> _Seen:
    registry = places.registry(scope.place.address)
    try:
        every = await registry.list_repositories()
        paths = tuple(path for path in every if scope.has(path))
    except _NO_CATALOG as error:
        paths = tuple(sorted(path for path in scope.paths if path))
        if len(paths) != len(scope.paths):
            instead = "name the repositories: HOST/PATH HOST/PATH …"
            # With credentials it may list them after all.
            hint = f"{error.hint}; or {instead}" if isinstance(error, UnauthorizedError) else instead
            raise type(error)(error.message, hint=hint) from error
        narrator.warn(f"{error.message}; only {', '.join(paths)} are looked at, and nothing below them")
        every = ()
    named: dict[str, set[Digest]] = {
        path: {digest for found in sets if found.may_be_in(Repository(scope.place, path)) for digest in found.digests}
        for path in paths
    }
    shelves = await registry_shelves(paths, registry, named, on_read=lambda: narrator.advance(steps=1))
    return _Seen(shelves, is_all=set(paths) == set(every))


def _wanted(sets: Sequence[WantedSet], shelves: Sequence[Shelf]) -> dict[Repository, frozenset[Digest]]:
    """Return the wanted images by repository. Raises UsageError for a set that names nothing that is there."""
    wanted: dict[Repository, frozenset[Digest]] = {shelf.repository: frozenset() for shelf in shelves}
    for found in sets:
        is_there = False
        for shelf in shelves:
            images = found.of(shelf)
            is_there = is_there or bool(images & shelf.manifests.keys())
            wanted[shelf.repository] |= images
        if not is_there and found.name.startswith("--"):
            raise UsageError(
                f"{found.name} names nothing that is there, so it is no help in telling what to keep",
                hint="look at its spelling; a list of sources needs --to, the template that it was mirrored with",
            )
    return wanted


def _idle_entries(sets: Iterable[WantedSet], shelves: Sequence[Shelf]) -> Iterator[str]:
    """Yield a warning for each list with entries that keep nothing: they may be spelled wrong."""
    by_path: dict[str | None, list[Shelf]] = {None: list(shelves)}
    for shelf in shelves:
        by_path.setdefault(shelf.repository.path, []).append(shelf)
    for found in sets:
        idle = [entry for entry in found.entries if not any(map(entry.of, by_path.get(entry.path, ())))]
        if idle:
            count = f"{len(idle)} of {len(found.entries)} entries"
            yield f"{found.name}: {count} name nothing that is there: {idle[0].name}"


async def _remove(removal: Removal, shelves: tuple[Shelf, ...], places: Places, narrator: Narrator) -> Removal:
    count = sum(len(one.tags) + len(one.manifests) + len(one.blobs) for one in removal.repositories)
    narrator.phase("removing", steps=count)
    by_repository = {shelf.repository: shelf for shelf in shelves}
    done: list[RepositoryRemoval] = []
    for one in removal.repositories:
        done.append(await _remove_one(one, by_repository[one.repository], places, narrator))
        fields = {"repository": str(one.repository), "manifests": len(one.manifests), "blobs": len(one.blobs)}
        logger.info("repository pruned", extra=fields)
    return really_removed(done, removal, shelves)


async def _remove_one(one: RepositoryRemoval, shelf: Shelf, places: Places, narrator: Narrator) -> RepositoryRemoval:
    place = one.repository.place

    def advance() -> None:
        narrator.advance(steps=1)

    match place.kind:
        case PlaceKind.TREE:
            await asyncio.to_thread(prune_tree, TreeFolder(Path(place.address)), one, advance)
        case PlaceKind.LAYOUT:
            await asyncio.to_thread(prune_layout, Path(place.address), one, advance)
        case PlaceKind.REGISTRY:
            registry = places.registry(place.address)
            return await delete_manifests(one, shelf, registry, lambda: look_again(shelf, registry), advance)
    return one
