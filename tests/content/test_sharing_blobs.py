"""Repositories of one tree share blobs by hard links."""

from pathlib import Path

from airferry.content.tree import TreePlace

from .test_resuming import BLOB, Offsets


async def test_a_mounted_blob_is_the_same_file(tmp_path: Path) -> None:
    tree = TreePlace(tmp_path)
    await tree.write_blob("a", BLOB, Offsets())
    assert await tree.mount_blob("b", BLOB, "a")
    await tree.close()
    one, other = (tmp_path / "v2" / path / "blobs" / BLOB.digest for path in ("a", "b"))
    assert one.samefile(other)


async def test_a_damaged_blob_is_not_shared(tmp_path: Path) -> None:
    tree = TreePlace(tmp_path)
    await tree.write_blob("a", BLOB, Offsets())
    file = tmp_path / "v2" / "a" / "blobs" / BLOB.digest
    file.write_bytes(file.read_bytes()[:100])
    assert not await tree.mount_blob("b", BLOB, "a")
    await tree.close()


async def test_mending_a_shared_blob_in_one_repository_leaves_the_other_alone(tmp_path: Path) -> None:
    tree = TreePlace(tmp_path)
    await tree.write_blob("a", BLOB, Offsets())
    await tree.mount_blob("b", BLOB, "a")
    shared = tmp_path / "v2" / "a" / "blobs" / BLOB.digest
    shared.write_bytes(b"cut")
    fetch = Offsets()
    await tree.write_blob("b", BLOB, fetch)
    await tree.close()
    assert fetch.asked == [0]
    assert (tmp_path / "v2" / "b" / "blobs" / BLOB.digest).stat().st_size == BLOB.size_bytes
    assert shared.read_bytes() == b"cut"
