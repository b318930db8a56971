"""Blobs: pull and delete. Pushing them is :mod:`airferry.registry.handlers.uploads`.

Sources: OCI distribution-spec "Pulling blobs", "Deleting Blobs"; RFC 9110 section 14 for ranges.
"""

from aiohttp import web

from airferry.oci.wire import WireCode, parse_range
from airferry.registry.handlers.call import IDENTITY, Call, etag, is_unchanged, refusal
from airferry.registry.protocol import StoredBlob
from airferry.registry.routes import BlobAt
from airferry.registry.sending import send_content


async def get_blob(call: Call, endpoint: BlobAt) -> web.StreamResponse:
    """Answer GET and HEAD: the whole blob, or one range of it."""
    blob = await call.store.blob(endpoint.path, endpoint.digest)
    headers = IDENTITY | {
        "Docker-Content-Digest": str(blob.digest),
        "ETag": etag(blob.digest),
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
    }
    if is_unchanged(call.request, blob.digest):
        return web.Response(status=304, headers=headers)
    try:
        span = _wanted(call.request, blob)
    except ValueError:
        headers = {"Content-Range": f"bytes */{blob.size_bytes}"}
        return refusal(416, WireCode.SIZE_INVALID, f"the blob has {blob.size_bytes} bytes", headers)
    first, last = span or (0, blob.size_bytes - 1)
    if span:
        headers["Content-Range"] = f"bytes {first}-{last}/{blob.size_bytes}"
    status = 206 if span else 200
    headers["Content-Length"] = str(last - first + 1)
    if call.is_head:
        return web.Response(status=status, headers=headers)
    return await send_content(call.request, blob.content, first, last + 1, status, headers)


async def delete_blob(call: Call, endpoint: BlobAt) -> web.StreamResponse:
    """Remove a blob from this repository only."""
    await call.deletable.delete_blob(endpoint.path, endpoint.digest)
    return web.Response(status=202)


def _wanted(request: web.Request, blob: StoredBlob) -> tuple[int, int] | None:
    """Return the range asked for, None for the whole; raises ValueError when there is no such byte.

    Only a GET has ranges (RFC 9110 section 14.2); a HEAD is always answered for the whole.
    """
    said = request.headers.get("Range") if request.method == "GET" else None
    condition = request.headers.get("If-Range")
    if said is None or (condition is not None and condition.strip() != etag(blob.digest)):
        return None
    return parse_range(said, blob.size_bytes)
