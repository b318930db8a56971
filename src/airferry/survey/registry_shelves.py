"""What a registry holds, as pruning wants to know it: tags, manifests, and what is attached to them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from airferry.content.errors import NotFoundError
from airferry.content.protocol import ContentSource
from airferry.errors import UnsupportedError
from airferry.oci import Digest, Manifest, Repository
from airferry.plan.pruning import Shelf
from airferry.survey.crew import work_through


class Listing(ContentSource, Protocol):
    """A place that can tell which repositories it has."""

    async def list_repositories(self) -> tuple[str, ...]:
        """Return the names of all repositories, sorted."""
        ...


@dataclass(slots=True)
class _Found:
    tags: dict[str, Digest] = field(default_factory=dict)
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    opaque: set[Digest] = field(default_factory=set)
    asked: set[Digest] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Errand:
    """A repository to list, a tag to resolve, or a manifest to read with what is attached to it."""

    path: str
    tag: str | None = None
    digest: Digest | None = None


async def registry_shelves(
    paths: Iterable[str],
    source: Listing,
    named: Mapping[str, Iterable[Digest]],
    *,
    workers: int = 16,
    on_read: Callable[[], None] = lambda: None,
) -> tuple[Shelf, ...]:
    """Return the repositories ``paths``. Images without a tag are seen where ``named`` has them, by repository.

    Raises whatever a registry answers that leaves doubt about what an image needs. What is gone meanwhile is gone.
    """
    found = {path: _Found() for path in paths}
    known = [errand for path, here in found.items() for errand in _new(path, named.get(path, ()), here)]
    await _look([*map(_Errand, found), *known], found, source, workers, on_read)
    return tuple(
        Shelf(Repository(source.place, path), here.tags, here.manifests, here.opaque) for path, here in found.items()
    )


async def look_again(shelf: Shelf, source: ContentSource, *, workers: int = 16) -> Shelf:
    """Return a repository with the tags that it has by now, none when it is gone.

    Only manifests that ``shelf`` does not have are read, with all that they lead to.
    """
    path = shelf.repository.path
    here = _Found(manifests=dict(shelf.manifests), asked={*shelf.manifests, *shelf.opaque}, opaque={*shelf.opaque})
    await _look([_Errand(path)], {path: here}, source, workers, lambda: None)
    return replace(shelf, tags=here.tags, manifests=here.manifests, opaque=here.opaque)


async def _look(
    errands: Iterable[_Errand],
    found: Mapping[str, _Found],
    source: ContentSource,
    workers: int,
    on_read: Callable[[], None],
) -> None:
    async def look(errand: _Errand) -> Iterable[_Errand]:
        here = found[errand.path]
        try:
            if errand.digest is not None:
                more = await _read(errand.path, errand.digest, here, source)
                on_read()
                return [_Errand(errand.path, digest=digest) for digest in more]
            if errand.tag is not None:
                digest = here.tags[errand.tag] = await source.resolve_tag(errand.path, errand.tag)
                return _new(errand.path, [digest], here)
            return [_Errand(errand.path, tag=tag) for tag in await source.list_tags(errand.path)]
        except NotFoundError:
            return ()

    await work_through(errands, look, workers=workers)


def _new(path: str, digests: Iterable[Digest], here: _Found) -> list[_Errand]:
    new = [digest for digest in dict.fromkeys(digests) if digest not in here.asked]
    here.asked.update(new)
    return [_Errand(path, digest=digest) for digest in new]


async def _read(path: str, digest: Digest, here: _Found, source: ContentSource) -> list[Digest]:
    """Read a manifest, and return what it leads to that was not asked for yet."""
    try:
        manifest = await source.read_manifest(path, digest)
    except UnsupportedError:
        here.opaque.add(digest)
        return []
    here.manifests[digest] = manifest
    attached = await source.list_referrers(path, digest)
    leads = dict.fromkeys(descriptor.digest for descriptor in (*manifest.children, *attached))
    new = [found for found in leads if found not in here.asked]
    here.asked.update(new)
    return new
