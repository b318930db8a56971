"""Many at once, in real threads on real databases: what was acknowledged stays, and everybody gets an answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from airferry.errors import AirferryError
from airferry.oci import Digest
from airferry.registry import RegistryStore
from airferry.registry.collecting import CollectionPolicy
from airferry.registry.drivers import FilesystemDriver, MemoryDriver
from airferry.registry.errors import MissingContentError, NotFoundError, UploadRangeError
from airferry.registry.metadata import open_metadata
from airferry.registry.metadata.uploads import advance_upload, end_upload, find_upload
from airferry.registry.settings import DatabaseUrl
from airferry.registry.upload import upload_key

from .conftest import image
from .postgres import PostgresServer
from .stored import pull, push_blob, push_manifest

Place = Path | DatabaseUrl


@pytest.fixture
async def stores(database: Place, tmp_path: Path) -> AsyncIterator[tuple[RegistryStore, RegistryStore]]:
    """Two stores on one root and one database, as two processes have them."""
    one, two = (RegistryStore(FilesystemDriver(tmp_path), open_metadata(database), patience_s=5) for _ in range(2))
    yield one, two
    await one.close()
    await two.close()


async def test_writers_that_move_one_tag_are_all_served_and_readers_never_miss_it(
    stores: tuple[RegistryStore, RegistryStore],
) -> None:
    manifests = [image((), annotations={"n": str(number)}) for number in range(16)]
    await push_blob(stores[0], "a", b"{}")
    await push_manifest(stores[0], "a", manifests[0], "latest")
    done = asyncio.Event()

    async def read(store: RegistryStore) -> int:
        count = 0
        while not done.is_set():
            assert (await store.manifest("a", "latest")).raw in manifests
            count += 1
            await asyncio.sleep(0)
        return count

    readers = [asyncio.ensure_future(read(stores[number % 2])) for number in range(4)]
    for _ in range(3):
        await asyncio.gather(*(push_manifest(stores[n % 2], "a", raw, "latest") for n, raw in enumerate(manifests)))
    done.set()
    assert all(await asyncio.gather(*readers))
    assert len(await stores[0].tags("a")) == 1


async def test_collecting_almost_at_once_beside_pushes_and_deletes_loses_nothing(
    stores: tuple[RegistryStore, RegistryStore],
) -> None:
    """A blob may go before its manifest comes, which is then refused; an image that was accepted is whole."""
    layers = [b"layer %d" % number for number in range(4)]
    done = asyncio.Event()

    async def collect(store: RegistryStore) -> None:
        while not done.is_set():
            await store.collect(CollectionPolicy(grace_s=0.2))
            await asyncio.sleep(0)

    async def push(number: int) -> int:
        chance, store, path, accepted = Random(number), stores[number % 2], f"repo{number}", 0
        for _ in range(12):
            layer = chance.choice(layers)
            try:
                for content in (b"{}", layer):
                    if not await store.mount_blob(path, Digest.of(content), None, lambda holder: True):
                        await push_blob(store, path, content)
                digest = await push_manifest(store, path, image((layer,)), "t")
            except (MissingContentError, NotFoundError):
                continue
            accepted += 1
            assert (await stores[1].manifest(path, "t")).digest == digest
            for content in (b"{}", layer):
                assert await pull(stores[0], path, Digest.of(content)) == content
            if chance.random() < 0.7:
                await store.delete_manifest(path, digest)
        return accepted

    collectors = [asyncio.ensure_future(collect(store)) for store in stores]
    accepted = await asyncio.gather(*(push(number) for number in range(6)))
    done.set()
    await asyncio.gather(*collectors)
    assert sum(accepted) > 10


async def test_an_upload_goes_on_in_another_process_and_nothing_is_read_again(
    stores: tuple[RegistryStore, RegistryStore],
) -> None:
    content = Random(1).randbytes(300_000)
    upload_id = await stores[0].begin_upload("a", "sha256")
    for number, start in enumerate(range(0, len(content), 100_000)):
        async with stores[number % 2].open_upload("a", upload_id) as upload:
            assert upload.received_bytes == start == await stores[1].upload_size("a", upload_id)
            await upload.append([content[start : start + 100_000]])
    # Were it read, it would be found to be something else.
    (file,) = (Path(stores[0].driver._uploads)).iterdir()  # type: ignore[attr-defined]
    file.write_bytes(bytes(len(content)))
    async with stores[1].open_upload("a", upload_id) as upload:
        await upload.finish(Digest.of(content))
    assert (await stores[0].blob("a", Digest.of(content))).size_bytes == len(content)


async def test_what_a_killed_writer_had_not_settled_is_cut_off(
    stores: tuple[RegistryStore, RegistryStore],
) -> None:
    upload_id = await stores[0].begin_upload("a", "sha256")
    async with stores[0].open_upload("a", upload_id) as upload:
        await upload.append([b"settled"])
    (file,) = (Path(stores[0].driver._uploads)).iterdir()  # type: ignore[attr-defined]
    file.write_bytes(b"settled, not settled")
    assert await stores[1].upload_size("a", upload_id) == 7
    async with stores[1].open_upload("a", upload_id) as upload:
        assert upload.received_bytes == 7
        await upload.append([b"!"])
        await upload.finish(Digest.of(b"settled!"))
    assert await pull(stores[0], "a", Digest.of(b"settled!")) == b"settled!"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("announced", ["sha256", "sha512"])
async def test_the_digest_may_be_of_another_algorithm_than_was_announced(
    stores: tuple[RegistryStore, RegistryStore], announced: str, algorithm: str
) -> None:
    upload_id = await stores[0].begin_upload("a", announced)
    for part in (b"ab", b"cXX"):
        async with stores[0].open_upload("a", upload_id) as upload:
            await upload.append([part])
    async with stores[0].open_upload("a", upload_id) as upload:
        await upload.cut(3)
        await upload.append([b"def"])
        await upload.finish(Digest.of(b"abcdef", algorithm))
    assert await pull(stores[1], "a", Digest.of(b"abcdef", algorithm)) == b"abcdef"


async def test_of_two_that_know_the_same_generation_one_moves_on(database: Place) -> None:
    one, two = open_metadata(database), open_metadata(database)
    store = RegistryStore(MemoryDriver(), one)
    upload_id = await store.begin_upload("a", "sha256")
    key = upload_key("a", upload_id)
    known = await two.read(find_upload, key)

    async def advance(metadata, size: int) -> bool:
        try:
            await metadata.write(lambda c: advance_upload(c, key, known.generation, size, b"state", 0.0))
        except UploadRangeError as error:
            assert error.received_bytes in (10, 20)
            return False
        return True

    results = await asyncio.gather(advance(one, 10), advance(two, 20))
    assert sorted(results) == [False, True]
    with pytest.raises(UploadRangeError):
        await two.write(lambda connection: end_upload(connection, key, known.generation))
    found = await one.read(find_upload, key)
    assert (found.received_bytes, found.generation) == ((10, 20)[results.index(True)], known.generation + 1)
    await one.write(lambda connection: end_upload(connection, key, found.generation))
    with pytest.raises(AirferryError) as gone:
        await two.write(lambda connection: end_upload(connection, key, found.generation))
    assert gone.value.code == "not-found"
    one.close()
    two.close()


async def test_a_piece_of_work_that_fails_takes_nothing_else_with_it(database: Place) -> None:
    metadata = open_metadata(database)
    store = RegistryStore(MemoryDriver(), metadata)

    async def push(number: int) -> object:
        try:
            missing = (b"missing",) if number % 2 else ()
            return await push_manifest(store, f"r{number}", image(missing), "t")
        except MissingContentError as error:
            return error

    for number in range(10):
        await push_blob(store, f"r{number}", b"{}")
    answers = await asyncio.gather(*(push(number) for number in range(10)))
    assert [isinstance(answer, MissingContentError) for answer in answers] == [False, True] * 5
    for number in range(10):
        assert await store.tags(f"r{number}") == (() if number % 2 else ("t",))
    await store.close()


async def test_connections_that_the_server_closed_are_made_again(
    postgres_server: PostgresServer, postgres_database: DatabaseUrl
) -> None:
    store = RegistryStore(MemoryDriver(), open_metadata(postgres_database))
    for number in range(3):
        await asyncio.gather(*(push_blob(store, "a", b"%d %d" % (number, one)) for one in range(4)))
        assert await store.repositories() == ("a",)
        with postgres_server.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (postgres_database.url.database,),
            )
        assert await store.repositories() == ("a",)
    await store.close()
