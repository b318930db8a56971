"""Where the lab keeps what it publishes: ``blobs/<digest>`` files, and ``repositories.json`` that names them.

Manifests are files among the blobs. A repository sees only what was put or linked into it.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from airferry.errors import MalformedError
from airferry.lab.layer import Entry, Layer, write_layer
from airferry.oci import Digest


class LabRepository(msgspec.Struct):
    """One repository: ``manifests`` by media type, ``tags``, ``blobs``; ``referrers`` are ready-made descriptors."""

    manifests: dict[str, str] = {}
    tags: dict[str, str] = {}
    blobs: set[str] = set()
    referrers: dict[str, list[dict[str, Any]]] = {}


class LabStore:
    """A folder of content. Not safe for two writers; a served store sees changes made through the same object."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repositories: dict[str, LabRepository] = {}
        self._blobs = folder / "blobs"
        self._index = folder / "repositories.json"
        self._blobs.mkdir(parents=True, exist_ok=True)
        if self._index.exists():
            self.repositories = _read_index(self._index)

    def save(self) -> None:
        """Write down which repository holds what, so that another process can open the folder."""
        temporary = self._index.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(self.repositories, order="sorted"))
        temporary.replace(self._index)

    def repository(self, path: str) -> LabRepository:
        """Return the repository ``path``, made on first use."""
        return self.repositories.setdefault(path, LabRepository())

    def path_of(self, digest: str) -> Path:
        """Return the file that holds ``digest``, whether it exists or not."""
        return self._blobs / digest

    def read(self, digest: str) -> bytes:
        """Return the content of ``digest``."""
        return self.path_of(digest).read_bytes()

    def put_blob(self, path: str, content: bytes) -> Digest:
        """Keep ``content`` as a blob of the repository ``path``."""
        digest = self._keep(content)
        self.repository(path).blobs.add(str(digest))
        return digest

    def put_layer(self, path: str, entries: Iterable[Entry]) -> Layer:
        """Make a layer of ``entries`` and keep it as a blob of the repository ``path``."""
        temporary = self._blobs / f".layer-{os.getpid()}"
        with temporary.open("wb", buffering=1 << 20) as target:
            layer = write_layer(target, entries)
        temporary.replace(self.path_of(layer.digest))
        self.repository(path).blobs.add(str(layer.digest))
        return layer

    def put_manifest(self, path: str, content: bytes, media_type: str, *tags: str) -> Digest:
        """Keep a manifest, point ``tags`` at it, and list it as a referrer of its ``subject``, if it has one."""
        digest = self._keep(content)
        repository = self.repository(path)
        plain = str(digest)  # msgspec writes exact text only
        repository.manifests[plain] = media_type
        for tag in tags:
            repository.tags[tag] = plain
        self._list_referrer(repository, plain, content, media_type)
        return digest

    def link_blobs(self, path: str, digests: Iterable[str]) -> None:
        """Let the repository ``path`` see blobs that another one brought."""
        self.repository(path).blobs.update(map(str, digests))

    def forget_manifest(self, path: str, digest: str) -> None:
        """Take a manifest, and the tags that point at it, out of a repository."""
        repository = self.repository(path)
        repository.manifests.pop(digest, None)
        repository.tags = {tag: target for tag, target in repository.tags.items() if target != digest}

    def forget_blob(self, path: str, digest: str) -> None:
        """Take a blob out of a repository."""
        self.repository(path).blobs.discard(digest)

    def sizes(self) -> Mapping[str, int]:
        """Return the size in bytes of everything kept, by digest."""
        return {file.name: file.stat().st_size for file in self._blobs.iterdir()}

    def _keep(self, content: bytes) -> Digest:
        digest = Digest.of(content)
        self.path_of(digest).write_bytes(content)
        return digest

    @staticmethod
    def _list_referrer(repository: LabRepository, digest: str, content: bytes, media_type: str) -> None:
        fields = msgspec.json.decode(content)
        subject = fields.get("subject")
        if subject is None:
            return
        descriptor = {"mediaType": media_type, "digest": digest, "size": len(content)}
        for name in ("artifactType", "annotations"):
            if fields.get(name):
                descriptor[name] = fields[name]
        listed = repository.referrers.setdefault(subject["digest"], [])
        if descriptor not in listed:
            listed.append(descriptor)


def _read_index(file: Path) -> dict[str, LabRepository]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, LabRepository])
    except msgspec.DecodeError as error:
        raise MalformedError(f"{file} is not the index of a lab store: {error}") from error
