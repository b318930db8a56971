"""What every driver promises. A new driver is one line in DRIVERS."""

from collections.abc import Callable
from pathlib import Path

import pytest

from airferry.oci import ContentMismatchError, Digest
from airferry.registry.drivers import Driver, FilesystemDriver, MemoryDriver
from airferry.registry.errors import NotFoundError, UploadRangeError

DRIVERS: dict[str, Callable[[Path], Driver]] = {
    "memory": lambda folder: MemoryDriver(),
    "filesystem": FilesystemDriver,
}


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Driver:
    return DRIVERS[request.param](tmp_path)


async def read(driver: Driver, digest: Digest) -> bytes:
    content = await driver.open(digest)
    return content if isinstance(content, bytes) else content.read_bytes()


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("announced", ["sha256", "sha512"])
async def test_what_is_committed_can_be_read(driver: Driver, algorithm: str, announced: str) -> None:
    await driver.begin("u", announced)
    digest = Digest.of(b"abcdef", algorithm)
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append([b"ab", b"", b"c"])
    async with driver.open_upload("u", patience_s=0) as upload:
        assert upload.received_bytes == 3
        await upload.append([b"def"])
        assert await driver.stat(digest) is None
        await upload.commit(digest)
    assert (await driver.stat(digest), await read(driver, digest)) == (6, b"abcdef")
    with pytest.raises(NotFoundError):
        await driver.upload_size("u")


async def test_thousands_of_tiny_chunks_arrive_in_order(driver: Driver) -> None:
    chunks = [b"%d," % number for number in range(5000)]
    digest = Digest.of(b"".join(chunks))
    await driver.begin("u", "sha256")
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append(chunks)
        await upload.commit(digest)
    assert await read(driver, digest) == b"".join(chunks)


async def test_a_wrong_digest_stores_nothing_and_ends_the_upload(driver: Driver) -> None:
    await driver.begin("u", "sha256")
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append([b"abc"])
        with pytest.raises(ContentMismatchError):
            await upload.commit(Digest.of(b"other"))
    assert await driver.stat(Digest.of(b"other")) is None
    assert await driver.stat(Digest.of(b"abc")) is None
    with pytest.raises(NotFoundError):
        await driver.upload_size("u")


async def test_what_is_cut_off_is_not_in_the_digest(driver: Driver) -> None:
    await driver.begin("u", "sha256")
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append([b"abcXXX"])
        await upload.cut(3)
        await upload.append([b"def"])
        await upload.commit(Digest.of(b"abcdef"))
    assert await read(driver, Digest.of(b"abcdef")) == b"abcdef"


async def test_one_upload_has_one_writer(driver: Driver) -> None:
    await driver.begin("u", "sha256")
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append([b"abc"])
        with pytest.raises(UploadRangeError) as refused:
            async with driver.open_upload("u", patience_s=0):
                pass
        assert refused.value.received_bytes == 3
        assert await driver.upload_size("u") == 3
    async with driver.open_upload("u", patience_s=0):
        pass


async def test_an_upload_that_is_not_there_is_not_found(driver: Driver) -> None:
    with pytest.raises(NotFoundError):
        async with driver.open_upload("u", patience_s=0):
            pass
    for call in (driver.upload_size, driver.abort):
        with pytest.raises(NotFoundError):
            await call("u")


async def test_content_is_put_whole_and_may_be_put_again(driver: Driver) -> None:
    digest = Digest.of(b"manifest")
    for _ in range(2):
        await driver.put(digest, b"manifest")
    assert await read(driver, digest) == b"manifest"


async def test_sweeping_takes_what_is_old_and_not_what_is_held(driver: Driver) -> None:
    for key in ("old", "held"):
        await driver.begin(key, "sha256")
    async with driver.open_upload("held", patience_s=0):
        assert await driver.sweep(3600) == 0
        assert await driver.sweep(-1) == 1
    assert await driver.upload_size("held") == 0
    with pytest.raises(NotFoundError):
        await driver.upload_size("old")


@pytest.mark.parametrize("last", [0, 1])
async def test_another_process_goes_on_with_an_upload(tmp_path: Path, last: int) -> None:
    one, two = FilesystemDriver(tmp_path), FilesystemDriver(tmp_path)
    await one.begin("u", "sha256")
    for driver, part in ((one, b"ab"), (two, b"cd"), (one, b"ef")):
        async with driver.open_upload("u", patience_s=0) as upload:
            await upload.append([part])
    holder, other = ((one, two), (two, one))[last]
    async with holder.open_upload("u", patience_s=0) as upload:
        with pytest.raises(UploadRangeError):
            async with other.open_upload("u", patience_s=0):
                pass
        await upload.commit(Digest.of(b"abcdef"))
    assert await read(one, Digest.of(b"abcdef")) == b"abcdef"
    assert list((tmp_path / "uploads").iterdir()) == []


async def test_a_cancelled_upload_cannot_be_committed_by_who_holds_it(tmp_path: Path) -> None:
    driver = FilesystemDriver(tmp_path)
    await driver.begin("u", "sha256")
    async with driver.open_upload("u", patience_s=0) as upload:
        await upload.append([b"abc"])
        await driver.abort("u")
        with pytest.raises(NotFoundError):
            await upload.commit(Digest.of(b"abc"))
    assert await driver.stat(Digest.of(b"abc")) is None
