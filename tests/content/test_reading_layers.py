"""Named files are read out of layers as a container would see them."""

import hashlib
import io
import json
import random
import tarfile
from pathlib import Path

import pytest

from airferry.content.errors import NotFoundError, UnsafeArchiveError
from airferry.content.layout import LayoutPlace
from airferry.content.tree import TreePlace
from airferry.content.unpack import UnpackLimits, extract_file, read_files
from airferry.errors import MalformedError, UnsupportedError
from airferry.oci import ContentMismatchError

from .layers import PATH, folder, gzipped, hardlink, image, member, symlink, tar, zstd
from .trees import DATA, OC_REPOSITORY, unpack_oc_tree

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
BLOCKS = [b"\x00" * 300_000, bytes(range(256)) * 3000]


async def read_one(layers: list[bytes], name: str) -> bytes | None:
    place, manifest = image(layers)
    found = await read_files(place, PATH, manifest, [name])
    return found[name].content if found else None


@pytest.mark.parametrize("pack", [bytes, gzipped, zstd], ids=["plain", "gzip", "zstd"])
@pytest.mark.parametrize("format", FORMATS)
async def test_every_compression_and_tar_format_is_read(pack: type[bytes], format: str) -> None:
    layer = pack(tar(folder("etc"), member("etc/a", BLOCKS[0]), member("etc/b", BLOCKS[1]), format=FORMATS[format]))
    place, manifest = image([layer])
    found = await read_files(place, PATH, manifest, {"etc/a", "/etc/b"})
    assert {name: file.content for name, file in found.items()} == {"etc/a": BLOCKS[0], "etc/b": BLOCKS[1]}
    assert found["etc/a"].mtime == 1_600_000_000
    assert found["etc/a"].layer == manifest.layers[0].digest


@pytest.mark.parametrize("pack", [gzipped, zstd], ids=["gzip members as eStargz has them", "zstd frames"])
async def test_compressed_streams_one_after_another_are_one(pack: type[bytes]) -> None:
    whole = tar(member("a", b"1" * 5000), member("b", b"2" * 5000))
    layer = pack(whole[:700]) + pack(whole[700:6000]) + pack(whole[6000:]) + b"\0" * 512
    assert await read_one([layer], "b") == b"2" * 5000


async def test_a_zstd_frame_to_be_skipped_is_skipped() -> None:
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"meta"
    assert await read_one([zstd(tar(member("a", b"content"))) + skippable], "a") == b"content"
    assert await read_one([skippable + zstd(tar(member("a", b"content")))], "a") == b"content"


async def test_the_top_layer_wins() -> None:
    assert await read_one([tar(member("a", b"low")), tar(member("a", b"high"))], "a") == b"high"


async def test_lower_layers_are_searched_for_what_is_still_missing() -> None:
    place, manifest = image([tar(member("a", b"low"), member("b", b"b")), tar(member("a", b"high"))])
    found = await read_files(place, PATH, manifest, ["a", "b"])
    assert (found["a"].content, found["b"].content) == (b"high", b"b")


async def test_the_search_ends_when_all_is_found() -> None:
    place, manifest = image([tar(member("a", b"low")), tar(member("a", b"high"))])
    await read_files(place, PATH, manifest, ["a"])
    assert place.read_bytes[manifest.layers[0].digest] == 0


async def test_a_test_of_names_ends_with_the_first_layer_that_has_a_hit() -> None:
    place, manifest = image([tar(member("m/a", b"low")), tar(member("m/b", b"high"), member("x", b""))])
    found = await read_files(place, PATH, manifest, lambda name: name.startswith("m/"))
    assert set(found) == {"m/b"}
    assert place.read_bytes[manifest.layers[0].digest] == 0


@pytest.mark.parametrize(
    "upper",
    [
        pytest.param(member("etc/.wh.a"), id="whiteout of the file"),
        pytest.param(member(".wh.etc"), id="whiteout of its folder"),
        pytest.param(member("etc/.wh..wh..opq"), id="opaque folder"),
        pytest.param(member("etc", b"a file now"), id="a file where the folder was"),
        pytest.param(folder("etc/a"), id="a folder where the file was"),
    ],
)
async def test_what_upper_layers_removed_is_gone(upper: tuple[tarfile.TarInfo, bytes]) -> None:
    lower = tar(folder("etc"), member("etc/a", b"old"))
    assert await read_one([lower], "etc/a") == b"old"
    assert await read_one([lower, tar(upper)], "etc/a") is None
    place, manifest = image([lower, tar(upper)])
    with pytest.raises(NotFoundError):
        await extract_file(place, PATH, manifest, "etc/a", lambda piece: None)


