"""Real images keep every digest, and everything that refers to them, on the way to a disk and from there."""

import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.world import OurRegistry, as_json
from failures.stage import airferry
from outsiders.registries import Registry, docker_registry, ours

from .conftest import DATA
from .estargz import make_layer

LAYOUTS = DATA / "layouts"


@dataclass(frozen=True)
class Image:
    """An image in an OCI layout: where, by which tag or digest, and the digest that must stay."""

    layout: str
    target: str
    digest: str


IMAGES = {
    "busybox for two architectures": Image(
        "images/busybox-uclibc", ":1.38.0-uclibc", "36f61c1a1095db71e94eccbbfb4f2012c73d3d357a06fbf7235875d93b0c12d4"
    ),
    "an index of four platforms without a tag": Image(
        "images/multi-platform", "@", "0de0e983a4980f32b1aad2d7f7f387cea2d4e9517b47f336cef27f63735911fa"
    ),
    "an image of one platform": Image(
        "images/one-platform", "@", "b5632fc886395e5595e9aed61f2e8473079fb81666f229ec5c3772d2ee64c389"
    ),
    "a gzip layer from BuildKit": Image(
        "layouts/test-oci-gzip-image.tar", "@", "7d255e9e3d216a9a92a5c1ce0563a5ddd92f28a34a9df025d3cf8dfa5ea08366"
    ),
    "a zstd layer": Image(
        "layouts/test-oci-zstd-image.tar", "@", "f5e3515f39a16543547c03d03ec34faf9276742e6ce7c7dd6e467a14e90b29fc"
    ),
    "referrers of a list and of its children": Image(
        "layouts/regclient-testrepo", ":v2", "dfae8f425735a5e3a72e40d6609e03079995511d48157c74d54801ff4430491e"
    ),
    "an artifact about an image that is not there": Image(
        "layouts/regclient-testrepo", ":a1", "0484e93c23cddf24a8400547119558312023295af241d4cd1eaf1b27145c5026"
    ),
}


def at(image: Image, tmp_path: Path) -> str:
    """Return the reference of an image, unpacked first where it comes as an archive."""
    folder = DATA / image.layout
    if folder.suffix == ".tar":
        with tarfile.open(folder) as tar:
            tar.extractall(tmp_path / "layout", filter="data")
        folder = tmp_path / "layout"
    target = f"@sha256:{image.digest}" if image.target == "@" else image.target
    return f"oci://{folder}{target}"


KINDS = [
    pytest.param(ours, id="ours"),
    pytest.param(docker_registry, id="docker-registry", marks=pytest.mark.outsider),
]


def cross(source: str, registry: Registry, tmp_path: Path) -> tuple[str, str]:
    """Take an image to a registry, a disk, and a registry again; return the repositories at both ends."""
    before, after = f"{registry.host}/before/image", f"{registry.host}/after/image"
    disk = ("--dir", tmp_path / "disk")
    airferry("image", "copy", source, f"{before}:tag", "--insecure").done()
    airferry("image", "mirror", f"{before}:*", "file://some/image", "--insecure", *disk).done()
    airferry("media", "verify", tmp_path / "disk").done()
    airferry("image", "mirror", "file://some/image:*", after, "--insecure", "--skip-mount", *disk).done()
    return "before/image", "after/image"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", IMAGES)
def test_every_digest_is_kept_from_registry_to_disk_to_registry(name: str, kind, tmp_path: Path) -> None:
    image = IMAGES[name]
    digest = f"sha256:{image.digest}"
    with kind(tmp_path) as registry:
        before, after = cross(at(image, tmp_path), registry, tmp_path)
        first, second = registry.walk(before, "tag"), registry.walk(after, "tag")
        assert first.root == second.root == digest
        assert first.manifests == second.manifests
        assert first.blobs == second.blobs
        assert first.referrers == second.referrers
        if "referrers" in name:
            assert first.referrers, "there is something to keep"


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_repository_crosses_with_all_it_holds(kind, tmp_path: Path) -> None:
    """Tags, lists, nested lists, artifacts, chains of referrers, and the tags that stand in for a referrers API."""
    layout = LAYOUTS / "regclient-testrepo"
    tags = {
        entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"]
        for entry in json.loads((layout / "index.json").read_bytes())["manifests"]
        if "annotations" in entry
    }
    with kind(tmp_path) as registry:
        for source, to in ((f"oci://{layout}", "one/repo"), (f"{registry.host}/one/repo", "two/repo")):
            airferry("image", "mirror", source, f"{registry.host}/{to}", "--insecure").done()
        for tag, digest in tags.items():
            one, two = registry.walk("one/repo", tag), registry.walk("two/repo", tag)
            assert one == two and one.root == digest


