"""The one table of refusals: which error becomes which status and which code of the distribution API.

Source: OCI distribution-spec "Error Codes"; 507 is RFC 4918's word for a full disk.
"""

from typing import Final

from airferry.errors import AirferryError
from airferry.oci import ContentMismatchError
from airferry.oci.wire import WireCode
from airferry.registry import errors
from airferry.registry.routes import BlobAt, Endpoint, ManifestAt, Referrers, TagList, UploadAt, Uploads

PAGINATION_NUMBER_INVALID: Final = "PAGINATION_NUMBER_INVALID"
"""Docker Registry HTTP API v2's code for a bad ``n``; the OCI list has none."""

REFUSALS: Final[dict[type[AirferryError], tuple[int, str]]] = {
    errors.NameInvalidError: (400, WireCode.NAME_INVALID),
    errors.TagInvalidError: (400, WireCode.TAG_INVALID),
    errors.DigestInvalidError: (400, WireCode.DIGEST_INVALID),
    errors.PageInvalidError: (400, PAGINATION_NUMBER_INVALID),
    errors.ManifestInvalidError: (400, WireCode.MANIFEST_INVALID),
    errors.MissingContentError: (400, WireCode.MANIFEST_BLOB_UNKNOWN),
    errors.UploadRangeError: (416, WireCode.BLOB_UPLOAD_INVALID),
    errors.SizeInvalidError: (400, WireCode.SIZE_INVALID),
    errors.TooLargeError: (413, WireCode.SIZE_INVALID),
    errors.StalledError: (408, WireCode.BLOB_UPLOAD_INVALID),
    errors.DamagedMetadataError: (500, WireCode.UNKNOWN),
    ContentMismatchError: (400, WireCode.DIGEST_INVALID),
}
"""Our own classes. What is not in here is decided by its code, in :data:`BY_CODE`."""

BY_CODE: Final[dict[str, tuple[int, str]]] = {
    "malformed": (400, WireCode.UNSUPPORTED),
    "unsupported": (405, WireCode.UNSUPPORTED),
    "unauthorized": (401, WireCode.UNAUTHORIZED),
    "denied": (403, WireCode.DENIED),
    "throttled": (429, WireCode.TOOMANYREQUESTS),
    "content-mismatch": (400, WireCode.DIGEST_INVALID),
    "read-only": (405, WireCode.UNSUPPORTED),
    "no-space": (507, WireCode.UNKNOWN),
    "unreachable": (503, WireCode.UNKNOWN),
}
"""By error code, so that a store of another room needs none of our classes."""


def refusal_of(error: AirferryError, endpoint: Endpoint | None) -> tuple[int, str]:
    """Return status and wire code for ``error``, met while answering ``endpoint`` (None: no such endpoint).

    Content that is damaged is answered as missing: a client then pushes or asks elsewhere, which heals it. Damaged
    metadata are not: nobody knows what is missing.
    """
    found = REFUSALS.get(type(error))
    if found is not None:
        return found
    if error.code in ("not-found", "damaged"):
        return 404, _unknown(endpoint)
    return BY_CODE.get(error.code, (500, WireCode.UNKNOWN))


def _unknown(endpoint: Endpoint | None) -> str:
    match endpoint:
        case BlobAt():
            return WireCode.BLOB_UNKNOWN
        case ManifestAt():
            return WireCode.MANIFEST_UNKNOWN
        case UploadAt() | Uploads():
            return WireCode.BLOB_UPLOAD_UNKNOWN
        case TagList() | Referrers():
            return WireCode.NAME_UNKNOWN
        case _:
            return WireCode.UNSUPPORTED
