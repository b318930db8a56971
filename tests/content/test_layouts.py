"""OCI image layouts that others made are read, and changed without losing what we do not know."""

import json
import shutil
from pathlib import Path

import pytest

from airferry.content.errors import DamagedError, NotFoundError
from airferry.content.layout import LayoutPlace
from airferry.content.layout_index import LayoutIndex
from airferry.content.memory import MemoryPlace
from airferry.errors import MalformedError, UnsupportedError
from airferry.oci import Descriptor, Digest

from .layers import image
from .trees import DATA

LAYOUTS = DATA / "layouts"


async def walk(layout: LayoutPlace, target: str, seen: set[Digest]) -> None:
    manifest = await layout.read_manifest("", target)
    if manifest.digest in seen:
        return
    seen.add(manifest.digest)
    for blob in manifest.blobs:
        async with layout.open_blob("", blob) as stream:
            assert Digest.of(b"".join([chunk async for chunk in stream])) == blob.digest
    for child in manifest.children:
        if (child.media_type.endswith("+json") and "manifest" in child.media_type) or "index" in child.media_type:
            await walk(layout, child.digest, seen)


@pytest.mark.parametrize("tag", ["b1", "b2", "b3", "v1", "v2", "v3", "a1", "a2", "child", "mirror", "ai"])
async def test_a_rich_layout_is_read_whole(tag: str) -> None:
    seen: set[Digest] = set()
    await walk(LayoutPlace(LAYOUTS / "regclient-testrepo"), tag, seen)
    assert seen


async def test_an_index_that_lists_itself_ends() -> None:
    layout = LayoutPlace(LAYOUTS / "regclient-testrepo")
    assert "loop" in await layout.list_tags("")
    assert await layout.list_referrers("", Digest.of(b"nothing")) == ()


async def test_referrers_are_found_through_the_index() -> None:
    layout = LayoutPlace(LAYOUTS / "regclient-testrepo")
    v2 = await layout.resolve_tag("", "v2")
    found = await layout.list_referrers("", v2)
    assert {referrer.artifact_type for referrer in found} == {
        "application/example.sbom",
        "application/example.signature",
    }


@pytest.mark.parametrize("folder", ["test_index", "test_gc_index", "test_index_one_image", "test_index_media_type"])
async def test_layouts_of_go_containerregistry_are_read(folder: str) -> None:
    layout = LayoutPlace(LAYOUTS / "ggcr-layouts" / folder)
    for entry in await layout.list_images():
        if entry.media_type.endswith(("manifest.v1+json", "index.v1+json", "list.v2+json")):
            assert (await layout.read_manifest("", entry.digest)).digest == entry.digest


async def test_an_unknown_media_type_in_the_index_is_no_error() -> None:
    layout = LayoutPlace(LAYOUTS / "ggcr-layouts" / "test_gc_image_unknown_mediatype")
    assert [entry.media_type for entry in await layout.list_images()] == ["application/vnd.oci.descriptor.v1+json"]
    assert await layout.list_tags("") == ()


async def test_the_manifest_edited_by_hand_is_named_as_damaged() -> None:
    layout = LayoutPlace(LAYOUTS / "edited-by-hand")
    (entry,) = await layout.list_images()
    with pytest.raises(DamagedError, match="3ad31ff3302d352771aba8d1262e2d87cd4f796eac7195401c4d9c9af64e1627"):
        await layout.read_manifest("", entry.digest)


async def test_a_folder_that_is_no_layout_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        await LayoutPlace(tmp_path).list_tags("")
    assert "index.json" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"manifests": [1]}', b"\xff", b'{"manifests": [{"size": -1}]}']
)
async def test_a_broken_index_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_bytes(content)
    with pytest.raises(MalformedError, match=r"index\.json"):
        await LayoutPlace(tmp_path).list_tags("")


