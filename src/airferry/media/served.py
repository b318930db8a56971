"""A tree on disk as something that can be served: read only, straight from the files, nothing loaded or unpacked.

Plain blocking methods; whoever serves calls them in threads. Blobs are given as files so that the server can let the
kernel send them; their digest is checked by the client that pulls, as with any registry, and by ``media verify``.
"""

from pathlib import Path

from airferry.content.errors import NotFoundError
from airferry.content.filesystem import reading
from airferry.content.referrers import by_subject
from airferry.content.stored import load_manifest
from airferry.content.tree_folder import TreeFolder
from airferry.media.images import read_images
from airferry.oci import Descriptor, Digest, Manifest
from airferry.oci.digest import is_digest
from airferry.oci.reference import is_repository_path


class ServedTree:
    """What a registry needs to know to serve the tree at ``root``. Everything that is not there is None or empty.

    Raises DamagedError when a manifest's bytes are not what its name promises, DeniedError when files cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self._folder = TreeFolder(root)
        self._referrers: dict[str, tuple[int, dict[Digest, tuple[Descriptor, ...]]]] = {}

    def exists(self, path: str) -> bool:
        """Whether there is such a repository."""
        with reading(self._folder.root):
            return is_repository_path(path) and self._folder.exists(path)

    def resolve(self, path: str, target: str) -> Manifest | None:
        """Return the manifest at a tag or digest, its bytes checked."""
        if not self.exists(path):
            return None
        with reading(self._folder.root):
            if is_digest(target):
                digest: Digest | None = Digest.parse(target)
            else:
                digest = self._folder.tag_digest(path, target) or self._folder.indexed_tags(path).get(target)
            if digest is None:
                return None
            file = self._folder.blob_file(path, digest) or self._folder.tag_file(path, target)
            return None if file is None else load_manifest(file, digest)

    def blob_file(self, path: str, digest: Digest) -> Path | None:
        """Return the file that holds a blob; its size is the file's, its digest is not computed again."""
        with reading(self._folder.root):
            return self._folder.blob_file(path, digest) if self.exists(path) else None

    def list_tags(self, path: str) -> tuple[str, ...]:
        """Return all tags, sorted. Raises NotFoundError for an unknown repository."""
        if not self.exists(path):
            raise NotFoundError(f"there is no repository {path!r} in {self._folder.root}")
        with reading(self._folder.root):
            return tuple(sorted(self._folder.tags(path)))

    def list_repositories(self) -> tuple[str, ...]:
        """Return all repositories, sorted."""
        with reading(self._folder.root):
            return self._folder.repositories()

    def list_referrers(self, path: str, digest: Digest) -> tuple[Descriptor, ...]:
        """Return what refers to a manifest; found once and again when the folder of manifests has changed."""
        if not self.exists(path):
            return ()
        with reading(self._folder.root):
            folder = self._folder.manifests(path)
            changed = folder.stat().st_mtime_ns if folder.is_dir() else 0
            known = self._referrers.get(path)
            if known is None or known[0] != changed:
                known = (changed, by_subject(read_images(self._folder, path).manifests.values()))
                self._referrers[path] = known
            return known[1].get(digest, ())
