"""Find out what a registry takes by doing it small, in a repository that the copy writes to anyway.

All that is made is taken back: uploads are cancelled, manifests and blobs deleted. Where a registry does not let
anybody delete, what stays is named: two blobs of less than a kilobyte, and at most two manifests without a tag.
"""

import gzip
import io
import json
import secrets
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from airferry.content.errors import DeniedError, NotFoundError, UnauthorizedError
from airferry.content.http import Heard, Rehearsal
from airferry.errors import AirferryError
from airferry.oci import Digest
from airferry.oci.wire import parse_errors
from airferry.plan.destination import Can, Capability

_DOCKER: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)
_OCI: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip",
)
_REFUSALS: Final = frozenset({400, 404, 405, 406, 415, 422})
"""What says no to the kind of push; a 403 or 409 may be about a quota, a right or a rule of this one repository."""
_STORED: Final = frozenset({200, 201, 202, 204})
_DELETED: Final = frozenset({200, 202, 204, 404})
_REFUSED: Final = (DeniedError, UnauthorizedError, NotFoundError)
_MAX_SHOWN: Final = 200

OpenRehearsal = Callable[[str], Rehearsal]


@dataclass(slots=True)
class Rehearsed:
    """What a registry was found to take: the answers, what it said to each no, and what could not be taken back."""

    answers: dict[Capability, Can] = field(default_factory=dict)
    said: dict[Capability, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)

    def note(self, capability: Capability, heard: Heard) -> bool:
        """Keep an answer, and return whether it was a yes."""
        can = Can.YES if heard.status in _STORED else Can.NO if heard.status in _REFUSALS else Can.UNKNOWN
        self.answers[capability] = can
        if can is not Can.YES:
            self.said[capability] = words_of(heard)
        return can is Can.YES


async def may_push(path: str, open_rehearsal: OpenRehearsal) -> str | None:
    """Begin an upload in a repository and cancel it: None when that went well, else what the registry said.

    Two requests. Errors that say nothing about the repository (out of reach, out of order) are raised.
    """
    rehearsal = open_rehearsal(path)
    try:
        heard, location = await rehearsal.begin_upload()
    except _REFUSED as error:
        return error.message
    if location is None:
        return words_of(heard)
    await _cancel(rehearsal, location)
    return None


async def may_read(path: str, open_rehearsal: OpenRehearsal) -> str | None:
    """Ask for something in a repository: None when that is answered, else what the registry said. One request."""
    try:
        heard = await open_rehearsal(path).look()
    except (DeniedError, UnauthorizedError) as error:
        return error.message
    except NotFoundError:
        return None
    return None if heard.status in (200, 404) else words_of(heard)


async def try_out(wanted: frozenset[Capability], path: str, open_rehearsal: OpenRehearsal) -> Rehearsed:
    """Find out ``wanted`` in the repository ``path``: nested names aside, which :func:`may_push` tells.

    At most a dozen requests, whatever is wanted. A registry that fails on the way leaves answers unknown.
    """
    found = Rehearsed()
    rehearsal = open_rehearsal(path)
    try:
        if Capability.CHUNKED in wanted:
            await _try_chunk(rehearsal, found)
        if wanted - {Capability.CHUNKED}:
            await _try_manifests(wanted, path, rehearsal, found)
    except AirferryError as error:
        found.said.update(dict.fromkeys(wanted - found.answers.keys(), error.message))
    return found


def words_of(heard: Heard) -> str:
    """Return an answer in words: its status, and the registry's own words where it has any."""
    entries = parse_errors(heard.body)
    said = "; ".join(f"{entry.code}: {entry.message}" for entry in entries)
    printable = "".join(letter for letter in said if letter.isprintable())[:_MAX_SHOWN]
    return f"{heard.status}" + (f" ({printable})" if printable else "")


async def _try_chunk(rehearsal: Rehearsal, found: Rehearsed) -> None:
    heard, location = await rehearsal.begin_upload()
    if location is None:
        found.said[Capability.CHUNKED] = words_of(heard)
        return
    try:
        answer, location = await rehearsal.send_chunk(location, b"a chunk")
        found.note(Capability.CHUNKED, answer)
    finally:
        await _cancel(rehearsal, location)


