"""Trees that copying has robbed of their links are read all the same."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from airferry.content.errors import DamagedError, NotFoundError
from airferry.content.tree import TreePlace

from .test_oc_trees import copy_repository
from .trees import OC_REPOSITORY, unpack_oc_tree

TAG = "4.99.1-x86_64-etcd"


def _each_tag(root: Path, change: Callable[[Path], None]) -> None:
    for link in (root / "v2" / OC_REPOSITORY / "manifests").iterdir():
        if link.is_symlink():
            change(link)


def _follow(link: Path) -> None:
    content = link.read_bytes()
    link.unlink()
    link.write_bytes(content)


def _to_text(link: Path) -> None:
    target = str(link.readlink())
    link.unlink()
    link.write_text(target)


def copied_with_links_followed(root: Path) -> None:
    _each_tag(root, _follow)
    for file in (root / "v2" / OC_REPOSITORY / "manifests").glob("sha256:*"):
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content)


def links_as_text(root: Path) -> None:
    _each_tag(root, _to_text)


def manifests_only_in_blobs(root: Path) -> None:
    for file in (root / "v2" / OC_REPOSITORY / "manifests").glob("sha256:*"):
        file.unlink()


def manifests_only_in_manifests(root: Path) -> None:
    for file in (root / "v2" / OC_REPOSITORY / "manifests").glob("sha256:*"):
        (root / "v2" / OC_REPOSITORY / "blobs" / file.name).unlink()


def written_by_windows(root: Path) -> None:
    for folder in ("blobs", "manifests"):
        for file in list((root / "v2" / OC_REPOSITORY / folder).glob("sha256:*")):
            file.rename(file.with_name(file.name.replace(":", "-")))

    def rename_target(link: Path) -> None:
        target = str(link.readlink()).replace(":", "-")
        link.unlink()
        link.symlink_to(target)

    _each_tag(root, rename_target)


@pytest.mark.parametrize(
    "lose",
    [
        copied_with_links_followed,
        links_as_text,
        manifests_only_in_blobs,
        manifests_only_in_manifests,
        written_by_windows,
    ],
)
async def test_a_tree_that_lost_its_links_reads_the_same(lose: Callable[[Path], None], tmp_path: Path) -> None:
    whole = TreePlace(unpack_oc_tree("4.99.1", tmp_path / "whole"))
    root = unpack_oc_tree("4.99.1", tmp_path / "lost")
    lose(root)
    lost = TreePlace(root)
    assert await lost.list_tags(OC_REPOSITORY) == await whole.list_tags(OC_REPOSITORY)
    for tag in await whole.list_tags(OC_REPOSITORY):
        manifest = await whole.read_manifest(OC_REPOSITORY, tag)
        assert await lost.resolve_tag(OC_REPOSITORY, tag) == manifest.digest
        assert await lost.read_manifest(OC_REPOSITORY, tag) == manifest
        assert await lost.read_manifest(OC_REPOSITORY, manifest.digest) == manifest
        for blob in manifest.blobs:
            async with lost.open_blob(OC_REPOSITORY, blob) as stream:
                assert sum([len(chunk) async for chunk in stream]) == blob.size_bytes


async def test_tags_that_are_gone_altogether_come_from_our_own_index(tmp_path: Path) -> None:
    source, ours = TreePlace(unpack_oc_tree("4.99.1", tmp_path / "oc")), TreePlace(tmp_path / "ours")
    await copy_repository(source, ours, OC_REPOSITORY)
    await ours.close()
    _each_tag(tmp_path / "ours", Path.unlink)
    assert await ours.list_tags(OC_REPOSITORY) == await source.list_tags(OC_REPOSITORY)
    assert await ours.read_manifest(OC_REPOSITORY, TAG) == await source.read_manifest(OC_REPOSITORY, TAG)


async def test_writing_again_makes_lost_links_again(tmp_path: Path) -> None:
    source, ours = TreePlace(unpack_oc_tree("4.99.1", tmp_path / "oc")), TreePlace(tmp_path / "ours")
    await copy_repository(source, ours, OC_REPOSITORY)
    _each_tag(tmp_path / "ours", Path.unlink)
    assert await ours.tag_digest(OC_REPOSITORY, TAG) is None
    await copy_repository(source, ours, OC_REPOSITORY)
    await ours.close()
    assert (tmp_path / "ours" / "v2" / OC_REPOSITORY / "manifests" / TAG).is_symlink()


async def test_a_link_that_leads_out_of_the_tree_is_no_tag(tmp_path: Path) -> None:
    root = unpack_oc_tree("4.99.1", tmp_path)
    (root / "v2" / OC_REPOSITORY / "manifests" / "evil").symlink_to("/etc/passwd")
    with pytest.raises(NotFoundError):
        await TreePlace(root).read_manifest(OC_REPOSITORY, "evil")


async def test_a_tag_whose_manifest_is_gone_is_damage(tmp_path: Path) -> None:
    tree = TreePlace(unpack_oc_tree("4.99.1", tmp_path))
    digest = await tree.resolve_tag(OC_REPOSITORY, TAG)
    for folder in ("blobs", "manifests"):
        (tree.folder.root / "v2" / OC_REPOSITORY / folder / digest).unlink()
    with pytest.raises(DamagedError, match=TAG):
        await tree.read_manifest(OC_REPOSITORY, TAG)


async def test_our_index_survives_being_damaged(tmp_path: Path) -> None:
    source, ours = TreePlace(unpack_oc_tree("4.99.1", tmp_path / "oc")), TreePlace(tmp_path / "ours")
    await copy_repository(source, ours, OC_REPOSITORY)
    await ours.close()
    index = ours.folder.tag_index(OC_REPOSITORY)
    before = index.read_bytes()
    index.write_bytes(b"\xff{")
    assert len(await ours.list_tags(OC_REPOSITORY)) == 14
    manifest = await ours.read_manifest(OC_REPOSITORY, TAG)
    await ours.write_tag(OC_REPOSITORY, TAG, manifest)
    await ours.close()
    assert index.read_bytes() == before
    shutil.rmtree(tmp_path / "ours" / "airferry")
    assert len(await ours.list_tags(OC_REPOSITORY)) == 14
