"""The tree on disk that ``oc`` calls ``file://``, read and written.

The order in which things become durable, so that a power cut at any moment leaves no name without its content:

1. a blob's bytes reach the disk (fsync), then it is renamed into ``blobs``;
2. before a manifest gets its names, the names of everything in ``blobs`` reach the disk;
3. a manifest's bytes reach the disk, then it is renamed into ``blobs`` and linked into ``manifests``;
4. before a tag is pointed at it, those names reach the disk; the link appears under a temporary name and is
   renamed, so that a tag is never absent while it moves;
5. :meth:`TreePlace.close` waits for the last names.

Waiting for names is shared: one fsync of a folder covers every name that was made in it before.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from airferry.content.disk_calls import DiskCalls
from airferry.content.errors import DamagedError, NotFoundError
from airferry.content.filesystem import (
    PRIVATE,
    READABLE,
    LinkCalls,
    check_fitness,
    check_space,
    clear_temporaries,
    make_folders,
    reading,
    write_new,
    writing,
)
from airferry.content.partial import PartFile, Turns, UnsyncedFolders, Workspace, receive_blob
from airferry.content.protocol import BlobFetch, ByteStream
from airferry.content.referrers import ReferrerLists, by_subject
from airferry.content.stored import (
    DAMAGE_HINT,
    has_size,
    load_manifest,
    manifest_bytes,
    open_blob_file,
    open_in_thread,
    read_file,
)
from airferry.content.tree_folder import STALE_SUFFIX, TreeFolder
from airferry.content.tree_tags import TreeTags
from airferry.errors import AirferryError, UnsupportedError
from airferry.oci import Descriptor, Digest, Manifest, Place, PlaceKind
from airferry.oci.digest import check_content, is_digest
from airferry.oci.reference import is_tag

_T = TypeVar("_T")


class TreePlace:
    """A folder that holds repositories as ``oc`` writes them: a source, a sink, mounting and reserving.

    Only what is written needs the folder to exist or be writable. The first write takes the folder's lock, checks
    that the file system is fit (with ``calls``, for tests) and clears what crashed runs left; :meth:`close` gives
    the lock back. With ``private`` new files are readable by their owner alone. What stays besides ``v2``:
    ``airferry/`` (our own records), and ``.airferry/partial`` while a blob is unfinished.
    """

    def __init__(self, folder: Path, *, private: bool = False, calls: LinkCalls | None = None) -> None:
        self.place = Place(PlaceKind.TREE, str(folder))
        self.folder = TreeFolder(folder)
        self._modes = PRIVATE if private else READABLE
        self._workspace = Workspace(folder, self._modes)
        self._calls = calls
        self._open = False
        self._opening = asyncio.Lock()
        self._turns = Turns()
        self._unsynced = UnsyncedFolders()
        self._tags = TreeTags(self.folder, self._workspace, self._unsynced)
        self._short_calls = DiskCalls()
        self._referrers = ReferrerLists(lambda path: self._read_much(lambda: by_subject(self._whole_manifests(path))))

    # ContentSource

    async def resolve_tag(self, path: str, tag: str) -> Digest:
        """Return what the tree, or else our own index in it, says ``tag`` points at. Raises NotFoundError."""
        return await self._read(lambda: self._resolve(path, tag))

    async def read_manifest(self, path: str, target: str) -> Manifest:
        """Return the manifest at ``target`` after its bytes were checked.

        Raises NotFoundError; DamagedError names the file when its bytes are wrong, or the tag whose manifest is gone.
        """
        return await self._read(lambda: self._load_manifest(path, target))

    @asynccontextmanager
    async def open_blob(self, path: str, blob: Descriptor, offset: int = 0) -> AsyncIterator[ByteStream]:
        """Open the blob's file. Entering raises NotFoundError, or DamagedError when the file has another size."""

        def opening() -> BufferedReader:
            with reading(self.folder.root):
                return self._open_file(path, blob, offset)

        content = await open_in_thread(opening)
        try:
            yield read_file(content)
        finally:
            content.close()

    async def list_tags(self, path: str) -> tuple[str, ...]:
        """Return all tags, also those that only our own index knows. Raises NotFoundError."""
        return await self._read_much(lambda: tuple(sorted(self._existing(path).tags(path))))

    async def list_referrers(self, path: str, subject: Digest) -> tuple[Descriptor, ...]:
        """Return what refers to ``subject``. The repository's manifests are read once; damaged ones are passed over."""
        return await self._referrers.of(path, subject)

    async def list_repositories(self) -> tuple[str, ...]:
        """Return the names of all repositories in the tree, sorted."""
        return await self._read_much(self.folder.repositories)

    # ContentSink

    async def has_blob(self, path: str, blob: Descriptor) -> bool:
        """Whether the blob's own file is there with its size."""
        return await self._read(lambda: has_size(self._blob(path, blob.digest), blob.size_bytes))

    async def has_manifest(self, path: str, digest: Digest) -> bool:
        """Whether the manifest has both its names and its bytes are whole."""
        return await self._read(lambda: self._holds_manifest(path, digest))

    async def tag_digest(self, path: str, tag: str) -> Digest | None:
        """Return what the tag's link points at; our own index is not asked, so that a lost link is made again."""
        return await self._read(lambda: self.folder.tag_digest(path, tag))

    async def write_blob(self, path: str, blob: Descriptor, fetch: BlobFetch) -> None:
        """Store the blob, going on from a part that an earlier run kept.

        Raises ContentMismatchError, NoSpaceError and ReadOnlyError (the part is kept), and what ``fetch`` raises.
        """
        await self._prepare()
        async with self._turns.of(blob.digest):
            file = self._blob(path, blob.digest)
            part = PartFile(self._workspace.part(blob.digest), blob, self._modes.file)
            there, kept = await self._read(lambda: (has_size(file, blob.size_bytes), part.is_kept()))
            if not there:
                await receive_blob(part, blob, fetch, lambda whole: self._name_blob(whole, file), kept=kept)

    async def write_manifest(self, path: str, manifest: Manifest) -> None:
        """Store the manifest under both its names, after every name it may rely on is durable."""
        check_content(manifest.raw, manifest.digest)
        await self._prepare()
        await asyncio.to_thread(self._store_manifest, path, manifest)
        self._referrers.forget(path)

    async def write_tag(self, path: str, tag: str, manifest: Manifest) -> None:
        """Point the tag at the manifest. Raises UnsupportedError for a tag that ``oc`` takes for its own leavings."""
        if not is_tag(tag) or tag.endswith(STALE_SUFFIX):
            raise UnsupportedError(f"a tree on disk cannot hold the tag {tag!r}")
        await self._prepare()
        await self._tags.write(path, tag, manifest.digest)

    async def close(self) -> None:
        """Make the last names durable, remove the private folder if no blob is unfinished, let go of the lock."""
        async with self._opening:
            if self._open:
                try:
                    await asyncio.to_thread(self._finish)
                finally:
                    self._open = False
                    await asyncio.to_thread(self._workspace.close)

    # Mounting, Reserving

    async def mount_blob(self, path: str, blob: Descriptor, from_path: str) -> bool:
        """Give the blob of ``from_path`` a second name by a hard link; False when it is not there or cannot."""
        await self._prepare()
        async with self._turns.of(blob.digest):
            return await asyncio.to_thread(self._link_blob, path, blob, from_path)

    async def reserve(self, size_bytes: int) -> None:
        """Take the lock and make sure that ``size_bytes`` fit, less what earlier runs have kept of them.

        Raises NoSpaceError, ReadOnlyError, UnfitFilesystemError, InUseError.
        """
        await self._prepare()
        await asyncio.to_thread(self._check_space, size_bytes)

    # In threads

    async def _read(self, call: Callable[[], _T]) -> _T:
        """Make a short call, together with those that others make at the same time."""
        return await self._short_calls.make(partial(self._guarded, call))

    async def _read_much(self, call: Callable[[], _T]) -> _T:
        return await asyncio.to_thread(self._guarded, call)

    def _guarded(self, call: Callable[[], _T]) -> _T:
        with reading(self.folder.root):
            return call()

    def _existing(self, path: str) -> TreeFolder:
        if not self.folder.exists(path):
            raise NotFoundError(
                f"there is no repository {path!r} in {self.folder.root}",
                hint="`airferry media info` lists what a tree holds",
            )
        return self.folder

    def _resolve(self, path: str, tag: str) -> Digest:
        folder = self._existing(path)
        digest = folder.tag_digest(path, tag) or folder.indexed_tags(path).get(tag)
        if digest is None:
            raise NotFoundError(f"{folder.root} has no tag {tag!r} in {path}")
        return digest

    def _load_manifest(self, path: str, target: str) -> Manifest:
        by_digest = is_digest(target)
        digest = Digest.parse(target) if by_digest else self._resolve(path, target)
        file = self._existing(path).blob_file(path, digest)
        if file is None and not by_digest:
            file = self.folder.tag_file(path, target)
            if file is None:
                raise DamagedError(
                    f"the tag {target!r} of {path} in {self.folder.root} points at {digest}, which is missing",
                    hint=DAMAGE_HINT,
                )
        if file is None:
            raise NotFoundError(f"{self.folder.root} has no manifest {digest} in {path}")
        return load_manifest(file, digest)

    def _whole_manifests(self, path: str) -> Iterator[Manifest]:
        if not self.folder.exists(path):
            return
        for digest, file in self.folder.manifest_digests(path).items():
            try:
                yield load_manifest(file, digest)
            except AirferryError:
                continue  # what cannot be read refers to nothing; verifying the tree names it

    def _open_file(self, path: str, blob: Descriptor, offset: int) -> BufferedReader:
        file = self._existing(path).blob_file(path, blob.digest)
        if file is None:
            raise NotFoundError(f"{self.folder.root} has no blob {blob.digest} in {path}", hint=DAMAGE_HINT)
        return open_blob_file(file, blob, offset)

    def _blob(self, path: str, digest: Digest) -> Path:
        return self.folder.blobs(path) / digest

    def _holds_manifest(self, path: str, digest: Digest) -> bool:
        blob, link = self._blob(path, digest), self.folder.manifests(path) / digest
        raw = manifest_bytes(blob) if link.is_file() else None
        return raw is not None and Digest.of(raw, digest.algorithm) == digest

    async def _prepare(self) -> None:
        async with self._opening:
            if not self._open:
                await asyncio.to_thread(self._begin)
                self._open = True

    def _begin(self) -> None:
        self._workspace.open()
        try:
            # Where the next run clears up, should this one be killed in the middle of it.
            check_fitness(self._workspace.temporary().parent, self._calls)
            with writing(self.folder.root):
                for stale in self.folder.stale_names():
                    stale.unlink()
                for path in self.folder.repositories():
                    clear_temporaries(self.folder.tag_index(path).parent)
        except BaseException:
            self._workspace.close()
            raise

    def _check_space(self, size_bytes: int) -> None:
        with writing(self.folder.root):
            check_space(self.folder.root, max(0, size_bytes - self._workspace.kept_bytes()))

    def _make_repository(self, path: str) -> None:
        for folder in (self.folder.blobs(path), self.folder.manifests(path)):
            self._unsynced.add(*make_folders(folder, self._modes.folder))

    def _name_blob(self, whole: Path, blob: Path) -> None:
        self._unsynced.add(*make_folders(blob.parent, self._modes.folder))
        whole.replace(blob)
        self._unsynced.add(blob.parent)

    def _link_blob(self, path: str, blob: Descriptor, from_path: str) -> bool:
        source, target = self._blob(from_path, blob.digest), self._blob(path, blob.digest)
        if has_size(target, blob.size_bytes):
            return True
        if not has_size(source, blob.size_bytes):
            return False
        temporary = self._workspace.temporary()
        try:
            temporary.hardlink_to(source)
        except OSError:
            return False  # another file system, or too many links: the caller copies
        with writing(target):
            self._name_blob(temporary, target)
        return True

    def _store_manifest(self, path: str, manifest: Manifest) -> None:
        self._unsynced.sync()
        blob, link = self._blob(path, manifest.digest), self.folder.manifests(path) / manifest.digest
        if self._holds_manifest(path, manifest.digest):
            return
        with writing(blob):
            self._make_repository(path)
            if manifest_bytes(blob) != manifest.raw:
                temporary = self._workspace.temporary()
                write_new(temporary, manifest.raw, self._modes.file)
                temporary.replace(blob)
            second_name = self._workspace.temporary()
            second_name.hardlink_to(blob)
            second_name.replace(link)
            # Renaming a file onto another name of itself does nothing at all, and leaves the first name behind.
            second_name.unlink(missing_ok=True)
            self._unsynced.add(blob.parent, link.parent)

    def _finish(self) -> None:
        self._tags.finish()
        self._unsynced.sync()
