"""What the lab upstream answers from its store: manifests, blobs, tags and referrers, as Quay does. No sockets."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from airferry.lab.calls import Call, Endpoint, cdn_path
from airferry.lab.policy import Policy
from airferry.lab.reply import FilePart, Reply, json_reply, refusal
from airferry.lab.store import LabRepository, LabStore
from airferry.oci import mediatype

_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)\Z")


class Shelves:
    """Answers requests that were let in."""

    def __init__(self, store: LabStore, policy: Policy) -> None:
        self._store = store
        self._policy = policy

    def answer(self, call: Call, query: Mapping[str, str], headers: Mapping[str, str], cdn_root: str) -> Reply:
        """Return the registry's answer.

        ``headers`` holds Accept, all its lines joined, and Range where there is one. ``cdn_root`` is the URL that
        blobs are redirected to.
        """
        if call.endpoint is Endpoint.PING:
            return json_reply(True)
        repository = self._store.repositories.get(call.repository)
        if call.method not in ("GET", "HEAD"):
            return refusal(405, "UNSUPPORTED", "The lab upstream is read-only.")
        if repository is None:
            return refusal(404, "NAME_UNKNOWN", "repository name not known to registry")
        match call.endpoint:
            case Endpoint.MANIFEST:
                return self._manifest(repository, call.target, headers["Accept"])
            case Endpoint.BLOB:
                return self._blob(repository, call, headers, cdn_root)
            case Endpoint.TAGS:
                return self._tags(repository, call, query)
            case Endpoint.REFERRERS if self._policy.referrers:
                return _referrers(repository, call.target, query.get("artifactType"))
            case _:
                return Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})

    def content(self, digest: str, headers: Mapping[str, str]) -> Reply:
        """Return a blob, or the range asked for, as the CDN serves it."""
        path = self._store.path_of(digest)
        if not path.exists():
            return Reply(404, b"<Error><Code>NoSuchKey</Code></Error>", {"Content-Type": "application/xml"})
        return _ranged(path, headers)

    def signature(self, name: str) -> Reply:
        """Return a file of the signature store, ``sha256=<hex>/signature-N``."""
        root = (self._store.folder / "signatures").resolve()
        file = (root / name).resolve()
        if not file.is_relative_to(root) or not file.is_file():
            return Reply(404, b"<html>Not Found</html>", {"Content-Type": "text/html"})
        return Reply(200, file.read_bytes(), {"Content-Type": "application/octet-stream"})

    def _manifest(self, repository: LabRepository, target: str, accept: str) -> Reply:
        digest = repository.tags.get(target, target)
        media_type = repository.manifests.get(digest)
        if media_type is None:
            return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
        if not _accepts(accept, media_type):
            child = self._default_child(digest, media_type) if target != digest else None
            if child is None or not _accepts(accept, repository.manifests[child]):
                return refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")
            digest, media_type = child, repository.manifests[child]
        content = self._store.read(digest)
        return Reply(200, content, {"Content-Type": media_type, "Docker-Content-Digest": digest})

    def _default_child(self, digest: str, media_type: str) -> str | None:
        """Return what Quay gives by tag to a client too old for lists: the image for linux/amd64."""
        if not mediatype.is_index(media_type):
            return None
        children = msgspec.json.decode(self._store.read(digest))["manifests"]
        wanted = {"os": "linux", "architecture": "amd64"}
        return next((child["digest"] for child in children if child["platform"] == wanted), None)

    def _blob(self, repository: LabRepository, call: Call, headers: Mapping[str, str], cdn_root: str) -> Reply:
        path = self._store.path_of(call.target)
        if call.target not in repository.blobs or not path.exists():
            return refusal(404, "BLOB_UNKNOWN", "blob unknown to registry")
        known = {"Docker-Content-Digest": call.target, "Content-Type": "application/octet-stream"}
        if call.method == "HEAD" or not self._policy.redirects:
            reply = _ranged(path, headers if call.method == "GET" else {})
            return Reply(reply.status, reply.body, {**reply.headers, **known})
        signed = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=600&X-Amz-Signature=lab"
        return Reply(302, b"", {"Location": f"{cdn_root}{cdn_path(call.target)}?{signed}", **known})

    def _tags(self, repository: LabRepository, call: Call, query: Mapping[str, str]) -> Reply:
        asked = query.get("n", "")
        most = min(int(asked) if asked.isdigit() and int(asked) else 100, self._policy.tags_per_page)
        waiting = sorted(tag for tag in repository.tags if tag > query.get("last", ""))
        page = waiting[:most]
        headers = {}
        if len(waiting) > most:
            headers["Link"] = f'<{call.path}?n={most}&last={page[-1]}>; rel="next"'
        return json_reply({"name": call.repository, "tags": page}, headers)


def _referrers(repository: LabRepository, digest: str, artifact_type: str | None) -> Reply:
    if digest not in repository.manifests:
        # Quay's way; the distribution-spec wants 200 and an empty list.
        return refusal(400, "MANIFEST_INVALID", "manifest invalid")
    listed = repository.referrers.get(digest, [])
    headers = {"Content-Type": mediatype.OCI_INDEX}
    if artifact_type is not None:
        listed = [entry for entry in listed if entry.get("artifactType") == artifact_type]
        headers["OCI-Filters-Applied"] = "artifactType"
    index: dict[str, Any] = {"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": listed}
    return Reply(200, msgspec.json.encode(index), headers)


def _accepts(accept: str, media_type: str) -> bool:
    offered = {part.split(";")[0].strip() for part in accept.split(",")}
    return bool(offered & {media_type, "*/*", "application/*"})


def _ranged(path: Path, headers: Mapping[str, str]) -> Reply:
    size_bytes = path.stat().st_size
    known = {"Accept-Ranges": "bytes", "Content-Type": "binary/octet-stream"}
    found = _RANGE.match(headers.get("Range", ""))
    if not found:
        return Reply(200, FilePart(path, 0, size_bytes), known)
    first = int(found[1])
    last = min(int(found[2] or size_bytes), size_bytes - 1)
    if first > last:
        return Reply(416, b"", {"Content-Range": f"bytes */{size_bytes}"})
    known["Content-Range"] = f"bytes {first}-{last}/{size_bytes}"
    return Reply(206, FilePart(path, first, last - first + 1), known)
