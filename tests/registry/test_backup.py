"""A backup taken under load: everything acknowledged before it is in it, whole, and comes back, on either database."""

import asyncio
import tarfile
from pathlib import Path

import pytest

from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import Digest
from airferry.registry import RegistryStore, Settings, init
from airferry.registry.backup import back_up
from airferry.registry.collecting import CollectionPolicy
from airferry.registry.errors import InUseError, NotFoundError
from airferry.registry.restoring import restore
from airferry.registry.settings import DatabaseUrl

from .conftest import Client, Start, image
from .postgres import PostgresServer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "registry"
    init(folder, ["localhost"], password="irrelevant")
    return folder


@pytest.fixture
def place(request: pytest.FixtureRequest, database: Path | DatabaseUrl) -> DatabaseUrl | None:
    """Where the metadata of the registry in ``root`` are: None is SQLite."""
    return database if isinstance(database, DatabaseUrl) else None


async def assert_whole(registry: Client, path: str, target: str) -> None:
    answer = await registry("GET", f"/v2/{path}/manifests/{target}")
    assert answer.status == 200, (path, target)
    assert answer.headers["Docker-Content-Digest"] == Digest.of(answer.body)
    for one in (answer.json["config"], *answer.json["layers"]):
        blob = await registry("GET", f"/v2/{path}/blobs/{one['digest']}")
        assert (blob.status, Digest.of(blob.body)) == (200, one["digest"])


async def test_a_backup_under_load_holds_all_that_was_acknowledged_before_it(
    start: Start, root: Path, place: DatabaseUrl | None, tmp_path: Path
) -> None:
    registry = await start(RegistryStore.on_disk(root, place))
    other = RegistryStore.on_disk(root, place)
    acknowledged: list[tuple[str, str]] = []
    is_over, refused, enough = False, 0, asyncio.Event()

    async def push(worker: int) -> None:
        number = 0
        while not is_over:
            number += 1
            path, tag = f"team/{worker}", f"t{number}"
            await registry.push_image(path, tag, (f"{worker} {number}".encode() * 500, b"shared"))
            if number > 5 and number % 3 == 0:  # what is deleted now is in a backup that has begun
                await registry("DELETE", f"/v2/{path}/manifests/gone{number}")
                old = image((f"{worker} {number - 1}".encode() * 500, b"shared"))
                await registry("DELETE", f"/v2/{path}/manifests/{Digest.of(old)}")
            else:
                acknowledged.append((path, tag))
                if len(acknowledged) > 20:
                    enough.set()
            if number % 3 == 2 and number > 3:
                acknowledged.remove((path, tag))

    async def collect() -> None:
        nonlocal refused
        while not is_over:
            try:
                await other.collect(CollectionPolicy(2.0))
            except InUseError:
                refused += 1

    work = [asyncio.create_task(push(worker)) for worker in range(3)]
    await enough.wait()
    work.append(asyncio.create_task(collect()))
    sure = list(acknowledged)
    done = await back_up(other.storage, root, tmp_path / "backup.tar")
    is_over = True
    await asyncio.gather(*work)
    await other.close()
    assert done.damaged == []
    assert (tmp_path / "backup.tar").stat().st_mode & 0o777 == 0o600
    restored = await restore(tmp_path / "backup.tar", tmp_path / "new", database="sqlite")
    assert (restored.damaged, restored.objects) == ([], done.objects)
    settings = Settings.read(tmp_path / "new")
    assert settings.database is None
    again = await start(RegistryStore.on_disk(tmp_path / "new"))
    for path, tag in sure:
        await assert_whole(again, path, tag)
    for path in await again.store.repositories():
        for tag in await again.store.tags(path):
            await assert_whole(again, path, tag)
    for file in ("accounts.json", "token-keys.json", "ca.key", "server.crt"):
        assert (tmp_path / "new" / file).read_bytes() == (root / file).read_bytes()
        assert (tmp_path / "new" / file).stat().st_mode == (root / file).stat().st_mode
    # And it can be pushed to: numbers of repositories go on where they ended.
    await again.push_image("quite/new", "v1", (b"fresh",))
    await assert_whole(again, "quite/new", "v1")


