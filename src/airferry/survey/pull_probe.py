"""Try one pull as a node would, without keeping anything: every place in its order, then all below the manifest.

Source: containers/image: docker/docker_image_src (the places, and that the one that answers is kept),
manifest/list (which child of a list), docker/docker_client (credentials of the place, not of the name).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from airferry.content.errors import (
    UnauthorizedError,
)
from airferry.content.http.credentials import CredentialSource
from airferry.content.http.mirrored import Meeting
from airferry.errors import AirferryError, MalformedError, UnsupportedError
from airferry.oci import ContentMismatchError, Descriptor, Digest, Manifest, Platform, Reference, mediatype
from airferry.oci.pull_findings import Attempt, Failure, PullFindings, Signed, Trouble, bar_failure
from airferry.oci.pull_rules import PullRules
from airferry.oci.pull_sources import PullSource, pull_sources
from airferry.openshift.cluster.sigstore import MAX_CLAIM_BYTES, SIGNATURE_ANNOTATION, objection, signature_tag
from airferry.openshift.cluster.wanted import SignatureDemand
from airferry.survey.pull_blobs import PullPlace, look_for_blob, look_for_layer, read_blob
from airferry.survey.pull_failures import pull_failure
from airferry.survey.pull_platform import MAX_CONFIG_BYTES, choose_instance, misfits, no_image

T = TypeVar("T")

OpenPlace = Callable[[PullSource], PullPlace]
"""Gives the place of one attempt; nothing is asked of it yet."""


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """What is asked of every image. With ``deep`` content is fetched and hashed, not only asked for."""

    platforms: tuple[Platform, ...] = (Platform("linux", "amd64"),)
    deep: bool = False


@dataclass(slots=True)
class _Below:
    """What is found below a manifest that a place gave."""

    failures: list[Failure] = field(default_factory=list)
    signed: list[Signed] = field(default_factory=list)
    blobs: int = 0
    notes: list[str] = field(default_factory=list)


class PullProbe:
    """Tries pulls. What several images share is asked once for each place."""

    def __init__(
        self, open_place: OpenPlace, rules: PullRules, credentials: CredentialSource, settings: ProbeSettings
    ) -> None:
        self._open = open_place
        self._rules = rules
        self._credentials = credentials
        self._settings = settings
        self._asked: dict[tuple[object, ...], asyncio.Task[Any]] = {}
        self._doors: dict[tuple[str, bool, str], asyncio.Lock] = {}
        self._refused: dict[tuple[str, bool, str], Failure | None] = {}

    async def probe(self, image: Reference, demand: SignatureDemand | None = None) -> PullFindings:
        """Return what a pull of ``image`` meets. Raises nothing for what a place or rule does wrong."""
        try:
            sources = pull_sources(image, self._rules)
        except MalformedError as error:
            source = PullSource(image)
            return PullFindings((Attempt(source, failures=(Failure(Trouble.BAD_RULE, error.message),)),))
        attempts: list[Attempt] = []
        for source in sources:
            attempt, root = await self._attempt(source)
            if root is None:
                attempts.append(attempt)
                if attempt.answered:
                    break
                continue
            below = await self._below(source, root, image, demand)
            attempts.append(replace(attempt, failures=tuple(below.failures)))
            return PullFindings(tuple(attempts), _worst(below.signed), below.blobs, "; ".join(below.notes))
        return PullFindings(tuple(attempts))

    async def close(self) -> None:
        """Stop what is still being asked, when a run ends early."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)

    async def _attempt(self, source: PullSource) -> tuple[Attempt, Manifest | None]:
        if source.barred is not None:
            return Attempt(source, failures=(bar_failure(source, source.barred),)), None
        repository = source.reference.repository
        credential = await self._credentials.find(repository.place.address, repository.path)
        origin = credential.origin if credential is not None else None
        target = source.reference.digest or source.reference.tag or "latest"
        try:
            manifest = await self._at_the_door(source, target)
        except _RefusedError as refused:
            return Attempt(source, failures=(refused.failure,), credential=origin), None
        except (ContentMismatchError, MalformedError, UnsupportedError) as error:
            # It answered, so nodes stay with it, and then do not accept what it gave.
            failure = Failure(Trouble.BAD_MANIFEST, error.message)
            return Attempt(source, answered=True, failures=(failure,), credential=origin), None
        except AirferryError as error:
            failure = pull_failure(error, Trouble.NO_MANIFEST, has_credential=credential is not None)
            return Attempt(source, failures=(failure,), credential=origin), None
        return Attempt(source, answered=True, manifest=manifest.digest, credential=origin), manifest

    async def _at_the_door(self, source: PullSource, target: str) -> Manifest:
        """Read a manifest; a credential that was refused for a repository is not offered again, nor by many at once."""
        repository = source.reference.repository
        door = (repository.place.address, source.insecure, repository.path)
        if door not in self._refused:
            async with self._doors.setdefault(door, asyncio.Lock()):
                if door not in self._refused:
                    try:
                        await self._manifest(source, target)
                    except UnauthorizedError as error:
                        known = await self._credentials.find(repository.place.address, repository.path)
                        self._refused[door] = pull_failure(error, Trouble.NO_MANIFEST, has_credential=known is not None)
                    except AirferryError:
                        self._refused[door] = None
                    else:
                        self._refused[door] = None
        failure = self._refused[door]
        if failure is not None:
            raise _RefusedError(failure)
        return await self._manifest(source, target)

    async def _below(
        self, source: PullSource, root: Manifest, image: Reference, demand: SignatureDemand | None
    ) -> _Below:
        below = _Below()
        images: dict[Digest, Manifest] = {}
        if not root.is_index:
            images[root.digest] = root
        for platform in self._settings.platforms if root.is_index else ():
            child = choose_instance(root, platform)
            if child is None:
                there = ", ".join(str(item.platform) for item in root.children if item.platform) or "no platform"
                failure = Failure(Trouble.NO_PLATFORM, f"the list {root.digest} is for {there}, not for {platform}")
                below.failures.append(failure)
                continue
            try:
                images[child] = await self._manifest(source, child)
            except AirferryError as error:
                words = f"{source.reference.repository} has the list {root.digest}, and not its image {child}"
                below.failures.append(pull_failure(error, Trouble.NO_CHILD, words, has_credential=True))
        for manifest in images.values():
            await self._blobs(source, manifest, below, unpacked=True)
            if not below.failures:
                # A list has said which platform its images are for, and nodes believe it.
                platforms = () if root.is_index else self._settings.platforms
                await self._configuration(source, manifest, platforms, below)
            if demand is not None:
                below.signed.append(await self._signature(source, manifest.digest, image, demand, below))
        return below

    async def _blobs(self, source: PullSource, manifest: Manifest, below: _Below, *, unpacked: bool = False) -> None:
        if manifest.is_index:
            below.failures.append(Failure(Trouble.BAD_MANIFEST, f"{manifest.digest} is a list inside of a list"))
            return
        if any(mediatype.is_foreign_layer(layer.media_type) and layer.urls for layer in manifest.layers):
            below.notes.append("layers that are fetched from elsewhere were not asked for")
        below.blobs += len(manifest.blobs)
        is_image = unpacked and manifest.config is not None and no_image(manifest, manifest.config) is None
        found = await asyncio.gather(
            *(self._blob(source, blob, is_layer=is_image and blob != manifest.config) for blob in manifest.blobs)
        )
        for blob, failure in zip(manifest.blobs, found, strict=True):
            if failure is not None:
                word = "configuration" if blob == manifest.config else "layer"
                where = source.reference.repository
                lacks = f"{where} has the manifest {manifest.digest}, and not its {word} {blob.digest}"
                message = lacks if failure.trouble is Trouble.NO_BLOB else failure.message
                below.failures.append(replace(failure, message=message))

    async def _blob(self, source: PullSource, blob: Descriptor, *, is_layer: bool) -> Failure | None:
        """Ask for a blob, once for each repository of a place."""
        repository = source.reference.repository

        async def ask() -> Failure | None:
            if is_layer and self._settings.deep:
                return await look_for_layer(self._open(source), repository, blob)
            return await look_for_blob(self._open(source), repository, blob, deep=self._settings.deep)

        return await self._once((repository, source.insecure, blob.digest, blob.size_bytes, is_layer), ask)

    async def _configuration(
        self, source: PullSource, manifest: Manifest, platforms: Sequence[Platform], below: _Below
    ) -> None:
        """Read an image's configuration, which nodes must understand, and which must be for all ``platforms``."""
        config = manifest.config
        if config is None:
            return
        where = source.reference.repository
        refused_as = no_image(manifest, config)
        if refused_as is not None:
            below.failures.append(Failure(Trouble.NOT_AN_IMAGE, f"{where}: {manifest.digest} {refused_as}"))
            return
        content = await read_blob(self._open(source), source.reference.repository, config, MAX_CONFIG_BYTES)
        if isinstance(content, Failure):
            below.failures.append(content)
            return
        try:
            objection = misfits(content, platforms)
        except MalformedError as error:
            below.failures.append(Failure(Trouble.BAD_BLOB, f"{config.digest} at {where}: {error.message}"))
            return
        if objection is not None:
            told = f"{where}: the image {manifest.digest} {objection}: nodes pull it and cannot run it"
            below.failures.append(Failure(Trouble.WRONG_PLATFORM, told))

    async def _signature(
        self, source: PullSource, digest: Digest, image: Reference, demand: SignatureDemand, below: _Below
    ) -> Signed:
        """Look where nodes look: at the place that gave the manifest, beside it."""
        repository = source.reference.repository
        tag = signature_tag(digest)
        try:
            manifest = await self._manifest(source, tag)
        except AirferryError as error:
            words = f"the policy {demand.policy} wants a signature of {digest}, and {repository} has no tag {tag}"
            below.failures.append(pull_failure(error, Trouble.NO_SIGNATURE, words, has_credential=True))
            return Signed.FAILED
        if demand.key_pem is None:
            await self._blobs(source, manifest, below)
            return Signed.NOT_CHECKED
        objections: list[str] = []
        for layer in manifest.layers:
            claimed = await read_blob(self._open(source), repository, layer, MAX_CLAIM_BYTES)
            if isinstance(claimed, Failure):
                objections.append(claimed.message)
                continue
            signature = layer.annotations.get(SIGNATURE_ANNOTATION, "")
            reason = objection(claimed, signature, demand.key_pem, digest, image)
            if reason is None:
                return Signed.VERIFIED
            objections.append(reason)
        reason = "; ".join(dict.fromkeys(objections)) or "it is empty"
        words = f"nodes do not accept the signature {repository}:{tag} under the policy {demand.policy}: {reason}"
        below.failures.append(Failure(Trouble.BAD_SIGNATURE, words))
        return Signed.FAILED

    async def _manifest(self, source: PullSource, target: str) -> Manifest:
        repository = source.reference.repository

        async def read() -> Manifest:
            place = self._open(source)
            if isinstance(place, Meeting):
                await place.meet()
            return await place.read_manifest(repository.path, target)

        return await self._once((repository, source.insecure, "manifest", target), read)

    async def _once(self, key: tuple[object, ...], ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(ask())
        found: T = await asyncio.shield(self._asked[key])  # a key is always asked for in the same way
        return found


class _RefusedError(Exception):
    """The credential was refused before for the same repository."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def _worst(signed: Sequence[Signed]) -> Signed:
    for state in (Signed.FAILED, Signed.NOT_CHECKED, Signed.VERIFIED):
        if state in signed:
            return state
    return Signed.NOT_DEMANDED


async def probe_all(
    probe: PullProbe,
    images: Iterable[tuple[Reference, SignatureDemand | None]],
    on_done: Callable[[], None] = lambda: None,
    *,
    workers: int = 24,
) -> tuple[PullFindings, ...]:
    """Return the findings of every image, in the order given."""
    listed = tuple(images)
    found: dict[int, PullFindings] = {}
    waiting = list(range(len(listed) - 1, -1, -1))

    async def work() -> None:
        while waiting:
            number = waiting.pop()
            found[number] = await probe.probe(*listed[number])
            on_done()

    workers_now: list[Awaitable[None]] = [work() for _ in range(min(workers, len(listed)))]
    try:
        await asyncio.gather(*workers_now)
    finally:
        await probe.close()
    return tuple(found[number] for number in range(len(listed)))
