"""Small requests that try out what a registry takes, each write with the way to take it back.

They go through the session as every write does: with the credentials of the repository, and to its own host.
"""

from typing import Final

from airferry.content.http.addresses import absolute
from airferry.content.http.authorizer import pull_scope, push_scope
from airferry.content.http.questions import Heard
from airferry.content.http.refusals import Doing
from airferry.content.http.session import Call, RegistrySession, Side
from airferry.oci import Digest

_ANY: Final = frozenset({200, 201, 202, 204, *range(400, 424)} - {401, 408})
"""Every answer that settles it. A 401 becomes the session's error, which knows whose credentials were refused."""


class Rehearsal:
    """Writes into one repository of one registry. Raises UnauthorizedError, UnreachableError, RegistryFailedError, …"""

    def __init__(self, session: RegistrySession, path: str) -> None:
        self._session = session
        self._path = path

    async def look(self) -> Heard:
        """Ask for a tag that may or may not be there: a 404 says as much as a 200, that one may look."""
        return await self._send("HEAD", f"/v2/{self._path}/manifests/latest", only=pull_scope(self._path))

    async def begin_upload(self) -> tuple[Heard, str | None]:
        """Begin an upload; return the answer and, where it began, the address to go on at."""
        answer = await self._send("POST", f"/v2/{self._path}/blobs/uploads/", {"Content-Length": "0"})
        location = answer.headers.get("location") if answer.status == 202 else None
        if location is None:
            return answer, None
        return answer, absolute(location, self._session.base, self._doing("begin an upload in", "this repository"))

    async def send_chunk(self, location: str, chunk: bytes) -> tuple[Heard, str]:
        """Send ``chunk`` as the first of an upload; return the answer and the address to go on at."""
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"0-{len(chunk) - 1}"}
        answer = await self._send("PATCH", location, headers, chunk)
        following = answer.headers.get("location")
        doing = self._doing("send a chunk to", "this repository")
        return answer, absolute(following, self._session.base, doing) if following else location

    async def finish_upload(self, location: str, content: bytes) -> Heard:
        """Send all of ``content`` and end the upload."""
        separator = "&" if "?" in location else "?"
        headers = {"Content-Type": "application/octet-stream"}
        return await self._send("PUT", f"{location}{separator}digest={Digest.of(content)}", headers, content)

    async def cancel_upload(self, location: str) -> Heard:
        """Give an upload up."""
        return await self._send("DELETE", location)

    async def mount(self, digest: Digest, from_path: str) -> tuple[Heard, str | None]:
        """Try to take a blob over from ``from_path``; an address is that of the upload that was begun instead."""
        target = f"/v2/{self._path}/blobs/uploads/?mount={digest}&from={from_path}"
        answer = await self._send("POST", target, {"Content-Length": "0"}, scopes=(pull_scope(from_path),))
        location = answer.headers.get("location") if answer.status == 202 else None
        doing = self._doing("mount a blob in", "this repository")
        return answer, absolute(location, self._session.base, doing) if location else None

    async def put_manifest(self, raw: bytes, media_type: str) -> Heard:
        """Push a manifest under its digest and under no tag."""
        target = f"/v2/{self._path}/manifests/{Digest.of(raw)}"
        return await self._send("PUT", target, {"Content-Type": media_type}, raw)

    async def delete(self, kind: str, digest: Digest) -> Heard:
        """Delete one of the repository's ``manifests`` or ``blobs``."""
        return await self._send("DELETE", f"/v2/{self._path}/{kind}/{digest}", scopes=(self._delete_scope,))

    @property
    def _delete_scope(self) -> str:
        return f"repository:{self._path}:delete"

    def _doing(self, verb: str, subject: str) -> Doing:
        return Doing(self._session.host, self._path, verb, subject)

    async def _send(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        *,
        scopes: tuple[str, ...] = (),
        only: str | None = None,
    ) -> Heard:
        call = Call(
            method,
            target,
            self._doing("try out a push to", "this repository"),
            (only or push_scope(self._path), *scopes),
            _ANY,
            headers or {},
            body,
            Side.WRITE,
            once=True,
        )
        answer = await self._session.answer(call)
        found = {name.lower(): value for name, value in reversed(list(answer.headers.items()))}
        return Heard(answer.status, found, answer.body)
