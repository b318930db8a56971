"""Why the registry refuses or fails. Each class is one row of the table in :mod:`airferry.registry.refusals`."""

from airferry.errors import AirferryError, MalformedError, UnsupportedError


class NotFoundError(AirferryError):
    """The repository does not hold this manifest, tag, blob or upload; or there is no such repository."""

    code = "not-found"


class NameInvalidError(MalformedError):
    """A repository name that the distribution-spec's grammar does not allow."""


class TagInvalidError(MalformedError):
    """A tag that the distribution-spec's grammar does not allow."""


class DigestInvalidError(MalformedError):
    """Something that stands where a digest should and is not one."""


class PageInvalidError(MalformedError):
    """A page size that is not a number of at least nought."""


class ManifestInvalidError(MalformedError):
    """A pushed manifest that is not one, or that contradicts itself or its Content-Type."""


class MissingContentError(AirferryError):
    """A pushed manifest points at blobs that its repository does not hold."""

    code = "malformed"


class UploadRangeError(MalformedError):
    """A chunk that does not begin where the upload ends, says no range, or meets another writer of the upload.

    ``received_bytes`` is what the upload holds, so that the answer can tell the client where to go on.
    """

    def __init__(self, message: str, *, received_bytes: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.received_bytes = received_bytes


class SizeInvalidError(MalformedError):
    """A body whose length is not what its headers promised."""


class TooLargeError(MalformedError):
    """A manifest over the limit."""


class StalledError(AirferryError):
    """A client fell silent, or went away, in the middle of a body."""

    code = "interrupted-transfer"


class UnauthorizedError(AirferryError):
    """No credentials, or wrong ones."""

    code = "unauthorized"


class DeniedError(AirferryError):
    """Good credentials that do not allow this."""

    code = "denied"


class QuotaExceededError(DeniedError):
    """A namespace would hold more bytes than it may."""


class ReadOnlyError(AirferryError):
    """The registry's folder cannot be written to."""

    code = "read-only"


class NoSpaceError(AirferryError):
    """The registry's disk is full."""

    code = "no-space"


class DatabaseUnreachableError(AirferryError):
    """The database that holds the registry's metadata does not answer."""

    code = "unreachable"


class DamagedError(AirferryError):
    """Stored content is missing or is not what its digest says, although a repository links it."""

    code = "damaged"


class DamagedMetadataError(DamagedError):
    """The metadata themselves are damaged: nobody knows what is there, so it cannot be called missing."""


class InUseError(AirferryError):
    """The port is taken, or the folder holds a registry already."""

    code = "in-use"


class NotWritableStoreError(UnsupportedError):
    """A write request to a registry that only reads, such as a disk tree that is served as it is."""


class DeletesDisabledError(UnsupportedError):
    """A request to delete from a registry that was told to keep everything."""


class CertificateError(AirferryError):
    """The registry's own certificate or key cannot be used."""

    code = "certificate"


class ThrottledError(AirferryError):
    """Too much of this at once; the same request works later."""

    code = "throttled"
