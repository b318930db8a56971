"""Garbage collection and scrubbing inside ``serve``: when they are due, what they note, who else is at it."""

import asyncio
import json
from pathlib import Path
from time import time

import pytest

from airferry.errors import MalformedError
from airferry.oci import Digest
from airferry.registry import RegistryStore
from airferry.registry.collecting import CollectionPolicy
from airferry.registry.errors import NotFoundError
from airferry.registry.settings import DatabaseUrl
from airferry.registry.state_files import alone, finished_s, read_state, write_state
from airferry.registry.timestamps import print_time
from airferry.registry.upkeep import Task, collect_and_note, keep_running, looked_after
from airferry.registry.upkeep_settings import UpkeepSettings

from .conftest import Start, image
from .stored import Clock, pull, push_blob, push_manifest, store_in


class Pauses:
    """Notes how long was waited, and after ``most`` pauses ends the loop."""

    def __init__(self, most: int) -> None:
        self.waited: list[float] = []
        self.most = most

    async def __call__(self, seconds: float) -> None:
        self.waited.append(seconds)
        if len(self.waited) > self.most:
            raise asyncio.CancelledError


async def run_task(root: Path, interval_s: float, most: int) -> tuple[list[float], int]:
    runs = 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        write_state(root, "gc", {"finishedAt": print_time(time())})

    pauses = Pauses(most)
    with pytest.raises(asyncio.CancelledError):
        await keep_running(root, Task("gc", interval_s, run), pauses)
    return pauses.waited, runs


async def test_a_new_registry_is_looked_after_soon_and_then_every_interval(tmp_path: Path) -> None:
    waited, runs = await run_task(tmp_path, 86400, 1)
    assert runs == 1
    assert waited[0] == 600
    assert waited[1] == pytest.approx(86400, abs=60)


async def test_a_restart_does_not_begin_the_interval_anew(tmp_path: Path) -> None:
    write_state(tmp_path, "gc", {"finishedAt": print_time(time() - 86000)})
    waited, _ = await run_task(tmp_path, 86400, 0)
    assert waited == [pytest.approx(400, abs=60)]


async def test_what_is_overdue_runs_at_once(tmp_path: Path) -> None:
    write_state(tmp_path, "gc", {"finishedAt": print_time(time() - 1e6)})
    assert (await run_task(tmp_path, 86400, 1))[1] == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"finishedAt": 3}', b'{"finishedAt": "soon"}'])
async def test_a_spoilt_state_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    write_state(tmp_path, "gc", {})
    (tmp_path / "state/gc.json").write_bytes(content)
    assert (await run_task(tmp_path, 60, 1))[1] == 1
    assert finished_s(read_state(tmp_path, "gc")) is not None


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    write_state(tmp_path, "gc", {"finishedAt": print_time(time() - 1e6)})
    with alone(tmp_path, "gc") as is_alone:
        assert is_alone
        waited, runs = await run_task(tmp_path, 86400, 3)
    assert runs == 0
    assert waited[1:] == [1.0, 1.0, 1.0]


async def test_a_run_that_fails_is_tried_again(tmp_path: Path) -> None:
    async def fail() -> None:
        raise NotFoundError("a disk that is away for a moment")

    pauses = Pauses(1)
    with pytest.raises(asyncio.CancelledError):
        await keep_running(tmp_path, Task("gc", 86400, fail), pauses)
    assert pauses.waited == [600, 300]


async def test_what_was_freed_is_noted(tmp_path: Path, database: Path | DatabaseUrl) -> None:
    clock = Clock()
    store = store_in(tmp_path, database, clock)
    digest = await push_blob(store, "a", b"lonely")
    clock.now_s += 3601
    rehearsed = await collect_and_note(store, tmp_path, CollectionPolicy(3600), is_dry_run=True)
    assert (rehearsed["freedBytes"], rehearsed["dryRun"]) == (6, True)
    assert read_state(tmp_path, "gc") is None
    assert await pull(store, "a", digest) == b"lonely"
    clock.now_s += 3601  # pulled a moment ago
    await collect_and_note(store, tmp_path, CollectionPolicy(3600))
    noted = json.loads((tmp_path / "state/gc.json").read_text())
    assert (noted["freedBytes"], noted["objects"], noted["graceSeconds"]) == (6, 1, 3600)
    assert finished_s(noted) == pytest.approx(time(), abs=60)
    await store.close()


