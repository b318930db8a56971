"""The places of one run, opened when they are first needed and closed together."""

import asyncio
import os
from pathlib import Path
from types import TracebackType

from airferry.app.settings import Settings, Side
from airferry.app.text_files import read_text_file
from airferry.content.http import (
    HttpContent,
    HttpSettings,
    MirroredSource,
    RegistryPlace,
    RetryPolicy,
    default_certs_dirs,
    stored_credentials,
)
from airferry.content.layout import LayoutPlace
from airferry.content.protocol import ContentSink, ContentSource
from airferry.content.registries_conf import read_registries_conf
from airferry.content.tree import TreePlace
from airferry.errors import UsageError
from airferry.oci import ContentMismatchError, Descriptor, Place, PlaceKind, Repository
from airferry.oci.digest import check_content
from airferry.oci.pull_rules import PullRules
from airferry.openshift.cluster.mirror_files import parse_mirror_sets
from airferry.openshift.cluster.mirror_sets import MirrorSet
from airferry.openshift.cluster.registries_conf import pull_rules
from airferry.transfer.held import HeldRecord, load_held

_MAX_SMALL_BLOB_BYTES = 16 * 1024 * 1024


class Places:
    """Gives the source or sink for a place; an async context manager that closes them all.

    Raises UsageError, MalformedError and NotFoundError when it is made, if a file in ``settings`` is of no use.
    """

    def __init__(
        self, settings: Settings, *, readers: HttpContent | None = None, rules: PullRules | None = None
    ) -> None:
        """With ``readers`` registries are reached by these alone, and with ``rules`` read through those."""
        self.settings = settings
        self._rules = read_rules(settings) if rules is None else rules
        self._readers = readers or _new_http(settings.source, settings)
        self._writers = readers or _new_http(settings.destination, settings)
        self._sources: dict[Place, ContentSource] = {}
        self._sinks: dict[Place, ContentSink] = {}
        self._folders: dict[Place, TreePlace | LayoutPlace] = {}
        self._held: dict[Place, HeldRecord] = {}

    async def __aenter__(self) -> "Places":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closing = [folder.close() for folder in self._folders.values()]
        results = await asyncio.gather(*closing, self._readers.close(), self._writers.close(), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        # An error on closing (the last fsync) must not pass for success, nor hide what went wrong before.
        if failures and error is None:
            raise failures[0]

    def source(self, place: Place) -> ContentSource:
        """Return ``place`` to read from; a registry is read through the mirror rules, where there are any."""
        if place not in self._sources:
            if place.kind is not PlaceKind.REGISTRY:
                return self._folder(place)
            if self._rules.rules:
                self._sources[place] = MirroredSource(self._readers, place.address, self._rules)
            else:
                self._sources[place] = self._readers.registry(place.address)
        return self._sources[place]

    def read_through(self, source: ContentSource) -> None:
        """From now on read the place of ``source`` through it; whoever made it closes it."""
        self._sources[source.place] = source

    def sink(self, place: Place) -> ContentSink:
        """Return ``place`` to write to; mirror rules never apply to writes."""
        if place.kind is not PlaceKind.REGISTRY:
            return self._folder(place)
        if place not in self._sinks:
            self._sinks[place] = self._writers.registry(place.address)
        return self._sinks[place]

    def registry(self, host: str) -> RegistryPlace:
        """Return the registry at ``host`` itself, for questions about it rather than about an image."""
        return self._readers.registry(host)

    def target_registry(self, host: str) -> RegistryPlace:
        """Return the registry at ``host`` as it is written to, for questions about it rather than about an image."""
        return self._writers.registry(host)

    def held(self, place: Place) -> HeldRecord:
        """Return what earlier runs noted about ``place``."""
        if place not in self._held:
            key = place
            if place.kind is not PlaceKind.REGISTRY:
                key = Place(place.kind, os.path.realpath(place.address))
            self._held[place] = load_held(key, self.settings.state_folder)
        return self._held[place]

    async def read_blob(self, repository: Repository, blob: Descriptor) -> bytes:
        """Return a small blob (a configuration) whole and checked. Raises ContentMismatchError, NotFoundError, …"""
        if blob.size_bytes > _MAX_SMALL_BLOB_BYTES:
            raise ContentMismatchError(f"{blob.digest} of {repository} is too large to be a configuration")
        source = self.source(repository.place)
        content = bytearray()
        async with source.open_blob(repository.path, blob) as stream:
            async for chunk in stream:
                content += chunk
                if len(content) > blob.size_bytes:
                    break
        check_content(bytes(content), blob.digest, blob.size_bytes)
        return bytes(content)

    async def read_url(self, url: str, limit_bytes: int) -> bytes:
        """Return a small public document. Raises NotFoundError, UnreachableError, …"""
        return await self._readers.fetch_document(url, limit_bytes)

    def _folder(self, place: Place) -> TreePlace | LayoutPlace:
        if place not in self._folders:
            folder = Path(place.address)
            private = self.settings.private
            if place.kind is PlaceKind.TREE:
                self._folders[place] = TreePlace(folder, private=private)
            else:
                self._folders[place] = LayoutPlace(folder)
        return self._folders[place]


def read_rules(settings: Settings) -> PullRules:
    """Return the rules of registries.conf, or of mirror set files; both together are refused."""
    if settings.registries_conf is not None and settings.mirror_set_files:
        raise UsageError(
            "--registries-conf and mirror set files may not both be given",
            hint="a node reads one registries.conf, made from all mirror sets",
        )
    if settings.registries_conf is not None:
        return read_registries_conf(settings.registries_conf)
    sets: list[MirrorSet] = []
    for file in settings.mirror_set_files:
        sets += parse_mirror_sets(read_text_file(file), str(file))
    return pull_rules(sets)


def _new_http(side: Side, settings: Settings) -> HttpContent:
    retry = RetryPolicy(
        attempts=settings.retry_times + 1, first_wait_s=settings.retry_delay_s, patience_s=settings.patience_s
    )
    return HttpContent(
        HttpSettings(
            credentials=stored_credentials(side.auth_file),
            ca_file=side.ca_file,
            insecure=side.insecure,
            certs_dirs=default_certs_dirs(Path.home()),
            retry=retry,
        )
    )
