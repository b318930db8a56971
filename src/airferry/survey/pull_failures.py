"""What an error means for a pull: the one table from what a place raised to a trouble that a verdict is drawn from."""

from typing import Final

from airferry.content.errors import (
    BlockedError,
    CertificateError,
    CertificateNameError,
    CertificateTimeError,
    DamagedError,
    DeniedError,
    NotFoundError,
    NotTlsError,
    RegistryFailedError,
    UnauthorizedError,
    UnknownCaError,
    UnreachableError,
)
from airferry.content.http.refusals import NoTokenError
from airferry.errors import AirferryError, MalformedError, UnsupportedError
from airferry.oci import ContentMismatchError
from airferry.oci.pull_findings import Failure, Trouble

_KINDS: Final[tuple[tuple[type[AirferryError], Trouble], ...]] = (
    (UnknownCaError, Trouble.UNKNOWN_CA),
    (CertificateNameError, Trouble.WRONG_NAME),
    (CertificateTimeError, Trouble.WRONG_TIME),
    (CertificateError, Trouble.CERTIFICATE),
    (NotTlsError, Trouble.NOT_TLS),
    (UnreachableError, Trouble.UNREACHABLE),
    (DeniedError, Trouble.DENIED),
    (BlockedError, Trouble.BLOCKED),
    (NoTokenError, Trouble.NO_TOKEN),
    (RegistryFailedError, Trouble.FAILS),
)


def pull_failure(error: AirferryError, missing: Trouble, words: str | None = None, *, has_credential: bool) -> Failure:
    """Return what ``error`` means for a pull; ``missing`` and ``words`` are for what is simply not there."""
    if isinstance(error, NotFoundError):
        return Failure(missing, words or error.message)
    if isinstance(error, UnauthorizedError):
        return Failure(Trouble.REFUSED_CREDENTIAL if has_credential else Trouble.NO_CREDENTIAL, error.message)
    if isinstance(error, ContentMismatchError | MalformedError | UnsupportedError | DamagedError):
        return Failure(Trouble.BAD_MANIFEST, error.message)
    trouble = next((trouble for kind, trouble in _KINDS if isinstance(error, kind)), Trouble.UNSETTLED)
    return Failure(trouble, error.message)
