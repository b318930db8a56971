"""Trees that the real oc wrote are read, and ours look the same."""

from pathlib import Path

import pytest

from airferry.content.errors import DamagedError
from airferry.content.tree import TreePlace
from airferry.oci import Descriptor

from .trees import OC_REPOSITORY, OC_TREES, describe, unpack_oc_tree


async def copy_repository(source: TreePlace, sink: TreePlace, path: str) -> None:
    for tag in await source.list_tags(path):
        manifest = await source.read_manifest(path, tag)
        for blob in manifest.blobs:
            await sink.write_blob(path, blob, lambda offset, blob=blob: source.open_blob(path, blob, offset))
        await sink.write_manifest(path, manifest)
        await sink.write_tag(path, tag, manifest)


@pytest.mark.parametrize("version", OC_TREES)
async def test_every_image_of_a_tree_by_oc_is_read_whole(version: str, tmp_path: Path) -> None:
    tree = TreePlace(unpack_oc_tree(version, tmp_path))
    tags = await tree.list_tags(OC_REPOSITORY)
    assert f"{version}-x86_64" in tags
    assert len(tags) == 14
    for tag in tags:
        manifest = await tree.read_manifest(OC_REPOSITORY, tag)
        for blob in manifest.blobs:
            async with tree.open_blob(OC_REPOSITORY, blob) as stream:
                assert sum([len(chunk) async for chunk in stream]) == blob.size_bytes


@pytest.mark.parametrize("version", OC_TREES)
async def test_our_tree_has_the_paths_types_and_links_of_oc(version: str, tmp_path: Path) -> None:
    theirs = unpack_oc_tree(version, tmp_path / "oc")
    ours = tmp_path / "ours"
    source, sink = TreePlace(theirs), TreePlace(ours)
    await copy_repository(source, sink, OC_REPOSITORY)
    await sink.close()
    assert describe(ours / "v2") == describe(theirs / "v2")


async def test_nothing_is_left_beside_the_tree_but_our_own_tags(tmp_path: Path) -> None:
    source, sink = TreePlace(unpack_oc_tree("4.99.1", tmp_path / "oc")), TreePlace(tmp_path / "ours")
    await copy_repository(source, sink, OC_REPOSITORY)
    await sink.close()
    files = sorted(str(file.relative_to(tmp_path / "ours")) for file in (tmp_path / "ours").rglob("*"))
    assert [file for file in files if not file.startswith("v2")] == [
        "airferry",
        "airferry/repositories",
        "airferry/repositories/openshift",
        "airferry/repositories/openshift/release",
        "airferry/repositories/openshift/release/_tags.json",
    ]


async def test_repositories_are_found_however_deep(tmp_path: Path) -> None:
    for path in ("a", "a/b", "x/y/z"):
        (tmp_path / "v2" / path / "blobs").mkdir(parents=True)
    assert await TreePlace(tmp_path).list_repositories() == ("a", "a/b", "x/y/z")


async def test_files_are_readable_by_whoever_carries_the_disk(tmp_path: Path) -> None:
    source = TreePlace(unpack_oc_tree("4.99.1", tmp_path / "oc"))
    for private, file_mode, folder_mode in ((False, 0o644, 0o755), (True, 0o600, 0o700)):
        root = tmp_path / f"private-{private}"
        sink = TreePlace(root, private=private)
        await copy_repository(source, sink, OC_REPOSITORY)
        await sink.close()
        for file in root.rglob("*"):
            if not file.is_symlink():
                assert file.stat().st_mode & 0o777 == (folder_mode if file.is_dir() else file_mode), file


async def test_a_leftover_that_makes_oc_fail_is_cleared(tmp_path: Path) -> None:
    source = TreePlace(unpack_oc_tree("4.99.1", tmp_path / "oc"))
    root = tmp_path / "ours"
    manifests = root / "v2" / OC_REPOSITORY / "manifests"
    manifests.mkdir(parents=True)
    (manifests / "4.99.1-x86_64.download").symlink_to("sha256:" + "0" * 64)
    (manifests / ("sha256:" + "1" * 64 + ".download")).write_bytes(b"half")
    sink = TreePlace(root)
    await copy_repository(source, sink, OC_REPOSITORY)
    await sink.close()
    assert describe(root / "v2") == describe(source.folder.root / "v2")


async def test_a_blob_of_the_wrong_size_is_named_before_it_is_read(tmp_path: Path) -> None:
    root = unpack_oc_tree("4.99.1", tmp_path)
    tree = TreePlace(root)
    manifest = await tree.read_manifest(OC_REPOSITORY, "4.99.1-x86_64")
    blob: Descriptor = manifest.layers[-1]
    file = root / "v2" / OC_REPOSITORY / "blobs" / blob.digest
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DamagedError, match=blob.digest.hex):
        async with tree.open_blob(OC_REPOSITORY, blob):
            raise AssertionError("entered")


async def test_a_manifest_that_was_changed_is_refused(tmp_path: Path) -> None:
    root = unpack_oc_tree("4.99.1", tmp_path)
    tree = TreePlace(root)
    digest = await tree.resolve_tag(OC_REPOSITORY, "4.99.1-x86_64-etcd")
    file = root / "v2" / OC_REPOSITORY / "blobs" / digest
    file.write_bytes(file.read_bytes().replace(b"schemaVersion", b"schemaversion"))
    for target in ("4.99.1-x86_64-etcd", digest):
        with pytest.raises(DamagedError, match=digest.hex):
            await tree.read_manifest(OC_REPOSITORY, target)
