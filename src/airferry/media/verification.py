"""Whether everything on a medium is whole: every byte hashed, every bad file named with the images it breaks."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from airferry.content.filesystem import reading
from airferry.content.tree_folder import TreeFolder
from airferry.errors import AirferryError
from airferry.media.images import RepositoryImages, read_images
from airferry.oci import Digest, Manifest
from airferry.oci.digest import new_hasher
from airferry.oci.manifest import MAX_MANIFEST_BYTES

_AT_ONCE: Final = 2
"""Disks that are carried about are slow and dislike seeking."""
_READ_BYTES: Final = 1024 * 1024


class FaultKind(StrEnum):
    """What is wrong with a blob or manifest."""

    CHANGED = "changed"
    """The size is right or unknown, the bytes are not."""
    TRUNCATED = "truncated"
    TOO_LONG = "too-long"
    EMPTY = "empty"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    NOT_A_MANIFEST = "not-a-manifest"
    """The bytes are what the digest promises, but no manifest that we know."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One bad blob or manifest in one repository. ``file`` is where it is or should be."""

    kind: FaultKind
    repository: str
    digest: Digest
    file: str
    detail: str

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data with stable keys."""
        return {
            "kind": self.kind.value,
            "repository": self.repository,
            "digest": self.digest,
            "file": self.file,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class BrokenImage:
    """An image that cannot be pulled whole: ``tag`` is None for one by digest only; ``faults`` are digests."""

    repository: str
    tag: str | None
    digest: Digest
    faults: tuple[Digest, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data with stable keys."""
        return {
            "repository": self.repository,
            "tag": self.tag,
            "digest": self.digest,
            "faults": list(self.faults),
        }

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}@{self.digest}" if self.tag else f"{self.repository}@{self.digest}"


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome. ``files`` and ``size_bytes`` count what was hashed; files shared by links count once.

    ``dangling_tags`` are (repository, tag) whose manifest is not there; they are among ``broken`` as well.
    """

    folder: str
    repositories: int
    images: int
    files: int
    size_bytes: int
    faults: tuple[Fault, ...]
    broken: tuple[BrokenImage, ...]
    dangling_tags: tuple[tuple[str, str], ...]

    @property
    def whole(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.faults and not self.broken

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data with stable keys, and ``whole``."""
        return {
            "whole": self.whole,
            "folder": self.folder,
            "repositories": self.repositories,
            "images": self.images,
            "files": self.files,
            "sizeBytes": self.size_bytes,
            "faults": [fault.as_json() for fault in self.faults],
            "broken": [image.as_json() for image in self.broken],
            "danglingTags": [{"repository": repository, "tag": tag} for repository, tag in self.dangling_tags],
        }


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    """How far hashing has come."""

    done_files: int
    total_files: int
    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class _Hashed:
    digest: Digest | None
    size_bytes: int
    trouble: str = ""


_FileKey = tuple[int, int, str]


async def verify(folder: TreeFolder, on_progress: Callable[[VerifyProgress], None] | None = None) -> Verification:
    """Hash every blob and manifest of the tree and say what is wrong. Nothing is changed.

    ``on_progress`` is called on the event loop after every file. Raises NotFoundError when there is no tree, and
    DeniedError when its folders cannot be listed; files that cannot be read are faults.
    """
    repositories = await asyncio.to_thread(_read_all, folder)
    files = await asyncio.to_thread(_distinct_files, repositories)
    hashed = await _hash_all(files, on_progress or (lambda progress: None))
    return await asyncio.to_thread(_judge, folder, repositories, hashed)


def _read_all(folder: TreeFolder) -> tuple[RepositoryImages, ...]:
    with reading(folder.root):
        (folder.root / "v2").stat()
        return tuple(read_images(folder, path) for path in folder.repositories())


def _key(file: Path, digest: Digest) -> _FileKey:
    status = file.stat()
    return status.st_dev, status.st_ino, digest.algorithm


def _distinct_files(repositories: tuple[RepositoryImages, ...]) -> dict[_FileKey, tuple[Path, Digest, int]]:
    found: dict[_FileKey, tuple[Path, Digest, int]] = {}
    for images in repositories:
        for digest, files in images.files.items():
            for file in files:
                found.setdefault(_key(file, digest), (file, digest, file.stat().st_size))
    return found


