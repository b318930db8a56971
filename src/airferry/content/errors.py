"""What can go wrong between us and a place that holds images. The blame is in the type."""

from airferry.errors import AirferryError


class NotFoundError(AirferryError):
    """The place answered, and does not have this manifest, tag, blob or repository."""

    code = "not-found"


class UnauthorizedError(AirferryError):
    """The registry wants credentials, or refused those it was given."""

    code = "unauthorized"


class DeniedError(AirferryError):
    """The registry knows who we are and does not allow this."""

    code = "denied"


class CertificateError(AirferryError):
    """The registry's TLS certificate cannot be trusted; says subject, reason and the flag that fixes it."""

    code = "certificate"


class UnknownCaError(CertificateError):
    """It is signed by a CA that is not trusted here."""


class CertificateNameError(CertificateError):
    """It is not for the name that was asked, or for no name at all."""


class CertificateTimeError(CertificateError):
    """It, or one it is signed by, has expired or is not valid yet."""


class UnreachableError(AirferryError):
    """No answer at all: name resolution, route, refused connection, proxy, TLS that is not TLS."""

    code = "unreachable"


class NotTlsError(UnreachableError):
    """It answers in plain HTTP where TLS is spoken."""


class BlockedError(AirferryError):
    """registries.conf bars every place this image could come from."""

    code = "blocked"


class ThrottledError(AirferryError):
    """The registry kept answering 429 after every wait it asked for."""

    code = "throttled"


class RegistryFailedError(AirferryError):
    """The registry kept answering with a server error, or with something that is not its protocol."""

    code = "registry-failed"


class InterruptedTransferError(AirferryError):
    """The connection kept breaking, or fell silent, in the middle of content."""

    code = "interrupted-transfer"


class NoSpaceError(AirferryError):
    """The disk is full, or too small for what is planned."""

    code = "no-space"


class ReadOnlyError(AirferryError):
    """The folder cannot be written to."""

    code = "read-only"


class UnfitFilesystemError(AirferryError):
    """The file system cannot hold an oc tree: no symbolic or hard links, or no colons in names."""

    code = "unfit-filesystem"


class InUseError(AirferryError):
    """Another run is at work in the same folder."""

    code = "in-use"


class DamagedError(AirferryError):
    """Stored content does not match its digest, is truncated, or is missing although something refers to it."""

    code = "damaged"


class UnsafeArchiveError(AirferryError):
    """A layer names paths outside the folder it is read into, or unpacks to more than is allowed."""

    code = "unsafe-archive"


class UnfitRegistryError(AirferryError):
    """The registry answers, and cannot take what is to be written: a namespace, a name, or a kind of push."""

    code = "unfit-registry"