async def test_an_opaque_folder_keeps_what_its_own_layer_has() -> None:
    upper = tar(member("etc/a", b"new"), member("etc/.wh..wh..opq"))
    assert await read_one([tar(member("etc/a", b"old")), upper], "etc/a") == b"new"


@pytest.mark.parametrize(
    "link",
    [
        pytest.param(symlink("usr/bin/oc", "../lib/oc"), id="relative"),
        pytest.param(symlink("usr/bin/oc", "/usr/lib/oc"), id="absolute is the image's root"),
        pytest.param(hardlink("usr/bin/oc", "usr/lib/oc"), id="hard"),
    ],
)
@pytest.mark.parametrize("target_below", [True, False])
async def test_links_are_followed_inside_the_image(link: tuple[tarfile.TarInfo, bytes], target_below: bool) -> None:
    target = member("usr/lib/oc", b"binary", mode=0o755)
    layers = [tar(target), tar(link)] if target_below else [tar(target, link)]
    place, manifest = image(layers)
    found = (await read_files(place, PATH, manifest, ["usr/bin/oc"]))["usr/bin/oc"]
    assert (found.name, found.content, found.mode) == ("usr/bin/oc", b"binary", 0o755)
    pieces: list[bytes] = []
    file = await extract_file(place, PATH, manifest, "/usr/bin/oc", lambda piece: pieces.append(bytes(piece)))
    assert (file.name, file.mode, b"".join(pieces)) == ("usr/bin/oc", 0o755, b"binary")


async def test_links_in_a_circle_end() -> None:
    place, manifest = image([tar(symlink("a", "b"), symlink("b", "a"))])
    with pytest.raises(UnsafeArchiveError, match="circle"):
        await read_files(place, PATH, manifest, ["a"])
    with pytest.raises(UnsafeArchiveError, match="circle"):
        await extract_file(place, PATH, manifest, "a", lambda piece: None)


async def test_a_link_out_of_the_image_is_refused() -> None:
    place, manifest = image([tar(symlink("a", "../../etc/passwd"))])
    with pytest.raises(UnsafeArchiveError, match="outside"):
        await read_files(place, PATH, manifest, ["a"])


async def test_a_large_file_is_streamed_and_not_held() -> None:
    content = bytes(range(256)) * 40_000
    place, manifest = image([gzipped(tar(member("small", b"x"), member("big", content, mode=0o750), member("z", b"")))])
    seen, largest = hashlib.sha256(), 0

    def sink(piece: memoryview) -> None:
        nonlocal largest
        largest = max(largest, len(piece))
        seen.update(piece)

    file = await extract_file(place, PATH, manifest, "big", sink)
    assert seen.digest() == hashlib.sha256(content).digest()
    assert (file.size_bytes, file.mode) == (len(content), 0o750)
    assert largest <= 1024 * 1024


async def test_long_names_are_read_in_every_format() -> None:
    name = "/".join(["a-rather-long-folder-name"] * 6) + "/file"
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert await read_one([tar(member(name, b"content"), format=format)], name) == b"content"
    ustar = "d" * 100 + "/" + "f" * 90
    assert await read_one([tar(member(ustar, b"content"), format=tarfile.USTAR_FORMAT)], ustar) == b"content"


async def test_names_with_dots_and_slashes_are_the_same_names() -> None:
    assert await read_one([tar(member("./etc//a", b"1"))], "etc/a") == b"1"
    assert await read_one([tar(member("etc/x/../a", b"1"))], "etc/a") == b"1"


async def test_a_file_too_large_to_hold_is_refused() -> None:
    place, manifest = image([gzipped(tar(member("a", b"\0" * 2000)))])
    with pytest.raises(UnsafeArchiveError, match="too large"):
        await read_files(place, PATH, manifest, ["a"], limits=UnpackLimits(file_bytes=1999))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda layer: layer[:-1], id="truncated"),
        pytest.param(lambda layer: layer + b"!", id="too long"),
        pytest.param(lambda layer: layer[:2000] + b"\0\1\2" + layer[2003:], id="changed in the middle"),
        pytest.param(lambda layer: bytes(len(layer)), id="zeros"),
        pytest.param(lambda layer: tar(member("a", b"another"))[: len(layer)].ljust(len(layer), b"\0"), id="another"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzipped, zstd], ids=["plain", "gzip", "zstd"])
