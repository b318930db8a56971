"""Registries of other people, as far as a copy meets them: one distribution API with their limits, in memory.

Facts: docs of the products and their sources, as told in tests/data/registries/PROVENANCE.md.
"""

import hashlib
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from aiohttp import web

from failures.stage import Served


@dataclass
class Limits:
    """What a registry takes."""

    tagless: bool = True
    most_parts: int = 100
    sparse: bool = True
    deletes: bool = True
    mounts: bool = True
    chunks: bool = True
    docker_form: bool = True


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    authorization: str | None
    host: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Repository:
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"errors": [{"code": code, "message": message}]}, status=status, headers=headers)


class Simulated:
    """A registry that nobody would call by name: no telling headers, nothing at ``/``, no users."""

    headers: ClassVar[dict[str, str]] = {"Docker-Distribution-Api-Version": "registry/2.0"}

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.asked: list[Asked] = []
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, bytes] = {}
        self.port = 0
        self._begun = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def lines(self, *methods: str) -> list[str]:
        return [str(item) for item in self.asked if not methods or item.method in methods]

    @property
    def writes(self) -> list[str]:
        return self.lines("POST", "PUT", "PATCH", "DELETE")

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(
            Asked(request.method, request.raw_path, request.headers.get("Authorization"), request.headers["Host"])
        )
        response = await self.route(request)
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        return response

    async def route(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path in ("/v2/", "/v2"):
            return self.ping(request)
        if request.path.startswith("/v2/"):
            return await self.distribution(request)
        return await self.beside(request)

    def ping(self, request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({})

    async def beside(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer what is not the distribution API."""
        return web.Response(status=404, text="<html>nothing here</html>", content_type="text/html")

    def may(self, request: web.BaseRequest, path: str, action: str) -> web.Response | None:
        """Return the refusal, None where there is none."""
        return None

    async def distribution(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = request.path.removeprefix("/v2/").split("/")
        for word in ("blobs", "manifests", "tags", "referrers"):
            if word in parts[1:]:
                at = len(parts) - 1 - parts[::-1].index(word)
                break
        else:
            return error(404, "UNSUPPORTED", "no such endpoint")
        path, rest = "/".join(parts[:at]), parts[at:]
        action = "pull" if request.method in ("GET", "HEAD") else "push"
        refused = self.may(request, path, action)
        if refused is not None:
            return refused
        if len(path.split("/")) > self.limits.most_parts:
            return error(400, "NAME_INVALID", "invalid repository name")
        match request.method, rest:
            case "POST", ["blobs", "uploads", ""]:
                return self._begin(request, path)
            case (("PATCH" | "PUT" | "DELETE"), ["blobs", "uploads", upload]):
                return await self._upload(request, path, upload)
            case _, ["blobs", digest]:
                return self._blob(request, path, digest)
            case _, ["manifests", target]:
                return await self._manifest(request, path, target)
            case _, ["tags", "list"]:
                tags = sorted(self.repositories[path].tags) if path in self.repositories else []
                return web.json_response({"name": path, "tags": tags})
        return error(404, "UNSUPPORTED", "no such endpoint")

    def _begin(self, request: web.BaseRequest, path: str) -> web.Response:
        held = self.repositories.setdefault(path, Repository()).blobs
        mount, source = request.query.get("mount"), request.query.get("from")
        if mount and source and self.limits.mounts and mount in self.repositories.get(source, Repository()).blobs:
            held[mount] = self.repositories[source].blobs[mount]
            return web.Response(status=201, headers={"Location": f"/v2/{path}/blobs/{mount}"})
        self._begun += 1
        name = f"u{self._begun}"
        self.uploads[name] = b""
        return web.Response(status=202, headers={"Location": f"/v2/{path}/blobs/uploads/{name}"})

    async def _upload(self, request: web.BaseRequest, path: str, name: str) -> web.Response:
        if name not in self.uploads:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload")
        if request.method == "DELETE":
            del self.uploads[name]
            return web.Response(status=204)
        content = await whole_body(request)
        if request.method == "PATCH":
            if not self.limits.chunks:
                return error(405, "UNSUPPORTED", "chunks are not taken")
            self.uploads[name] += content
            size = len(self.uploads[name])
            headers = {"Location": f"/v2/{path}/blobs/uploads/{name}", "Range": f"0-{size - 1}"}
            return web.Response(status=202, headers=headers)
        content = self.uploads.pop(name) + content
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if digest != request.query["digest"]:
            return error(400, "DIGEST_INVALID", "other bytes")
        self.repositories[path].blobs[digest] = content
        return web.Response(status=201, headers={"Docker-Content-Digest": digest})

    def _blob(self, request: web.BaseRequest, path: str, digest: str) -> web.Response:
        held = self.repositories.get(path, Repository()).blobs
        if request.method == "DELETE" and not self.limits.deletes:
            return error(405, "UNSUPPORTED", "blobs are not deleted")
        if digest not in held:
            return error(404, "BLOB_UNKNOWN", "no such blob")
        if request.method == "DELETE":
            del held[digest]
            return web.Response(status=202)
        return web.Response(body=held[digest], headers={"Docker-Content-Digest": digest})

    async def _manifest(self, request: web.BaseRequest, path: str, target: str) -> web.Response:
        held = self.repositories.setdefault(path, Repository())
        if request.method == "PUT":
            return self._put(held, target, request.headers["Content-Type"], await whole_body(request))
        digest = held.tags.get(target, target)
        if digest not in held.manifests:
            return error(404, "MANIFEST_UNKNOWN", "no such manifest")
        if request.method == "DELETE":
            if not self.limits.deletes:
                return error(405, "UNSUPPORTED", "manifests are not deleted")
            del held.manifests[digest]
            return web.Response(status=202)
        media_type, raw = held.manifests[digest]
        headers = {"Docker-Content-Digest": digest, "Content-Type": media_type}
        return web.Response(body=raw, headers=headers)

    def _put(self, held: Repository, target: str, media_type: str, raw: bytes) -> web.Response:
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        document = json.loads(raw)
        if target == digest and not self.limits.tagless:
            return error(400, "TAG_INVALID", "manifest tag did not match URI")
        if "docker" in media_type and not self.limits.docker_form:
            return error(415, "MANIFEST_INVALID", "media type not taken")
        needed = [item["digest"] for item in (*document.get("layers", ()), document.get("config")) if item]
        if any(name not in held.blobs for name in needed):
            return error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
        children = [item["digest"] for item in document.get("manifests", ())]
        if not self.limits.sparse and any(child not in held.manifests for child in children):
            return error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
        held.manifests[digest] = media_type, raw
        if target != digest:
            held.tags[target] = digest
        return web.Response(status=201, headers={"Docker-Content-Digest": digest})


async def whole_body(request: web.BaseRequest) -> bytes:
    """Return a body of any size; aiohttp's own reading stops at a mebibyte."""
    return b"".join([chunk async for chunk in request.content.iter_any()])


def basic_user(request: web.BaseRequest) -> tuple[str, str] | None:
    """Return user and password of a request, None without."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    user, _, password = b64decode(value).decode().partition(":")
    return user, password


class Running(Served[Simulated]):
    """A simulated registry that serves on a free port of this machine."""

    def __init__(self, registry: Simulated) -> None:
        @asynccontextmanager
        async def opening() -> AsyncIterator[Simulated]:
            runner = web.ServerRunner(web.Server(registry.answer))
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            registry.port = runner.addresses[0][1]
            try:
                yield registry
            finally:
                await runner.cleanup()

        super().__init__(opening)
