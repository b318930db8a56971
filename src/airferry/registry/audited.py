"""Which answers of the registry are written into the audit log."""

from aiohttp import web

from airferry.oci import Digest
from airferry.registry.access.visitors import Knock, Verb
from airferry.registry.audit import AuditEvent, AuditLog
from airferry.registry.routes import BlobAt, Endpoint, ManifestAt, UploadAt, Uploads


async def write_down(
    audit: AuditLog, knock: Knock, endpoint: Endpoint | None, account: str | None, answer: web.StreamResponse
) -> None:
    """Write down what was pushed or deleted, and what an account was denied. Everything else is let pass."""
    event = _event(knock.verb, endpoint, answer)
    if event is None:
        return
    tag = str(endpoint.target) if isinstance(endpoint, ManifestAt) and not isinstance(endpoint.target, Digest) else None
    await audit.write(
        event,
        account=account,
        address=knock.address,
        repository=knock.path,
        verb=knock.verb if event is AuditEvent.DENIED else None,
        kind="manifest" if isinstance(endpoint, ManifestAt) else "blob",
        digest=answer.headers.get("Docker-Content-Digest") or _digest(endpoint),
        tag=tag,
    )


def _event(verb: Verb, endpoint: Endpoint | None, answer: web.StreamResponse) -> AuditEvent | None:
    match endpoint, answer.status:
        case ManifestAt() | UploadAt() | Uploads(), 201:
            return AuditEvent.PUSH
        case ManifestAt() | BlobAt(), 202 if verb is Verb.DELETE:
            return AuditEvent.DELETE
        case _, 403:
            return AuditEvent.DENIED
        case _:
            return None


def _digest(endpoint: Endpoint | None) -> str | None:
    match endpoint:
        case ManifestAt(target=Digest() as digest) | BlobAt(digest=digest):
            return str(digest)
        case _:
            return None