async def test_damage_is_found_before_anything_is_returned(pack: type[bytes], damage: type[bytes]) -> None:
    layer = pack(tar(member("a", b"content"), member("b", random.Random(1).randbytes(9000))))
    place, manifest = image([layer])
    place.corrupt(PATH, manifest.layers[0].digest, damage(layer))
    with pytest.raises(ContentMismatchError):
        await read_files(place, PATH, manifest, ["a"])
    with pytest.raises(ContentMismatchError):
        await extract_file(place, PATH, manifest, "a", lambda piece: None)


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(b"garbage" * 200, id="garbage"),
        pytest.param(gzipped(b"garbage" * 200), id="garbage in gzip"),
        pytest.param(gzipped(tar(member("a", b"1" * 2000)))[:-20], id="gzip that breaks off"),
        pytest.param(zstd(tar(member("a", bytes(range(250)) * 20)))[:-20], id="zstd that breaks off"),
        pytest.param(tar(member("a", b"1" * 2000))[:1500], id="tar that breaks off"),
        pytest.param(b"\x1f\x8b\x08" + b"\xff" * 600, id="broken gzip"),
        pytest.param(b"\x28\xb5\x2f\xfd" + b"\xff" * 600, id="broken zstd"),
        pytest.param(b"abc", id="three bytes"),
    ],
)
async def test_what_is_no_tar_is_malformed(layer: bytes) -> None:
    place, manifest = image([layer])
    with pytest.raises(MalformedError, match=manifest.layers[0].digest.hex):
        await read_files(place, PATH, manifest, ["zzz"])


@pytest.mark.parametrize("name", ["archive.tar.bz2", "archive.tar.xz"])
async def test_old_compressions_are_named(name: str) -> None:
    place, manifest = image([(DATA / "layouts" / "tars" / name).read_bytes()])
    with pytest.raises(UnsupportedError, match="compressed with"):
        await read_files(place, PATH, manifest, ["zzz"])


@pytest.mark.parametrize("name", ["archive.tar.gz", "archive.tar.zst"])
async def test_archives_that_others_made_are_read(name: str) -> None:
    place, manifest = image([(DATA / "layouts" / "tars" / name).read_bytes()])
    found = await read_files(place, PATH, manifest, ["archive/folder/file1.txt", "archive/link.txt"])
    assert found["archive/folder/file1.txt"].size_bytes == 13
    assert found["archive/link.txt"].size_bytes == 6


async def test_the_metadata_of_a_real_release_is_read_from_its_layer() -> None:
    real = DATA / "layouts" / "edited-by-hand"
    (layer,) = (file for file in (real / "blobs" / "sha256").iterdir() if file.stat().st_size == 955_593)
    place, manifest = image([tar(member("base", b"")), layer.read_bytes()])
    found = await read_files(place, PATH, manifest, lambda name: name.startswith("release-manifests/"))
    references = found["release-manifests/image-references"]
    assert len(json.loads(references.content)["spec"]["tags"]) == 183
    assert references.content == (real / "release-manifests" / "image-references").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(layer.read_bytes())) as archive:
        assert len(found) == sum(item.isfile() for item in archive)


async def test_a_release_on_a_disk_that_oc_wrote_is_read(tmp_path: Path) -> None:
    tree = TreePlace(unpack_oc_tree("4.99.1", tmp_path))
    release = await tree.read_manifest(OC_REPOSITORY, "4.99.1-x86_64")
    found = await read_files(tree, OC_REPOSITORY, release, ["release-manifests/image-references"])
    fields = json.loads(found["release-manifests/image-references"].content)
    assert fields["metadata"]["name"] == "4.99.1"
    assert len(fields["spec"]["tags"]) == 13


@pytest.mark.parametrize("name", ["test-oci-gzip-image.tar", "test-oci-zstd-image.tar"])
async def test_the_layers_of_real_oci_archives_are_read(name: str, tmp_path: Path) -> None:
    with tarfile.open(DATA / "layouts" / name) as archive:
        archive.extractall(tmp_path, filter="data")
    layout = LayoutPlace(tmp_path)
    (entry,) = await layout.list_images()
    manifest = await layout.read_manifest("", entry.digest)
    found = await read_files(layout, "", manifest, lambda name: True)
    assert found