async def _hash_all(
    files: Mapping[_FileKey, tuple[Path, Digest, int]], on_progress: Callable[[VerifyProgress], None]
) -> dict[_FileKey, _Hashed]:
    total_bytes = sum(size for _, _, size in files.values())
    hashed: dict[_FileKey, _Hashed] = {}
    waiting = iter(files.items())
    done_bytes = 0

    async def worker() -> None:
        nonlocal done_bytes
        for key, (file, digest, size) in waiting:
            hashed[key] = await asyncio.to_thread(_hash, file, digest.algorithm)
            done_bytes += size
            on_progress(VerifyProgress(len(hashed), len(files), done_bytes, total_bytes))

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(worker())
    return hashed


def _hash(file: Path, algorithm: str) -> _Hashed:
    hasher, size = new_hasher(algorithm), 0
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while block := os.read(handle, _READ_BYTES):
                hasher.update(block)
                size += len(block)
        finally:
            os.close(handle)
    except OSError as error:
        return _Hashed(None, size, error.strerror or str(error))
    return _Hashed(Digest(f"{algorithm}:{hasher.hexdigest()}"), size)


def _judge(
    folder: TreeFolder, repositories: tuple[RepositoryImages, ...], hashed: Mapping[_FileKey, _Hashed]
) -> Verification:
    faults: list[Fault] = []
    broken: list[BrokenImage] = []
    dangling: list[tuple[str, str]] = []
    for images in repositories:
        found = {fault.digest: fault for fault in _faults(folder, images, hashed)}
        faults += found.values()
        for tag, root in images.roots:
            needed = (root, *(descriptor.digest for descriptor, _ in images.reachable(root)))
            if bad := tuple(digest for digest in needed if digest in found):
                broken.append(BrokenImage(images.path, tag, root, bad))
            if tag is not None and root not in images.files:
                dangling.append((images.path, tag))
    return Verification(
        folder=str(folder.root),
        repositories=len(repositories),
        images=sum(len(images.roots) for images in repositories),
        files=len(hashed),
        size_bytes=sum(item.size_bytes for item in hashed.values()),
        faults=tuple(sorted(faults, key=lambda fault: (fault.repository, fault.digest))),
        broken=tuple(broken),
        dangling_tags=tuple(dangling),
    )


def _faults(folder: TreeFolder, images: RepositoryImages, hashed: Mapping[_FileKey, _Hashed]) -> Iterator[Fault]:
    expected = _expected_sizes(images)
    for digest, files in images.files.items():
        for file in files:
            if trouble := _trouble(images, digest, file, hashed[_key(file, digest)], expected.get(digest)):
                kind, detail = trouble
                yield Fault(kind, images.path, digest, str(file), detail)
    for digest in sorted({*expected, *images.tags.values()} - images.files.keys()):
        missing = folder.blobs(images.path) / digest
        yield Fault(FaultKind.MISSING, images.path, digest, str(missing), "an image needs it and it is not there")


def _trouble(
    images: RepositoryImages, digest: Digest, file: Path, result: _Hashed, expected_bytes: int | None
) -> tuple[FaultKind, str] | None:
    if result.digest != digest or (expected_bytes is not None and expected_bytes != result.size_bytes):
        return _kind(result, expected_bytes)
    if digest in images.manifest_files and digest not in images.manifests:
        return FaultKind.NOT_A_MANIFEST, _manifest_trouble(file)
    return None


def _expected_sizes(images: RepositoryImages) -> dict[Digest, int]:
    sizes: dict[Digest, int] = {}
    for manifest in images.manifests.values():
        for descriptor in (*manifest.blobs, *manifest.children):
            sizes.setdefault(descriptor.digest, descriptor.size_bytes)
    return sizes


def _kind(result: _Hashed, expected_bytes: int | None) -> tuple[FaultKind, str]:
    size = result.size_bytes
    if result.digest is None:
        return FaultKind.UNREADABLE, result.trouble
    if not size:
        return FaultKind.EMPTY, "the file is empty"
    if expected_bytes is not None and size < expected_bytes:
        return FaultKind.TRUNCATED, f"{size} of {expected_bytes} bytes"
    if expected_bytes is not None and size > expected_bytes:
        return FaultKind.TOO_LONG, f"{size} bytes instead of {expected_bytes}"
    return FaultKind.CHANGED, f"its content has the digest {result.digest}"


def _manifest_trouble(file: Path) -> str:
    try:
        with reading(file), file.open("rb") as content:
            Manifest.parse(content.read(MAX_MANIFEST_BYTES + 1))
    except AirferryError as error:
        return error.message
    return "it could not be read"
