"""Docker's own client and daemon log in, push, pull by tag and by digest, and are refused."""

import asyncio
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from airferry.registry import Settings, init, serve
from machine import program

pytestmark = pytest.mark.outsider

PASSWORD = "crossing the gap"
_START_S = 60


@dataclass(frozen=True)
class Docker:
    """A daemon of this test's own, which keeps everything in ``folder``; and a registry that it does not know."""

    folder: Path
    registry: str

    async def run(self, *words: str, stdin: bytes = b"") -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(program("docker"), "--host", f"unix://{self.folder}/d.sock", *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "DOCKER_CONFIG": str(self.folder / "client")},
        )
        said, _ = await process.communicate(stdin)
        assert process.returncode is not None
        return process.returncode, said.decode()

    async def done(self, *words: str, stdin: bytes = b"") -> str:
        code, said = await self.run(*words, stdin=stdin)
        assert code == 0, said
        return said.strip()

    async def make_image(self, name: str) -> None:
        """Import an image of one layer, of two megabytes that no compression makes smaller."""
        content = self.folder / "content"
        content.write_bytes(os.urandom(2_000_000))
        archive = self.folder / "image.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(content, "etc/content")
        await self.done("import", str(archive), name)


@asynccontextmanager
async def daemon(folder: Path) -> AsyncIterator[None]:
    """Run dockerd without networks, as long as the block; the test is skipped where this machine lets it not start."""
    places = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
    log = (folder / "log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *(program("dockerd"), "--host", f"unix://{folder}/d.sock", *map(str, places)),
        *("--storage-driver=vfs", "--bridge=none", "--iptables=false", "--ip6tables=false"),
        stdout=log,
        stderr=log,
    )
    try:
        ended = asyncio.ensure_future(process.wait())
        async with asyncio.timeout(_START_S):
            while (await Docker(folder, "").run("version"))[0] != 0:
                if ended.done():
                    pytest.skip(f"dockerd does not start here: {(folder / 'log').read_text()[-500:]}")
        yield
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        log.close()


@pytest.fixture
async def docker(tmp_path: Path) -> AsyncIterator[Docker]:
    if os.geteuid() != 0:
        pytest.skip("only root may run dockerd")
    root = tmp_path / "registry"
    init(root, ["127.0.0.1"], user="ops", password=PASSWORD)
    async with AsyncExitStack() as stack:
        short = Path(tempfile.mkdtemp(prefix="af-d-"))  # a socket's address is short
        stack.callback(shutil.rmtree, short, ignore_errors=True)
        running = await stack.enter_async_context(serve(Settings.read(root, listen="127.0.0.1:0")))
        await stack.enter_async_context(daemon(short))
        # Docker asks nobody for certificates of addresses that are this machine's.
        yield Docker(short, f"127.0.0.1:{running.port}")


async def test_docker_logs_in_pushes_and_pulls(docker: Docker) -> None:
    name = f"{docker.registry}/team/app:v1"
    await docker.make_image(name)
    code, said = await docker.run("push", name)
    assert code != 0
    assert "auth" in said or "denied" in said
    code, said = await docker.run("login", "-u", "ops", "--password-stdin", docker.registry, stdin=b"wrong")
    assert code != 0
    await docker.done("login", "-u", "ops", "--password-stdin", docker.registry, stdin=PASSWORD.encode())
    pushed = await docker.done("push", name)
    digest = next(word for word in pushed.split() if word.startswith("sha256:"))
    again = await docker.done("push", name)
    assert "Layer already exists" in again

    elsewhere = f"{docker.registry}/other/place/deep:v1"
    await docker.done("tag", name, elsewhere)
    assert "Mounted from team/app" in await docker.done("push", elsewhere)

    made = json.loads(await docker.done("image", "inspect", name))[0]["Id"]
    await docker.done("rmi", "--force", made)
    await docker.done("pull", name)
    assert json.loads(await docker.done("image", "inspect", name))[0]["Id"] == made
    await docker.done("rmi", "--force", made)
    by_digest = f"{docker.registry}/other/place/deep@{digest}"
    await docker.done("pull", by_digest)
    assert json.loads(await docker.done("image", "inspect", by_digest))[0]["Id"] == made
    code, said = await docker.run("pull", f"{docker.registry}/team/app:v2")
    assert code != 0
    assert "manifest unknown" in said or "not found" in said
