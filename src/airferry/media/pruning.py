"""What is on a disk, as pruning wants to know it, and taking away what nobody wants. Blocks.

The order in which names go, so that a kill or a power cut at any moment loses nothing that is wanted, and the same
removal again finishes: tags, then manifests, then blobs, each durable before the next.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from airferry.content.errors import DamagedError, NotFoundError
from airferry.content.filesystem import READABLE, reading, replace_file, sync_folder, writing
from airferry.content.layout_index import LayoutIndex
from airferry.content.partial import Workspace
from airferry.content.stored import load_manifest
from airferry.content.tree_folder import TreeFolder, digest_of_name, names_in
from airferry.errors import AirferryError, UnsupportedError
from airferry.media.images import read_images
from airferry.oci import Digest, Manifest, Place, PlaceKind, Repository, mediatype
from airferry.oci.digest import is_digest
from airferry.plan.pruning import RepositoryRemoval, Shelf, StoredFile

_HINT: Final = "`airferry media verify` names what is damaged; nothing was removed"
Removed = Callable[[], None]
"""Called for every name that is gone."""


@contextmanager
def held(root: Path) -> Iterator[None]:
    """Keep other writers away from the disk while the block lasts. Raises InUseError, ReadOnlyError, NotFoundError."""
    if not root.is_dir():
        raise NotFoundError(f"there is no folder {root}")
    workspace = Workspace(root, READABLE)
    workspace.open()
    try:
        yield
    finally:
        workspace.close()


def tree_shelves(folder: TreeFolder) -> tuple[Shelf, ...]:
    """Return every repository of a tree. Raises DamagedError for a manifest that cannot be read.

    What it needs is not known, so nothing could be called unneeded.
    """
    with reading(folder.root):
        (folder.root / "v2").stat()
        return tuple(_tree_shelf(folder, path) for path in folder.repositories())


def layout_shelf(root: Path) -> Shelf:
    """Return the one repository of an OCI layout. Raises NotFoundError, and DamagedError as for trees."""
    with reading(root):
        index = _read_index(root)
        files = {digest: (_stored(file),) for digest, file in _layout_files(root)}
        manifests: dict[Digest, Manifest] = {}
        opaque: set[Digest] = set()
        waiting = list(index.entries)
        while waiting:
            descriptor = waiting.pop()
            file = root / "blobs" / descriptor.digest.algorithm / descriptor.digest.hex
            if descriptor.digest in manifests or descriptor.digest not in files:
                continue
            if not mediatype.is_manifest(descriptor.media_type):
                opaque.add(descriptor.digest)
                continue
            manifests[descriptor.digest] = _whole(file, descriptor.digest, descriptor.media_type)
            waiting.extend(manifests[descriptor.digest].children)
    return Shelf(Repository(Place(PlaceKind.LAYOUT, str(root)), ""), index.tags(), manifests, opaque, files)


def prune_tree(folder: TreeFolder, removal: RepositoryRemoval, on_removed: Removed) -> None:
    """Take away what ``removal`` names from a tree that is :func:`held`. Raises ReadOnlyError."""
    path = removal.repository.path
    manifests, blobs = folder.manifests(path), folder.blobs(path)
    for tag, digest in removal.tags:
        # A tag that points elsewhere by now is somebody's.
        if folder.tag_digest(path, tag) == digest:
            _unlink(manifests / tag, on_removed)
    _forget_tags(folder, path, dict(removal.tags))
    _sync(manifests)
    going = [manifest.digest for manifest in removal.manifests]
    for place in (manifests, blobs):
        _unlink_digests(place, going, on_removed)
        _sync(place)
    for place in (manifests, blobs):
        _unlink_digests(place, removal.blobs, on_removed)
        _sync(place)
    _remove_empty(folder, path)


def prune_layout(root: Path, removal: RepositoryRemoval, on_removed: Removed) -> None:
    """Take away what ``removal`` names from a layout that is :func:`held`. Raises ReadOnlyError."""
    going = [manifest.digest for manifest in removal.manifests]
    gone = {*going, *(digest for _, digest in removal.tags)}
    index = _read_index(root)
    file = root / "index.json"
    with writing(file):
        replace_file(file, index.without(gone).encode(), READABLE.file)
        sync_folder(root)
    for digests in (going, removal.blobs):
        for digest in digests:
            _unlink(root / "blobs" / digest.algorithm / digest.hex, on_removed)
        for folder in sorted({root / "blobs" / digest.algorithm for digest in digests}):
            _sync(folder)


def _tree_shelf(folder: TreeFolder, path: str) -> Shelf:
    images = read_images(folder, path)
    unreadable = sorted(images.manifest_files - images.manifests.keys())
    if unreadable:
        raise DamagedError(
            f"the manifest {unreadable[0]} of {path} in {folder.root} cannot be read, so what it needs is not known",
            hint=_HINT,
        )
    files = {digest: tuple(map(_stored, files)) for digest, files in images.files.items()}
    repository = Repository(Place(PlaceKind.TREE, str(folder.root)), path)
    return Shelf(repository, images.tags, images.manifests, frozenset(), files)


def _stored(file: Path) -> StoredFile:
    status = file.stat()
    return StoredFile(f"{status.st_dev}:{status.st_ino}", status.st_size, status.st_nlink)


def _whole(file: Path, digest: Digest, media_type: str) -> Manifest:
    try:
        return load_manifest(file, digest, media_type)
    except UnsupportedError:
        raise
    except AirferryError as error:
        raise DamagedError(f"{file} cannot be read, so what it needs is not known", hint=_HINT) from error


def _read_index(root: Path) -> LayoutIndex:
    file = root / "index.json"
    try:
        return LayoutIndex.parse(file.read_bytes(), str(file))
    except FileNotFoundError:
        raise NotFoundError(f"{root} is not an OCI image layout: it has no index.json") from None


def _layout_files(root: Path) -> Iterator[tuple[Digest, Path]]:
    for algorithm in names_in(root / "blobs"):
        for name in names_in(root / "blobs" / algorithm):
            if is_digest(text := f"{algorithm}:{name}"):
                yield Digest(text), root / "blobs" / algorithm / name


def _unlink(file: Path, on_removed: Removed) -> None:
    with writing(file), suppress(FileNotFoundError):
        file.unlink()
        on_removed()


def _unlink_digests(place: Path, digests: Sequence[Digest], on_removed: Removed) -> None:
    """Remove every file named for one of ``digests``, in their order."""
    named: dict[Digest | None, list[str]] = {}
    for name in names_in(place) if digests else ():
        named.setdefault(digest_of_name(name), []).append(name)
    for digest in digests:
        for name in named.get(digest, ()):
            # A tag may be spelled like a digest; links are tags.
            if not (place / name).is_symlink():
                _unlink(place / name, on_removed)


def _sync(folder: Path) -> None:
    if folder.is_dir():
        with writing(folder):
            sync_folder(folder)


def _forget_tags(folder: TreeFolder, path: str, gone: dict[str, Digest]) -> None:
    """Take the tags out of our own copy of them, which would bring them back."""
    file = folder.tag_index(path)
    tags = folder.indexed_tags(path)
    kept = {tag: str(digest) for tag, digest in sorted(tags.items()) if gone.get(tag) != digest}
    if len(kept) == len(tags) or not file.exists():
        return
    content = msgspec.json.format(msgspec.json.encode({"repository": path, "tags": kept}), indent=1) + b"\n"
    with writing(file):
        if kept:
            replace_file(file, content, file.stat().st_mode & 0o777)
        else:
            file.unlink()
        sync_folder(file.parent)


def _remove_empty(folder: TreeFolder, path: str) -> None:
    """Remove the folders of a repository that holds nothing any more, and those around it."""
    for place in (folder.blobs(path), folder.manifests(path), folder.tag_index(path).parent):
        with suppress(OSError):
            place.rmdir()
    place = folder.repository(path)
    while place != folder.root / "v2":
        try:
            place.rmdir()
        except OSError:
            return
        place = place.parent