async def _try_manifests(wanted: frozenset[Capability], path: str, rehearsal: Rehearsal, found: Rehearsed) -> None:
    """Push a tiny image by its digest, then a list that lacks an image, and take both back."""
    probe = _Probe.new()
    blobs: list[Digest] = []
    manifests: list[Digest] = []
    try:
        for content in (probe.config, probe.layer):
            heard = await _push_blob(rehearsal, content)
            if heard.status not in _STORED:
                found.said.update(dict.fromkeys(wanted - found.answers.keys(), words_of(heard)))
                return
            blobs.append(Digest.of(content))
        if Capability.MOUNT in wanted:
            await _try_mount(path, rehearsal, found, blobs[0])
        types = await _try_each(Capability.TAGLESS, probe.image, 0, rehearsal, found, manifests)
        if Capability.SPARSE in wanted and types is not None:
            await _try_each(Capability.SPARSE, probe.sparse_list, 1, rehearsal, found, manifests)
    finally:
        await _take_back(path, rehearsal, found, manifests, blobs)


async def _try_each(
    capability: Capability,
    document: Callable[[tuple[str, ...]], bytes],
    position: int,
    rehearsal: Rehearsal,
    found: Rehearsed,
    stored: list[Digest],
) -> tuple[str, ...] | None:
    """Push a document in Docker's form and, where that is refused, in OCI's; return the form that was taken."""
    for types in (_DOCKER, _OCI):
        raw = document(types)
        if found.note(capability, await rehearsal.put_manifest(raw, types[position])):
            found.said.pop(capability, None)
            stored.append(Digest.of(raw))
            return types
        if found.answers[capability] is not Can.NO:
            return None
    return None


async def _try_mount(path: str, rehearsal: Rehearsal, found: Rehearsed, blob: Digest) -> None:
    """Mount from the repository itself: another one would stay behind empty."""
    heard, location = await rehearsal.mount(blob, path)
    if location is not None:
        await _cancel(rehearsal, location)
    found.answers[Capability.MOUNT] = Can.YES if heard.status == 201 else Can.NO


async def _push_blob(rehearsal: Rehearsal, content: bytes) -> Heard:
    heard, location = await rehearsal.begin_upload()
    return heard if location is None else await rehearsal.finish_upload(location, content)


async def _take_back(
    path: str, rehearsal: Rehearsal, found: Rehearsed, manifests: list[Digest], blobs: list[Digest]
) -> None:
    for kind, digests in (("manifests", reversed(manifests)), ("blobs", blobs)):
        for digest in digests:
            try:
                heard = await rehearsal.delete(kind, digest)
            except AirferryError as error:
                gone, said = False, error.message
            else:
                gone, said = heard.status in _DELETED, words_of(heard)
            if kind == "manifests":
                found.answers.setdefault(Capability.DELETE, Can.YES if gone else Can.NO)
            if not gone:
                found.left.append(f"{path}@{digest} ({kind[:-1]}): {said}")


async def _cancel(rehearsal: Rehearsal, location: str) -> None:
    """Give an upload up; it expires anyway where that fails."""
    try:
        await rehearsal.cancel_upload(location)
    except AirferryError:
        return


@dataclass(frozen=True, slots=True)
class _Probe:
    """An image like no other, so that to delete it takes nothing from anybody, not even from a probe beside us."""

    config: bytes
    layer: bytes

    @classmethod
    def new(cls) -> "_Probe":
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(f"airferry-{secrets.token_hex(16)}"))
        diff = content.getvalue()
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest.of(diff)]},
            "history": [{"created_by": "airferry: a push tried out"}],
        }
        return cls(json.dumps(config).encode(), gzip.compress(diff, mtime=0))

    def image(self, types: tuple[str, ...]) -> bytes:
        document = {
            "schemaVersion": 2,
            "mediaType": types[0],
            "config": _pointer(types[2], self.config),
            "layers": [_pointer(types[3], self.layer)],
        }
        return json.dumps(document).encode()

    def sparse_list(self, types: tuple[str, ...]) -> bytes:
        manifests = [
            {**_pointer(types[0], raw), "platform": {"architecture": architecture, "os": "linux"}}
            for architecture, raw in (("amd64", self.image(types)), ("arm64", self.config + b" "))
        ]
        return json.dumps({"schemaVersion": 2, "mediaType": types[1], "manifests": manifests}).encode()


def _pointer(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "size": len(content), "digest": Digest.of(content)}
