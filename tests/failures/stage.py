"""The stage of the failure tests: the real commands in this process, and servers in threads beside them."""

import asyncio
import hashlib
import io
import json
import logging
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from airferry.cli.main import main
from airferry.lab import Certificates, Faults, LabStore, Policy, PublishedRelease, Rule, Upstream
from airferry.registry import RegistryStore, Running, TlsFiles, serve_store, server_context

Server = TypeVar("Server")

QUICK = ("--retry-times", "2", "--retry-delay", "0.01", "--patience", "0.2")
"""Flags that leave the kind of waiting as it is and make it short."""


@dataclass(frozen=True)
class Run:
    """What a command came to."""

    code: int
    out: str
    err: str

    def refused(self, error_code: str, *words: str, hint: str = "") -> Self:
        """Assert an error of this code whose message holds ``words``, a hint that holds ``hint``, and exit code 1."""
        assert self.code == 1, self.end
        message, _, given_hint = self.err.partition("\n\nhint: ")
        assert f"error[{error_code}]: " in message, self.end
        for word in words:
            assert word in message, (word, self.end)
        assert hint in given_hint, self.end
        return self._plain()

    def left_gaps(self, *words: str) -> Self:
        """Assert that all went well except for what stderr names with ``words``."""
        assert self.code == 3, self.end
        for word in words:
            assert word in self.err, (word, self.end)
        return self._plain()

    def done(self) -> Self:
        """Assert that all went well."""
        assert self.code == 0, self.end
        return self._plain()

    @property
    def end(self) -> str:
        """The last that was said, for the report of a failed test."""
        return self.err[-2000:]

    def _plain(self) -> Self:
        assert "Traceback" not in self.err, self.end
        return self


def airferry(*arguments: object) -> Run:
    """Run a command as a user would, in this process and thread."""
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    logger = logging.getLogger("airferry")
    before = list(logger.handlers), logger.level, logger.propagate
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
    finally:
        # Commands set up logging for their process; other tests in this one are not to see it.
        logger.handlers[:], _, logger.propagate = before
        logger.setLevel(before[1])
    texts = (stream.buffer.getvalue().decode() for stream in (out, err))
    return Run(code, *texts)


class Served(Generic[Server]):
    """Something that serves, in an event loop and thread of its own, for as long as the block lasts."""

    def __init__(self, opening: Callable[[], AbstractAsyncContextManager[Server]]) -> None:
        self._opening = opening
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self._failure: Exception | None = None

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        try:
            async with self._opening() as self.server:
                self._ready.set()
                await self._stop.wait()
        except Exception as error:
            self._failure = error  # raised where the block is entered or left
        finally:
            self._ready.set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._end()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call(self._stop.set)
        self._end()

    def _end(self) -> None:
        self._thread.join()
        self._loop.close()
        if self._failure is not None:
            raise self._failure

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call ``function`` in the loop's thread and return what it returns."""

        async def called() -> Any:
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(30)

    def wait(self, awaitable: Callable[[], Any]) -> Any:
        """Await what ``awaitable`` returns in the loop's thread."""

        async def awaited() -> Any:
            return await awaitable()

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(30)


class Quay(Served[Upstream]):
    """A lab upstream that holds a release, and the flags by which commands find it under quay.io's names."""

    def __init__(
        self,
        folder: Path,
        release: PublishedRelease,
        policy: Policy | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        super().__init__(self._open)
        self.release = release
        self.store = LabStore(release.folder)
        self._folder = folder
        self._policy = policy
        self._certificates = certificates

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Upstream]:
        store, faults = self.store, Faults()
        async with Upstream(store, self._policy, faults=faults, certificates=self._certificates) as upstream:
            yield upstream

    @property
    def host(self) -> str:
        return self.server.host

    def fails(self, *rules: Rule) -> None:
        """Let everything go as ``rules`` say, from now on."""
        for rule in rules:
            self.call(self.server.faults.add, rule)

    def heals(self) -> None:
        """Forget every fault, and the log."""
        self.call(self.server.faults.clear)
        self.call(self.server.requests.clear)

    def fired(self, rule: Rule) -> int:
        return int(self.call(self.server.faults.fired, rule))

    @property
    def rules_file(self) -> Path:
        """A registries.conf that finds quay.io here."""
        file = self._folder / "upstream.conf"
        insecure = "true" if self._certificates is None else "false"
        file.write_text(f'[[registry]]\nprefix = "quay.io"\nlocation = "{self.host}"\ninsecure = {insecure}\n')
        return file

    def flags(self, *, trusted: bool = True) -> tuple[object, ...]:
        """What every command needs to reach this upstream quickly, and to trust its release."""
        flags = (*QUICK, "--registries-conf", self.rules_file)
        return (*flags, *self.trust()) if trusted else flags

    def trust(self) -> tuple[object, ...]:
        """The flags by which the release is trusted."""
        key, url = self.release.verification_key, self.server.signature_store_url
        return ("--verification-key", key, "--signature-store", url)

    def mirror(self, disk: Path, *more: object) -> Run:
        """Run ``release mirror --to-dir``."""
        return airferry("release", "mirror", self.release.version, "--to-dir", disk, *self.flags(), *more)


