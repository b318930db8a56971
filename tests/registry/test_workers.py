"""Several processes serve one registry, and nobody can tell."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from airferry.oci import Digest
from airferry.registry import init
from airferry.registry.settings import CONFIG_FILE

from .served import User, serving, user_of


async def use_it(user: User, number: int) -> None:
    """Push in pieces, mount, pull, delete: each request to any worker."""
    path, content = f"repo{number}", os.urandom(50_000)
    layer, manifest = await user.push_image(path, "t", content)
    status, _, _ = await user("POST", f"/v2/{path}/mounted/blobs/uploads/?mount={layer}&from={path}")
    assert status == 201
    for where in (path, f"{path}/mounted"):
        assert await user.holds(where, "blobs", layer)
    assert await user.holds(path, "manifests", manifest)
    assert (await user("DELETE", f"/v2/{path}/blobs/{layer}"))[0] == 202
    assert not await user.holds(path, "blobs", layer)
    assert await user.holds(f"{path}/mounted", "blobs", layer)
    assert (await user("DELETE", f"/v2/{path}/manifests/t"))[0] == 202
    assert (await user("GET", f"/v2/{path}/manifests/t"))[0] == 404


async def test_every_request_of_a_push_may_go_to_another_worker(initialized: Path) -> None:
    async with serving(initialized, 3) as served, user_of(served.url) as user:
        assert len(served.workers()) == 3
        assert served.document["workers"] == 3
        await asyncio.gather(*(use_it(user, number) for number in range(12)))


async def test_a_second_registry_on_the_same_root_is_the_same_registry(initialized: Path) -> None:
    async with (
        serving(initialized, 2) as one,
        serving(initialized, 1) as two,
        user_of(one.url) as here,
        user_of(two.url) as there,
    ):
        layer, manifest = await here.push_image("a", "t", os.urandom(10_000))
        assert await there.holds("a", "blobs", layer)
        assert await there.holds("a", "manifests", manifest)
        await asyncio.gather(use_it(here, 1), use_it(there, 2), use_it(here, 3), use_it(there, 4))


async def test_the_same_address_is_refused_clearly(tmp_path: Path) -> None:
    init(tmp_path, ["localhost"], password="irrelevant")
    async with serving(tmp_path, 2) as served:
        with pytest.raises(ValueError, match="Expecting value"):  # it prints no document
            async with serving(tmp_path, 2, listen=served.document["address"]):
                pass
        async with user_of(served.url) as user:
            assert (await user("GET", "/v2/"))[0] == 200


async def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    init(tmp_path, ["localhost"], password="irrelevant")
    async with serving(tmp_path, 2) as served, user_of(served.url) as user:
        layer, _ = await user.push_image("a", "t", b"kept")
        before = served.workers()
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        while not (len(served.workers()) == 2 and victim not in served.workers()):
            try:
                assert await user.holds("a", "blobs", layer)
            except aiohttp.ClientConnectionError:
                continue  # it was accepted by the one that was killed
        assert (before - {victim}) < served.workers()
        await asyncio.gather(*(use_it(user, number) for number in range(4)))


async def test_all_workers_end_with_sigterm_and_none_with_sighup(tmp_path: Path) -> None:
    init(tmp_path, ["localhost"], password="irrelevant")
    async with serving(tmp_path, 2) as served, user_of(served.url) as user:
        workers = served.workers()
        served.process.send_signal(signal.SIGHUP)
        await asyncio.gather(*(use_it(user, number) for number in range(2)))
        assert served.workers() == workers
        served.process.send_signal(signal.SIGTERM)
        assert await served.process.wait() == 0
        with pytest.raises(ProcessLookupError):
            os.killpg(served.process.pid, 0)


async def run_airferry(*words: str) -> dict[str, Any]:
    """Run a command of ours in a process of its own and return the document that it prints."""
    command = [sys.executable, "-m", "airferry", *words, "-o", "json"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(printed)
    return found


async def test_a_reload_and_the_status_reach_every_worker(initialized: Path) -> None:
    async with serving(initialized, 3) as served, user_of(served.url) as user:
        await user.push_image("a", "t", b"layer")
        file = initialized / CONFIG_FILE
        file.write_text(f"deletes = false\n{file.read_text()}")
        reloaded = (await run_airferry("registry", "reload", "--root", str(initialized)))["reloaded"]
        assert {answer["pid"] for answer in reloaded} == served.workers()
        assert [answer["changed"] for answer in reloaded] == [["deletes"]] * 3
        refused = await asyncio.gather(*(user("DELETE", "/v2/a/manifests/t") for _ in range(12)))
        assert {status for status, _, _ in refused} == {405}
        status = await run_airferry("registry", "status", "--root", str(initialized))
        assert {answer["pid"] for answer in status["serving"]} == served.workers()
        assert {answer["url"] for answer in status["serving"]} == {served.url}
        assert (status["images"], status["repositories"], status["tags"], status["contents"]) == (1, 1, 1, 3)


async def test_sighup_to_the_parent_reaches_every_worker(tmp_path: Path) -> None:
    init(tmp_path, ["localhost"], password="irrelevant")
    async with serving(tmp_path, 2) as served, user_of(served.url) as user, asyncio.timeout(30):
        file = tmp_path / CONFIG_FILE
        file.write_text(f"deletes = false\n{file.read_text()}")
        served.process.send_signal(signal.SIGHUP)
        refused = 0  # in a row; each request goes to any worker
        while refused < 20:
            status, _, _ = await user("DELETE", "/v2/a/manifests/t")
            refused = refused + 1 if status == 405 else 0


async def test_metrics_are_of_all_workers(initialized: Path) -> None:
    async with serving(initialized, 3) as served, user_of(served.url) as user, asyncio.timeout(60):
        await user.push_image("a", "t", b"layer")
        await asyncio.gather(*(user("GET", "/v2/a/manifests/none") for _ in range(24)))
        seen: list[str | None] = []
        while seen[-4:] != ["24"] * 4:  # whichever worker is asked; a request is counted when its answer is out
            lines = (await user("GET", "/metrics"))[2].decode().splitlines()
            counted = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
            seen.append(counted.get('airferry_registry_requests_total{route="manifest",method="GET",status="404"}'))
            assert counted["airferry_registry_processes"] == counted["airferry_registry_contents"] == "3"


async def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    init(tmp_path, ["localhost"], password="irrelevant")
    async with serving(tmp_path, 2) as served:
        served.process.kill()
        await served.process.wait()
        async with asyncio.timeout(20):
            while True:
                try:
                    os.killpg(served.process.pid, 0)
                except ProcessLookupError:
                    break
                await asyncio.sleep(0)


async def test_a_registry_that_cannot_begin_ends_with_its_error(tmp_path: Path) -> None:
    init(tmp_path, ["localhost"], password="irrelevant")
    (tmp_path / "metadata.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(ValueError, match="Expecting value"):
        async with serving(tmp_path, 2):
            pass


async def test_an_upload_in_two_workers_at_once_never_becomes_a_wrong_blob(initialized: Path) -> None:
    content = os.urandom(300_000)
    digest = Digest.of(content)
    async with serving(initialized, 2) as served, user_of(served.url) as user:
        _, headers, _ = await user("POST", "/v2/a/blobs/uploads/")
        location = headers["Location"]
        answers = await asyncio.gather(
            *(user("PUT", f"{location}?digest={digest}", content, Content_Range="0-299999") for _ in range(6))
        )
        statuses = sorted(status for status, _, _ in answers)
        assert statuses[0] == 201
        assert set(statuses[1:]) <= {404, 416}
        assert await user.holds("a", "blobs", digest)
