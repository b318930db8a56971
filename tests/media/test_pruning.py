"""A disk that is pruned: cut off after any name, nothing wanted is lost, and the next run finishes."""

import json
import shutil
from pathlib import Path

import pytest

from airferry.content.tree_folder import TreeFolder
from airferry.media.pruning import held, layout_shelf, prune_layout, prune_tree, tree_shelves
from airferry.oci import Digest
from airferry.plan.pruning import Removal, Shelf, plan_removal
from failures.killing import kill_when, process
from failures.stage import Entry, airferry, is_sound, look_at

IMAGES = Path(__file__).parents[1] / "data" / "images"
LIST = Digest("sha256:0de0e983a4980f32b1aad2d7f7f387cea2d4e9517b47f336cef27f63735911fa")
PAIRS = [
    (f"oci://{IMAGES}/multi-platform@{LIST}", "v1"),
    (f"oci://{IMAGES}/busybox-uclibc:1.38.0-uclibc", "box"),
]


def late_list(folder: Path) -> str:
    """Make a layout with a list whose digest sorts behind that of its only image, and return its name."""
    shutil.copytree(IMAGES / "one-platform", folder)
    (child,) = json.loads((folder / "index.json").read_text())["manifests"]
    child.pop("annotations", None)
    for number in range(10_000):
        raw = json.dumps({"schemaVersion": 2, "manifests": [child], "annotations": {"number": str(number)}}).encode()
        digest = Digest.of(raw)
        if digest > child["digest"]:
            (folder / "blobs/sha256" / digest.hex).write_bytes(raw)
            return f"oci://{folder}@{digest}"
    raise AssertionError


class CutOffError(Exception):
    """What the power cut is to us."""


class Cut:
    """Ends it all after so many names are gone."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise CutOffError


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree and a layout with a list and an image, which share nothing; the tree has another list, too."""
    folder = tmp_path_factory.mktemp("full")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        for source, tag in PAIRS:
            airferry("image", "mirror", f"{source}=file://apps/web:{tag}", "--dir", folder / "tree").done()
            airferry("image", "copy", source, f"oci://{folder}/layout:{tag}").done()
        late = late_list(folder / "late")
        airferry("image", "mirror", f"{late}=file://apps/web:late", "--dir", folder / "tree").done()
    return folder


def copied(full: Path, to: Path) -> Path:
    shutil.copytree(full / "tree", to, symlinks=True)
    # Copying has made two files of the two names of each manifest; link them again.
    for manifest in (to / "v2/apps/web/manifests").glob("sha256:*"):
        manifest.unlink()
        manifest.hardlink_to(to / "v2/apps/web/blobs" / manifest.name)
    return to


def planned(shelves: tuple[Shelf, ...], tag: str) -> Removal:
    return plan_removal(shelves, {shelf.repository: {shelf.tags[tag]} for shelf in shelves})


def test_a_tree_is_whole_after_every_cut(full: Path, tmp_path: Path) -> None:
    calm = copied(full, tmp_path / "calm")
    (removal,) = planned(tree_shelves(TreeFolder(calm)), "box").repositories
    steps: list[None] = []
    with held(calm):
        prune_tree(TreeFolder(calm), removal, lambda: steps.append(None))
    expected = look_at(calm)
    assert len(steps) == len(removal.tags) + 2 * len(removal.manifests) + len(removal.blobs)
    for after in range(len(steps)):
        disk = copied(full, tmp_path / str(after))
        with pytest.raises(CutOffError), held(disk):
            prune_tree(TreeFolder(disk), removal, Cut(after))
        assert is_sound(disk), after
        assert lists_without_a_child(disk / "v2/apps/web/manifests") == [], after
        assert "box" in tree_shelves(TreeFolder(disk))[0].tags
        with held(disk):
            for rest in planned(tree_shelves(TreeFolder(disk)), "box").repositories:
                prune_tree(TreeFolder(disk), rest, lambda: None)
        assert names(look_at(disk)) == names(expected), after
        shutil.rmtree(disk)


def lists_without_a_child(manifests: Path) -> list[str]:
    held_names = {manifest.name for manifest in manifests.iterdir()}
    fields = {manifest.name: json.loads(manifest.read_bytes()) for manifest in manifests.iterdir()}
    return [
        name for name, found in fields.items() if {child["digest"] for child in found.get("manifests", ())} - held_names
    ]


def names(found: dict[str, Entry]) -> set[str]:
    return set(found)


def test_a_layout_is_whole_after_every_cut(full: Path, tmp_path: Path) -> None:
    (removal,) = planned((layout_shelf(full / "layout"),), "box").repositories
    for after in range(len(removal.manifests) + len(removal.blobs)):
        layout = tmp_path / str(after)
        shutil.copytree(full / "layout", layout)
        with pytest.raises(CutOffError), held(layout):
            prune_layout(layout, removal, Cut(after))
        shelf = layout_shelf(layout)
        assert set(shelf.tags) == {"box"} and LIST not in shelf.manifests
        with held(layout):
            for rest in planned((shelf,), "box").repositories:
                prune_layout(layout, rest, lambda: None)
        files = {file.name for file in (layout / "blobs/sha256").iterdir()}
        needed = layout_shelf(layout)
        assert files == {digest.hex for digest in needed.files} and planned((needed,), "box").repositories == ()


@pytest.mark.parametrize("left", [8, 3])
def test_a_command_that_is_killed_is_finished_by_the_next(
    full: Path, tmp_path: Path, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    disk = copied(full, tmp_path / "disk")
    blobs = disk / "v2/apps/web/blobs"
    command = ("image", "prune", "--dir", disk, "file://", "--keep", "file://apps/web:box", "--confirm")
    with process("airferry", *command, home=tmp_path) as running:
        kill_when(running, lambda: len(list(blobs.iterdir())) <= left, 0.0)
    airferry("media", "verify", disk).done()
    airferry(*command).done()
    assert is_sound(disk)
    calm = copied(full, tmp_path / "calm")
    airferry(*(calm if word == disk else word for word in command)).done()
    assert names(look_at(disk)) == names(look_at(calm))
