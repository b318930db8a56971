"""``registry gc``, ``scrub``, ``import``, ``backup`` and ``quota``: beside a server of the same root and without."""

import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from failures.stage import Run, airferry

from .world import OurRegistry, as_json

CONFIG, LAYER = b"{}", b"a layer of some bytes"


def descriptor(content: bytes, kind: str) -> dict[str, Any]:
    return {"mediaType": kind, "digest": Digest.of(content), "size": len(content)}


IMAGE = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(CONFIG, OCI_CONFIG),
        "layers": [descriptor(LAYER, OCI_LAYER_GZIP)],
    }
).encode()
INDEX = json.dumps(
    {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(IMAGE, OCI_MANIFEST)]}
).encode()


@pytest.fixture
def root(out: Path) -> Path:
    airferry("registry", "init", "--root", out, "--host", "127.0.0.1").done()
    return out


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree as oc writes it, of one repository with an image below an index."""
    folder = tmp_path / "tree/v2/team/app"
    for name in ("blobs", "manifests"):
        (folder / name).mkdir(parents=True)
    for content in (CONFIG, LAYER, IMAGE, INDEX):
        (folder / "blobs" / Digest.of(content)).write_bytes(content)
    for content, tag in ((IMAGE, "image"), (INDEX, "v1")):
        os.link(folder / "blobs" / Digest.of(content), folder / "manifests" / Digest.of(content))
        (folder / "manifests" / tag).symlink_to(Digest.of(content))
    return tmp_path / "tree"


def registry(root: Path, *arguments: object) -> Run:
    return airferry("registry", *arguments, "--root", root)


def file_of(root: Path, content: bytes) -> Path:
    digest = Digest.of(content)
    return root / "blobs/sha256" / digest.hex[:2] / digest.hex


Ask = Callable[..., tuple[int, bytes]]


def asker(served: OurRegistry) -> Ask:
    def ask(method: str, path: str, body: bytes | None = None, kind: str = OCI_MANIFEST) -> tuple[int, bytes]:
        request = urllib.request.Request(f"http://{served.host}/v2/{path}", body, {"Content-Type": kind}, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    return ask


def test_a_tree_is_imported_whole_by_sharing_its_files_and_again_without_doing_anything(root: Path, tree: Path) -> None:
    done = as_json(registry(root, "import", tree, "--prefix", "mirror", "-o", "json"))
    assert (done["repositories"], done["images"], done["tags"], done["faults"]) == (["mirror/team/app"], 2, 2, [])
    assert done["blobs"]["hard-link"] + done["blobs"]["reflink"] == 2
    again = as_json(registry(root, "import", tree, "--prefix", "mirror", "-o", "json"))
    assert (again["images"], again["blobs"]["held"]) == (2, 2)
    assert registry(root, "import", tree).done().out.startswith("Imported 2 images with 2 tags into 1 repositories\n")
    assert not any((root / "uploads").iterdir())
    shutil.rmtree(tree)
    with OurRegistry(root, use_tls=False, use_auth=False) as served:
        ask = asker(served)
        for path in ("mirror/team/app", "team/app"):
            assert ask("GET", f"{path}/manifests/v1") == (200, INDEX)
            assert ask("GET", f"{path}/manifests/{Digest.of(IMAGE)}") == (200, IMAGE)
            for content in (CONFIG, LAYER):
                assert ask("GET", f"{path}/blobs/{Digest.of(content)}") == (200, content)


def test_an_import_beside_a_server_is_served_at_once_and_may_copy(root: Path, tree: Path) -> None:
    with OurRegistry(root, use_tls=False, use_auth=False) as served:
        done = as_json(registry(root, "import", tree, "--copy", "-o", "json"))
        assert done["blobs"]["copy"] == 2
        assert file_of(root, LAYER).stat().st_nlink == 1
        assert asker(served)("GET", "team/app/manifests/v1") == (200, INDEX)


def test_what_is_damaged_in_a_tree_is_named_and_left_out_with_its_images(root: Path, tree: Path) -> None:
    file = tree / "v2/team/app/blobs" / Digest.of(LAYER)
    file.write_bytes(LAYER.upper())
    run = registry(root, "import", tree, "-o", "json")
    assert run.code == 3
    done = json.loads(run.out)
    assert {fault["digest"] for fault in done["faults"]} == {Digest.of(LAYER), Digest.of(IMAGE)}
    assert not file_of(root, LAYER).exists()
    assert file.read_bytes() == LAYER.upper()
    file.write_bytes(LAYER)
    assert as_json(registry(root, "import", tree, "-o", "json"))["faults"] == []


def test_a_folder_without_a_tree_and_a_prefix_that_is_no_name_are_refused(root: Path, tmp_path: Path) -> None:
    assert registry(root, "import", tmp_path / "nowhere").code == 1
    (tmp_path / "tree/v2").mkdir(parents=True)
    run = registry(root, "import", tmp_path / "tree", "--prefix", "No/Name")
    assert (run.code, "error[usage]" in run.err) == (1, True)


@pytest.mark.parametrize("is_served", [True, False])
def test_garbage_is_collected_beside_a_server_and_without_one(root: Path, tree: Path, is_served: bool) -> None:
    registry(root, "import", tree, "--copy").done()
    with OurRegistry(root, use_tls=False, use_auth=False) as served:
        ask = asker(served)
        for content in (INDEX, IMAGE):
            assert ask("DELETE", f"team/app/manifests/{Digest.of(content)}")[0] == 202
        if is_served:
            collect(root)
            assert ask("HEAD", f"team/app/blobs/{Digest.of(LAYER)}")[0] == 404
    if not is_served:
        collect(root)


def collect(root: Path) -> None:
    size_bytes = sum(map(len, (CONFIG, LAYER, IMAGE, INDEX)))
    assert as_json(registry(root, "gc", "-o", "json"))["freedBytes"] == 0
    rehearsed = as_json(registry(root, "gc", "--grace", "0", "--dry-run", "-o", "json"))
    assert (rehearsed["freedBytes"], rehearsed["dryRun"]) == (size_bytes, True)
    assert file_of(root, LAYER).exists()
    run = registry(root, "gc", "--grace", "0s").done()
    assert run.out.startswith(f"Freed {size_bytes}B ({size_bytes} bytes): 4 stored objects")
    assert "warning: with a grace period of 0s" in run.err
    assert not file_of(root, LAYER).exists()
    assert json.loads((root / "state/gc.json").read_text())["freedBytes"] == size_bytes


def test_untagged_images_go_only_where_that_is_asked_for(root: Path, tree: Path) -> None:
    registry(root, "import", tree, "--copy").done()
    with OurRegistry(root, use_tls=False, use_auth=False) as served:
        for tag in ("v1", "image"):
            assert asker(served)("DELETE", f"team/app/manifests/{tag}")[0] == 202
    assert as_json(registry(root, "gc", "--grace", "0", "-o", "json"))["freedBytes"] == 0
    done = as_json(registry(root, "gc", "--grace", "0", "--untagged", "0", "-o", "json"))
    assert (done["manifests"], done["objects"]) == (2, 4)


def test_a_scrub_beside_a_server_finds_a_flipped_byte_and_an_import_heals_it(root: Path, tree: Path) -> None:
    registry(root, "import", tree, "--copy").done()
    assert registry(root, "scrub").done().out.endswith("all whole\n")
    with OurRegistry(root, use_tls=False, use_auth=False) as served:
        ask = asker(served)
        file_of(root, LAYER).write_bytes(LAYER[:-1] + b"X")
        run = registry(root, "scrub", "--rate", "off")
        assert (run.code, "1 damaged" in run.out) == (1, True)
        assert f"breaks team/app@{Digest.of(IMAGE)} (image)" in run.out
        assert f"breaks team/app@{Digest.of(INDEX)} (v1)" in run.out
        for method in ("GET", "HEAD"):
            assert ask(method, f"team/app/blobs/{Digest.of(LAYER)}")[0] == 404
        assert json.loads((root / "state/scrub.json").read_text())["damaged"] == 1
        registry(root, "import", tree, "--copy").done()
        assert ask("GET", f"team/app/blobs/{Digest.of(LAYER)}") == (200, LAYER)
    assert registry(root, "scrub", "-o", "json").code == 0


@pytest.mark.parametrize(
    "words", [("gc", "--grace", "soon"), ("gc", "--untagged", "x"), ("scrub", "--rate", "0"), ("scrub", "--rate", "x")]
)
def test_words_that_are_no_duration_or_size_are_refused(root: Path, words: tuple[str, ...]) -> None:
    run = registry(root, *words)
    assert (run.code, "error[usage]" in run.err, "hint: write" in run.err) == (1, True, True)


def test_serve_takes_the_times_of_its_upkeep(root: Path) -> None:
    run = registry(root, "serve", "--gc-interval", "sometimes")
    assert (run.code, "error[usage]" in run.err) == (1, True)


def test_a_backup_beside_a_server_is_restored_elsewhere(root: Path, tree: Path, tmp_path: Path) -> None:
    registry(root, "import", tree).done()
    file, new = tmp_path / "backup.tar", tmp_path / "new"
    with OurRegistry(root, use_tls=False, use_auth=False):
        done = as_json(registry(root, "backup", file, "-o", "json"))
    assert (done["objects"], done["damaged"]) == (4, [])
    assert "is there already" in registry(root, "backup", file).err
    restored = as_json(registry(new, "restore", file, "-o", "json"))
    assert (restored["objects"], restored["bytes"]) == (4, done["bytes"])
    assert "not empty" in registry(new, "restore", file).err
    with OurRegistry(new, use_tls=False, use_auth=False) as served:
        ask = asker(served)
        assert ask("GET", "team/app/manifests/v1") == (200, INDEX)
        assert ask("GET", f"team/app/blobs/{Digest.of(LAYER)}") == (200, LAYER)
    assert (new / "admin-password").read_text() == (root / "admin-password").read_text()


def test_a_password_for_the_database_is_not_taken_from_the_command_line(root: Path, tmp_path: Path) -> None:
    registry(root, "backup", tmp_path / "backup.tar").done()
    url = "postgresql://registry:secret@127.0.0.1:1/x"
    run = registry(tmp_path / "new", "restore", tmp_path / "backup.tar", "--database", url)
    assert (run.code, "error[usage]" in run.err, "secret" in run.err) == (1, True, False)


def test_a_quota_is_set_seen_held_to_and_removed(root: Path, tree: Path) -> None:
    said = registry(root, "quota", "set", "team", "30B").done()
    assert said.out == "team\t0B of 30B\n"
    run = registry(root, "import", tree, "--copy")
    assert (run.code, "error[denied]" in run.err, "namespace team is 30B" in run.err) == (1, True, True)
    registry(root, "import", tree, "--prefix", "free").done()
    registry(root, "quota", "set", "free", "1KiB").done()
    listed = as_json(registry(root, "quota", "list", "-o", "json"))["quotas"]
    size_bytes = sum(map(len, (CONFIG, LAYER, IMAGE, INDEX)))
    assert [one["namespace"] for one in listed] == ["free", "team"]
    assert (listed[0]["usedBytes"], listed[0]["limitBytes"]) == (size_bytes, 1024)
    registry(root, "quota", "remove", "team").done()
    assert registry(root, "quota", "remove", "team").code == 1
    registry(root, "import", tree).done()
    events = [json.loads(line) for line in (root / "audit.log").read_text().splitlines()]
    assert [one.get("limit_bytes") for one in events if one["event"] == "quota-changed"] == [30, 1024, None]