async def test_a_layout_of_another_version_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
    _, manifest = image([b"layer"])
    layout = LayoutPlace(tmp_path)
    with pytest.raises(UnsupportedError, match=r"2\.0\.0"):
        await layout.write_manifest("", manifest)
    await layout.close()


async def copy(source: MemoryPlace, layout: LayoutPlace, path: str, digest: Digest, *tags: str) -> None:
    manifest = source.manifests(path)[digest]
    for child in manifest.children:
        await copy(source, layout, path, child.digest)
    for blob in manifest.blobs:
        await layout.write_blob("", blob, lambda offset, blob=blob: source.open_blob(path, blob, offset))
    await layout.write_manifest("", manifest)
    for tag in tags:
        await layout.write_tag("", tag, manifest)


async def test_what_we_do_not_know_in_an_index_is_kept(tmp_path: Path) -> None:
    shutil.copytree(LAYOUTS / "test_image_tag.oci", tmp_path / "layout")
    file = tmp_path / "layout" / "index.json"
    before = json.loads(file.read_bytes())
    before["annotations"] = {"com.example": "kept"}
    before["x-ours"] = [1, {"deep": None}]
    before["manifests"][0]["x-entry"] = "kept too"
    file.write_text(json.dumps(before))

    source, manifest = image([b"layer"])
    layout = LayoutPlace(tmp_path / "layout")
    await copy(source, layout, "team/app", manifest.digest, "new")
    await layout.close()
    after = json.loads(file.read_bytes())
    assert after["manifests"][:-1] == before["manifests"]
    assert {name: value for name, value in after.items() if name != "manifests"} == {
        name: value for name, value in before.items() if name != "manifests"
    }
    assert await layout.list_tags("") == ("0.0.1", "new")


async def test_children_of_an_index_have_no_entry_of_their_own(tmp_path: Path) -> None:
    source = MemoryPlace()
    child = source.add_image("a", [b"amd64"])
    index = source.add_index("a", {"linux/amd64": child}, tags=["multi"])
    layout = LayoutPlace(tmp_path)
    await copy(source, layout, "a", index.digest, "multi")
    await layout.close()
    assert [entry.digest for entry in await layout.list_images()] == [index.digest]
    assert await layout.has_manifest("", child.digest)


async def test_an_image_that_loses_its_tag_stays_listed(tmp_path: Path) -> None:
    source = MemoryPlace()
    old, new = source.add_image("a", [b"old"]), source.add_image("a", [b"new"])
    layout = LayoutPlace(tmp_path)
    await copy(source, layout, "a", old.digest, "latest")
    await copy(source, layout, "a", new.digest, "latest")
    await layout.close()
    assert {entry.digest for entry in await layout.list_images()} == {old.digest, new.digest}
    assert len(await layout.list_images()) == 2


async def test_one_image_may_have_several_names(tmp_path: Path) -> None:
    source, manifest = image([b"layer"])
    layout = LayoutPlace(tmp_path)
    await copy(source, layout, "team/app", manifest.digest, "a", "b", "a")
    await layout.close()
    assert await layout.list_tags("") == ("a", "b")
    assert len(await layout.list_images()) == 2


def test_of_two_entries_with_one_name_the_first_counts() -> None:
    fields = json.loads((LAYOUTS / "name_lookups" / "index.json").read_bytes())
    first, second = fields["manifests"][:2]
    second["annotations"] = first["annotations"]
    index = LayoutIndex.parse(json.dumps(fields).encode(), "index.json")
    assert index.tags()["a"] == first["digest"] != second["digest"]


async def test_other_repositories_are_not_in_a_layout(tmp_path: Path) -> None:
    layout = LayoutPlace(tmp_path)
    with pytest.raises(NotFoundError):
        await layout.write_blob("a/b", Descriptor("x/y", Digest.of(b""), 0), lambda offset: layout.open_blob("", None))  # type: ignore[arg-type]
    await layout.close()
