"""Images in memory: the reference implementation of the protocols, and a double for tests.

As a double it counts what is read and written, fails where it is told to, and holds what it is told to hold,
also content that does not match its digest.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from airferry.content.errors import NotFoundError
from airferry.content.protocol import BlobFetch, ByteStream
from airferry.content.referrers import by_subject
from airferry.oci import Descriptor, Digest, Manifest, Place, PlaceKind, Verifier, mediatype
from airferry.oci.digest import check_content, is_digest


@dataclass(slots=True)
class _Repository:
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)


@dataclass(slots=True)
class _Failure:
    error: BaseException
    times: int
    after_bytes: int


class MemoryPlace:
    """Repositories as dictionaries. Both a source and a sink; mounts unless ``mounts`` is False.

    ``calls`` counts every call by (method, what), where what is a digest or tag; ``read_bytes`` counts the blob
    bytes handed out, by digest. ``chunk_bytes`` is how blobs are cut when they are read.
    """

    def __init__(self, address: str = "memory.test", *, mounts: bool = True, chunk_bytes: int = 64 * 1024) -> None:
        self.place = Place(PlaceKind.REGISTRY, address)
        self.calls: Counter[tuple[str, str]] = Counter()
        self.read_bytes: Counter[Digest] = Counter()
        self.closed = False
        self._mounts = mounts
        self._chunk_bytes = chunk_bytes
        self._repositories: dict[str, _Repository] = {}
        self._failures: dict[tuple[str, str], list[_Failure]] = {}

    # Filling it, for tests.

    def add_blob(self, path: str, content: bytes, media_type: str = mediatype.OCI_LAYER_GZIP) -> Descriptor:
        """Hold ``content`` in repository ``path`` and return its descriptor."""
        blob = Descriptor(media_type, Digest.of(content), len(content))
        self._make(path).blobs[blob.digest] = content
        return blob

    def add_manifest(self, path: str, manifest: Manifest, *tags: str) -> Manifest:
        """Hold ``manifest`` in repository ``path`` under its digest and ``tags``; return it."""
        repository = self._make(path)
        repository.manifests[manifest.digest] = manifest
        repository.tags.update(dict.fromkeys(tags, manifest.digest))
        return manifest

    def add_image(
        self,
        path: str,
        layers: Iterable[bytes] = (b"a layer",),
        *,
        tags: Iterable[str] = (),
        config: Mapping[str, object] | None = None,
        subject: Manifest | None = None,
        artifact_type: str | None = None,
    ) -> Manifest:
        """Hold an OCI image made of ``layers`` (their bytes as given) and return its manifest."""
        fields = config if config is not None else {"os": "linux", "architecture": "amd64"}
        config_blob = self.add_blob(path, json.dumps(fields).encode(), mediatype.OCI_CONFIG)
        document: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_MANIFEST,
            "config": _as_json(config_blob),
            "layers": [_as_json(self.add_blob(path, layer)) for layer in layers],
        }
        if artifact_type is not None:
            document["artifactType"] = artifact_type
        if subject is not None:
            document["subject"] = _as_json(subject.descriptor)
        return self.add_manifest(path, Manifest.parse(json.dumps(document).encode()), *tags)

    def add_index(self, path: str, children: Mapping[str, Manifest], *, tags: Iterable[str] = ()) -> Manifest:
        """Hold an OCI index over ``children``, a map of ``os/architecture`` to manifest, and return it."""
        document = {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_INDEX,
            "manifests": [
                _as_json(child.descriptor) | {"platform": _platform(platform)} for platform, child in children.items()
            ],
        }
        return self.add_manifest(path, Manifest.parse(json.dumps(document).encode()), *tags)

    def corrupt(self, path: str, digest: Digest, content: bytes) -> None:
        """Hold ``content`` under a digest that is not its own, as a lying registry does."""
        self._make(path).blobs[digest] = content

    def fail(self, method: str, what: str, error: BaseException, *, times: int = 1, after_bytes: int = 0) -> None:
        """Raise ``error`` the next ``times`` that ``method`` is called for ``what`` (a digest or tag).

        For ``open_blob`` the error comes after ``after_bytes`` of the content, counted from the blob's start.
        """
        self._failures.setdefault((method, what), []).append(_Failure(error, times, after_bytes))

    def blobs(self, path: str) -> Mapping[Digest, bytes]:
        """Return the blobs of a repository; empty when it does not exist."""
        return self._repositories.get(path, _Repository()).blobs

    def manifests(self, path: str) -> Mapping[Digest, Manifest]:
        """Return the manifests of a repository; empty when it does not exist."""
        return self._repositories.get(path, _Repository()).manifests

    def tags(self, path: str) -> Mapping[str, Digest]:
        """Return the tags of a repository; empty when it does not exist."""
        return self._repositories.get(path, _Repository()).tags

    # ContentSource

    async def resolve_tag(self, path: str, tag: str) -> Digest:
        """Return the tag's digest, or raise NotFoundError."""
        await self._called("resolve_tag", tag)
        digest = self._get(path).tags.get(tag)
        if digest is None:
            raise NotFoundError(f"{self.place}/{path} has no tag {tag!r}")
        return digest

    async def read_manifest(self, path: str, target: str) -> Manifest:
        """Return the manifest at a tag or digest, or raise NotFoundError."""
        await self._called("read_manifest", target)
        repository = self._get(path)
        digest = Digest.parse(target) if is_digest(target) else repository.tags.get(target)
        if digest is None or digest not in repository.manifests:
            raise NotFoundError(f"{self.place}/{path} has no manifest {target}")
        return repository.manifests[digest]

    @asynccontextmanager
    async def open_blob(self, path: str, blob: Descriptor, offset: int = 0) -> AsyncIterator[ByteStream]:
        """Open the blob from ``offset``; fails where :meth:`fail` says."""
        self.calls["open_blob", blob.digest] += 1
        content = self._get(path).blobs.get(blob.digest)
        if content is None:
            raise NotFoundError(f"{self.place}/{path} has no blob {blob.digest}")
        yield self._stream(blob.digest, content, offset)

    async def list_tags(self, path: str) -> tuple[str, ...]:
        """Return all tags, sorted, or raise NotFoundError."""
        await self._called("list_tags", path)
        return tuple(sorted(self._get(path).tags))

    async def list_referrers(self, path: str, subject: Digest) -> tuple[Descriptor, ...]:
        """Return the manifests that name ``subject``."""
        await self._called("list_referrers", subject)
        return by_subject(self.manifests(path).values()).get(subject, ())

    async def list_repositories(self) -> tuple[str, ...]:
        """Return the names of all repositories, sorted."""
        return tuple(sorted(self._repositories))

    # ContentSink

    async def has_blob(self, path: str, blob: Descriptor) -> bool:
        """Whether the blob is there with its size."""
        await self._called("has_blob", blob.digest)
        content = self.blobs(path).get(blob.digest)
        return content is not None and len(content) == blob.size_bytes

    async def has_manifest(self, path: str, digest: Digest) -> bool:
        """Whether the manifest is there."""
        await self._called("has_manifest", digest)
        return digest in self.manifests(path)

    async def tag_digest(self, path: str, tag: str) -> Digest | None:
        """Return what the tag points at, None without it."""
        await self._called("tag_digest", tag)
        return self.tags(path).get(tag)

    async def write_blob(self, path: str, blob: Descriptor, fetch: BlobFetch) -> None:
        """Store the blob if its bytes are what it promises."""
        await self._called("write_blob", blob.digest)
        if (content := self.blobs(path).get(blob.digest)) is not None and len(content) == blob.size_bytes:
            return
        verifier, received = Verifier(blob.digest, blob.size_bytes), bytearray()
        async with fetch(0) as stream:
            async for chunk in stream:
                verifier.update(chunk)
                received += chunk
        verifier.finish()
        self._make(path).blobs[blob.digest] = bytes(received)

    async def write_manifest(self, path: str, manifest: Manifest) -> None:
        """Store the manifest; as strict registries do, only when what it points at is there."""
        await self._called("write_manifest", manifest.digest)
        check_content(manifest.raw, manifest.digest)
        repository = self._make(path)
        for descriptor in (*manifest.blobs, *manifest.children):
            if descriptor.digest not in repository.blobs and descriptor.digest not in repository.manifests:
                raise NotFoundError(f"{manifest.digest} points at {descriptor.digest}, which {path} does not have")
        repository.manifests[manifest.digest] = manifest

    async def write_tag(self, path: str, tag: str, manifest: Manifest) -> None:
        """Point the tag at a manifest that is there."""
        await self._called("write_tag", tag)
        repository = self._make(path)
        if manifest.digest not in repository.manifests:
            raise NotFoundError(f"{path} has no manifest {manifest.digest} to tag as {tag!r}")
        repository.tags[tag] = manifest.digest

    async def mount_blob(self, path: str, blob: Descriptor, from_path: str) -> bool:
        """Share the blob of ``from_path``; False where mounting is off or it is not there."""
        await self._called("mount_blob", blob.digest)
        content = self.blobs(from_path).get(blob.digest)
        if not self._mounts or content is None:
            return False
        self._make(path).blobs[blob.digest] = content
        return True

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _make(self, path: str) -> _Repository:
        return self._repositories.setdefault(path, _Repository())

    def _get(self, path: str) -> _Repository:
        if path not in self._repositories:
            raise NotFoundError(f"{self.place} has no repository {path!r}")
        return self._repositories[path]

    async def _called(self, method: str, what: str) -> None:
        self.calls[method, what] += 1
        await asyncio.sleep(0)
        if failure := self._next_failure(method, what):
            raise failure.error

    def _next_failure(self, method: str, what: str) -> _Failure | None:
        waiting = self._failures.get((method, what), [])
        if not waiting:
            return None
        failure = waiting[0]
        failure.times -= 1
        if failure.times <= 0:
            waiting.pop(0)
        return failure

    async def _stream(self, digest: Digest, content: bytes, offset: int) -> AsyncIterator[bytes]:
        failure = self._next_failure("open_blob", digest)
        end = len(content) if failure is None else min(failure.after_bytes, len(content))
        for start in range(offset, end, self._chunk_bytes):
            chunk = content[start : min(start + self._chunk_bytes, end)]
            self.read_bytes[digest] += len(chunk)
            yield chunk
            await asyncio.sleep(0)
        if failure is not None:
            raise failure.error


def _as_json(descriptor: Descriptor) -> dict[str, object]:
    fields = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size_bytes}
    return fields | ({"artifactType": descriptor.artifact_type} if descriptor.artifact_type else {})


def _platform(text: str) -> dict[str, str]:
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))