async def test_nothing_runs_where_it_is_switched_off(tmp_path: Path) -> None:
    store = RegistryStore.on_disk(tmp_path)
    before = asyncio.all_tasks()
    async with looked_after(store, tmp_path, UpkeepSettings(gc_interval_s=None, scrub_interval_s=None)):
        assert asyncio.all_tasks() == before
    async with looked_after(store, tmp_path, UpkeepSettings()):
        assert len(asyncio.all_tasks() - before) == 2
    assert asyncio.all_tasks() == before
    await store.close()


def test_settings_are_read_and_wrong_ones_named(tmp_path: Path) -> None:
    fields = {"gc": {"interval": "off", "grace": "90m", "untagged": "30d"}, "scrub": {"interval": "1h", "rate": "1MiB"}}
    assert UpkeepSettings.parse(fields, tmp_path) == UpkeepSettings(None, 5400, 30 * 86400, 3600, 1024**2)
    assert UpkeepSettings.parse({}, tmp_path) == UpkeepSettings()
    for wrong in ({"gc": {"interval": 3}}, {"gc": []}, {"gc": {"grace": "soon"}}, {"scrub": {"rate": "0"}}):
        with pytest.raises(MalformedError):
            UpkeepSettings.parse(wrong, tmp_path)


async def test_pushes_pulls_and_deletes_go_on_while_garbage_is_collected_all_the_time(
    start: Start, tmp_path: Path, database: Path | DatabaseUrl
) -> None:
    """Two stores on one root, as of two processes: one serves, the other collects without a pause."""
    place = database if isinstance(database, DatabaseUrl) else None
    registry = await start(RegistryStore.on_disk(tmp_path, place))
    collector = RegistryStore.on_disk(tmp_path, place)
    kept: set[tuple[str, Digest]] = set()
    is_over = False
    runs = 0

    async def collect() -> None:
        nonlocal runs
        while not is_over:
            await collector.collect(CollectionPolicy(2.0))
            runs += 1

    async def work(worker: int) -> None:
        for number in range(12):
            layers = (b"shared by all", f"{worker % 2} {number}".encode())
            path = f"team/{worker % 3}"
            digest = await registry.push_image(path, f"t{worker}-{number}", layers)
            for content in (b"{}", *layers):
                assert (await registry("HEAD", f"/v2/{path}/blobs/{Digest.of(content)}")).status == 200
            if number % 3 == 0:
                raw = image((layers[0],), annotations={"n": f"{worker} {number}"})
                answer = await registry.push_manifest(path, str(Digest.of(raw)), raw)
                assert answer.status == 201
                assert (await registry("DELETE", f"/v2/{path}/manifests/{Digest.of(raw)}")).status == 202
            kept.add((path, digest))

    collecting = asyncio.create_task(collect())
    await asyncio.gather(*(work(worker) for worker in range(4)))
    is_over = True
    await collecting
    assert runs > 0
    for path, digest in kept:
        answer = await registry("GET", f"/v2/{path}/manifests/{digest}")
        assert answer.status == 200
        for layer in (answer.json["config"], *answer.json["layers"]):
            blob = await registry("GET", f"/v2/{path}/blobs/{layer['digest']}")
            assert (blob.status, Digest.of(blob.body)) == (200, layer["digest"])
    await collector.close()


async def test_who_is_told_that_a_blob_is_here_need_not_push_it_even_with_a_short_grace_period(
    tmp_path: Path, database: Path | DatabaseUrl
) -> None:
    clock = Clock()
    store = store_in(tmp_path, database, clock)
    for content in (b"{}", b"layer"):
        await push_blob(store, "a", content)
    for _ in range(20):
        clock.now_s += 5
        for content in (b"{}", b"layer"):
            await store.blob("a", Digest.of(content))
        clock.now_s += 4
        assert (await store.collect(CollectionPolicy(6))).links == 0
    await push_manifest(store, "a", image())
    await store.close()
