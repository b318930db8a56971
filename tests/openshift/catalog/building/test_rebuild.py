"""Built images: what is below stays, the layer hides what must not be seen, nothing depends on the day."""

import io
import json
import tarfile
from typing import Any

import pytest

from airferry.errors import MalformedError, UnsupportedError
from airferry.oci import Manifest, mediatype
from airferry.openshift.catalog.building.layer import LayerPlan, catalog_layer
from airferry.openshift.catalog.building.rebuild import (
    Below,
    Wanted,
    cache_folder,
    from_nothing,
    put_on_top,
    without_cache,
)

PACKAGES = {"etcd": b'{"schema":"olm.package"}\n', "a": b"{}\n"}


def below(manifest_type: str = mediatype.OCI_MANIFEST, **settings: Any) -> Below:
    is_docker = manifest_type == mediatype.DOCKER_MANIFEST
    digest = f"sha256:{'a' * 64}"
    fields = {
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": {
            "mediaType": mediatype.DOCKER_CONFIG if is_docker else mediatype.OCI_CONFIG,
            "digest": digest,
            "size": 2,
        },
        "layers": [{"mediaType": mediatype.OCI_LAYER_GZIP, "digest": digest, "size": 1, "annotations": {"x": "y"}}],
        "annotations": {"org.opencontainers.image.created": "2024-01-01T00:00:00Z"},
    }
    config = {"created": "2024-01-01T00:00:00Z", "config": settings, "rootfs": {"type": "layers", "diff_ids": [digest]}}
    return Below(Manifest.parse(json.dumps(fields).encode()), {**config, "os": "linux", "history": [{}]})


def members(plan: LayerPlan) -> dict[str, tarfile.TarInfo]:
    layer = catalog_layer(PACKAGES, plan)
    with tarfile.open(fileobj=io.BytesIO(layer.content), mode="r:gz") as archive:
        return {member.name: member for member in archive.getmembers()}


def test_a_layer_on_top_hides_documents_and_cache_and_takes_nothing_from_tmp() -> None:
    found = members(LayerPlan("/configs", "/tmp/cache", on_top=True))
    assert list(found) == [
        "configs",
        "tmp",
        "configs/.wh..wh..opq",
        "tmp/.wh.cache",
        "configs/a",
        "configs/a/catalog.json",
        "configs/etcd",
        "configs/etcd/catalog.json",
    ]
    assert found["tmp"].mode == 0o1777
    assert {found[name].mode for name in ("configs", "configs/a")} == {0o755}
    assert found["configs/a/catalog.json"].mode == 0o644
    assert {(item.uid, item.gid, item.mtime) for item in found.values()} == {(0, 0, 0)}


@pytest.mark.parametrize(
    ("plan", "first"),
    [
        (LayerPlan("/configs"), ["configs", "configs/a"]),
        (LayerPlan("configs/", "/cache", on_top=True), ["configs", ".wh.cache", "configs/.wh..wh..opq"]),
        (LayerPlan("/var/lib/c", None, on_top=True), ["var", "var/lib", "var/lib/c", "var/lib/c/.wh..wh..opq"]),
        (LayerPlan("/data/configs", "/data", on_top=True), ["data", "data/configs", "data/configs/.wh..wh..opq"]),
    ],
)
def test_folders_come_before_what_is_in_them(plan: LayerPlan, first: list[str]) -> None:
    assert list(members(plan))[: len(first)] == first


@pytest.mark.parametrize("folder", ["/", "", "/a/../..", "/.wh.x"])
def test_a_folder_that_would_hide_the_image_is_refused(folder: str) -> None:
    with pytest.raises(UnsupportedError):
        catalog_layer(PACKAGES, LayerPlan(folder))


def test_the_tar_of_a_layer_is_the_same_everywhere_and_the_time_is_given() -> None:
    layer = catalog_layer(PACKAGES, LayerPlan())
    assert layer.diff_id == "sha256:ae6719071e5b4e87581548f5f3ed6502dec391b28860ad99be9639cbfba534a1"
    assert catalog_layer(dict(reversed(PACKAGES.items())), LayerPlan()).content == layer.content
    assert layer.content[4:8] == bytes(4), "no time in the header of the gzip"
    assert catalog_layer(PACKAGES, LayerPlan(), mtime_s=1).diff_id != layer.diff_id


