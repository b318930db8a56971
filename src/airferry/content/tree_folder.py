"""Where things are in a tree on disk, as ``oc`` writes it and as copying may have left it. Blocking, read only.

``v2/<repository>/blobs/sha256:<hex>`` are regular files: layers, configs and manifests. ``manifests/sha256:<hex>``
is a hard link to the same file in ``blobs``, ``manifests/<tag>`` a relative symbolic link to that name. Windows
clients write ``sha256-<hex>``. Trees are also read that keep manifests in only one of the two folders, whose
tags became regular files (``cp -L``, FAT) holding the manifest or the link's text, or whose tags are gone and
only our own index knows them. Source: the trees that ``oc adm release mirror --to-dir`` and ``oc image mirror``
of openshift/oc write.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from airferry.content.filesystem import reading
from airferry.errors import MalformedError
from airferry.oci import Digest
from airferry.oci.digest import is_digest
from airferry.oci.manifest import MAX_MANIFEST_BYTES
from airferry.oci.reference import is_repository_path, is_tag

STALE_SUFFIX: Final = ".download"
"""The end of names that ``oc`` gives to what it is writing; left over from a crash, they make it fail for ever."""
OWN_FOLDER: Final = "airferry"
"""Our own files in a tree; visible, since they travel with the disk."""
_DIGEST_SEPARATORS: Final = (":", "-", "_")
_LINK_TEXT_BYTES: Final = 200


class TreeFolder:
    """The names in a tree. ``root`` is the folder that holds ``v2``. Nothing here checks content."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def repository(self, path: str) -> Path:
        """Return the folder of a repository. Raises MalformedError for what is not a repository's name."""
        if not is_repository_path(path):
            raise MalformedError(f"{path!r} is not the name of a repository in a tree on disk")
        return self.root / "v2" / path

    def blobs(self, path: str) -> Path:
        """Return the folder of a repository's blobs, which include its manifests."""
        return self.repository(path) / "blobs"

    def manifests(self, path: str) -> Path:
        """Return the folder of a repository's manifests and tags."""
        return self.repository(path) / "manifests"

    def tag_index(self, path: str) -> Path:
        """Return the file with our own copy of a repository's tags, for trees that lose their links.

        No repository's name has an upper-case letter or starts with ``_``, so that names cannot meet.
        """
        self.repository(path)
        return self.root / OWN_FOLDER / "repositories" / path / "_tags.json"

    def exists(self, path: str) -> bool:
        """Whether the tree has this repository."""
        return self.blobs(path).is_dir() or self.manifests(path).is_dir()

    def repositories(self) -> tuple[str, ...]:
        """Return the names of all repositories, sorted."""
        root = self.root / "v2"
        found = []
        for folder, names, _ in os.walk(root):
            if "blobs" in names or "manifests" in names:
                found.append(Path(folder).relative_to(root).as_posix())
            names[:] = [name for name in names if name not in ("blobs", "manifests")]
        return tuple(sorted(path for path in found if is_repository_path(path)))

    def blob_file(self, path: str, digest: Digest) -> Path | None:
        """Return the regular file named for this digest among blobs or, failing that, manifests; None without."""
        for folder in (self.blobs(path), self.manifests(path)):
            for separator in _DIGEST_SEPARATORS:
                file = folder / f"{digest.algorithm}{separator}{digest.hex}"
                if file.is_file() and not file.is_symlink():
                    return file
        return None

    def tag_digest(self, path: str, tag: str) -> Digest | None:
        """Return what the tree itself says ``tag`` points at; None when it has no such tag."""
        if not is_tag(tag) or tag.endswith(STALE_SUFFIX):
            return None
        return _digest_of_tag(self.manifests(path) / tag)

    def tag_file(self, path: str, tag: str) -> Path | None:
        """Return the file that became of a tag's link when the tree was copied, if it holds the manifest itself."""
        file = self.manifests(path) / tag
        return file if is_tag(tag) and not file.is_symlink() and file.is_file() else None

    def indexed_tags(self, path: str) -> Mapping[str, Digest]:
        """Return the tags that our own index has for this repository; a damaged index has none."""
        try:
            fields = msgspec.json.decode(self.tag_index(path).read_bytes())
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
        items = fields.get("tags") if isinstance(fields, dict) else None
        if not isinstance(items, dict):
            return {}
        return {
            tag: Digest.parse(digest)
            for tag, digest in items.items()
            if isinstance(digest, str) and is_digest(digest) and is_tag(tag)
        }

    def tags(self, path: str) -> dict[str, Digest]:
        """Return all tags: those in the tree, then those only our own index knows whose manifest is there."""
        found = {
            tag: digest for tag, digest in self.indexed_tags(path).items() if self.blob_file(path, digest) is not None
        }
        for name in names_in(self.manifests(path)):
            if digest := self.tag_digest(path, name):
                found[name] = digest
        return found

    def blob_digests(self, path: str) -> dict[Digest, Path]:
        """Return every file named for a digest among the blobs, manifests included."""
        return _digest_files(self.blobs(path))

    def manifest_digests(self, path: str) -> dict[Digest, Path]:
        """Return the files that are manifests by their place, or, where none is, by what they hold."""
        found = _digest_files(self.manifests(path))
        if found:
            return found
        return {digest: file for digest, file in self.blob_digests(path).items() if _looks_like_manifest(file)}

    def stale_names(self) -> Iterator[Path]:
        """Yield what a crashed ``oc`` left half written."""
        for path in self.repositories():
            for folder in (self.blobs(path), self.manifests(path)):
                yield from (folder / name for name in names_in(folder) if name.endswith(STALE_SUFFIX))