@asynccontextmanager
async def _open_registry(root: Path, certificates: Certificates | None) -> AsyncIterator[Running]:
    files = None if certificates is None else TlsFiles(certificates.certificate_file, certificates.key_file)
    context = None if files is None else server_context(files)
    root.mkdir(parents=True, exist_ok=True)
    store = RegistryStore.on_disk(root)
    try:
        async with serve_store(store, tls=context) as running:
            yield running
    finally:
        await store.close()


class Mirror(Served[Running]):
    """Our registry, over plain HTTP without ``certificates``, whose files lie in ``root``."""

    def __init__(self, root: Path, certificates: Certificates | None = None) -> None:
        super().__init__(lambda: _open_registry(root, certificates))
        self.root = root
        self._flags = (*QUICK, "--dest-insecure") if certificates is None else QUICK

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    @property
    def repository(self) -> str:
        return f"{self.host}/ocp4/openshift4"

    def load(self, disk: Path, *more: object) -> Run:
        """Run ``image mirror --from-dir`` for all there is on the disk."""
        names = ("file://openshift/release", self.repository)
        return airferry("image", "mirror", "--from-dir", disk, *names, *self._flags, *more)

    def load_release(self, disk: Path, release: PublishedRelease, files: Path, *more: object) -> Run:
        """Run ``release mirror --from-dir``."""
        key = ("--verification-key", release.verification_key) if release.verification_key else ()
        to = ("--to", self.repository, "--manifests-dir", files)
        return airferry("release", "mirror", release.version, "--from-dir", disk, *to, *key, *self._flags, *more)

    def blobs(self) -> dict[str, str]:
        """Return what the registry keeps, manifests included: each digest it claims with the one its bytes have."""
        folder = self.root / "blobs"
        files = [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else []
        return {f"sha256:{file.name}": _digest(file) for file in files}

    def is_sound(self) -> bool:
        """Whether all it keeps is what its name says."""
        return all(claimed == actual for claimed, actual in self.blobs().items())


def _digest(file: Path) -> str:
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


@dataclass(frozen=True)
class Entry:
    """One name on a disk: what it is, what is in it, and which names are the same file."""

    kind: str
    mode: int
    content: str
    links: tuple[str, ...]


def look_at(disk: Path, *, without: Sequence[str] = ()) -> dict[str, Entry]:
    """Return everything below ``disk``, by relative path, ``without`` files of some names."""
    names: dict[tuple[int, int], list[str]] = {}
    found: dict[str, tuple[Path, os.stat_result]] = {}
    for folder, folders, files in os.walk(disk):
        for name in (*folders, *files):
            path = Path(folder) / name
            if name not in without:
                status, shown = path.lstat(), str(path.relative_to(disk))
                found[shown] = path, status
                names.setdefault((status.st_dev, status.st_ino), []).append(shown)
    entries = {}
    for shown, (path, status) in sorted(found.items()):
        kind, mode = (
            {stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFREG: "file", stat.S_IFSOCK: "socket"}[
                stat.S_IFMT(status.st_mode)
            ],
            stat.S_IMODE(status.st_mode),
        )
        content = str(path.readlink()) if kind == "link" else _digest(path) if kind == "file" else ""
        links = tuple(sorted(names[status.st_dev, status.st_ino])) if kind == "file" else ()
        entries[shown] = Entry(kind, mode, content, links)
    return entries


def blob_files(disk: Path) -> dict[str, Path]:
    """Return the files under ``v2`` that are named by a digest, one for each digest."""
    return {file.name: file for file in (disk / "v2").rglob("blobs/sha256:*")}


def is_sound(disk: Path) -> bool:
    """Whether every named blob is what its name says, and every tag and manifest has what it needs."""
    files = blob_files(disk)
    for manifest in (disk / "v2").rglob("manifests/*"):
        fields = json.loads(manifest.read_bytes())  # follows tags
        needed = [fields.get("config"), *fields.get("layers", ()), *fields.get("manifests", ())]
        if not all(item["digest"] in files for item in needed if item):
            return False
    return all(name == _digest(file) for name, file in files.items())


def missing_tags(disk: Path, undisturbed: dict[str, Entry]) -> set[str]:
    """Return the tags that the undisturbed disk has and this one has not, attachments aside."""
    links = {path for path, entry in undisturbed.items() if entry.kind == "link"}
    names = {Path(path).name for path in links - look_at(disk).keys()}
    return {name for name in names if not name.startswith("sha256-")}


def ledger(folder: Path) -> list[dict[str, str]]:
    """Return the gaps of images that the one ledger below ``folder`` names; those of attachments are left out."""
    (file,) = folder.rglob("ledger.json")
    gaps = json.loads(file.read_text())["gaps"]
    return [gap for gap in gaps if " of " not in gap["name"]]


def own_layer(store: LabStore, digest: str) -> str:
    """Return the digest of the last layer of an image, or of a list's first image."""
    fields = json.loads(store.read(digest))
    if "manifests" in fields:
        return own_layer(store, fields["manifests"][0]["digest"])
    return str(fields["layers"][-1]["digest"])
