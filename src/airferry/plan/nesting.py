"""Names for registries that take only shallow ones: the last parts of a name joined into one. Pure.

The first N-1 parts stay, the rest is joined with ``-``, as oc-mirror's ``--max-nested-paths N`` does. Where a joined
part holds a ``-`` itself, a hash of the whole name follows: ``a/b-c/d`` and ``a/b/c-d`` never become one name, a
name depends on nothing but itself, and :func:`unflattened` finds the way back.
"""

import re
from collections.abc import Iterable
from collections.abc import Mapping as MappingOf
from dataclasses import replace
from itertools import combinations
from typing import Final

from airferry.errors import UsageError
from airferry.oci import Digest, PlaceKind, Repository
from airferry.plan.mapping import Mapping
from airferry.plan.model import CopyRequest

_HASH_LETTERS: Final = 8
_HASHED: Final = re.compile(rf"(.+)-([0-9a-f]{{{_HASH_LETTERS}}})\Z")
_MOST_DASHES: Final = 16
"""More dashes than this are not tried out one by one: 65536 hashes take a tenth of a second."""


def flattened(repository: Repository, most_parts: int | None) -> Repository:
    """Return the repository under a name of at most ``most_parts`` parts; one that is short enough stays as it is.

    Only names in registries are changed. None changes nothing.
    """
    if most_parts is None or repository.place.kind is not PlaceKind.REGISTRY:
        return repository
    return Repository(repository.place, flattened_path(repository.path, most_parts))


def flattened_path(path: str, most_parts: int) -> str:
    """Return ``path`` with at most ``most_parts`` parts (1 or more)."""
    parts = path.split("/")
    if len(parts) <= most_parts:
        return path
    kept, joined = parts[: most_parts - 1], parts[most_parts - 1 :]
    name = "-".join(joined)
    if any("-" in part for part in joined):
        name = f"{name}-{_hash(path)}"
    return "/".join((*kept, name))


def unflattened(path: str) -> str | None:
    """Return the name that became ``path`` by being flattened, as far as ``path`` alone tells.

    With a hash there is one answer or, for a name that only looks hashed, None. Without one, each ``-`` of the last
    part stands for a ``/``, if the name was flattened at all; a name without ``-`` was not.
    """
    *kept, last = path.split("/")
    hashed = _HASHED.fullmatch(last)
    if hashed is not None:
        return _rejoined(kept, hashed[1], hashed[2])
    return "/".join((*kept, *last.split("-"))) if "-" in last else None


def refuse_shared_names(names: MappingOf[Repository, Repository]) -> None:
    """Raise UsageError when two repositories get one name, of which at least one by being flattened."""
    first: dict[Repository, Repository] = {}
    for original, name in names.items():
        other = first.setdefault(name, original)
        if other != original:
            raise UsageError(
                f"{other} and {original} would both become {name}",
                hint="give one of them another destination, or allow more parts with --max-nested-paths",
            )


def with_shallow_names(mappings: Iterable[Mapping], most_parts: int | None) -> tuple[Mapping, ...]:
    """Return the mappings with names of at most ``most_parts`` parts for their destinations; None changes nothing.

    Raises UsageError where two destinations would become one.
    """
    mappings = tuple(mappings)
    if most_parts is None:
        return mappings
    names = {one: flattened(one, most_parts) for one in (mapping.destination.repository for mapping in mappings)}
    refuse_shared_names(names)
    return tuple(
        replace(mapping, destination=replace(mapping.destination, repository=names[mapping.destination.repository]))
        for mapping in mappings
    )


def shallow_requests(
    requests: Iterable[CopyRequest], most_parts: int | None
) -> tuple[list[CopyRequest], dict[str, str]]:
    """Return the requests with such names for their destinations, and each name that changed with its new one.

    Raises UsageError where two destinations would become one.
    """
    requests = list(requests)
    names = {one: flattened(one, most_parts) for one in (request.destination for request in requests)}
    refuse_shared_names(names)
    changed = {str(one): str(name) for one, name in names.items() if one != name}
    return [replace(request, destination=names[request.destination]) for request in requests], changed


def _rejoined(kept: list[str], name: str, found: str) -> str | None:
    words = name.split("-")
    places = range(1, len(words))
    if not 1 <= len(places) <= _MOST_DASHES:
        return None
    for count in range(1, len(words)):
        for slashes in combinations(places, count):
            text = words[0]
            for position in places:
                text += ("/" if position in slashes else "-") + words[position]
            path = "/".join((*kept, text))
            if _hash(path) == found:
                return path
    return None


def _hash(path: str) -> str:
    return Digest.of(path.encode()).hex[:_HASH_LETTERS]
