"""Debian's docker-registry and ours are sent the same requests; the differences are those that the docs tell."""

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from airferry.registry import RegistryStore, Running

from ..conftest import Client
from .exchanges import EXCHANGES, answer_to

TABLE = Path(__file__).parents[3] / "docs" / "concepts" / "registry-compared.md"
ROW = re.compile(r"\| (?P<what>[^|]+) \| (?P<ours>[^|]+) \| (?P<theirs>[^|]+) \| (?P<why>[^|]*)\|")


def told() -> dict[str, tuple[str, str, str]]:
    """The rows of the table: what is asked, what we answer, what they answer, why that is not the same."""
    rows = [ROW.fullmatch(line.strip()) for line in TABLE.read_text().splitlines() if line.startswith("|")]
    found = {row["what"].strip(): (row["ours"], row["theirs"], row["why"].strip()) for row in rows if row}
    return {what: row for what, row in found.items() if what not in ("request", "---")}


@asynccontextmanager
async def docker_registry(folder: Path) -> AsyncIterator[Client]:
    """Run Debian's docker-registry with its files under ``folder``."""
    executable = shutil.which("docker-registry")
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("docker-registry is not installed, and in CI it must be")
        pytest.skip("docker-registry is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: 127.0.0.1:{port}}}\n"
        f"storage:\n  filesystem: {{rootdirectory: {folder}/data}}\n  delete: {{enabled: true}}\n"
    )
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(executable, "serve", str(config), stdout=quiet, stderr=quiet)
    try:
        await _listening(port, process)
        async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=("Content-Type",)) as session:
            yield Client(session, Running(f"http://127.0.0.1:{port}", port, False), RegistryStore.in_memory())
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(20):
        while True:
            assert process.returncode is None
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            await writer.wait_closed()
            return


async def test_we_answer_as_the_docs_tell(registry: Client) -> None:
    found = {name: await answer_to(registry, name) for name in EXCHANGES}
    assert found == {what: ours for what, (ours, _, _) in told().items()}


@pytest.mark.outsider
async def test_docker_registry_answers_as_the_docs_tell(tmp_path: Path) -> None:
    async with docker_registry(tmp_path) as theirs:
        try:
            found = {name: await answer_to(theirs, name) for name in EXCHANGES}
        finally:
            await theirs.store.close()
    assert found == {what: answer for what, (_, answer, _) in told().items()}


def test_every_difference_has_a_reason_and_only_a_difference_has_one() -> None:
    rows: dict[str, Any] = told()
    assert list(rows) == list(EXCHANGES)
    for what, (ours, theirs, why) in rows.items():
        assert (ours != theirs) == bool(why), what
