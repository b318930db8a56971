"""Making a registry of a backup, in an empty folder: every object is hashed before it is named.

``registry.toml`` is written last, so that what was broken off is no registry; remove the folder and begin again.
"""

import tarfile
import tomllib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final
from uuid import uuid4

import msgspec
import tomli_w

from airferry.errors import MalformedError, UnsupportedError
from airferry.oci import Digest
from airferry.oci.digest import is_digest
from airferry.registry.backup import CONTENT, END, FORMAT, HEAD, METADATA, SETTINGS, Told
from airferry.registry.disk import disk_errors, in_thread
from airferry.registry.drivers import Driver, FilesystemDriver
from airferry.registry.durable import write_durably
from airferry.registry.errors import InUseError, NotFoundError
from airferry.registry.hashing import Hashing
from airferry.registry.metadata import copying, open_metadata
from airferry.registry.metadata.copying import Rows
from airferry.registry.settings import CONFIG_FILE, DatabaseUrl
from airferry.registry.store import METADATA_FILE
from airferry.registry.upload import upload_key

SQLITE: Final = "sqlite"
_RESTORING: Final = ".restoring.sqlite"
_BLOCK_BYTES: Final = 1024 * 1024


@dataclass(slots=True)
class Restored:
    """What was restored. ``damaged`` are objects that the backup does not hold whole: they are marked as such."""

    root: Path
    objects: int = 0
    size_bytes: int = 0
    damaged: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the same as plain data with stable keys."""
        return {
            "root": str(self.root),
            "objects": self.objects,
            "bytes": self.size_bytes,
            "damaged": self.damaged,
        }


async def restore(
    file: Path, root: Path, *, database: str | None = None, told: Told = lambda size_bytes: None
) -> Restored:
    """Restore the backup ``file`` into ``root``, which must be empty or not there.

    ``database``: ``sqlite``, the URL of an empty PostgreSQL database, or None: as it was. Raises NotFoundError,
    MalformedError (no backup, or cut short), UnsupportedError (of a newer airferry), InUseError (not empty),
    NoSpaceError.
    """
    with disk_errors(f"restoring into {root}"):
        await in_thread(_prepare, root)
        try:
            with tarfile.open(file, "r:") as tar:
                return await _Restoration(tar, root, database, told).run()
        except FileNotFoundError:
            raise NotFoundError(f"there is no file {file}") from None
        except (tarfile.TarError, EOFError, msgspec.DecodeError) as error:
            raise MalformedError(f"{file} is not a whole backup of a registry: {error}") from error


class _Restoration:
    def __init__(self, tar: tarfile.TarFile, root: Path, database: str | None, told: Told) -> None:
        self._tar = tar
        self._root = root
        self._database = database
        self._told = told
        self._driver: Driver = FilesystemDriver(root)
        self._names: dict[str, str] = {}
        self._config: bytes | None = None
        self._done = Restored(root)

    async def run(self) -> Restored:
        self._check_head(await in_thread(self._tar.next))
        is_whole = False
        while (member := await in_thread(self._tar.next)) is not None:
            is_whole = member.name == END
            source = self._tar.extractfile(member) if member.isreg() else None
            if source is None:
                raise MalformedError(f"the backup holds {member.name!r}, which is no file")
            await self._take(member, source)
        if not is_whole or self._config is None:
            raise MalformedError("the backup is cut short", hint="use another; nothing of this one is a registry yet")
        config, place = _with_database(self._config, self._database)
        await self._restore_metadata(place)
        await in_thread(write_durably, self._root / CONFIG_FILE, config, 0o600 if place else 0o644)
        return self._done

    def _check_head(self, member: tarfile.TarInfo | None) -> None:
        source = self._tar.extractfile(member) if member is not None and member.name == HEAD else None
        if source is None:
            raise MalformedError("this is not a backup of a registry", hint="give a file of `airferry registry backup`")
        found = msgspec.json.decode(source.read())
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise UnsupportedError(
                "the backup has another format than this airferry knows", hint="use a newer airferry"
            )

    async def _take(self, member: tarfile.TarInfo, source: IO[bytes]) -> None:
        if member.name == METADATA:
            await in_thread(write_durably, self._root / _RESTORING, await in_thread(source.read), 0o600)
        elif member.name.startswith(SETTINGS):
            await self._take_settings(member, await in_thread(source.read))
        elif member.name.startswith(CONTENT):
            digest = member.name.removeprefix(CONTENT).replace("/", ":", 1)
            if not is_digest(digest):
                raise MalformedError(f"the backup holds {member.name[:200]!r}, which is no content")
            await self._take_content(Digest(digest), source)
            self._told(member.size)

    async def _take_settings(self, member: tarfile.TarInfo, content: bytes) -> None:
        name = PurePosixPath(member.name.removeprefix(SETTINGS))
        if name.is_absolute() or ".." in name.parts or not name.parts or name.parts[0] in ("blobs", "uploads"):
            raise MalformedError(f"the backup holds {member.name[:200]!r}, which leads elsewhere")
        if str(name) == CONFIG_FILE:
            self._config = content
            return
        target = self._root / name
        await in_thread(partial(target.parent.mkdir, parents=True, exist_ok=True))
        await in_thread(write_durably, target, content, member.mode & 0o777)

    async def _take_content(self, digest: Digest, source: IO[bytes]) -> None:
        key, hashing = upload_key("restored", str(uuid4())), Hashing(digest.algorithm)
        await self._driver.begin(key)
        async with self._driver.open_upload(key, patience_s=0) as upload:
            while block := await in_thread(source.read, _BLOCK_BYTES):
                await upload.append([block], hashing)
            if hashing.hexdigest() == digest.hex:
                async with self._driver.holding(digest):
                    self._names[digest] = await upload.complete(digest)
                self._done.objects += 1
                self._done.size_bytes += upload.received_bytes
                return
        await self._driver.abort(key)

    async def _restore_metadata(self, place: DatabaseUrl | None) -> None:
        kept = await in_thread(open_metadata, self._root / _RESTORING)
        try:
            rows = await kept.snapshot(copying.dump)
        finally:
            await in_thread(kept.close)
        self._place_contents(rows)
        metadata = await in_thread(open_metadata, place or self._root / METADATA_FILE)
        try:
            await metadata.write(partial(copying.load, rows=rows))
        finally:
            await in_thread(metadata.close)
        (self._root / _RESTORING).unlink()

    def _place_contents(self, rows: Rows) -> None:
        """Put in where each content lies now; what the backup lacks was damaged when it was taken."""
        for row in rows["contents"]:
            name = self._names.get(row["digest"])
            if name is not None:
                row["object_name"] = name
            else:
                row["damaged_s"] = row["damaged_s"] or row["idle_since_s"]
                self._done.damaged.append(row["digest"])


def _with_database(config: bytes, database: str | None) -> tuple[bytes, DatabaseUrl | None]:
    """Return the settings with ``database`` in them, and where that is (None: SQLite). Raises MalformedError."""
    try:
        fields = tomllib.loads(config.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MalformedError(f"{CONFIG_FILE} in the backup is not TOML: {error}") from error
    if database is not None:
        fields.pop("database", None)
        if database != SQLITE:
            fields = {"database": database} | fields
        config = b"# Written by `airferry registry restore`.\n" + tomli_w.dumps(fields).encode()
    said = fields.get("database")
    return config, DatabaseUrl.parse(said) if isinstance(said, str) else None


def _prepare(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    if any(found.name != "lost+found" for found in root.iterdir()):
        raise InUseError(f"{root} is not empty", hint="restore into a new folder")
