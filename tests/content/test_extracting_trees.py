"""`image extract`: which layers, which paths, and what a dry run prints."""

from pathlib import Path

import pytest

from airferry.content.errors import NotFoundError
from airferry.content.unpack_select import PathMapping, select_layers, split_selector
from airferry.content.unpack_tree import ExtractOptions, extract_tree
from airferry.errors import UsageError
from airferry.oci import Descriptor, Digest

from .layers import PATH, folder, gzipped, hardlink, image, member, symlink, tar

LAYERS = tuple(Descriptor("x/y", Digest.of(bytes([number])), 1) for number in range(4))
BASE = gzipped(
    tar(
        folder("usr"),
        folder("usr/bin"),
        member("usr/bin/oc", b"low", mode=0o755),
        member("usr/bin/odo", b"odo"),
        member("etc/conf", b"conf"),
    )
)
TOP = tar(member("usr/bin/oc", b"high", mode=0o755), symlink("usr/bin/kubectl", "oc"), member("etc/.wh.conf"))


@pytest.mark.parametrize(
    ("text", "image", "selector"),
    [
        ("quay.io/a/b:v1[-1]", "quay.io/a/b:v1", "-1"),
        ("quay.io/a/b@sha256:00[~abc]", "quay.io/a/b@sha256:00", "~abc"),
        ("quay.io/a/b[1:]", "quay.io/a/b", "1:"),
        ("quay.io/a/b", "quay.io/a/b", None),
        ("[::1]:5000/a/b", "[::1]:5000/a/b", None),
        ("[::1]:5000/a/b[0]", "[::1]:5000/a/b", "0"),
    ],
)
def test_the_selector_is_split_off(text: str, image: str, selector: str | None) -> None:
    assert split_selector(text) == (image, selector)


@pytest.mark.parametrize(
    ("selector", "numbers"),
    [
        (None, [0, 1, 2, 3]),
        ("0", [0]),
        ("-1", [3]),
        ("1:3", [1, 2]),
        (":2", [0, 1]),
        ("-2:", [2, 3]),
        (":", [0, 1, 2, 3]),
        (f"~{LAYERS[2].digest}", [2]),
        (f"~{LAYERS[2].digest.hex[:8]}", [2]),
    ],
)
def test_layers_are_chosen_as_oc_does(selector: str | None, numbers: list[int]) -> None:
    assert select_layers(LAYERS, selector) == tuple(LAYERS[number] for number in numbers)


@pytest.mark.parametrize("selector", ["", "4", "-5", "x", "1:x", "~", "~zzz", "3:1", "~sha256:ff"])
def test_a_selector_that_names_nothing_is_refused(selector: str) -> None:
    with pytest.raises(UsageError) as caught:
        select_layers(LAYERS, selector)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "a", ":b", "a:"])
def test_a_path_without_two_sides_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        PathMapping.parse(text)


async def extract(text: str, into: Path, layers: slice = slice(None), **options: bool) -> dict[str, str]:
    place, manifest = image([BASE, TOP])
    mapping = PathMapping.parse(f"{text}:{into}")
    await extract_tree(place, PATH, manifest, [mapping], manifest.layers[layers], ExtractOptions(**options))
    return {
        file.relative_to(into).as_posix(): f"-> {file.readlink()}" if file.is_symlink() else file.read_text()
        for file in into.rglob("*")
        if not file.is_dir() or file.is_symlink()
    }


@pytest.mark.parametrize(
    ("path", "files"),
    [
        ("/", {"usr/bin/oc": "high", "usr/bin/odo": "odo", "usr/bin/kubectl": "-> oc"}),
        ("/usr/bin/", {"oc": "high", "odo": "odo", "kubectl": "-> oc"}),
        ("/usr/bin", {"bin/oc": "high", "bin/odo": "odo", "bin/kubectl": "-> oc"}),
        ("usr/bin/oc", {"oc": "high"}),
        ("/usr/bin/o*", {"oc": "high", "odo": "odo"}),
    ],
)
async def test_paths_are_taken_as_oc_does(path: str, files: dict[str, str], tmp_path: Path) -> None:
    assert await extract(path, tmp_path) == files


async def test_only_the_chosen_layers_are_taken(tmp_path: Path) -> None:
    assert await extract("/usr/bin/oc", tmp_path, slice(0, 1)) == {"oc": "low"}


async def test_only_files_leaves_links_out(tmp_path: Path) -> None:
    assert await extract("/usr/bin/", tmp_path, only_files=True) == {"oc": "high", "odo": "odo"}


@pytest.mark.parametrize("path", ["/etc/conf", "/usr/bin/nothing", "/nowhere/"])
async def test_a_path_that_matches_nothing_is_an_error(path: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing that matches"):
        await extract(path, tmp_path)


async def test_a_folder_with_files_needs_confirming(tmp_path: Path) -> None:
    (tmp_path / "oc").write_text("mine")
    with pytest.raises(UsageError, match="must be empty, pass --confirm"):
        await extract("/usr/bin/oc", tmp_path)
    assert (await extract("/usr/bin/oc", tmp_path, confirm=True)) == {"oc": "high"}


async def test_a_dry_run_prints_and_writes_nothing(tmp_path: Path) -> None:
    place, manifest = image([BASE, TOP])
    mapping = PathMapping.parse(f"/usr/bin/:{tmp_path}")
    extraction = await extract_tree(place, PATH, manifest, [mapping], manifest.layers, ExtractOptions(dry_run=True))
    assert [entry.line() for entry in extraction.entries] == [
        " 1 -rwxr-xr-x            4 usr/bin/oc",
        " 1 lrw-r--r--            0 usr/bin/kubectl",
        " 0 -rw-r--r--            3 usr/bin/odo",
    ]
    assert list(tmp_path.iterdir()) == []


async def test_hard_links_stay_one_file_where_both_are_taken(tmp_path: Path) -> None:
    place, manifest = image([tar(member("bin/a", b"content"), hardlink("bin/b", "bin/a"))])
    await extract_tree(place, PATH, manifest, [PathMapping("", None, tmp_path)], manifest.layers)
    assert (tmp_path / "bin" / "a").samefile(tmp_path / "bin" / "b")


async def test_a_hard_link_taken_alone_has_its_content(tmp_path: Path) -> None:
    place, manifest = image([tar(member("bin/a", b"content", mode=0o755), hardlink("sbin/b", "bin/a"))])
    await extract_tree(place, PATH, manifest, [PathMapping("sbin", None, tmp_path)], manifest.layers)
    assert (tmp_path / "b").read_bytes() == b"content"
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o755


async def test_times_come_along(tmp_path: Path) -> None:
    await extract("/usr/bin/oc", tmp_path)
    assert (tmp_path / "oc").stat().st_mtime == 1_600_000_000
