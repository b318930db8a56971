"""Whether a place holds a blob as nodes would find it there: asked for, fetched and hashed, or read whole."""

from typing import Final, Protocol

from airferry.content.errors import (
    CertificateError,
    DamagedError,
    InterruptedTransferError,
    ThrottledError,
    UnreachableError,
    UnsafeArchiveError,
)
from airferry.content.protocol import ContentSource
from airferry.content.unpack_stream import UnpackLimits, visit_layer
from airferry.content.unpack_tar import TarEntry
from airferry.errors import AirferryError, MalformedError, UnsupportedError
from airferry.oci import ContentMismatchError, Descriptor, Repository, Verifier
from airferry.oci.pull_findings import Failure, Trouble
from airferry.survey.pull_failures import pull_failure

_NO_LIMITS: Final = UnpackLimits(layer_bytes=2**63, ratio=2**31, entries=2**31)
"""Nothing is kept of what is unpacked, and nodes have no such limits."""


class PullPlace(ContentSource, Protocol):
    """A place to pull from that can also say, without giving it, whether it has a blob."""

    async def has_blob(self, path: str, blob: Descriptor) -> bool:
        """Whether the repository holds this blob whole."""
        ...


async def look_for_layer(place: PullPlace, repository: Repository, layer: Descriptor) -> Failure | None:
    """Return why nodes cannot unpack what ``repository`` gives as a layer, None when they can; all of it is hashed.

    The names and links in it are not looked at, and neither is whether it is the one that the configuration speaks of:
    containers/image pulls an image of which that is not so.
    """
    try:
        await visit_layer(place, repository.path, layer, _Unpacked(), _NO_LIMITS)
    except MalformedError as error:
        return Failure(Trouble.BAD_BLOB, f"{repository}: nodes cannot unpack it: {error.message}")
    except (UnsafeArchiveError, UnsupportedError):
        # Packed or written in a way that we do not read, and nodes may: the bytes are all that is judged.
        return await look_for_blob(place, repository, layer, deep=True)
    except AirferryError as error:
        return _blob_failure(error, repository, layer)
    return None


class _Unpacked:
    """Sees everything and keeps nothing."""

    def entry(self, entry: TarEntry) -> None:
        """Pass over it."""

    def content(self, piece: memoryview) -> None:
        """Pass over it."""

    def satisfied(self) -> bool:
        return False


async def look_for_blob(place: PullPlace, repository: Repository, blob: Descriptor, *, deep: bool) -> Failure | None:
    """Return why ``repository`` does not give this blob, None when it does; with ``deep`` its bytes are hashed."""
    try:
        if not deep:
            await _find(place, repository.path, blob)
            return None
        verifier = Verifier(blob.digest, blob.size_bytes)
        async with place.open_blob(repository.path, blob) as stream:
            async for chunk in stream:
                verifier.update(chunk)
        verifier.finish()
    except AirferryError as error:
        return _blob_failure(error, repository, blob)
    return None


async def read_blob(place: PullPlace, repository: Repository, blob: Descriptor, limit_bytes: int) -> bytes | Failure:
    """Return a small blob whole and checked, or why there is none that nodes read."""
    if blob.size_bytes > limit_bytes:
        return Failure(Trouble.BAD_BLOB, f"{blob.digest} at {repository} is larger than nodes read")
    verifier, content = Verifier(blob.digest, blob.size_bytes), bytearray()
    try:
        async with place.open_blob(repository.path, blob) as stream:
            async for chunk in stream:
                verifier.update(chunk)
                content += chunk
        verifier.finish()
    except AirferryError as error:
        return _blob_failure(error, repository, blob)
    return bytes(content)


def _blob_failure(error: AirferryError, repository: Repository, blob: Descriptor) -> Failure:
    if isinstance(error, ContentMismatchError | DamagedError):
        return Failure(Trouble.BAD_BLOB, f"{blob.digest} at {repository}: {error.message}")
    return pull_failure(error, Trouble.NO_BLOB, has_credential=True)


async def _find(place: PullPlace, path: str, blob: Descriptor) -> None:
    """Ask by HEAD, and when that is no yes, by GET for the beginning, since nodes ask by GET alone.

    What stands before a registry, or where it redirects to, may answer HEAD otherwise: signed links are for GET alone.
    """
    try:
        if await place.has_blob(path, blob):
            return
    except (CertificateError, InterruptedTransferError, ThrottledError, UnreachableError):
        raise
    except AirferryError:
        pass  # what it answers to GET is what counts
    async with place.open_blob(path, blob) as stream:
        async for _ in stream:
            break