def digest_of_name(name: str) -> Digest | None:
    """Return the digest that a file's name spells in any of its forms, None when it spells none."""
    for separator in _DIGEST_SEPARATORS:
        algorithm, found, hexadecimal = name.partition(separator)
        if found and is_digest(text := f"{algorithm}:{hexadecimal}"):
            return Digest.parse(text)
    return None


def names_in(folder: Path) -> tuple[str, ...]:
    """Return the names in a folder, sorted; a folder that is not there has none."""
    if not folder.is_dir():
        return ()
    with reading(folder), os.scandir(folder) as entries:
        return tuple(sorted(entry.name for entry in entries))


def _digest_of_tag(file: Path) -> Digest | None:
    """Read a tag in any of its forms: a link, the link's text, or the manifest itself."""
    with reading(file):
        if file.is_symlink():
            return digest_of_name(file.readlink().name)
        if not file.is_file():
            return None
        content = _content_of_tag(file)
    named = digest_of_name(file.name)
    if len(content) <= _LINK_TEXT_BYTES and (target := digest_of_name(content.decode("ascii", "replace").strip())):
        return target
    actual = Digest.of(content, named.algorithm if named else "sha256")
    # A Windows client's sha256-<hex> is spelled like a tag (and like the tag that lists referrers).
    return None if named and (actual == named or b'"schemaVersion"' not in content) else actual


def _content_of_tag(file: Path) -> bytes:
    return file.read_bytes() if file.stat().st_size <= MAX_MANIFEST_BYTES else b""


def _digest_files(folder: Path) -> dict[Digest, Path]:
    found = {}
    names = names_in(folder)
    if any(":" in name for name in names):
        # Where colons can be written, sha256-<hex> is not a digest's name but the tag that lists referrers.
        names = tuple(name for name in names if ":" in name)
    for name in names:
        file = folder / name
        if (digest := digest_of_name(name)) and not file.is_symlink() and file.is_file():
            found[digest] = file
    return found


def _looks_like_manifest(file: Path) -> bool:
    with reading(file):
        if not 0 < file.stat().st_size <= MAX_MANIFEST_BYTES:
            return False
        with file.open("rb") as content:
            if content.read(1) not in b"{ \n\r\t":
                return False
            return b'"schemaVersion"' in content.read()