async def test_a_registry_in_sqlite_is_restored_into_postgresql(
    start: Start, root: Path, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    registry = await start(RegistryStore.on_disk(root))
    for number in range(3):
        await registry.push_image(f"team/{number}", "v1", (b"layer %d" % number,))
    await back_up(registry.store.storage, root, tmp_path / "backup.tar")  # type: ignore[attr-defined]
    with postgres_server.new_database() as url:
        text = url.url.render_as_string(hide_password=False)
        await restore(tmp_path / "backup.tar", tmp_path / "new", database=text)
        settings = Settings.read(tmp_path / "new")
        assert settings.database == url
        store = RegistryStore.on_disk(tmp_path / "new", settings.database)
        again = await start(store)
        for path in ("team/0", "team/1", "team/2"):
            await assert_whole(again, path, "v1")
        await again.push_image("quite/new", "v1", (b"fresh",))
        with pytest.raises(InUseError, match="already"):
            await restore(tmp_path / "backup.tar", tmp_path / "third", database=text)
        assert not (tmp_path / "third/registry.toml").exists()
        await store.close()


async def test_nothing_stored_is_deleted_during_a_backup(root: Path, place: DatabaseUrl | None) -> None:
    store = RegistryStore.on_disk(root, place)
    async with store.driver.preserving():
        with pytest.raises(InUseError, match="backup"):
            await store.collect(CollectionPolicy(0))
        assert (await store.collect(CollectionPolicy(0), is_dry_run=True)).objects == 0
    await store.collect(CollectionPolicy(0))
    await store.close()


async def test_what_is_damaged_is_left_out_and_known_to_be(start: Start, root: Path, tmp_path: Path) -> None:
    registry = await start(RegistryStore.on_disk(root))
    await registry.push_image("a", "v1")
    layer, config = Digest.of(b"layer"), Digest.of(b"{}")
    (root / "blobs/sha256" / layer.hex[:2] / layer.hex).write_bytes(b"LAYER")
    (root / "blobs/sha256" / config.hex[:2] / config.hex).unlink()
    done = await back_up(registry.store.storage, root, tmp_path / "backup.tar")  # type: ignore[attr-defined]
    assert sorted(done.damaged) == sorted([layer, config])
    restored = await restore(tmp_path / "backup.tar", tmp_path / "new")
    assert sorted(restored.damaged) == sorted([layer, config])
    again = await start(RegistryStore.on_disk(tmp_path / "new"))
    assert (await again("HEAD", f"/v2/a/blobs/{layer}")).status == 404
    assert (await again("GET", "/v2/a/manifests/v1")).body == image()
    await again.push_blob("a", b"layer")
    await again.push_blob("a", b"{}")
    await assert_whole(again, "a", "v1")


async def test_a_backup_that_is_cut_short_or_none_at_all_is_refused(root: Path, tmp_path: Path) -> None:
    store = RegistryStore.on_disk(root)
    file = tmp_path / "backup.tar"
    await back_up(store.storage, root, file)
    await store.close()
    with tarfile.open(file) as tar:
        offsets = [member.offset for member in tar.getmembers()]
    content = file.read_bytes()
    for number, size in enumerate([0, 100, offsets[-1], offsets[-1] - 1, offsets[2] + 600]):
        broken = tmp_path / f"broken{number}.tar"
        broken.write_bytes(content[:size])
        with pytest.raises(MalformedError):
            await restore(broken, tmp_path / f"new{number}")
        assert not (tmp_path / f"new{number}/registry.toml").exists()
    with pytest.raises(NotFoundError):
        await restore(tmp_path / "absent.tar", tmp_path / "new")
    with pytest.raises(InUseError, match="not empty"):
        await restore(file, root)


async def test_a_backup_writes_over_nothing_and_not_into_the_registry(root: Path, tmp_path: Path) -> None:
    store = RegistryStore.on_disk(root)
    (tmp_path / "there.tar").write_text("mine")
    for file in (tmp_path / "there.tar", root / "backup.tar", tmp_path / "no/folder.tar"):
        with pytest.raises(UsageError):
            await back_up(store.storage, root, file)
    assert (tmp_path / "there.tar").read_text() == "mine"
    await store.close()


@pytest.mark.parametrize(
    "name", ["registry/../../escaped", "registry//tmp/escaped", "content/sha256/short", "registry/"]
)
async def test_a_backup_that_leads_elsewhere_is_refused(root: Path, tmp_path: Path, name: str) -> None:
    store = RegistryStore.on_disk(root)
    await back_up(store.storage, root, tmp_path / "backup.tar")
    await store.close()
    with tarfile.open(tmp_path / "backup.tar") as tar, tarfile.open(tmp_path / "evil.tar", "w") as evil:
        for member in tar.getmembers()[:1]:
            evil.addfile(member, tar.extractfile(member))
        evil.addfile(tarfile.TarInfo(name))
    with pytest.raises(AirferryError) as refused:
        await restore(tmp_path / "evil.tar", tmp_path / "new")
    assert refused.value.code == "malformed"
    assert not (tmp_path / "escaped").exists()
