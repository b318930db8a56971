"""An OCI image layout in a folder, read and written. A layout is one repository, with the path "".

Written in the same order as a tree on disk: content, its names, then ``index.json``, which is replaced at once.
Sources: OCI image-spec image-layout.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from airferry.content.errors import DamagedError, NotFoundError
from airferry.content.filesystem import (
    READABLE,
    check_space,
    make_folders,
    reading,
    replace_file,
    write_new,
    writing,
)
from airferry.content.layout_index import LayoutIndex
from airferry.content.partial import PartFile, Turns, UnsyncedFolders, Workspace, receive_blob
from airferry.content.protocol import BlobFetch, ByteStream
from airferry.content.referrers import ReferrerLists, by_subject
from airferry.content.stored import has_size, load_manifest, open_blob_file, open_in_thread, read_file
from airferry.errors import AirferryError, MalformedError, UnsupportedError
from airferry.oci import Descriptor, Digest, Manifest, Place, PlaceKind, mediatype
from airferry.oci.digest import check_content, is_digest
from airferry.oci.reference import is_tag

_VERSION: Final = "1.0.0"
_HEADER: Final = msgspec.json.encode({"imageLayoutVersion": _VERSION})
_T = TypeVar("_T")


class LayoutPlace:
    """A folder with ``oci-layout``, ``index.json`` and ``blobs``: a source, a sink and reserving.

    Tags are the ``org.opencontainers.image.ref.name`` annotations of ``index.json``. A manifest is readable by
    digest when its blob is there, listed or not. The first write takes the folder's lock until :meth:`close`.
    """

    def __init__(self, folder: Path) -> None:
        self.place = Place(PlaceKind.LAYOUT, str(folder))
        self._root = folder
        self._workspace = Workspace(folder, READABLE)
        self._open = False
        self._opening = asyncio.Lock()
        self._indexing = asyncio.Lock()
        self._turns = Turns()
        self._unsynced = UnsyncedFolders()
        self._referrers = ReferrerLists(lambda path: self._read(lambda: by_subject(self._reachable(path))))

    # ContentSource

    async def resolve_tag(self, path: str, tag: str) -> Digest:
        """Return what the name in ``index.json`` points at. Raises NotFoundError."""
        digest = (await self._read(lambda: self._index(path))).tags().get(tag)
        if digest is None:
            raise NotFoundError(f"the layout {self._root} has no image named {tag!r}")
        return digest

    async def read_manifest(self, path: str, target: str) -> Manifest:
        """Return the manifest at ``target`` after its bytes were checked. Raises NotFoundError, DamagedError."""
        return await self._read(lambda: self._load_manifest(path, target))

    @asynccontextmanager
    async def open_blob(self, path: str, blob: Descriptor, offset: int = 0) -> AsyncIterator[ByteStream]:
        """Open the blob's file. Entering raises NotFoundError, or DamagedError when the file has another size."""

        def opening() -> BufferedReader:
            with reading(self._root):
                return open_blob_file(self._existing(path, blob.digest), blob, offset)

        content = await open_in_thread(opening)
        try:
            yield read_file(content)
        finally:
            content.close()

    async def list_tags(self, path: str) -> tuple[str, ...]:
        """Return the names in ``index.json`` that are tags by the distribution-spec's grammar, sorted."""
        tags = (await self._read(lambda: self._index(path))).tags()
        return tuple(sorted(tag for tag in tags if is_tag(tag)))

    async def list_referrers(self, path: str, subject: Digest) -> tuple[Descriptor, ...]:
        """Return what refers to ``subject`` among all that ``index.json`` leads to, which is read once."""
        return await self._referrers.of(path, subject)

    async def list_repositories(self) -> tuple[str, ...]:
        """Return the one repository of a layout."""
        return ("",)

    async def list_images(self) -> tuple[Descriptor, ...]:
        """Return every entry of ``index.json``, also those without a name, which no tag leads to."""
        return (await self._read(lambda: self._index(""))).entries

    # ContentSink

    async def has_blob(self, path: str, blob: Descriptor) -> bool:
        """Whether the blob is there with its size."""
        return await self._read(lambda: has_size(self._blob(blob.digest), blob.size_bytes))

    async def has_manifest(self, path: str, digest: Digest) -> bool:
        """Whether the manifest is there whole, and listed in ``index.json`` or in an index that is."""
        return await self._read(lambda: self._is_listed(path, digest))

    async def tag_digest(self, path: str, tag: str) -> Digest | None:
        """Return what the name points at, None without it."""
        if not await self._read((self._root / "index.json").exists):
            return None
        return (await self._read(lambda: self._index(path))).tags().get(tag)

    async def write_blob(self, path: str, blob: Descriptor, fetch: BlobFetch) -> None:
        """Store the blob, going on from a part that an earlier run kept."""
        _check_path(path)
        await self._prepare()
        async with self._turns.of(blob.digest):
            file, part = self._blob(blob.digest), PartFile(self._workspace.part(blob.digest), blob, READABLE.file)
            there, kept = await self._read(lambda: (has_size(file, blob.size_bytes), part.is_kept()))
            if not there:
                await receive_blob(part, blob, fetch, lambda whole: self._name(whole, file), kept=kept)

    async def write_manifest(self, path: str, manifest: Manifest) -> None:
        """Store the manifest and list it in ``index.json``, without a name, unless an index there lists it."""
        _check_path(path)
        check_content(manifest.raw, manifest.digest)
        await self._prepare()
        await asyncio.to_thread(self._store_manifest, manifest)
        await self._change(lambda index: index.with_manifest(manifest), unless_reachable=manifest.digest)

    async def write_tag(self, path: str, tag: str, manifest: Manifest) -> None:
        """Name the manifest in ``index.json``; an image that had this name stays listed without it."""
        _check_path(path)
        if not is_tag(tag):
            raise UnsupportedError(f"{tag!r} is not a tag")
        await self._prepare()
        await self._change(lambda index: index.with_tag(tag, manifest))

    async def close(self) -> None:
        """Make the last names durable and let go of the lock."""
        async with self._opening:
            if self._open:
                try:
                    await asyncio.to_thread(self._unsynced.sync)
                finally:
                    self._open = False
                    await asyncio.to_thread(self._workspace.close)

    async def reserve(self, size_bytes: int) -> None:
        """Take the lock and make sure that ``size_bytes`` fit. Raises NoSpaceError, ReadOnlyError, InUseError."""
        await self._prepare()
        await asyncio.to_thread(self._check_space, size_bytes)

    # In threads

    async def _read(self, call: Callable[[], _T]) -> _T:
        def guarded() -> _T:
            with reading(self._root):
                return call()

        return await asyncio.to_thread(guarded)

    def _blob(self, digest: Digest) -> Path:
        return self._root / "blobs" / digest.algorithm / digest.hex

    def _existing(self, path: str, digest: Digest) -> Path:
        _check_path(path)
        file = self._blob(digest)
        if not file.is_file():
            raise NotFoundError(f"the layout {self._root} has no blob {digest}")
        return file

    def _index(self, path: str) -> LayoutIndex:
        _check_path(path)
        file = self._root / "index.json"
        try:
            return LayoutIndex.parse(file.read_bytes(), str(file))
        except FileNotFoundError:
            raise NotFoundError(
                f"{self._root} is not an OCI image layout: it has no index.json",
                hint="oci:// takes a folder that holds oci-layout, index.json and blobs",
            ) from None

    def _load_manifest(self, path: str, target: str) -> Manifest:
        index = self._index(path)
        if is_digest(target):
            digest = Digest.parse(target)
            file = self._existing(path, digest)
        else:
            found = index.tags().get(target)
            if found is None:
                raise NotFoundError(f"the layout {self._root} has no image named {target!r}")
            digest, file = found, self._blob(found)
            if not file.is_file():
                raise DamagedError(f"the layout {self._root} names {target!r} as {digest}, which is missing")
        said = next((entry.media_type for entry in index.entries if entry.digest == digest), None)
        return load_manifest(file, digest, said)

    def _is_listed(self, path: str, digest: Digest) -> bool:
        try:
            load_manifest(self._blob(digest), digest)
        except AirferryError:
            return False
        return any(descriptor.digest == digest for descriptor, _ in self._walk(path, mediatype.is_index))

    def _reachable(self, path: str) -> Iterator[Manifest]:
        for _, manifest in self._walk(path, mediatype.is_manifest):
            if manifest is not None:
                yield manifest

    def _walk(self, path: str, opens: Callable[[str], bool]) -> Iterator[tuple[Descriptor, Manifest | None]]:
        """Yield all that ``index.json`` leads to, each once, however nested or looped.

        The manifest comes with a descriptor whose media type ``opens`` and whose content is whole.
        """
        if not (self._root / "index.json").exists():
            return
        waiting, seen = list(self._index(path).entries), set[Digest]()
        while waiting:
            descriptor = waiting.pop()
            if descriptor.digest in seen:
                continue
            seen.add(descriptor.digest)
            manifest = None
            if opens(descriptor.media_type):
                with suppress(AirferryError):  # what is damaged or missing leads nowhere
                    manifest = load_manifest(self._blob(descriptor.digest), descriptor.digest, descriptor.media_type)
            yield descriptor, manifest
            waiting.extend(manifest.children if manifest is not None else ())

    async def _prepare(self) -> None:
        async with self._opening:
            if not self._open:
                await asyncio.to_thread(self._begin)
                self._open = True

    def _begin(self) -> None:
        self._workspace.open()
        try:
            self._make_layout()
        except BaseException:
            self._workspace.close()
            raise

    def _make_layout(self) -> None:
        header, index = self._root / "oci-layout", self._root / "index.json"
        with writing(self._root):
            self._unsynced.add(*make_folders(self._root / "blobs" / "sha256", READABLE.folder))
            if header.exists():
                _check_version(header)
            else:
                replace_file(header, _HEADER, READABLE.file)
            if not index.exists():
                replace_file(index, LayoutIndex.empty().encode(), READABLE.file)
            self._unsynced.add(self._root)

    def _check_space(self, size_bytes: int) -> None:
        with writing(self._root):
            check_space(self._root, max(0, size_bytes - self._workspace.kept_bytes()))

    def _name(self, whole: Path, blob: Path) -> None:
        self._unsynced.add(*make_folders(blob.parent, READABLE.folder))
        whole.replace(blob)
        self._unsynced.add(blob.parent)

    def _store_manifest(self, manifest: Manifest) -> None:
        self._unsynced.sync()
        blob = self._blob(manifest.digest)
        with writing(blob):
            if blob.is_file() and blob.read_bytes() == manifest.raw:
                return
            temporary = self._workspace.temporary()
            write_new(temporary, manifest.raw, READABLE.file)
            self._name(temporary, blob)

    async def _change(
        self, change: Callable[[LayoutIndex], LayoutIndex], unless_reachable: Digest | None = None
    ) -> None:
        await asyncio.to_thread(self._unsynced.sync)
        async with self._indexing:
            if unless_reachable is None or not await self.has_manifest("", unless_reachable):
                await asyncio.to_thread(self._write_index, change)
                self._referrers.forget("")

    def _write_index(self, change: Callable[[LayoutIndex], LayoutIndex]) -> None:
        file = self._root / "index.json"
        with writing(file):
            replace_file(file, change(self._index("")).encode(), READABLE.file)
            self._unsynced.add(self._root)


def _check_path(path: str) -> None:
    if path:
        raise NotFoundError(f"an OCI image layout is one repository without a name, not {path!r}")


def _check_version(header: Path) -> None:
    try:
        fields = msgspec.json.decode(header.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedError(f"{header} is not JSON: {error}") from error
    version = fields.get("imageLayoutVersion") if isinstance(fields, dict) else None
    if version != _VERSION:
        raise UnsupportedError(f"{header} says version {version!r}; airferry writes {_VERSION}")
