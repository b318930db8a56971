"""Tags of a tree that are written at the same time share the writing of our own index, and nothing else."""

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest

from airferry.content.memory import MemoryPlace
from airferry.content.tree import TreePlace
from airferry.errors import AirferryError
from airferry.oci import Manifest

PATH = "org/app"


async def tree_with_images(folder: Path, count: int) -> tuple[TreePlace, list[Manifest]]:
    source, tree = MemoryPlace(), TreePlace(folder)
    images = [source.add_image(PATH, [f"layer {number}".encode()]) for number in range(count)]
    for image in images:
        for blob in image.blobs:
            await tree.write_blob(PATH, blob, partial(source.open_blob, PATH, blob))
        await tree.write_manifest(PATH, image)
    return tree, images


async def test_every_tag_has_its_link_and_its_line_in_the_index(tmp_path: Path) -> None:
    tree, images = await tree_with_images(tmp_path, 12)
    await asyncio.gather(*(tree.write_tag(PATH, f"v{number}", image) for number, image in enumerate(images)))
    await tree.close()
    expected = {f"v{number}": image.digest for number, image in enumerate(images)}
    links = {tag: (tmp_path / "v2" / PATH / "manifests" / tag).readlink().name for tag in expected}
    index = json.loads((tmp_path / "airferry" / "repositories" / PATH / "_tags.json").read_text())
    assert links == expected
    assert index["tags"] == expected


async def test_a_tag_that_cannot_be_written_fails_for_itself(tmp_path: Path) -> None:
    tree, images = await tree_with_images(tmp_path, 4)
    (tmp_path / "v2" / PATH / "manifests" / "v2").mkdir()
    outcomes = await asyncio.gather(
        *(tree.write_tag(PATH, f"v{number}", image) for number, image in enumerate(images)), return_exceptions=True
    )
    await tree.close()
    assert [isinstance(outcome, AirferryError) for outcome in outcomes] == [False, False, True, False]
    for number in (0, 1, 3):
        assert await tree.resolve_tag(PATH, f"v{number}") == images[number].digest


async def test_the_last_of_two_writes_of_a_tag_counts(tmp_path: Path) -> None:
    tree, (old, new) = await tree_with_images(tmp_path, 2)
    await asyncio.gather(tree.write_tag(PATH, "latest", old), tree.write_tag(PATH, "latest", new))
    await tree.close()
    assert await tree.resolve_tag(PATH, "latest") == new.digest


@pytest.mark.parametrize("count", [1, 3])
async def test_a_tag_moves_to_another_image(tmp_path: Path, count: int) -> None:
    tree, images = await tree_with_images(tmp_path, count + 1)
    for image in images:
        await tree.write_tag(PATH, "latest", image)
    await tree.close()
    assert await tree.resolve_tag(PATH, "latest") == images[-1].digest
