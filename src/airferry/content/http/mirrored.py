"""A registry read through the rules of registries.conf: mirrors first, as the cluster's nodes do, and better.

A node takes blobs only from the place that served the manifest, and fails when one is missing there. We ask
that place first and the others after it: content named by its digest is the same wherever it comes from.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol, TypeVar, runtime_checkable

from airferry.content.errors import BlockedError, NotFoundError
from airferry.content.protocol import ByteStream, ContentSource, TagPeeking
from airferry.errors import AirferryError
from airferry.oci import Descriptor, Digest, Manifest, Place, PlaceKind, Reference, Repository
from airferry.oci.digest import is_digest
from airferry.oci.pull_rules import PullRules
from airferry.oci.pull_sources import PullSource, pull_sources

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Registries(Protocol):
    """Something that gives access to any registry; HttpContent is one."""

    def registry(self, host: str, *, insecure: bool | None = None) -> ContentSource:
        """Return the registry at ``host``."""
        ...


@runtime_checkable
class Meeting(Protocol):
    """A place that remembers for a while that it could not be reached."""

    async def meet(self) -> None:
        """Make the first contact, or fail at once when it failed a while ago. Raises UnreachableError, …"""
        ...


class MirroredSource:
    """A ContentSource for ``host`` whose content may come from mirrors; names stay those of ``host``.

    Tags are listed by the host itself, never by mirrors, as nodes and skopeo do. When every place fails the
    error names all of them; its cause is the first failure. BlockedError names the rules that bar a place.

    A place that cannot be reached is passed over for a minute; only the last one is tried for each image anew.
    """

    def __init__(self, content: Registries, host: str, rules: PullRules) -> None:
        self.place = Place(PlaceKind.REGISTRY, host)
        self._content = content
        self._rules = rules
        self._serving: dict[str, PullSource] = {}
        self._known: dict[tuple[str, bool], tuple[PullSource, ...]] = {}

    async def resolve_tag(self, path: str, tag: str) -> Digest:
        """Return what the first place that has ``tag`` says it points at."""
        return await self._first(
            self._sources(path, tag), lambda place, at: place.resolve_tag(at, tag), f"resolve {path}:{tag}"
        )

    async def read_manifest(self, path: str, target: str) -> Manifest:
        """Return the manifest from the first place that serves it, and remember that place for the blobs."""

        async def read(place: ContentSource, at: str) -> Manifest:
            return await place.read_manifest(at, target)

        sources = self._sources(path, target)
        return await self._first(sources, read, f"read the manifest {target} of {path}", remember=path)

    @asynccontextmanager
    async def open_blob(self, path: str, blob: Descriptor, offset: int = 0) -> AsyncIterator[ByteStream]:
        """Open ``blob`` where its manifest came from, else elsewhere; also goes on elsewhere in its middle."""
        reading = _Reading(self._content, self._blob_sources(path, blob.digest), blob, offset, self._exhausted)
        try:
            await reading.open(f"read the blob {blob.digest} of {path}")
            stream = reading.chunks()
            try:
                yield stream
            finally:
                await stream.aclose()
        finally:
            await reading.close()

    async def list_tags(self, path: str) -> tuple[str, ...]:
        """Return the tags that the host itself has; mirrors are not asked."""
        source = self._sources(path, None)[-1]
        return await self._first((source,), lambda place, at: place.list_tags(at), f"list the tags of {path}")

    async def peek_tags(self, path: str) -> frozenset[str] | None:
        """Return all tags if only one place would be asked for any of them, and it tells; else None."""
        sources = self._sources(path, None)
        if len(sources) != 1 or sources[0].barred is not None:
            return None
        reference = sources[0].reference
        place = self._content.registry(
            reference.repository.place.address, insecure=True if sources[0].insecure else None
        )
        return await place.peek_tags(reference.repository.path) if isinstance(place, TagPeeking) else None

    async def list_referrers(self, path: str, subject: Digest) -> tuple[Descriptor, ...]:
        """Return the first list that is not empty; many mirrors hold images without what refers to them."""
        answered = False
        failures: list[tuple[PullSource, AirferryError]] = []
        sources = self._blob_sources(path, subject)
        for number, source in enumerate(sources, 1):
            try:
                found = await self._try(source, sources[number:], lambda place, at: place.list_referrers(at, subject))
            except AirferryError as error:
                failures.append((source, error))
                continue
            answered = True
            if found:
                return found
        if not answered:
            raise self._exhausted(failures, f"list the referrers of {subject} in {path}")
        return ()

    async def close(self) -> None:
        """Nothing of its own to give back."""

    def _sources(self, path: str, target: str | None) -> tuple[PullSource, ...]:
        """Return where ``target`` is asked for: the same for all digests of a repository, and for all its tags."""
        digest = Digest(target) if target is not None and is_digest(target) else None
        kind = (path, digest is not None)
        if kind not in self._known:
            tag = target if digest is None else None
            self._known[kind] = pull_sources(Reference(Repository(self.place, path), tag, digest), self._rules)
        return self._known[kind]

    def _blob_sources(self, path: str, digest: Digest) -> tuple[PullSource, ...]:
        """Where the manifest came from, then what a pull by digest tries, then what one by tag tries."""
        candidates = (*self._sources(path, digest), *self._sources(path, None))
        serving = self._serving.get(path)
        by_name: dict[Repository, PullSource] = {}
        for source in ((serving,) if serving else ()) + candidates:
            by_name.setdefault(source.reference.repository, source)
        return tuple(by_name.values())

    async def _first(
        self,
        sources: tuple[PullSource, ...],
        ask: Callable[[ContentSource, str], Awaitable[T]],
        doing: str,
        *,
        remember: str | None = None,
    ) -> T:
        failures: list[tuple[PullSource, AirferryError]] = []
        for number, source in enumerate(sources, 1):
            try:
                found = await self._try(source, sources[number:], ask)
            except AirferryError as error:
                failures.append((source, error))
                logger.info("place failed", extra={"place": str(source.reference.repository), "reason": error.message})
                continue
            if remember is not None:
                self._serving[remember] = source
            return found
        raise self._exhausted(failures, doing)

    async def _try(
        self, source: PullSource, others: Iterable[PullSource], ask: Callable[[ContentSource, str], Awaitable[T]]
    ) -> T:
        place = await open_place(self._content, source, others)
        return await ask(place, source.reference.repository.path)

    def _exhausted(self, failures: list[tuple[PullSource, AirferryError]], doing: str) -> AirferryError:
        """One failure is itself. Of several, the first that leaves hope decides the kind: a mirror that has not
        got it says nothing while the source is out of reach."""
        if len(failures) == 1:
            return failures[0][1]
        blocked, missing = BlockedError.code, NotFoundError.code
        kinds = [error for _, error in failures if error.code not in (blocked, missing)]
        kinds += [error for _, error in failures if error.code == missing]
        chosen = kinds[0] if kinds else failures[0][1]
        lines = "; ".join(f"{source.reference.repository}: {error.message}" for source, error in failures)
        error = type(chosen)(f"no place could {doing} of {self.place}: {lines}", hint=chosen.hint)
        error.__cause__ = failures[0][1]
        return error


async def open_place(content: Registries, source: PullSource, others: Iterable[PullSource]) -> ContentSource:
    """Return the registry of ``source``, or raise BlockedError when a rule bars it.

    When one of the ``others``, that are asked after it, is not barred, a registry that could not be reached
    a moment ago fails here, at once.
    """
    if source.barred is not None:
        if source.ill_formed:
            raise BlockedError(source.barred, hint="correct the location in that rule; nodes pass over it")
        raise BlockedError(source.barred, hint="remove blocked = true there, or add a mirror that is not blocked")
    host = source.reference.repository.place.address
    place = content.registry(host, insecure=True if source.insecure else None)
    if isinstance(place, Meeting) and any(other.barred is None for other in others):
        await place.meet()
    return place


class _Reading:
    """One blob on its way from several places, one after the other."""

    def __init__(
        self,
        content: Registries,
        sources: tuple[PullSource, ...],
        blob: Descriptor,
        offset: int,
        exhausted: Callable[[list[tuple[PullSource, AirferryError]], str], AirferryError],
    ) -> None:
        self._content = content
        self._left = list(sources)
        self._blob = blob
        self._position = offset
        self._exhausted = exhausted
        self._failures: list[tuple[PullSource, AirferryError]] = []
        self._doing = ""
        self._stack = AsyncExitStack()
        self._stream: ByteStream | None = None
        self._current: PullSource | None = None

    async def open(self, doing: str) -> None:
        """Open the blob at the next place that has it, from where we are."""
        self._doing = doing
        while self._left:
            source = self._current = self._left.pop(0)
            try:
                place = await open_place(self._content, source, self._left)
                opened = place.open_blob(source.reference.repository.path, self._blob, self._position)
                self._stream = await self._stack.enter_async_context(opened)
                return
            except AirferryError as error:
                self._failures.append((source, error))
        raise self._exhausted(self._failures, self._doing)

    async def chunks(self) -> AsyncGenerator[bytes | bytearray, None]:
        """Yield the rest of the blob; a place that fails for good is followed by the next one."""
        while True:
            assert self._stream is not None
            try:
                async for chunk in self._stream:
                    self._position += len(chunk)
                    yield chunk
                return
            except AirferryError as error:
                assert self._current is not None
                self._failures.append((self._current, error))
                await self.close()
                await self.open(self._doing)

    async def close(self) -> None:
        """Give the connection back."""
        await self._stack.aclose()