@pytest.mark.parametrize("kind", KINDS)
def test_an_estargz_layer_keeps_its_bytes_and_annotations(kind, tmp_path: Path) -> None:
    layer = make_layer({"etc/motd": b"hello\n", "usr/bin/tool": bytes(range(256)) * 300})
    store = tmp_path / "stargz" / "blobs" / "sha256"
    store.mkdir(parents=True)

    def put(content: bytes, kind: str, **more: object) -> dict[str, object]:
        import hashlib

        name = hashlib.sha256(content).hexdigest()
        (store / name).write_bytes(content)
        return {
            "mediaType": f"application/vnd.oci.image.{kind}",
            "digest": f"sha256:{name}",
            "size": len(content),
            **more,
        }

    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]}}
    described = put(layer.content, "layer.v1.tar+gzip", annotations=layer.annotations)
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "config.v1+json"),
        "layers": [described],
    }
    root = put(json.dumps(manifest).encode(), "manifest.v1+json")
    (tmp_path / "stargz" / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (tmp_path / "stargz" / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [root]}))
    with kind(tmp_path) as registry:
        before, after = cross(f"oci://{tmp_path}/stargz@{root['digest']}", registry, tmp_path)
        assert registry.walk(before, "tag") == registry.walk(after, "tag")
        kept = json.loads(registry.manifest(after, "tag").raw)["layers"]
        assert kept == [described]
        assert registry.blob(after, str(described["digest"])) == layer.content
        folder = tmp_path / "files"
        folder.mkdir()
        image = f"{registry.host}/{after}:tag"
        airferry("image", "extract", image, "--path", f"/:{folder}", "--insecure").done()
        assert (folder / "etc/motd").read_bytes() == b"hello\n"


def test_a_manifest_that_was_edited_by_hand_is_named_as_corrupt(lab: OurRegistry, tmp_path: Path) -> None:
    """skopeo pushes it, under another digest."""
    edited = "sha256:3ad31ff3302d352771aba8d1262e2d87cd4f796eac7195401c4d9c9af64e1627"
    layout = LAYOUTS / "edited-by-hand"
    for command in (
        ("image", "copy", f"oci://{layout}@{edited}", f"{lab.host}/a/b:1", "--insecure"),
        ("image", "copy", f"oci://{layout}@{edited}", "file://a/b:1", "--dir", tmp_path / "disk"),
        ("image", "info", f"oci://{layout}@{edited}"),
    ):
        run = airferry(*command)
        assert run.code in (1, 3) and edited.partition(":")[2] in run.err, run.err
        assert "digest" in run.err or "does not match" in run.err
    assert not list((tmp_path / "disk").rglob("*3ad31ff3*"))


def test_a_hand_edited_blob_on_a_disk_is_named_with_its_images(tmp_path: Path) -> None:
    """The same bytes, where ``oc`` would have put them."""
    edited = "sha256:3ad31ff3302d352771aba8d1262e2d87cd4f796eac7195401c4d9c9af64e1627"
    repository = tmp_path / "disk" / "v2" / "openshift" / "release"
    (repository / "manifests").mkdir(parents=True)
    (repository / "blobs").mkdir()
    for file in (LAYOUTS / "edited-by-hand" / "blobs" / "sha256").iterdir():
        shutil.copy(file, repository / "blobs" / f"sha256:{file.name}")
    (repository / "manifests" / edited).hardlink_to(repository / "blobs" / edited)
    (repository / "manifests" / "4.12.0-x86_64").symlink_to(edited)
    run = airferry("media", "verify", tmp_path / "disk")
    assert run.code == 1 and edited in run.out and "openshift/release:4.12.0-x86_64" in run.out
    airferry("release", "info", "4.12.0", "--from-dir", tmp_path / "disk").refused("damaged", edited.partition(":")[2])


def test_descriptors_that_lie_by_a_byte_are_named(lab: OurRegistry) -> None:
    """The list's digests are right and every size in it is one too small."""
    listed = "sha256:2ab88db58482678221f5b21bbbdfc71f4d32ccd5e56641f02764e2a88c2bd9a1"
    run = airferry(
        "image", "copy", f"oci://{DATA / 'images' / 'docker-list'}@{listed}", f"{lab.host}/a/b:1", "--insecure"
    )
    assert run.code in (0, 1, 3)
    if run.code:
        assert "sha256:" in run.err and "502" in run.err
    else:
        assert as_json(airferry("image", "info", f"{lab.host}/a/b:1", "--insecure", "-o", "json"))["digest"] == listed