COMMANDS = {
    "as OpenShift has it": (
        ["serve", "/configs", "--cache-dir=/tmp/cache"],
        ["serve", "/configs"],
        "/tmp/cache",
    ),
    "two words": (["serve", "--cache-dir", "/c", "/configs"], ["serve", "/configs"], "/c"),
    "enforced": (["serve", "/configs", "--cache-enforce-integrity=true"], ["serve", "/configs"], None),
    "in a shell": (["sh", "-c", "exec opm serve /configs --cache-dir=/c -p 1"],
                   ["sh", "-c", "exec opm serve /configs -p 1"], "/c"),
    "two words in a shell": (["sh", "-c", "opm serve --cache-dir /c /configs"],
                             ["sh", "-c", "opm serve /configs"], "/c"),
    "none": (["serve", "/configs"], ["serve", "/configs"], None),
    "cut short": (["serve", "/configs", "--cache-dir"], ["serve", "/configs"], None),
}  # fmt: skip


@pytest.mark.parametrize(("command", "cleaned", "folder"), COMMANDS.values(), ids=COMMANDS)
def test_opm_is_told_of_no_cache(command: list[str], cleaned: list[str], folder: str | None) -> None:
    assert without_cache(command) == cleaned
    assert cache_folder(command) == folder


def test_an_image_on_top_keeps_all_below_and_says_where_it_is_from() -> None:
    base = below(
        User="1001", Entrypoint=["/bin/opm", "serve", "--cache-dir"], Cmd=["/c", "/configs"], Labels={"a": "b"}
    )
    layer = catalog_layer(PACKAGES, base.layer_plan)
    built = put_on_top(base, layer, Wanted(labels={"airferry.catalog.selection": "s"}))
    config, manifest = json.loads(built.config), json.loads(built.manifest.raw)
    assert config["config"] == {
        "User": "1001",
        "Entrypoint": ["/bin/opm", "serve"],
        "Cmd": ["/configs"],
        "Labels": {
            "a": "b",
            "airferry.catalog.selection": "s",
            "operators.operatorframework.io.index.configs.v1": "/configs",
            "org.opencontainers.image.base.digest": base.manifest.digest,
        },
    }
    assert config["rootfs"]["diff_ids"] == [f"sha256:{'a' * 64}", layer.diff_id]
    assert (config["created"], len(config["history"])) == ("2024-01-01T00:00:00Z", 2)
    assert manifest["layers"][0] == json.loads(base.manifest.raw)["layers"][0]
    assert manifest["layers"][1]["digest"] == layer.digest
    assert "org.opencontainers.image.created" not in manifest["annotations"]


def test_docker_stays_docker() -> None:
    base = below(mediatype.DOCKER_MANIFEST, Entrypoint=["/bin/opm"], Cmd=["serve", "/configs"])
    manifest = json.loads(put_on_top(base, catalog_layer(PACKAGES, base.layer_plan), Wanted()).manifest.raw)
    assert manifest["mediaType"] == mediatype.DOCKER_MANIFEST
    assert manifest["config"]["mediaType"] == mediatype.DOCKER_CONFIG
    assert manifest["layers"][1]["mediaType"] == mediatype.DOCKER_LAYER_GZIP
    assert "annotations" not in manifest


@pytest.mark.parametrize(
    ("settings", "entrypoint"),
    [
        ({"Entrypoint": ["/usr/bin/opm"]}, ["/usr/bin/opm"]),
        ({"Entrypoint": ["/bin/opm"], "Cmd": ["registry", "serve", "--database", "/d"]}, ["/bin/opm"]),
        ({}, ["/bin/opm"]),
    ],
)
def test_an_image_that_serves_no_documents_is_told_to(settings: dict[str, Any], entrypoint: list[str]) -> None:
    base = below(**settings)
    config = json.loads(put_on_top(base, catalog_layer(PACKAGES, base.layer_plan), Wanted()).config)["config"]
    assert (config["Entrypoint"], config["Cmd"]) == (entrypoint, ["serve", "/configs"])


def test_an_image_of_nothing_holds_the_layer_and_no_command() -> None:
    built = from_nothing(catalog_layer(PACKAGES, LayerPlan()), Wanted(), "s390x")
    config = json.loads(built.config)
    assert (config["architecture"], config["created"]) == ("s390x", "1970-01-01T00:00:00Z")
    assert config["config"] == {"Labels": {"operators.operatorframework.io.index.configs.v1": "/configs"}}
    assert len(built.manifest.layers) == 1


def test_what_is_no_image_of_a_container_is_refused() -> None:
    good = below()
    layer = catalog_layer(PACKAGES, LayerPlan())
    with pytest.raises(MalformedError, match="does not name the content of its layers"):
        put_on_top(Below(good.manifest, {**good.config, "rootfs": {}}), layer, Wanted())
    chart = json.loads(good.manifest.raw)
    chart["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    with pytest.raises(UnsupportedError, match="not an image of a container"):
        put_on_top(Below(Manifest.parse(json.dumps(chart).encode()), good.config), layer, Wanted())
