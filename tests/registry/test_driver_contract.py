"""What every driver promises. A new driver is one line in DRIVERS."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from airferry.oci import ContentMismatchError, Digest
from airferry.registry.drivers import Driver, FilesystemDriver, MemoryDriver, Sharing
from airferry.registry.errors import NotFoundError, UploadRangeError
from airferry.registry.hashing import Hashing

DRIVERS: dict[str, Callable[[Path], Driver]] = {
    "memory": lambda folder: MemoryDriver(),
    "filesystem": FilesystemDriver,
}


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Driver:
    return DRIVERS[request.param](tmp_path)


async def read(driver: Driver, name: str) -> bytes:
    content = await driver.open(name)
    return content if isinstance(content, bytes) else content.read_bytes()


async def names(driver: Driver, before_s: float) -> set[str]:
    return {stored.name async for portion in driver.list_older(before_s) for stored in portion}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_what_is_completed_can_be_read(driver: Driver, algorithm: str) -> None:
    await driver.begin("u")
    digest, hashing = Digest.of(b"abcdef", algorithm), Hashing(algorithm)
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append([b"ab", b"", b"c"], hashing)
        await upload.sync()
    async with driver.open_upload("u", patience_s=0) as upload:
        assert upload.received_bytes == 3
        await upload.append([b"def"], hashing)
        assert hashing.hexdigest() == digest.hex
        assert await names(driver, time.time() + 60) == set()
        async with driver.holding(digest):
            name = await upload.complete(digest)
    assert (await driver.stat(name), await read(driver, name)) == (6, b"abcdef")
    with pytest.raises(NotFoundError):
        await driver.upload_size("u", 0)


async def test_thousands_of_tiny_chunks_arrive_in_order(driver: Driver) -> None:
    chunks = [b"%d," % number for number in range(5000)]
    hashing = Hashing("sha256")
    await driver.begin("u")
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append(chunks, hashing)
        name = await upload.complete(Digest.of(b"".join(chunks)))
    assert await read(driver, name) == b"".join(chunks)
    assert hashing.hexdigest() == Digest.of(b"".join(chunks)).hex


async def test_what_is_cut_off_is_gone(driver: Driver) -> None:
    await driver.begin("u")
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append([b"abcXXX"], Hashing("sha256"))
        await upload.cut(3)
        await upload.append([b"def"], Hashing("sha256"))
        assert [await upload.read(at, 4) for at in (0, 4, 6)] == [b"abcd", b"ef", b""]
        name = await upload.complete(Digest.of(b"abcdef"))
    assert await read(driver, name) == b"abcdef"


async def test_one_upload_has_one_writer(driver: Driver) -> None:
    await driver.begin("u")
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append([b"abc"], Hashing("sha256"))
        with pytest.raises(UploadRangeError) as refused:
            async with driver.open_upload("u", patience_s=0):
                pass
        assert refused.value.received_bytes == 3
        assert await driver.upload_size("u", 1) == 3
    assert await driver.upload_size("u", 1) == 1  # nobody settled the rest, and nobody is about to
    async with driver.open_upload("u", patience_s=0):
        pass


async def test_an_upload_that_is_not_there_is_not_found(driver: Driver) -> None:
    with pytest.raises(NotFoundError):
        async with driver.open_upload("u", patience_s=0):
            pass
    with pytest.raises(NotFoundError):
        await driver.upload_size("u", 0)
    with pytest.raises(NotFoundError):
        await driver.abort("u")


async def test_an_upload_that_was_aborted_cannot_be_completed_by_who_holds_it(driver: Driver) -> None:
    await driver.begin("u")
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append([b"abc"], Hashing("sha256"))
        await driver.abort("u")
        with pytest.raises(NotFoundError):
            await upload.complete(Digest.of(b"abc"))
    assert await names(driver, time.time() + 60) == set()


async def test_content_is_put_whole_and_may_be_put_again(driver: Driver) -> None:
    digest = Digest.of(b"manifest")
    for _ in range(2):
        name = await driver.put(digest, b"manifest")
    assert await read(driver, name) == b"manifest"


async def test_what_is_deleted_is_gone_and_may_come_back(driver: Driver) -> None:
    digest = Digest.of(b"manifest")
    name = await driver.put(digest, b"manifest")
    assert await driver.delete(name)
    assert not await driver.delete(name)
    assert await driver.stat(name) is None
    assert await read(driver, await driver.put(digest, b"manifest")) == b"manifest"


async def test_only_what_is_older_is_listed(driver: Driver) -> None:
    digests = [Digest.of(content, algorithm) for content, algorithm in ((b"a", "sha256"), (b"b", "sha512"))]
    stored = {await driver.put(digest, content) for digest, content in zip(digests, (b"a", b"b"), strict=True)}
    await driver.begin("u")
    found = [one async for portion in driver.list_older(time.time() + 60) for one in portion]
    assert {(one.name, one.size_bytes) for one in found} == {(name, 1) for name in stored}
    assert {one.digest for one in found} == set(digests)
    assert await names(driver, time.time() - 60) == set()


async def test_storing_and_collecting_keep_out_of_each_others_way(driver: Driver, tmp_path: Path) -> None:
    one, other = Digest.of(b"one"), Digest.of(b"other")
    elsewhere = driver if isinstance(driver, MemoryDriver) else FilesystemDriver(tmp_path)  # as another process is
    async with driver.holding(one), elsewhere.holding(one):
        async with driver.collecting(one) as is_free:
            assert not is_free
        async with elsewhere.collecting(other) as is_free:
            assert is_free
            async with driver.collecting(other) as is_twice:
                assert not is_twice
    async with elsewhere.collecting(one) as is_free:
        assert is_free


async def test_sweeping_takes_what_is_old_and_not_what_is_held(driver: Driver) -> None:
    for key in ("old", "held"):
        await driver.begin(key)
    async with driver.open_upload("held", patience_s=0):
        assert await driver.sweep(3600) == 0
        assert await driver.sweep(-1) == 1
    assert await driver.upload_size("held", 0) == 0
    with pytest.raises(NotFoundError):
        await driver.upload_size("old", 0)


async def test_another_process_goes_on_with_an_upload(tmp_path: Path) -> None:
    one, two = FilesystemDriver(tmp_path), FilesystemDriver(tmp_path)
    await one.begin("u")
    for driver, part in ((one, b"ab"), (two, b"cd"), (one, b"ef")):
        async with driver.open_upload("u", patience_s=0) as upload:
            await upload.append([part], Hashing("sha256"))
    async with two.open_upload("u", patience_s=0) as upload:
        with pytest.raises(UploadRangeError):
            async with one.open_upload("u", patience_s=0):
                pass
        name = await upload.complete(Digest.of(b"abcdef"))
    assert await read(one, name) == b"abcdef"
    assert list((tmp_path / "uploads").iterdir()) == []


@pytest.mark.parametrize("may_share", [True, False])
async def test_a_file_is_adopted_and_stays_as_it_is(driver: Driver, tmp_path: Path, may_share: bool) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    digest = Digest.of(b"content")
    for _ in range(2):  # what is there already is replaced
        adopted = await driver.adopt(source, digest, may_share=may_share)
        assert (adopted.size_bytes, await read(driver, adopted.name)) == (7, b"content")
        assert may_share or adopted.sharing is Sharing.COPY
    source.unlink()
    assert await read(driver, adopted.name) == b"content"
    assert await driver.sweep(-60) == 0


async def test_a_file_with_other_bytes_is_not_adopted(driver: Driver, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"other")
    with pytest.raises(ContentMismatchError):
        await driver.adopt(source, Digest.of(b"content"), may_share=True)
    with pytest.raises(NotFoundError):
        await driver.adopt(tmp_path / "absent", Digest.of(b"content"), may_share=True)
    assert await names(driver, time.time() + 60) == set()
    assert await driver.sweep(-60) == 0
    assert source.read_bytes() == b"other"


async def test_what_is_quarantined_is_gone_but_kept_aside(driver: Driver) -> None:
    name = await driver.put(Digest.of(b"content"), b"content")
    assert await driver.quarantine(name) is not None
    assert await driver.stat(name) is None
    assert await names(driver, time.time() + 60) == set()
    assert await driver.quarantine(name) is None
    assert await driver.put(Digest.of(b"content"), b"content") == name
    assert await read(driver, name) == b"content"


async def test_nothing_is_deleted_while_everything_is_preserved(driver: Driver) -> None:
    async def preserve() -> tuple[bool, bool, bool]:
        async with driver.preserving() as first, driver.deleting() as second, driver.preserving() as third:
            async with driver.holding(Digest.of(b"content")):
                await driver.put(Digest.of(b"content"), b"content")
            return first, second, third

    async with driver.deleting() as first, driver.deleting() as second:
        assert (first, second) == (True, True)
        preserving = asyncio.create_task(preserve())
        begins = True
        while begins:  # who waits is not overtaken for ever
            async with driver.deleting() as begins:
                await asyncio.sleep(0)
        assert not preserving.done()
    assert await preserving == (True, False, False)
    async with driver.deleting() as again:
        assert again
