"""A registry of several processes, started as its user starts it, and what tests do to it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_MANIFEST

from .conftest import image


@dataclass(frozen=True)
class Served:
    process: asyncio.subprocess.Process
    document: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.document["url"])

    def workers(self) -> set[int]:
        pid = self.process.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    async def kill_all(self) -> None:
        """As a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def serving(
    root: Path, workers: int, *more: str, listen: str = "127.0.0.1:0", use_auth: bool = False
) -> AsyncIterator[Served]:
    command = ["registry", "serve", "--root", str(root), "--listen", listen, "--no-tls", "-o", "json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "airferry",
        *command,
        "--workers",
        str(workers),
        *([] if use_auth else ["--no-auth"]),
        *more,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield Served(process, json.loads(await process.stdout.readline()))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@dataclass(frozen=True)
class User:
    """Opens a connection for every request, so that each goes to any of the workers."""

    session: aiohttp.ClientSession
    url: str

    async def __call__(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any, bytes]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.url + path, data=body, headers=sent) as answer:
            return answer.status, answer.headers, await answer.read()

    async def push_blob(self, path: str, content: bytes) -> Digest:
        """Begin, send in two pieces, finish: four requests."""
        digest, half = Digest.of(content), len(content) // 2
        status, headers, _ = await self("POST", f"/v2/{path}/blobs/uploads/")
        assert status == 202, status
        for piece in (content[:half], content[half:]):
            status, headers, body = await self("PATCH", headers["Location"], piece)
            assert status == 202, (status, body)
        status, _, body = await self("PUT", f"{headers['Location']}?digest={digest}")
        assert status == 201, (status, body)
        return digest

    async def push_image(self, path: str, tag: str, content: bytes) -> tuple[Digest, Digest]:
        """Return the digests of the layer and the manifest."""
        for blob in (b"{}", content):
            layer = await self.push_blob(path, blob)
        raw = image((content,))
        status, _, body = await self("PUT", f"/v2/{path}/manifests/{tag}", raw, Content_Type=OCI_MANIFEST)
        assert status == 201, (status, body)
        return layer, Digest.of(raw)

    async def holds(self, path: str, kind: str, digest: Digest) -> bool:
        status, _, body = await self("GET", f"/v2/{path}/{kind}/{digest}")
        assert status in (200, 404), (status, body)
        assert status == 404 or Digest.of(body) == digest
        return status == 200


@asynccontextmanager
async def user_of(url: str) -> AsyncIterator[User]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield User(session, url)
