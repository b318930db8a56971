"""Manifests: pull, push, delete.

Sources: OCI distribution-spec "Pulling manifests", "Pushing Manifests", "Deleting Manifests". A manifest is
served as it was pushed, whatever the Accept header says: converting would change its digest, and answering 404
(as docker-registry does) breaks clients that send no header.
"""

from typing import Final

from aiohttp import web

from airferry.errors import AirferryError
from airferry.oci import Digest
from airferry.oci.reference import is_tag
from airferry.oci.wire import WireCode, WireError, print_error_list
from airferry.registry.acceptance import PushedManifest, accept_manifest
from airferry.registry.body import read_whole
from airferry.registry.errors import MissingContentError, TagInvalidError
from airferry.registry.handlers.call import JSON, Call, etag, is_unchanged, refusal
from airferry.registry.routes import ManifestAt

_MOST_TAGS: Final = 64
_MOST_MISSING: Final = 100
_MOST_LOOKED_FOR: Final = 1000
"""Bounds on what is said of a manifest whose blobs are missing: most in one answer, most asked the store about."""


async def get_manifest(call: Call, endpoint: ManifestAt) -> web.StreamResponse:
    """Answer GET and HEAD, by tag or digest."""
    found = await call.store.manifest(endpoint.path, endpoint.target)
    headers = {"Docker-Content-Digest": str(found.digest), "ETag": etag(found.digest)}
    if is_unchanged(call.request, found.digest):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = found.media_type
    if call.is_head:
        headers["Content-Length"] = str(len(found.raw))
        return web.Response(headers=headers)
    return web.Response(body=found.raw, headers=headers)


async def put_manifest(call: Call, endpoint: ManifestAt) -> web.StreamResponse:
    """Store a manifest under its digest, and under a tag or, pushed by digest, under the ``tag`` parameters."""
    store = call.writable
    by_digest = endpoint.target if isinstance(endpoint.target, Digest) else None
    tags = _tags(call.request) if by_digest else (endpoint.target,)
    if len(tags) > _MOST_TAGS:
        return refusal(414, "TAG_INVALID", f"at most {_MOST_TAGS} tags can be pushed at once")
    raw = await read_whole(call.request, call.limits.manifest_bytes, call.limits.silence_s)
    pushed = accept_manifest(raw, call.request.headers.get("Content-Type"), by_digest)
    try:
        await store.put_manifest(endpoint.path, pushed, tags)
    except MissingContentError:
        missing = await _missing(call, endpoint.path, pushed)
        if not missing:
            raise
        return web.Response(status=400, body=print_error_list(missing), content_type=JSON)
    answer = web.Response(status=201)
    answer.headers["Location"] = f"/v2/{endpoint.path}/manifests/{pushed.digest}"
    answer.headers["Docker-Content-Digest"] = str(pushed.digest)
    if pushed.subject is not None:
        answer.headers["OCI-Subject"] = str(pushed.subject)
    if by_digest:
        for tag in tags:
            answer.headers.add("OCI-Tag", tag)
    return answer


async def delete_manifest(call: Call, endpoint: ManifestAt) -> web.StreamResponse:
    """Remove a tag, or a manifest by digest together with its tags."""
    await call.deletable.delete_manifest(endpoint.path, endpoint.target)
    return web.Response(status=202)


async def _missing(call: Call, path: str, pushed: PushedManifest) -> list[WireError]:
    """Return an error for each blob that the repository lacks, as Docker's API wants it; not endlessly many."""
    found: list[WireError] = []
    for digest in pushed.needs[:_MOST_LOOKED_FOR]:
        try:
            await call.store.blob(path, digest)
        except AirferryError as error:
            if error.code not in ("not-found", "damaged"):
                raise
            message = f"the manifest needs blob {digest}, which {path} does not hold"
            found.append(WireError(WireCode.MANIFEST_BLOB_UNKNOWN, message, {"digest": str(digest)}))
        if len(found) == _MOST_MISSING:
            break
    return found


def _tags(request: web.Request) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(request.query.getall("tag", [])))
    for tag in tags:
        if not is_tag(tag):
            raise TagInvalidError(f"the tag {tag[:140]!r} is not valid")
    return tags
