"""`media verify` names every bad file and the images it breaks, on a tree that the real oc wrote."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from airferry.content.errors import NotFoundError
from airferry.content.memory import MemoryPlace
from airferry.content.tree import TreePlace
from airferry.content.tree_folder import TreeFolder
from airferry.media import FaultKind, VerifyProgress, verify
from airferry.oci import Digest

TREE = Path(__file__).parents[1] / "data" / "oc_media" / "to-dir-4.99.1-unsigned.tar.gz"
REPOSITORY = "openshift/release"
TAG = "4.99.1-x86_64-etcd"


@pytest.fixture
def folder(tmp_path: Path) -> TreeFolder:
    with tarfile.open(TREE) as archive:
        archive.extractall(tmp_path, filter="data")
    return TreeFolder(tmp_path / "mirror")


async def layer_of(folder: TreeFolder, tag: str = TAG) -> tuple[Digest, Path]:
    """A layer that no other image has, and its file."""
    tree = TreePlace(folder.root)
    manifests = {name: await tree.read_manifest(REPOSITORY, name) for name in await tree.list_tags(REPOSITORY)}
    others = {blob.digest for name, manifest in manifests.items() if name != tag for blob in manifest.blobs}
    (layer,) = (layer.digest for layer in manifests[tag].layers if layer.digest not in others)
    return layer, folder.blobs(REPOSITORY) / layer


async def test_a_whole_tree_is_whole(folder: TreeFolder) -> None:
    seen: list[VerifyProgress] = []
    result = await verify(folder, seen.append)
    assert result.whole
    assert (result.repositories, result.images, result.files) == (1, 14, 44)
    assert seen[-1].done_files == seen[-1].total_files == 44
    assert seen[-1].done_bytes == seen[-1].total_bytes == result.size_bytes


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def _lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"!")


def _empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        pytest.param(_flip, FaultKind.CHANGED, id="a flipped byte"),
        pytest.param(_truncate, FaultKind.TRUNCATED, id="a truncated blob"),
        pytest.param(_lengthen, FaultKind.TOO_LONG, id="a blob too long"),
        pytest.param(_empty, FaultKind.EMPTY, id="an empty blob"),
        pytest.param(Path.unlink, FaultKind.MISSING, id="a deleted blob"),
    ],
)
async def test_a_bad_layer_is_named_with_its_image(
    harm: Callable[[Path], None], kind: FaultKind, folder: TreeFolder
) -> None:
    digest, file = await layer_of(folder)
    harm(file)
    result = await verify(folder)
    assert not result.whole
    assert [(fault.kind, fault.digest, fault.file) for fault in result.faults] == [(kind, digest, str(file))]
    assert [(image.repository, image.tag, image.faults) for image in result.broken] == [(REPOSITORY, TAG, (digest,))]
    assert result.dangling_tags == ()
    assert result.as_json()["faults"][0]["kind"] == kind


async def test_a_shared_layer_breaks_every_image_that_has_it(folder: TreeFolder) -> None:
    tree = TreePlace(folder.root)
    shared = (await tree.read_manifest(REPOSITORY, TAG)).layers[0].digest
    _flip(folder.blobs(REPOSITORY) / shared)
    result = await verify(folder)
    assert len(result.faults) == 1
    assert len(result.broken) > 1
    assert str(result.broken[0]) == f"{REPOSITORY}:{result.broken[0].tag}@{result.broken[0].digest}"


async def test_a_tampered_manifest_is_named_with_its_tag(folder: TreeFolder) -> None:
    digest = await TreePlace(folder.root).resolve_tag(REPOSITORY, TAG)
    _flip(folder.manifests(REPOSITORY) / digest)
    result = await verify(folder)
    assert {(fault.kind, fault.digest) for fault in result.faults} == {(FaultKind.CHANGED, digest)}
    assert [(image.tag, image.digest) for image in result.broken] == [(TAG, digest)]


async def test_both_copies_of_a_manifest_are_looked_at_where_links_were_lost(folder: TreeFolder) -> None:
    digest = await TreePlace(folder.root).resolve_tag(REPOSITORY, TAG)
    copy = folder.manifests(REPOSITORY) / digest
    content = copy.read_bytes()
    copy.unlink()
    copy.write_bytes(content.replace(b"schemaVersion", b"schemaversion"))
    result = await verify(folder)
    assert [fault.file for fault in result.faults] == [str(copy)]
    assert [image.tag for image in result.broken] == [TAG]


async def test_a_tag_whose_manifest_is_gone_dangles(folder: TreeFolder) -> None:
    digest = await TreePlace(folder.root).resolve_tag(REPOSITORY, TAG)
    for place in (folder.blobs(REPOSITORY), folder.manifests(REPOSITORY)):
        (place / digest).unlink()
    result = await verify(folder)
    assert result.dangling_tags == ((REPOSITORY, TAG),)
    assert [(fault.kind, fault.digest) for fault in result.faults] == [(FaultKind.MISSING, digest)]
    assert [image.tag for image in result.broken] == [TAG]


async def test_a_blob_that_no_image_needs_is_checked_as_well(folder: TreeFolder) -> None:
    stray = folder.blobs(REPOSITORY) / ("sha256:" + "0" * 64)
    stray.write_bytes(b"stray")
    result = await verify(folder)
    assert [fault.file for fault in result.faults] == [str(stray)]
    assert result.broken == ()
    assert not result.whole


async def test_a_child_of_an_index_that_is_gone_breaks_the_index(tmp_path: Path) -> None:
    source = MemoryPlace()
    children = {name: source.add_image("a", [name.encode()]) for name in ("linux/amd64", "linux/arm64")}
    index = source.add_index("a", children, tags=["multi"])
    tree = TreePlace(tmp_path)
    for manifest in (*children.values(), index):
        for blob in manifest.blobs:
            await tree.write_blob("a", blob, lambda offset, blob=blob: source.open_blob("a", blob, offset))
        await tree.write_manifest("a", manifest)
    await tree.write_tag("a", "multi", index)
    await tree.close()
    assert (await verify(tree.folder)).whole
    layer = children["linux/amd64"].layers[0].digest
    (tmp_path / "v2" / "a" / "blobs" / layer).unlink()
    assert [(image.tag, image.faults) for image in (await verify(tree.folder)).broken] == [("multi", (layer,))]
    (tmp_path / "v2" / "a" / "blobs" / layer).write_bytes(b"linux/amd64")
    lost = children["linux/arm64"].digest
    (tmp_path / "v2" / "a" / "blobs" / lost).unlink()
    (tmp_path / "v2" / "a" / "manifests" / lost).unlink()
    result = await verify(tree.folder)
    assert [(image.tag, image.faults) for image in result.broken] == [("multi", (lost,))]


async def test_a_folder_without_a_tree_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        await verify(TreeFolder(tmp_path))
