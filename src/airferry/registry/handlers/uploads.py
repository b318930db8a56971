"""Uploads: begin, mount, receive, finish, look, cancel.

Sources: OCI distribution-spec "Pushing blobs"; Docker Registry HTTP API v2 "Pushing a Layer". The state of an
upload is in the path of its Location, never in the query, which some clients drop (zb).
"""

from contextlib import suppress

from aiohttp import web

from airferry.errors import AirferryError, MalformedError
from airferry.oci import Digest
from airferry.oci.reference import is_repository_path
from airferry.registry.access import ScopeMissingError, Verb
from airferry.registry.body import read_batches
from airferry.registry.errors import DigestInvalidError, SizeInvalidError, UploadRangeError
from airferry.registry.handlers.call import Call, refusal
from airferry.registry.protocol import OpenUpload
from airferry.registry.refusals import refusal_of
from airferry.registry.routes import UploadAt, Uploads
from airferry.registry.upload import ALGORITHMS, ChunkPromise, accept_chunk, check_progress, print_progress


async def begin(call: Call, endpoint: Uploads) -> web.StreamResponse:
    """Begin an upload; or mount a blob of another repository; or take a whole blob in this one request."""
    store, query = call.writable, call.request.query
    mounted = _digest(query["mount"]) if "mount" in query else None
    whole = _digest(query["digest"]) if "digest" in query else None
    algorithm = query.get("digest-algorithm", whole.algorithm if whole else "sha256")
    if algorithm not in ALGORITHMS:
        raise DigestInvalidError(f"the digest algorithm {algorithm[:40]!r} is not one of {', '.join(ALGORITHMS)}")
    if mounted is not None and await _mount(call, endpoint.path, mounted):
        return _created(endpoint.path, mounted)
    upload_id = await store.begin_upload(endpoint.path, algorithm)
    if whole is None or mounted is not None:
        return _progress(202, endpoint.path, upload_id, 0)
    try:
        async with store.open_upload(endpoint.path, upload_id) as upload:
            upload.expect_all(call.request.content_length)
            await _receive(call, upload, ChunkPromise(0, call.request.content_length))
            await upload.finish(whole)
    except BaseException:
        await _forget(call, endpoint.path, upload_id)
        raise
    return _created(endpoint.path, whole)


async def receive(call: Call, endpoint: UploadAt) -> web.StreamResponse:
    """Take a chunk, or a stream of any length, at the end of an upload."""
    try:
        async with call.writable.open_upload(endpoint.path, endpoint.upload_id) as upload:
            await _receive(call, upload, _promise(call, upload))
            return _progress(202, endpoint.path, endpoint.upload_id, upload.received_bytes)
    except UploadRangeError as error:
        return _out_of_order(endpoint, error)


async def finish(call: Call, endpoint: UploadAt) -> web.StreamResponse:
    """Take the last chunk, if there is one, and make the upload a blob."""
    store = call.writable
    if "digest" not in call.request.query:
        raise DigestInvalidError("an upload is finished with ?digest=")
    digest = _digest(call.request.query["digest"])
    try:
        async with store.open_upload(endpoint.path, endpoint.upload_id) as upload:
            upload.expect_all(call.request.content_length)
            await _receive(call, upload, _promise(call, upload))
            await upload.finish(digest)
    except UploadRangeError as error:
        return _out_of_order(endpoint, error)
    return _created(endpoint.path, digest)


async def look(call: Call, endpoint: UploadAt) -> web.StreamResponse:
    """Say how far an upload has come, also while another request writes to it."""
    received_bytes = await call.writable.upload_size(endpoint.path, endpoint.upload_id)
    return _progress(204, endpoint.path, endpoint.upload_id, received_bytes)


async def cancel(call: Call, endpoint: UploadAt) -> web.StreamResponse:
    """Forget an upload."""
    await call.writable.cancel_upload(endpoint.path, endpoint.upload_id)
    return web.Response(status=204)


async def _mount(call: Call, path: str, digest: Digest) -> bool:
    """Try to mount. A source that does not exist and one that may not be read look the same: not mounted.

    A source that a token of this account could be made for is answered with a challenge for such a token, as
    distribution does: the client gets one and mounts, instead of sending all bytes again.
    """
    from_path = call.request.query.get("from")
    if from_path is not None and not is_repository_path(from_path):
        return False
    out_of_scope: list[str] = []

    def may_read(holder: str) -> bool:
        if call.visitor.may(Verb.PULL, holder):
            return True
        if call.visitor.sees(holder):
            out_of_scope.append(holder)
        return False

    is_mounted = await call.writable.mount_blob(path, digest, from_path, may_read)
    if out_of_scope and not is_mounted:
        raise ScopeMissingError(
            f"the bearer token is not for this: pull {out_of_scope[0]}",
            hint="ask for a token with that scope, too",
            also_pull=out_of_scope[0],
        )
    return is_mounted


def _promise(call: Call, upload: OpenUpload) -> ChunkPromise:
    request = call.request
    return accept_chunk(upload.received_bytes, request.headers.get("Content-Range"), request.content_length)


async def _receive(call: Call, upload: OpenUpload, promise: ChunkPromise) -> None:
    """Add the body to the upload. A body that contradicts its headers leaves nothing of itself behind.

    A body that breaks off leaves what came of it, so that the client can go on from there.
    """
    taken_bytes = 0
    try:
        async for batch in read_batches(call.request, call.limits.silence_s):
            taken_bytes += sum(len(chunk) for chunk in batch)
            check_progress(promise, taken_bytes, ended=False)
            await upload.append(batch)
        check_progress(promise, taken_bytes, ended=True)
    except SizeInvalidError:
        await upload.cut(promise.start)
        raise


async def _forget(call: Call, path: str, upload_id: str) -> None:
    with suppress(AirferryError):  # finishing with a wrong digest has removed it already
        await call.writable.cancel_upload(path, upload_id)


def _digest(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except MalformedError as error:
        raise DigestInvalidError(error.message, hint=error.hint) from error


def _created(path: str, digest: Digest) -> web.Response:
    headers = {"Location": f"/v2/{path}/blobs/{digest}", "Docker-Content-Digest": str(digest)}
    return web.Response(status=201, headers=headers)


def _progress(status: int, path: str, upload_id: str, received_bytes: int) -> web.Response:
    return web.Response(status=status, headers=_upload_headers(path, upload_id, received_bytes))


def _out_of_order(endpoint: UploadAt, error: UploadRangeError) -> web.Response:
    """Refuse a chunk and say where the upload goes on."""
    headers = _upload_headers(endpoint.path, endpoint.upload_id, error.received_bytes)
    return refusal(*refusal_of(error, endpoint), error.message, headers)


def _upload_headers(path: str, upload_id: str, received_bytes: int) -> dict[str, str]:
    return {
        "Location": f"/v2/{path}/blobs/uploads/{upload_id}",
        "Range": print_progress(received_bytes),
        "Docker-Upload-UUID": upload_id,
    }
