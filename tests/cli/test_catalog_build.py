"""``catalog build``: what comes out is what was kept, the same every time, and would be served."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from airferry.lab.layer import File
from airferry.openshift.catalog.reading.metas import read_metas
from failures.stage import Run, airferry

from .catalog_bases import COMMAND, CONFIGS, OLD, OPM, LayoutWriter, write_bases

CATALOGS = Path(__file__).parents[1] / "data" / "catalogs"
FBC = CATALOGS / "fbc"
ETCD_VERSIONS = ("0.6.1", "0.9.0", "0.9.2")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bases(tmp_path_factory.mktemp("bases") / "layout")


def build(*arguments: object) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(airferry("catalog", "build", *arguments, "-o", "json").done().out)
    return answer


def held(catalog: object) -> Any:
    answer = json.loads(airferry("catalog", "list", catalog, "-o", "json").done().out)
    packages: list[dict[str, Any]] = answer["catalogs"][0]["packages"]
    return packages


def config_of(image: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(airferry("image", "info", image, "-o", "json").done().out)["config"]
    return config


def documents_of(image: str, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    airferry("image", "extract", image, "--path", f"/configs/:{folder}").done()
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def every(*packages: str) -> list[str]:
    """The flags for every version of some packages."""
    return ["--all-versions", *(word for package in packages for word in ("--package", package))]


def test_a_catalog_of_some_packages_holds_them_and_nothing_else(tmp_path: Path) -> None:
    everything = held(FBC)
    layout = f"oci://{tmp_path}/built"
    answer = build(FBC, f"{layout}:v1", *every("kairos-operator", "aws-load-balancer-operator"))
    assert answer["packages"] == ["aws-load-balancer-operator", "kairos-operator"]
    assert held(f"{layout}:v1") == [package for package in everything if package["name"] in answer["packages"]]


def test_the_same_input_gives_the_same_digest_wherever_it_is_and_goes(tmp_path: Path) -> None:
    first = build(FBC, f"oci://{tmp_path}/one:v1")
    copied = shutil.copytree(FBC, tmp_path / "copied")
    for number, folder in enumerate(sorted(copied.iterdir())):
        folder.rename(copied / f"{9 - number}")  # files, times and their order say nothing
    again = build(copied, "file://olm/catalog:other", "--dir", tmp_path / "disk")
    assert again["digest"] == first["digest"]
    assert build(FBC, f"oci://{tmp_path}/one:v1")["copy"]["moved"]["blobs"] == 0


def test_building_again_from_what_was_built_gives_the_same_documents(tmp_path: Path) -> None:
    build(FBC, f"oci://{tmp_path}/one:v1", "--arch", "amd64")
    build(f"oci://{tmp_path}/one:v1", f"oci://{tmp_path}/two:v1", "--arch", "amd64")
    first = documents_of(f"oci://{tmp_path}/one:v1", tmp_path / "first")
    assert sorted(first) == sorted(f"{folder.name}/catalog.json" for folder in FBC.iterdir())
    assert documents_of(f"oci://{tmp_path}/two:v1", tmp_path / "second") == first


def test_source_date_epoch_is_the_time_of_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    image = f"oci://{tmp_path}/one:v1"
    build(FBC, image, "--arch", "amd64")
    (tmp_path / "out").mkdir()
    listed = airferry("image", "info", image, "-o", "json").done()
    assert json.loads(listed.out)["config"]["created"] == "2023-11-14T22:13:20Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    airferry("catalog", "build", FBC, image).refused("usage", "SOURCE_DATE_EPOCH")


@pytest.mark.parametrize("base", ["one", "docker"])
def test_on_its_own_image_a_catalog_serves_without_a_cache(bases: Path, tmp_path: Path, base: str) -> None:
    image = f"oci://{tmp_path}/built:v1"
    answer = build(f"oci://{bases}:{base}", image)
    config = config_of(image)["config"]
    assert (config["Entrypoint"], config["Cmd"], config["User"]) == (["/bin/opm"], ["serve", "/configs"], "1001")
    assert config["Labels"][CONFIGS] == "/configs"
    assert config["Labels"]["airferry.catalog.packages"] == "old"
    assert (answer["removedCaches"], answer["extractContent"]) == (["/tmp/cache"], False)
    (tmp_path / "root").mkdir()
    airferry("image", "extract", image, "--path", f"/:{tmp_path}/root").done()
    root = tmp_path / "root"
    assert (root / "bin" / "opm").read_bytes() == b"#!opm"
    assert [str(file.relative_to(root)) for file in root.rglob("*.json")] == ["configs/old/catalog.json"]
    assert list((root / "tmp").iterdir()) == []


def test_a_list_is_rebuilt_for_each_platform_with_one_layer(bases: Path, tmp_path: Path) -> None:
    layout = tmp_path / "built"
    answer = build(f"oci://{bases}:list", f"oci://{layout}:v1")
    assert [note for note in answer["leftOut"] if "for no platform" in note]
    index = json.loads((layout / "blobs" / "sha256" / answer["digest"].removeprefix("sha256:")).read_bytes())
    children = index["manifests"]
    assert [child["platform"]["architecture"] for child in children] == ["amd64", "arm64"]
    manifests = [json.loads((layout / "blobs" / child["digest"].replace(":", "/")).read_bytes()) for child in children]
    assert len({manifest["layers"][-1]["digest"] for manifest in manifests}) == 1
    assert len({manifest["config"]["digest"] for manifest in manifests}) == 2
    labels = config_of(f"oci://{layout}@{children[0]['digest']}")["config"]["Labels"]
    source = json.loads(airferry("image", "info", f"oci://{bases}:list", "-o", "json").done().out)
    assert labels["airferry.catalog.source"] in json.dumps(source)


def test_another_image_with_opm_is_the_base_when_it_is_named(bases: Path, tmp_path: Path) -> None:
    image = f"oci://{tmp_path}/built:v1"
    answer = build(FBC, image, "--base", f"oci://{bases}:opm")
    config = config_of(image)["config"]
    assert (config["Entrypoint"], config["Cmd"]) == (["/usr/bin/opm"], ["serve", "/configs"])
    assert answer["extractContent"] is False
    assert held(image) == held(FBC)


def test_on_scratch_there_is_one_image_for_each_architecture_with_one_layer(bases: Path, tmp_path: Path) -> None:
    answer = build(f"oci://{bases}:one", f"oci://{tmp_path}/built:v1", "--base", "scratch")
    index = json.loads((tmp_path / "built" / "blobs" / answer["digest"].replace(":", "/")).read_bytes())
    found = [child["platform"]["architecture"] for child in index["manifests"]]
    assert found == ["amd64", "arm64", "ppc64le", "s390x"]
    assert answer["extractContent"] is True
    assert answer["copy"]["moved"]["blobs"] == 1 + len(found)


@pytest.mark.parametrize("database", ["etcd-2020.db", "foo-index-v0.2.0.db"])
def test_an_index_in_sqlite_becomes_documents(tmp_path: Path, database: str) -> None:
    file = CATALOGS / "sqlite" / database
    build(file, f"oci://{tmp_path}/built:v1")
    assert held(f"oci://{tmp_path}/built:v1") == held(file)


def test_an_index_in_an_image_needs_a_base_whose_opm_serves_documents(bases: Path, tmp_path: Path) -> None:
    source, image = f"oci://{bases}:sqlite", f"oci://{tmp_path}/built:v1"
    airferry("catalog", "build", source, image).refused("usage", "index in SQLite", hint="--base IMAGE")
    build(source, image, "--base", source)
    config = config_of(image)["config"]
    assert (config["Entrypoint"], config["Cmd"]) == (["/bin/opm"], ["serve", "/configs"])
    assert "index.database" not in "".join(config["Labels"])
    assert held(image) == held(source)


def test_bundles_become_a_catalog_with_their_manifests_in_it(tmp_path: Path) -> None:
    image = f"oci://{tmp_path}/built:v1"
    build(CATALOGS / "bundles", image)
    documents = documents_of(image, tmp_path / "out")["etcd/catalog.json"]
    found = [meta.value for meta in read_metas([documents], "catalog.json")]
    assert found[0]["schema"] == "olm.package"
    bundles = [item for item in found if item["schema"] == "olm.bundle"]
    assert {item["name"] for item in bundles} == {"etcdoperator.v0.9.0", "etcdoperator.v0.9.2"}
    for item in bundles:
        assert not item["image"]
        assert sum(one["type"] == "olm.bundle.object" for one in item["properties"]) >= 2


def test_bundles_get_images_by_a_rule(tmp_path: Path) -> None:
    image = f"oci://{tmp_path}/built:v1"
    build(CATALOGS / "packages" / "etcd", image, "--bundle-image", "quay.io/our/{package}-bundle:{version}")
    documents = documents_of(image, tmp_path / "out")["etcd/catalog.json"]
    found = [meta.value for meta in read_metas([documents], "catalog.json") if meta.schema == "olm.bundle"]
    assert {item["image"] for item in found} == {f"quay.io/our/etcd-bundle:{version}" for version in ETCD_VERSIONS}
    for item in found:
        assert {"name": "", "image": item["image"]} in item["relatedImages"]


REFUSED = {
    "no such package": (("--package", "etcd"), "usage", "no package etcd"),
    "two sources of bundle images": (
        ("--bundle-image", "a.b/c:1", "--bundles-to", "a.b/c"),
        "usage",
        "may not both be given",
    ),
    "an unknown field": (("--bundle-image", "a.b/c:{digest}"), "usage", "{digest}"),
    "bundles onto a disk": (("--bundles-to", "file://bundles"), "usage", "registry"),
    "objects without a registry": (("--to-manifests", "cluster"), "usage", "--to-manifests needs a destination"),
    "a name that no object can have": (("--name", "cs: x"), "usage", "cs: x"),
    "a base that is not there": (("--base", "oci:///nonexistent:v1"), "not-found", "nonexistent"),
}


@pytest.mark.parametrize(("flags", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, flags: tuple[str, ...], code: str, words: str
) -> None:
    airferry("catalog", "build", FBC, f"oci://{tmp_path}/built:v1", *flags).refused(code, words)
    assert not (tmp_path / "built").exists()


@pytest.mark.parametrize("destination", ["oci://{0}/built", "oci://{0}/built@sha256:" + "a" * 64])
def test_a_destination_needs_a_tag(tmp_path: Path, destination: str) -> None:
    airferry("catalog", "build", FBC, destination.format(tmp_path)).refused("usage", "must name a tag")


def channel(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"schema": "olm.channel", "package": "a", "name": "x", "entries": list(entries)}


def bundle(name: str, version: str = "1.0.0") -> dict[str, Any]:
    properties = [{"type": "olm.package", "value": {"packageName": "a", "version": version}}]
    return {"schema": "olm.bundle", "package": "a", "name": name, "image": "q.io/a:1", "properties": properties}


PACKAGE = {"schema": "olm.package", "name": "a", "defaultChannel": "x"}
UNSERVABLE = {
    "two heads": (
        [PACKAGE, channel({"name": "a.v1"}, {"name": "a.v2"}), bundle("a.v1"), bundle("a.v2")],
        "a:x: a.v1 is one of 2 heads of the channel: a.v1, a.v2",
    ),
    "a hole": ([PACKAGE, channel({"name": "a.v1"})], "a:x: the entry a.v1 has no bundle"),
    "no default channel": (
        [{**PACKAGE, "defaultChannel": "y"}, channel({"name": "a.v1"}), bundle("a.v1")],
        "a: the default channel y is not there; there are: x",
    ),
    "no channel": ([PACKAGE, bundle("a.v1")], "a: the package has no channels"),
    "an orphan": (
        [PACKAGE, channel({"name": "a.v1"}), bundle("a.v1"), bundle("a.v2")],
        "a.v2: no channel has an entry for the bundle",
    ),
    "no version": ([PACKAGE, channel({"name": "a.v1"}), bundle("a.v1", "")], "a.v1: the bundle has no version"),
    "what is no version": (
        [PACKAGE, channel({"name": "a.v1"}), bundle("a.v1", "3.x")],
        "a.v1: '3.x' is no version",
    ),
    "a version given twice": (
        [PACKAGE, channel({"name": "a.v2", "replaces": "a.v1"}, {"name": "a.v1"}), bundle("a.v1"), bundle("a.v2")],
        "a: 1.0.0 is the version of a.v1, a.v2",
    ),
    "a stranded entry": (
        [
            PACKAGE,
            channel({"name": "a.v3"}, {"name": "a.v2", "replaces": "a.v1"}, {"name": "a.v1", "replaces": "a.v2"}),
            *(bundle(f"a.v{number}", f"{number}.0.0") for number in (1, 2, 3)),
        ],
        "a:x: a.v2 is stranded",
    ),
    "an empty channel": ([PACKAGE, channel(), bundle("a.v1")], "a:x: the channel has no entries"),
}


@pytest.mark.parametrize(("documents", "reason"), UNSERVABLE.values(), ids=UNSERVABLE)
def test_a_catalog_that_opm_would_refuse_is_not_built(
    tmp_path: Path, documents: list[dict[str, Any]], reason: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "c.json").write_text("\n".join(json.dumps(item) for item in documents))
    run = airferry("catalog", "build", tmp_path / "in", f"oci://{tmp_path}/built:v1")
    run.refused("malformed", "opm would refuse to serve this catalog", reason)
    assert not (tmp_path / "built").exists()


def test_of_what_is_there_twice_the_first_is_written_as_it_was_read_and_what_is_left_out_is_told(
    tmp_path: Path,
) -> None:
    def notices(*names: str) -> dict[str, Any]:
        entries = [{"reference": {"schema": "olm.bundle", "name": name}, "message": f"of {name}"} for name in names]
        return {"schema": "olm.deprecations", "package": "a", "entries": entries}

    (tmp_path / "in").mkdir()
    second = {**bundle("a.v1"), "image": "q.io/other:1", "relatedImages": [{"name": "x", "value": "q.io/x:1"}]}
    notice, other = notices("a.v1", "a.v7"), notices("a.v1")
    documents = [PACKAGE, channel({"name": "a.v1"}), bundle("a.v1"), second, notice, other]
    (tmp_path / "in" / "c.json").write_text("\n".join(json.dumps(item) for item in documents))
    run: Run = airferry("catalog", "build", tmp_path / "in", f"oci://{tmp_path}/built:v1").done()
    assert "c.json, document 4: the bundle 'a.v1' is there twice, and the first counts: c.json, document 3" in run.err
    assert "c.json, document 6: the document of deprecations is there twice" in run.err
    assert "a: a deprecation names the olm.bundle a.v7, which is not there, and is left out" in run.err
    written = documents_of(f"oci://{tmp_path}/built:v1", tmp_path / "out")["a/catalog.json"]
    assert b"q.io/a:1" in written and b"other" not in written and b"q.io/x" not in run.err.encode()
    assert written.count(b"olm.deprecations") == 1 and b"a.v7" not in written


def test_repairs_are_told_and_written(tmp_path: Path) -> None:
    slip = {**bundle("a.v1"), "relatedImages": [{"name": "db", "value": "quay.io/a/db:1"}, {"name": "none"}]}
    (tmp_path / "in").mkdir()
    documents = [PACKAGE, channel({"name": "a.v1"}), slip]
    (tmp_path / "in" / "c.json").write_text("\n".join(json.dumps(item) for item in documents))
    run: Run = airferry("catalog", "build", tmp_path / "in", f"oci://{tmp_path}/built:v1").done()
    assert "written as image: quay.io/a/db:1" in run.err
    assert "names no image; left out" in run.err
    documents_now = documents_of(f"oci://{tmp_path}/built:v1", tmp_path / "out")["a/catalog.json"]
    assert b'"image": "quay.io/a/db:1"' in documents_now and b"none" not in documents_now


def test_a_dry_run_writes_nothing_and_gives_the_digest(tmp_path: Path) -> None:
    image = f"oci://{tmp_path}/built:v1"
    said = build(FBC, image, "--dry-run")
    assert not (tmp_path / "built").exists()
    assert build(FBC, image)["digest"] == said["digest"]


def cached(folder: Path, stored: str, *more: File) -> str:
    """An image with a cache of files, and ``stored`` as its digest."""
    writer = LayoutWriter(folder)
    settings = {"Entrypoint": ["/bin/opm"], "Cmd": list(COMMAND), "Labels": {CONFIGS: "/configs"}}
    cache = (
        File("tmp/cache/cache/", mode=0o750),
        File("tmp/cache/cache/packages.json", b"{}", 0o640),
        File("tmp/cache/digest", stored.encode(), 0o640),
    )
    writer.tag("v1", writer.image((OPM, OLD, cache, more), **settings))
    return f"oci://{folder}:v1"


def test_a_cache_is_checked_against_the_documents_of_its_image(tmp_path: Path) -> None:
    wrong = airferry("catalog", "cache", cached(tmp_path / "wrong", "0123456789abcdef"), "-o", "json")
    assert wrong.code == 1
    computed = json.loads(wrong.out)["reason"].rpartition(" ")[2]
    image = cached(tmp_path / "good", computed)
    assert airferry("catalog", "cache", image).done().out.startswith("opm starts: its digest")
    # What oc-mirror did: other documents on top, and the cache as it was.
    stale = cached(tmp_path / "stale", computed, File("configs/.wh.old"), File("configs/new/catalog.json", b"{}"))
    assert airferry("catalog", "cache", stale).code == 1
    database = cached(tmp_path / "database", computed, File("tmp/cache/pogreb.v1/digest", b"x"))
    assert airferry("catalog", "cache", database).code == 3
    build(image, f"oci://{tmp_path}/built:v1")
    assert "makes one of its own" in airferry("catalog", "cache", f"oci://{tmp_path}/built:v1").done().out
    build(image, f"oci://{tmp_path}/bare:v1", "--base", "scratch")
    bare = airferry("catalog", "cache", f"oci://{tmp_path}/bare:v1")
    assert bare.code == 3 and "the image runs nothing" in bare.out


def test_on_a_disk_a_catalog_is_built_beside_the_one_it_is_of(bases: Path, tmp_path: Path) -> None:
    disk = ("--dir", tmp_path / "disk")
    airferry("image", "copy", f"oci://{bases}:list", "file://olm/up:v1", *disk).done()
    answer = build("file://olm/up:v1", "file://olm/ours:v1", *disk)
    airferry("media", "verify", tmp_path / "disk").done()
    again = build("file://olm/up:v1", "file://olm/up:v1", *disk)
    assert again["digest"] == answer["digest"], "a tag may move to what was built of it"
