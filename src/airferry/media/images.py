"""How the files of one repository in a tree hang together: images, what they refer to, what nothing refers to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from airferry.content.stored import load_manifest
from airferry.content.tree_folder import TreeFolder
from airferry.errors import AirferryError
from airferry.oci import Descriptor, Digest, Manifest


@dataclass(frozen=True, slots=True)
class RepositoryImages:
    """What one repository holds. ``manifests`` are the whole ones; ``files`` has every file named for a digest:
    more than one where copying has made two files of the two names of a manifest.

    ``manifest_files`` are the digests that are manifests by their place, whole or not.
    """

    path: str
    files: Mapping[Digest, tuple[Path, ...]]
    manifest_files: frozenset[Digest]
    manifests: Mapping[Digest, Manifest]
    tags: Mapping[str, Digest]

    @property
    def roots(self) -> tuple[tuple[str | None, Digest], ...]:
        """Every image by tag, sorted, then by digest those that no tag and no other manifest leads to."""
        tagged = [(tag, digest) for tag, digest in sorted(self.tags.items())]
        led_to = set(self.tags.values()).union(
            *({child.digest for child in manifest.children} for manifest in self.manifests.values())
        )
        return (*tagged, *((None, digest) for digest in sorted(self.manifest_files - led_to)))

    def reachable(self, root: Digest) -> Iterator[tuple[Descriptor, bool]]:
        """Yield what ``root`` needs, itself not included, each once, with whether it is a manifest."""
        waiting, seen = [root], {root}
        while waiting:
            manifest = self.manifests.get(waiting.pop())
            if manifest is None:
                continue
            for descriptor in manifest.blobs:
                if descriptor.digest not in seen:
                    seen.add(descriptor.digest)
                    yield descriptor, False
            for child in manifest.children:
                if child.digest not in seen:
                    seen.add(child.digest)
                    waiting.append(child.digest)
                    yield child, True

    def referenced(self) -> set[Digest]:
        """Return every digest that an image needs or is."""
        found = {digest for _, digest in self.roots}
        for _, root in self.roots:
            found.update(descriptor.digest for descriptor, _ in self.reachable(root))
        return found


def read_images(folder: TreeFolder, path: str) -> RepositoryImages:
    """Read all manifests of a repository; what cannot be read is left out of ``manifests``. Blocking."""
    by_place = folder.manifest_digests(path)
    files = {digest: (file,) for digest, file in folder.blob_digests(path).items()}
    for digest, place in by_place.items():
        files[digest] = tuple(dict.fromkeys((*files.get(digest, ()), place)))
    tags = folder.tags(path)
    waiting = sorted({*by_place, *tags.values()})
    manifests: dict[Digest, Manifest] = {}
    known = set(waiting)
    while waiting:
        digest = waiting.pop()
        file = folder.blob_file(path, digest) or _tag_file(folder, path, tags, digest)
        if file is None:
            continue
        try:
            manifests[digest] = load_manifest(file, digest)
        except AirferryError:
            continue
        files.setdefault(digest, (file,))
        for child in manifests[digest].children:
            if child.digest not in known:
                known.add(child.digest)
                waiting.append(child.digest)
    return RepositoryImages(path, files, frozenset(known & files.keys()), manifests, tags)


def _tag_file(folder: TreeFolder, path: str, tags: Mapping[str, Digest], digest: Digest) -> Path | None:
    named = (folder.tag_file(path, tag) for tag, target in tags.items() if target == digest)
    return next((file for file in named if file is not None), None)
