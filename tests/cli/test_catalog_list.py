"""``catalog list``: what an administrator sees of catalogs, and what programs get."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.catalog_images import CONFIGS, Layout, layer_of
from content.layers import member, tar
from failures.stage import airferry

from .world import OurRegistry, as_json, nothing_listens

DATA = Path(__file__).parents[1] / "data" / "catalogs"
BIG, SMALL, OWN = (tar(member("x", bytes([number]) * size)) for number, size in enumerate((50_000, 20_000, 10_000)))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurRegistry]:
    """A registry in the clear with images that share a layer, and the catalog ``lab/catalog:v1``."""
    folder = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch, OurRegistry(folder / "r", use_tls=False, use_auth=False) as registry:
        for name in ("HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folder))
        layout = Layout(folder / "layout")
        for tag, layers in {"old": [BIG], "new": [BIG, SMALL], "bundle": [OWN]}.items():
            layout.add(layers, {}, tag)
        (folder / "catalog").mkdir()
        (folder / "catalog" / "c.json").write_text("\n".join(map(json.dumps, documents(registry.host))))
        layout.add([layer_of(folder / "catalog", "configs")], {CONFIGS: "/configs"}, "catalog")
        for tag in ("old", "new", "bundle"):
            copy = ("image", "copy", f"oci://{folder}/layout:{tag}", f"{registry.host}/lab/{tag}:v1", "--insecure")
            airferry(*copy).done()
        copy = ("image", "copy", f"oci://{folder}/layout:catalog", f"{registry.host}/lab/catalog:v1", "--insecure")
        airferry(*copy).done()
        patch.undo()
        yield registry


def documents(host: str) -> list[dict[str, Any]]:
    entries = [{"name": "app.v2", "replaces": "app.v1", "skipRange": "<2.0.0"}, {"name": "app.v1"}]
    version = {"type": "olm.package", "value": {"packageName": "app", "version": "2.0.0"}}
    related = [{"name": "app", "image": f"{host}/lab/new:v1"}, {"name": "slip", "value": f"{host}/lab/old:v1"}]
    return [
        {"schema": "olm.package", "name": "app", "defaultChannel": "stable"},
        {"schema": "olm.channel", "package": "app", "name": "stable", "entries": entries},
        {
            "schema": "olm.bundle",
            "package": "app",
            "name": "app.v2",
            "image": f"{host}/lab/bundle:v1",
            "properties": [version],
            "relatedImages": related[:1],
        },
        {"schema": "olm.bundle", "package": "app", "name": "app.v1", "image": "", "relatedImages": related[1:]},
        {"schema": "olm.package", "name": "other", "defaultChannel": "x"},
        {"schema": "olm.channel", "package": "other", "name": "x", "entries": [{"name": "other.v1"}]},
        {"schema": "olm.bundle", "package": "other", "name": "other.v1", "image": f"{host}/lab/missing:v1"},
        {
            "schema": "olm.deprecations",
            "package": "app",
            "entries": [
                {"reference": {"schema": "olm.bundle", "name": "app.v1"}, "message": "use \x1b[31mtwo\n"},
                {"reference": {"schema": "olm.package"}, "message": "no longer kept"},
            ],
        },
    ]


def test_an_overview_has_a_line_for_each_package() -> None:
    run = airferry("catalog", "list", DATA / "fbc", DATA / "sqlite" / "etcd-2020.db").done()
    first, second = run.out.split("\n\nCatalog: ")
    assert "Form:    file-based catalog\nHolds:   3 packages, 7 channels, 10 bundles\n\nPACKAGE  " in first
    assert [line.split()[:4] for line in first.splitlines()[-3:]] == [
        ["aws-load-balancer-operator", "stable-v0.1", "0.0.1", "2"],
        ["kairos-operator", "candidate-v2", "2.2.0", "1"],
        ["multicluster-global-hub-operator", "release-1.7", "1.7.0", "4"],
    ]
    assert first.splitlines()[-3].endswith("  AWS Load Balancer Operator")  # in a manifest, in base64
    assert "index in SQLite" in second and second.splitlines()[-1].split() == [
        "etcd",
        "alpha",
        "0.9.2",
        "3",
        "3",
        "etcd",
    ]


def test_a_package_is_shown_with_channels_versions_and_deprecations(lab: OurRegistry) -> None:
    run = airferry("catalog", "list", f"{lab.host}/lab/catalog:v1", "--package", "app", "--insecure").done()
    assert run.out.partition("Package:")[2].splitlines() == [
        "    app",
        "Default:    stable",
        "Deprecated: bundle app.v1: use ?[31mtwo",
        "Deprecated: no longer kept",
        "",
        "Channel stable, the default",
        "  VERSION  BUNDLE  REPLACES  NOTES",
        "  2.0.0    app.v2  app.v1    head; updates <2.0.0",
        "  -        app.v1  -         deprecated",
    ]
    assert f"app.v1: the entry 'slip' says value where image belongs; read as {lab.host}" in run.err
    assert "other" not in run.out


def test_sizes_count_shared_layers_once_and_name_what_cannot_be_read(lab: OurRegistry) -> None:
    catalog = f"{lab.host}/lab/catalog:v1"
    run = airferry("catalog", "list", catalog, "--sizes", "--insecure", "-o", "json")
    run.left_gaps(f"{lab.host}/lab/missing:v1 of other cannot be read")
    (listed,) = json.loads(run.out)["catalogs"]
    app, other = listed["packages"]
    layers = len(BIG) + len(SMALL) + len(OWN)
    assert layers < app["headsBytes"] < layers + 3000
    assert app["headsBytes"] < app["allBytes"] < app["headsBytes"] + 1500
    assert (other["headsBytes"], other["allBytes"]) == (0, 0)
    assert (listed["headsBytes"], listed["allBytes"]) == (app["headsBytes"], app["allBytes"])
    assert [(item["image"], item["packages"], item["code"]) for item in listed["unreadImages"]] == [
        (f"{lab.host}/lab/missing:v1", ["other"], "not-found")
    ]
    text = airferry("catalog", "list", catalog, "--sizes", "--insecure")
    text.left_gaps("cannot be read")
    assert "without 1 image that cannot be read" in text.out and "≥ 0B" in text.out
    airferry("catalog", "list", catalog, "--sizes", "--package", "app", "--insecure").done()


def test_a_registry_that_nobody_answers_at_is_a_gap_not_the_end(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("\n".join(map(json.dumps, documents(nothing_listens()))))
    run = airferry("catalog", "list", tmp_path, "--sizes", "--insecure", "--retry-times", "0")
    run.left_gaps("lab/bundle:v1 of app cannot be read")


def test_a_catalog_on_a_disk_is_listed(lab: OurRegistry, tmp_path: Path) -> None:
    disk = ("file://lab/catalog:v1", "--dir", tmp_path, "--insecure")
    airferry("image", "copy", f"{lab.host}/lab/catalog:v1", *disk).done()
    run = airferry("catalog", "list", *disk).done()
    assert [line.split()[0] for line in run.out.splitlines()[-2:]] == ["app", "other"]


def test_json_is_stable_and_has_the_findings(lab: OurRegistry) -> None:
    run = airferry("catalog", "list", f"{lab.host}/lab/catalog:v1", "--insecure", "-o", "json").done()
    (listed,) = as_json(run)["catalogs"]
    assert listed["form"] == "documents" and listed["digest"].startswith("sha256:")
    assert listed["packages"][0]["channels"] == [
        {
            "name": "stable",
            "heads": ["app.v2"],
            "entries": [
                {"name": "app.v2", "version": "2.0.0", "replaces": "app.v1", "skips": [], "skipRange": "<2.0.0"},
                {"name": "app.v1", "version": "", "replaces": "", "skips": [], "skipRange": ""},
            ],
        }
    ]
    assert [(item["code"], item["package"], item["bundle"]) for item in listed["findings"]] == [
        ("value-for-image", "app", "app.v1")
    ]


@pytest.mark.parametrize(
    ("flags", "message", "hint"),
    [
        (["--package", "kairos"], "there is no package 'kairos'", "there is kairos-operator"),
        (["--package", "zzz"], "there is no package 'zzz'", "without --package all are listed"),
        (["--channel", "zzz"], "there is no channel 'zzz'", ""),
        (["--package", "kairos-operator", "--channel", "x"], "there is no channel 'x'", "candidate-v2"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(flags: list[str], message: str, hint: str) -> None:
    airferry("catalog", "list", DATA / "fbc", *flags).refused("not-found", message, hint=hint)


def test_one_channel_is_shown_of_every_package_that_has_it() -> None:
    run = airferry("catalog", "list", DATA / "packages", "--channel", "stable").done()
    assert run.out.count("\nChannel ") == 1 and "3scale" not in run.out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("index.db", b"not a database", "index.db"),
        ("c.json", b'{"schema": "olm.package"', "c.json, document 1 is not JSON at line 1"),
        ("c.yaml", b"schema: [\n", "c.yaml, document 1 is not YAML at line 2"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    airferry("catalog", "list", tmp_path / name).refused("malformed", words)
