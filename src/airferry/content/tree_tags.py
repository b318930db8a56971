"""The tags of a tree on disk, written: links in the tree, and our own copy of them beside it.

Our own index is written first: it may know a tag too early, but must not lack one that the tree has. The links of
tags that are written at the same time share one writing of it.
"""

import asyncio

import msgspec

from airferry.content.filesystem import Modes, make_folders, replace_file, sync_folder, writing
from airferry.content.partial import UnsyncedFolders, Workspace
from airferry.content.tree_folder import TreeFolder
from airferry.errors import AirferryError
from airferry.oci import Digest

_Name = tuple[str, str]
"""A repository's path and a tag in it."""


class TreeTags:
    """Points tags at manifests that are there already. The caller holds the workspace open."""

    def __init__(self, folder: TreeFolder, workspace: Workspace, unsynced: UnsyncedFolders) -> None:
        self._folder = folder
        self._workspace = workspace
        self._unsynced = unsynced
        self._wanted: dict[_Name, Digest] = {}
        self._writing = asyncio.Lock()
        self._indexes: dict[str, dict[str, Digest]] = {}

    @property
    def _modes(self) -> Modes:
        return self._workspace.modes

    async def write(self, path: str, tag: str, digest: Digest) -> None:
        """Return when the tag points at ``digest``; a tag is never absent while it moves.

        What it may rely on is made durable first; the link itself is durable after the next sync.
        """
        name = (path, tag)
        self._wanted[name] = digest
        try:
            async with self._writing:
                if name in self._wanted:  # else whoever had the lock before us has written ours too
                    await self._write_with_others({name: digest})
        finally:
            self._give_up(name, digest)

    def finish(self) -> None:
        """Make our own copies of the tags durable. Blocks."""
        for path in self._indexes:
            file = self._folder.tag_index(path)
            with writing(file):
                self._write_index(path, durable=True)
                sync_folder(file.parent)

    async def _write_with_others(self, own: dict[_Name, Digest]) -> None:
        wanted = dict(self._wanted)
        try:
            await asyncio.to_thread(self._store, wanted)
        except AirferryError:
            if len(wanted) == 1:
                raise
            wanted = own  # whose failure that was, each finds out for itself
            await asyncio.to_thread(self._store, own)
        for name, digest in wanted.items():
            self._give_up(name, digest)

    def _give_up(self, name: _Name, digest: Digest) -> None:
        if self._wanted.get(name) == digest:
            del self._wanted[name]

    def _store(self, wanted: dict[_Name, Digest]) -> None:
        self._unsynced.sync()
        for path in sorted({path for path, _ in wanted}):
            self._index(path, {tag: digest for (of, tag), digest in wanted.items() if of == path})
        for (path, tag), digest in wanted.items():
            link = self._folder.manifests(path) / tag
            with writing(link):
                self._unsynced.add(*make_folders(link.parent, self._modes.folder))
                temporary = self._workspace.temporary()
                temporary.symlink_to(digest)
                temporary.replace(link)
                self._unsynced.add(link.parent)

    def _index(self, path: str, tags: dict[str, Digest]) -> None:
        with writing(self._folder.tag_index(path)):
            if path not in self._indexes:
                self._indexes[path] = self._folder.tags(path)
            self._indexes[path] |= tags
            self._write_index(path, durable=False)

    def _write_index(self, path: str, *, durable: bool) -> None:
        file = self._folder.tag_index(path)
        tags = {tag: str(digest) for tag, digest in sorted(self._indexes[path].items())}
        make_folders(file.parent, self._modes.folder)
        content = msgspec.json.format(msgspec.json.encode({"repository": path, "tags": tags}), indent=1) + b"\n"
        replace_file(file, content, self._modes.file, durable=durable)
