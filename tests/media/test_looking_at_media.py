"""What is on a medium, our records on it, and the tree as something to serve."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from airferry.content.errors import DamagedError, NotFoundError
from airferry.content.memory import MemoryPlace
from airferry.content.tree import TreePlace
from airferry.content.tree_folder import TreeFolder
from airferry.errors import MalformedError
from airferry.media import Records, ServedTree, take_inventory
from airferry.oci import Digest

from .test_verifying import REPOSITORY, TAG, TREE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with tarfile.open(TREE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "mirror"


async def test_the_inventory_counts_what_oc_wrote(root: Path) -> None:
    await Records(root).write("releases/abc", {"version": "4.99.1"})
    stray = root / "v2" / REPOSITORY / "blobs" / Digest.of(b"stray")
    stray.write_bytes(b"stray")
    (root / "v2" / REPOSITORY / "manifests" / "x.download").symlink_to("y")
    inventory = await take_inventory(TreeFolder(root))
    (content,) = inventory.repositories
    assert content.path == REPOSITORY
    assert len(content.tags) == 14
    assert (content.manifests, content.blobs) == (14, 31)
    assert content.images_without_tag == ()
    assert (content.unreferenced, content.unreferenced_bytes) == ((Digest.of(b"stray"),), 5)
    files = {file.stat().st_ino: file.stat().st_size for file in (root / "v2").rglob("sha256:*")}
    assert inventory.size_bytes == content.size_bytes == sum(files.values())
    assert inventory.records == ("releases/abc",)
    assert inventory.half_written == (f"v2/{REPOSITORY}/manifests/x.download",)
    assert json.dumps(inventory.as_json())


async def test_an_image_without_a_tag_is_seen(tmp_path: Path) -> None:
    source, tree = MemoryPlace(), TreePlace(tmp_path)
    image = source.add_image("a")
    for blob in image.blobs:
        await tree.write_blob("a", blob, lambda offset, blob=blob: source.open_blob("a", blob, offset))
    await tree.write_manifest("a", image)
    await tree.close()
    (content,) = (await take_inventory(tree.folder)).repositories
    assert content.images_without_tag == (image.digest,)
    assert content.unreferenced == ()


async def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    records = Records(tmp_path)
    document = {"version": "4.20.1", "trust": {"b": 1, "a": [None, "ü"]}}
    file = await records.write("releases/0123", document)
    assert file == tmp_path / "airferry" / "releases" / "0123.json"
    assert await records.read("releases/0123") == document
    assert await records.names() == ("releases/0123",)
    assert await records.names("releases") == ("releases/0123",)
    assert await records.names("other") == ()
    before = file.read_bytes()
    await records.write("releases/0123", dict(reversed(document.items())))
    assert file.read_bytes() == before
    await records.remove("releases/0123")
    await records.remove("releases/0123")
    assert await records.find("releases/0123") is None
    with pytest.raises(NotFoundError):
        await records.read("releases/0123")


async def test_records_leave_no_temporary_files_and_are_readable(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        file = await Records(tmp_path).write("a", {})
        hidden = await Records(tmp_path, private=True).write("b", {})
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o644
    assert hidden.stat().st_mode & 0o777 == 0o600
    assert sorted(item.name for item in (tmp_path / "airferry").iterdir()) == ["a.json", "b.json"]


@pytest.mark.parametrize("name", ["", "../a", "/etc/passwd", "a//b", "a/..", ".hidden", "_tags", "a\0"])
async def test_a_record_stays_in_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(MalformedError):
        await Records(tmp_path).write(name, {})


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{"])
async def test_a_damaged_record_is_malformed(content: bytes, tmp_path: Path) -> None:
    records = Records(tmp_path)
    (await records.write("a", {})).write_bytes(content)
    with pytest.raises(MalformedError, match=r"a\.json"):
        await records.read("a")


async def test_our_own_index_of_tags_is_no_record(tmp_path: Path) -> None:
    source, tree = MemoryPlace(), TreePlace(tmp_path)
    image = source.add_image("a", [])
    await tree.write_tag("a", "v1", image)
    await tree.close()
    assert tree.folder.tag_index("a").exists()
    assert await Records(tmp_path).names() == ()


async def test_a_tree_is_served_from_its_files(root: Path) -> None:
    served = ServedTree(root)
    tree = TreePlace(root)
    manifest = await tree.read_manifest(REPOSITORY, TAG)
    assert served.list_repositories() == (REPOSITORY,)
    assert served.list_tags(REPOSITORY) == await tree.list_tags(REPOSITORY)
    assert served.resolve(REPOSITORY, TAG) == manifest
    assert served.resolve(REPOSITORY, manifest.digest) == manifest
    for blob in manifest.blobs:
        file = served.blob_file(REPOSITORY, blob.digest)
        assert file is not None
        assert Digest.of(file.read_bytes()) == blob.digest
    assert served.list_referrers(REPOSITORY, manifest.digest) == ()


def test_what_is_not_served_is_none(root: Path) -> None:
    served = ServedTree(root)
    absent = Digest.of(b"absent")
    assert served.resolve(REPOSITORY, "no-such") is None
    assert served.resolve(REPOSITORY, absent) is None
    assert served.blob_file(REPOSITORY, absent) is None
    assert served.list_referrers("no/such", absent) == ()
    for path in ("no/such", "../..", "openshift/release/../release", ""):
        assert not served.exists(path)
        assert served.resolve(path, TAG) is None
        assert served.blob_file(path, absent) is None
        with pytest.raises(NotFoundError):
            served.list_tags(path)
    for tag in ("../blobs/x", "..", f"sha256:{'0' * 64}", ""):
        assert served.resolve(REPOSITORY, tag) is None


async def test_a_tampered_manifest_is_not_served(root: Path) -> None:
    digest = await TreePlace(root).resolve_tag(REPOSITORY, TAG)
    file = root / "v2" / REPOSITORY / "blobs" / digest
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(DamagedError, match=digest.hex):
        ServedTree(root).resolve(REPOSITORY, TAG)


async def test_what_refers_to_an_image_is_served(tmp_path: Path) -> None:
    source, tree = MemoryPlace(), TreePlace(tmp_path)
    image = source.add_image("a")
    signature = source.add_image("a", [b"signature"], subject=image, artifact_type="application/x.signature")
    for manifest in (image, signature):
        for blob in manifest.blobs:
            await tree.write_blob("a", blob, lambda offset, blob=blob: source.open_blob("a", blob, offset))
        await tree.write_manifest("a", manifest)
    await tree.close()
    (found,) = ServedTree(tmp_path).list_referrers("a", image.digest)
    assert (found.digest, found.artifact_type) == (signature.digest, "application/x.signature")
