"""Whether a place holds a blob as nodes would find it there: asked for, fetched and hashed, or read whole."""

from typing import Protocol

from airferry.content.errors import (
    CertificateError,
    DamagedError,
    InterruptedTransferError,
    ThrottledError,
    UnreachableError,
)
from airferry.content.protocol import ContentSource
from airferry.errors import AirferryError
from airferry.oci import ContentMismatchError, Descriptor, Repository, Verifier
from airferry.oci.pull_findings import Failure, Trouble
from airferry.survey.pull_failures import pull_failure


class PullPlace(ContentSource, Protocol):
    """A place to pull from that can also say, without giving it, whether it has a blob."""

    async def has_blob(self, path: str, blob: Descriptor) -> bool:
        """Whether the repository holds this blob whole."""
        ...


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
