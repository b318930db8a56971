"""What is wanted in a place, said by names, lists and digests: each says which images of a repository it means."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from airferry.errors import UsageError
from airferry.oci import Digest, Place, PlaceKind, Reference, Repository
from airferry.oci.digest import is_digest
from airferry.plan.lists.model import Choice, ImageList, RegistryWish, Wish, chosen
from airferry.plan.lists.templates import Template
from airferry.plan.mapping import Mapping
from airferry.plan.nesting import flattened_path, unflattened
from airferry.plan.pruning import PIN, Shelf, kept_of

_NAMES = re.compile(r"[a-z0-9._/*-]*")
_TAGS = re.compile(r"[A-Za-z0-9_.*-]+")


@dataclass(frozen=True, slots=True)
class WantedSet:
    """Something that is to stay. ``name`` is how people said it.

    ``of`` returns its images in a repository by what that holds. ``digests`` are named by digest, in any repository
    that ``may_be_in`` says yes to; a registry has to be asked for them, since it does not list what has no tag.
    ``entries`` are those of a list.
    """

    name: str
    of: Callable[[Shelf], frozenset[Digest]]
    may_be_in: Callable[[Repository], bool]
    digests: frozenset[Digest] = frozenset()
    entries: tuple["WantedSet", ...] = ()


def wanted_name(text: str, place: Place) -> WantedSet:
    """Return the set that ``--keep`` means: ``REPOSITORY[:TAG]`` or ``REPOSITORY@DIGEST``, ``*`` for any characters.

    A repository without a tag is wanted whole, also what has no tag in it. Raises UsageError for another place.
    """
    rest = _within(text, place)
    head, slash, last = rest.rpartition("/")
    last, at, digest_text = last.partition("@")
    last, colon, tags = last.partition(":")
    paths = f"{head}{slash}{last}"
    is_layout = place.kind is PlaceKind.LAYOUT
    if (
        is_layout == bool(paths)
        or not _NAMES.fullmatch(paths)
        or (colon and not _TAGS.fullmatch(tags))
        or (at and not is_digest(digest_text))
    ):
        raise UsageError(f"--keep {text} is no name of images", hint="write REPOSITORY:TAG, with * for any characters")
    path_choice, tag_choice = Choice(paths or "*"), Choice(tags)

    def is_in(repository: Repository) -> bool:
        return is_layout or bool(path_choice.of((repository.path,)))

    def of(shelf: Shelf) -> frozenset[Digest]:
        if not is_in(shelf.repository):
            return frozenset()
        if at:
            return frozenset({Digest(digest_text)}) & shelf.manifests.keys()
        if not colon:
            return frozenset(shelf.manifests)
        exact = {shelf.tags[tags]} if tags in shelf.tags else set()
        return frozenset(exact | _tagged(shelf, lambda names: chosen((tag_choice,), names)))

    return WantedSet(f"--keep {text}", of, is_in, frozenset({Digest(digest_text)}) if at else frozenset())


def wanted_digests(name: str, digests: frozenset[Digest]) -> WantedSet:
    """Return the set of images known by digest, in whatever repository they are."""
    return WantedSet(name, lambda shelf: digests & shelf.manifests.keys(), _anywhere, digests)


def all_but(name: str, digests: frozenset[Digest]) -> WantedSet:
    """Return the set of everything that is neither one of ``digests`` nor in a repository because of them."""
    return WantedSet(
        name,
        lambda shelf: frozenset(shelf.manifests) - kept_of(replace(shelf, tags=_unpinned(shelf)), digests),
        _anywhere,
    )


def _unpinned(shelf: Shelf) -> dict[str, Digest]:
    return {tag: digest for tag, digest in shelf.tags.items() if not tag.startswith(PIN)}


def _anywhere(repository: Repository) -> bool:
    return True


def wanted_list(name: str, listed: ImageList, template: Template | None, *, tree: str = ".") -> WantedSet:
    """Return the set of all that a list names: where it sends it, where ``template`` does, or where it is.

    Raises UsageError where that cannot be told.
    """
    parts = [
        *(_wish(wish, template, tree) for wish in listed.wishes),
        *(_registry(wish) for wish in listed.registries),
        *(_mapping(mapping) for mapping in listed.mappings),
    ]
    return WantedSet(
        name,
        lambda shelf: frozenset[Digest]().union(*(part.of(shelf) for part in parts)),
        lambda repository: any(part.may_be_in(repository) for part in parts),
        frozenset[Digest]().union(*(part.digests for part in parts)),
        tuple(parts),
    )


def under_shallow_names(wanted: WantedSet, most_parts: int | None) -> WantedSet:
    """Return the set for a registry into which names were joined to at most ``most_parts`` parts.

    A repository counts as what its name says and as what it may have been joined from: nothing is wanted less for it.
    """
    if most_parts is None:
        return wanted
    return replace(
        wanted,
        of=lambda shelf: frozenset[Digest]().union(
            *(wanted.of(replace(shelf, repository=one)) for one in _meant_by(shelf.repository, most_parts))
        ),
        may_be_in=lambda repository: any(wanted.may_be_in(one) for one in _meant_by(repository, most_parts)),
        entries=tuple(under_shallow_names(entry, most_parts) for entry in wanted.entries),
    )


def _meant_by(repository: Repository, most_parts: int) -> tuple[Repository, ...]:
    deep = unflattened(repository.path) if repository.place.kind is PlaceKind.REGISTRY else None
    if deep is None or flattened_path(deep, most_parts) != repository.path:
        return (repository,)
    return (repository, Repository(repository.place, deep))


def _within(text: str, place: Place) -> str:
    match place.kind:
        case PlaceKind.REGISTRY:
            prefix = f"{place.address}/"
        case PlaceKind.TREE:
            prefix = "file://"
        case PlaceKind.LAYOUT:
            prefix = f"oci://{place.address}"
    bare = text.removeprefix("docker://") if place.kind is PlaceKind.REGISTRY else text
    if not bare.startswith(prefix):
        raise UsageError(f"--keep {text} is not in {place}", hint=f"names of images there begin with {prefix}")
    return bare.removeprefix(prefix)


def _tagged(shelf: Shelf, choose: Callable[[tuple[str, ...]], tuple[str, ...]]) -> set[Digest]:
    return {shelf.tags[tag] for tag in choose(tuple(shelf.tags))}


def _mapping(mapping: Mapping) -> WantedSet:
    if mapping.pattern is not None:
        wish = Wish(mapping.source, "", (Choice(mapping.pattern),), mapping.destination)
    else:
        wish = Wish(mapping.source, "", (), mapping.destination)
    return _wish(wish, None, ".")


def _wish(wish: Wish, template: Template | None, tree: str) -> WantedSet:
    if wish.choices and wish.target is None and template is not None:
        return _templated(wish, template, tree)
    if wish.choices:
        repository = (wish.target or wish.source).repository
        return _in_repository(str(repository), repository, lambda tag: bool(chosen(wish.choices, (tag,))))
    target = wish.target or (template.place(wish.source, tree=tree) if template is not None else wish.source)
    # Without a tag of its own it was put under the source's, unless that is known by its digest alone.
    tag = target.tag or (wish.source.tag if wish.target is not None else None)
    digests = frozenset({wish.source.digest} if wish.source.digest is not None else ())
    return _in_repository(str(target), target.repository, lambda name: name == tag, digests)


def _templated(wish: Wish, template: Template, tree: str) -> WantedSet:
    template.source_tag("x")  # raises where tags cannot be told apart
    repository = template.place(Reference(wish.source.repository, "x"), tree=tree).repository

    def is_wanted(tag: str) -> bool:
        source = template.source_tag(tag)
        return source is not None and bool(chosen(wish.choices, (source,)))

    return _in_repository(str(repository), repository, is_wanted)


def _registry(wish: RegistryWish) -> WantedSet:
    host, _, prefix = wish.target.partition("/")

    def is_in(repository: Repository) -> bool:
        inside = f"{prefix}/" if prefix else ""
        is_below = repository.place == Place(PlaceKind.REGISTRY, host) and repository.path.startswith(inside)
        return is_below and bool(wish.repositories.of((repository.path.removeprefix(inside),)))

    def of(shelf: Shelf) -> frozenset[Digest]:
        if not is_in(shelf.repository):
            return frozenset()
        return frozenset(_tagged(shelf, lambda names: chosen(wish.choices, names)))

    return WantedSet(wish.where, of, is_in)


def _in_repository(
    name: str, repository: Repository, is_wanted: Callable[[str], bool], digests: frozenset[Digest] = frozenset()
) -> WantedSet:
    def of(shelf: Shelf) -> frozenset[Digest]:
        if not _is_same(shelf.repository, repository):
            return frozenset()
        found = {digest for tag, digest in shelf.tags.items() if is_wanted(tag)}
        return frozenset(found | (digests & shelf.manifests.keys()))

    return WantedSet(name, of, lambda other: _is_same(other, repository), digests)


def _is_same(one: Repository, other: Repository) -> bool:
    """A folder may be written with or without a slash at its end."""
    folders = (repository.place.address.rstrip("/") for repository in (one, other))
    return one.path == other.path and one.place.kind == other.place.kind and len(set(folders)) == 1
