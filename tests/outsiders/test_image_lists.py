"""Lists mean to us what they mean to skopeo."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.world import as_json
from failures.stage import airferry

from .conftest import BUSYBOX
from .registries import Registry, docker_registry, program

pytestmark = pytest.mark.outsider

TAGS = ("1.13.1-alpine-perl", "1.13.2-alpine-perl", "1.13.3", "1.10", "2.0", "v2.0", "latest", "rc1", "RC2")

LISTS = {
    "some by name": "images: {lab/app: ['1.10', latest]}",
    "all of them": "images: {lab/app: []}",
    "a number as it is written": "images: {lab/app: [1.10]}",
    "an expression with ends": "images-by-tag-regex: {lab/app: '^1\\.13\\.[12]-alpine-perl$'}",
    "an expression found anywhere": "images-by-tag-regex: {lab/app: '.0'}",
    "ends bind closer than alternatives": "images-by-tag-regex: {lab/app: '^1|0$'}",
    "without regard to case": "images-by-tag-regex: {lab/app: '(?i)^rc\\d$'}",
    "classes and counts": "images-by-tag-regex: {lab/app: '^[[:digit:]]\\.\\d{2}'}",
    "both, and another repository": "images: {lab/app: [latest], lab/two: []}\n  images-by-tag-regex: {lab/app: ^2}",
}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("upstream")
    with pytest.MonkeyPatch.context() as patch, docker_registry(folder) as registry:
        for name in ("HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folder))
        pairs = [f"{BUSYBOX}={registry.host}/lab/app:{tag}" for tag in TAGS]
        airferry("image", "mirror", *pairs, f"{BUSYBOX}={registry.host}/lab/two:x", "--insecure").done()
        patch.undo()
        yield registry


@pytest.mark.parametrize("name", LISTS)
def test_the_same_images_are_chosen_as_by_skopeo(upstream: Registry, tmp_path: Path, name: str) -> None:
    file, theirs = tmp_path / "sync.yaml", tmp_path / "theirs"
    file.write_text(f"{upstream.host}:\n  tls-verify: false\n  {LISTS[name]}\n")
    theirs.mkdir()
    sync = ("sync", "--all", "--scoped", "--src", "yaml", "--dest", "dir", str(file), str(theirs))
    subprocess.run([program("skopeo"), *sync], check=True, capture_output=True)
    found = {str(manifest.parent.relative_to(theirs)) for manifest in theirs.rglob("manifest.json")}
    run = airferry(
        "image", "copy", "--list", file, "file://", "--dir", tmp_path, "--src-insecure", "--dry-run", "-o", "json"
    )
    ours = {image["source"] for image in as_json(run)["images"]}
    assert ours == found and ours
