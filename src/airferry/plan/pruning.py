"""What a place no longer needs: all that nothing wanted leads to. Pure; decides, and removes nothing.

What is attached to an image (by its ``subject`` field, by cosign's tags, by the tag that lists referrers) lives and
dies with it. A tag that points at what stays, stays: to take it away would free nothing.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Final

from airferry.oci import Digest, Manifest, Repository
from airferry.plan.lists.model import is_attachment_tag

PIN: Final = "airferry-pin"
"""The beginning of tags whose images are never removed, whatever is wanted."""

_RELEASE: Final = re.compile(r"\d+\.\d+\.\d+\S*-(?:x86_64|aarch64|ppc64le|s390x|multi)", re.ASCII)
"""The tag of a release, which begins those of its components. Source: what ``oc adm release mirror`` calls them."""

UNNAMED: Final = "no wanted set names it"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One name of a file. ``identity`` is that of its bytes, which ``links`` names share."""

    identity: str
    size_bytes: int
    links: int = 1


@dataclass(frozen=True, slots=True)
class Shelf:
    """All that is known of one repository.

    ``manifests`` could be read. ``opaque`` are there in a form that we do not know: what they need is not known, so
    nothing of the repository goes. ``files`` has every name on a disk, of blobs and manifests; a registry shows none.
    """

    repository: Repository
    tags: Mapping[str, Digest]
    manifests: Mapping[Digest, Manifest]
    opaque: Set[Digest] = frozenset()
    files: Mapping[Digest, tuple[StoredFile, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemovedManifest:
    """A manifest that goes, and why."""

    digest: Digest
    size_bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class RepositoryRemoval:
    """What goes from one repository, in the order of going: tags, then lists before their children, then blobs."""

    repository: Repository
    tags: tuple[tuple[str, Digest], ...] = ()
    manifests: tuple[RemovedManifest, ...] = ()
    blobs: tuple[Digest, ...] = ()
    kept_manifests: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing goes."""
        return not (self.tags or self.manifests or self.blobs)


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes from a place. ``freed_bytes`` counts what nothing that stays shares, each byte once.

    ``untouched`` are repositories that are left as they are, and why.
    """

    repositories: tuple[RepositoryRemoval, ...]
    freed_bytes: int
    untouched: tuple[tuple[Repository, str], ...] = ()

    @property
    def manifests(self) -> frozenset[tuple[Repository, Digest]]:
        """Every manifest that goes, each with its repository."""
        return frozenset((one.repository, manifest.digest) for one in self.repositories for manifest in one.manifests)


def pinned(shelf: Shelf) -> frozenset[Digest]:
    """Return the images that have a pin: a tag that begins with :data:`PIN`."""
    return frozenset(digest for tag, digest in shelf.tags.items() if tag.startswith(PIN))


def kept_of(shelf: Shelf, wanted: Iterable[Digest]) -> frozenset[Digest]:
    """Return the manifests that stay: wanted and pinned ones, children of lists, and all that is attached to any.

    A wanted digest that is not there is in it, too; it does no harm.
    """
    attached = _attachments(shelf)
    kept: set[Digest] = set()
    waiting = [*wanted, *pinned(shelf)]
    while waiting:
        digest = waiting.pop()
        if digest in kept:
            continue
        kept.add(digest)
        manifest = shelf.manifests.get(digest)
        waiting.extend(child.digest for child in (manifest.children if manifest is not None else ()))
        waiting.extend(attached.get(digest, ()))
    return frozenset(kept)


def plan_removal(
    shelves: Sequence[Shelf],
    wanted: Mapping[Repository, Set[Digest]],
    *,
    may_empty: Set[Repository] = frozenset(),
) -> Removal:
    """Return what goes from ``shelves`` when ``wanted`` (images, by repository) stays, with all that it leads to.

    A release leads to its components, by their tags. A repository in which nothing is wanted is left as it is, unless
    it is one of ``may_empty``.
    """
    releases = _release_tags(shelves, wanted)
    removals: list[RepositoryRemoval] = []
    untouched: list[tuple[Repository, str]] = []
    for shelf in sorted(shelves, key=lambda shelf: shelf.repository):
        roots = {*wanted.get(shelf.repository, ()), *pinned(shelf), *_components(shelf, releases)}
        if shelf.opaque:
            untouched.append((shelf.repository, f"what {min(shelf.opaque)} needs is not known"))
            continue
        if shelf.repository not in may_empty and not roots & shelf.manifests.keys():
            if shelf.manifests or shelf.files:
                untouched.append((shelf.repository, "nothing in it is wanted"))
            continue
        removals.append(_removal(shelf, kept_of(shelf, roots)))
    going = tuple(removal for removal in removals if not removal.is_empty)
    return Removal(going, freed_bytes(going, shelves), tuple(untouched))


def spare_what_moved(removal: RepositoryRemoval, shelf: Shelf, now: Shelf) -> RepositoryRemoval:
    """Return what may still go when the repository is as ``now``: tags may have moved since ``shelf`` was seen.

    ``now`` has every manifest of ``shelf``, besides what its tags have come to lead to. What a tag points at that did
    not point there, or is none of those that go, stays with all that it leads to. A tag that points elsewhere by now
    is left alone. Nothing goes where something new came whose needs are not known.
    """
    if now.opaque:
        return RepositoryRemoval(removal.repository, kept_manifests=removal.kept_manifests)
    known = set(removal.tags)
    roots = [digest for tag, digest in now.tags.items() if (tag, digest) not in known]
    kept = kept_of(replace(now, tags={**shelf.tags, **now.tags}), roots)
    needed = _needed(now, kept)
    return replace(
        removal,
        tags=tuple((tag, digest) for tag, digest in removal.tags if now.tags.get(tag) == digest and digest not in kept),
        manifests=tuple(manifest for manifest in removal.manifests if manifest.digest not in kept),
        blobs=tuple(digest for digest in removal.blobs if digest not in needed),
    )


def freed_bytes(removals: Sequence[RepositoryRemoval], shelves: Sequence[Shelf]) -> int:
    """Return how many bytes nothing needs any more once ``removals`` are done.

    On a disk those of files that lose all their names. In a registry those of content that no remaining manifest of
    ``shelves`` refers to, once its own collection has run.
    """
    by_repository = {removal.repository: removal for removal in removals}
    names: Counter[StoredFile] = Counter()
    leaving: dict[Digest, int] = {}
    staying: set[Digest] = set()
    for shelf in shelves:
        removal = by_repository.get(shelf.repository, RepositoryRemoval(shelf.repository))
        gone = {manifest.digest for manifest in removal.manifests}
        for digest in (*gone, *removal.blobs):
            names.update(shelf.files.get(digest, ()))
        for digest, manifest in shelf.manifests.items():
            if digest not in gone:
                staying |= {digest, *_parts(manifest)}
            elif not shelf.files:
                leaving |= {digest: manifest.size_bytes, **_parts(manifest)}
    on_disk = sum(file.size_bytes for file, count in names.items() if count >= file.links)
    return on_disk + sum(size for digest, size in leaving.items() if digest not in staying)


def _release_tags(shelves: Iterable[Shelf], wanted: Mapping[Repository, Set[Digest]]) -> tuple[str, ...]:
    """Return the tags of releases that stay, each with the dash that begins the names of its components."""
    return tuple(
        f"{tag}-"
        for shelf in shelves
        for tag, digest in shelf.tags.items()
        if _RELEASE.fullmatch(tag) and digest in {*wanted.get(shelf.repository, ()), *pinned(shelf)}
    )


def _components(shelf: Shelf, releases: tuple[str, ...]) -> set[Digest]:
    return {digest for tag, digest in shelf.tags.items() if releases and tag.startswith(releases)}


def _removal(shelf: Shelf, kept: Set[Digest]) -> RepositoryRemoval:
    going = {digest: manifest for digest, manifest in shelf.manifests.items() if digest not in kept}
    reasons = _reasons(shelf, going)
    needed = _needed(shelf, kept)
    return RepositoryRemoval(
        shelf.repository,
        tuple(sorted((tag, digest) for tag, digest in shelf.tags.items() if digest not in kept)),
        tuple(
            RemovedManifest(digest, going[digest].size_bytes, reasons.get(digest, UNNAMED))
            for digest in _parents_first(going)
        ),
        tuple(sorted(digest for digest in shelf.files if digest not in needed and digest not in going)),
        len(shelf.manifests) - len(going),
    )


def _needed(shelf: Shelf, kept: Set[Digest]) -> set[Digest]:
    """Return the kept manifests and every blob that they name, foreign layers included."""
    parts = (_parts(shelf.manifests[digest]) for digest in kept if digest in shelf.manifests)
    return {*kept}.union(*parts)


def _parts(manifest: Manifest) -> dict[Digest, int]:
    """Return the sizes of the blobs that a manifest names, by digest."""
    named = (*((manifest.config,) if manifest.config else ()), *manifest.layers)
    return {descriptor.digest: descriptor.size_bytes for descriptor in named}


def _attachments(shelf: Shelf) -> dict[Digest, list[Digest]]:
    """Return what is attached to each image, whether that is there or not."""
    found: dict[Digest, list[Digest]] = {}
    for digest, manifest in shelf.manifests.items():
        if manifest.subject is not None:
            found.setdefault(manifest.subject.digest, []).append(digest)
    tags = {tag: digest for tag, digest in shelf.tags.items() if is_attachment_tag(tag)}
    known = _known(shelf) if tags else []
    for tag, digest in tags.items():
        for subject in _subjects(tag, known):
            found.setdefault(subject, []).append(digest)
    return found


def _known(shelf: Shelf) -> list[Digest]:
    """Return every image that a repository knows of, sorted.

    One that is missing, or a child that was left out of a list, may have its signature there all the same.
    """
    listed = (child.digest for manifest in shelf.manifests.values() for child in manifest.children)
    return sorted({*shelf.manifests, *shelf.tags.values(), *listed})


def _subjects(tag: str, known: Sequence[Digest]) -> Iterator[Digest]:
    """Yield the images of ``known`` (sorted) that ``tag`` is of: several, where the digest in it is cut off."""
    algorithm, _, rest = tag.partition("-")
    text = f"{algorithm}:{rest.partition('.')[0]}"
    for index in range(bisect_left(known, text), len(known)):
        if not known[index].startswith(text):
            return
        yield known[index]


def _reasons(shelf: Shelf, going: Mapping[Digest, Manifest]) -> dict[Digest, str]:
    tagged = {digest for tag, digest in shelf.tags.items() if not is_attachment_tag(tag)}
    reasons: dict[Digest, str] = {}
    for digest, manifest in going.items():
        for child in manifest.children:
            if child.digest not in tagged:
                reasons[child.digest] = f"only in the list {digest}"
    for subject, attached in _attachments(shelf).items():
        fate = "which goes" if subject in going else "which is not there"
        reasons |= dict.fromkeys(attached, f"attached to {subject}, {fate}")
    return reasons


def _parents_first(manifests: Mapping[Digest, Manifest]) -> list[Digest]:
    """Return the digests so that each list stands before what it lists; else sorted."""
    listed = Counter(
        child for manifest in manifests.values() for child in {child.digest for child in manifest.children}
    )
    waiting = sorted((digest for digest in manifests if not listed[digest]), reverse=True)
    ordered: list[Digest] = []
    while waiting:
        digest = waiting.pop()
        ordered.append(digest)
        for child in sorted({child.digest for child in manifests[digest].children}, reverse=True):
            listed[child] -= 1
            if child in manifests and not listed[child]:
                waiting.append(child)
    return ordered
