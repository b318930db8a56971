"""``catalog mirror``: registry to registry, and across a disk, with gaps and without."""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from airferry.lab import CatalogShape, Operator, PublishedCatalog, publish_catalog
from airferry.oci import mediatype
from failures.stage import QUICK, Mirror, Quay, Run, airferry, is_sound

from .catalog_bases import write_bases
from .world import nothing_listens

BROKEN = CatalogShape(
    namespace="odd",
    name="odd-index",
    missing=("gauge:1", "anchor-bundle:2.0.0"),
    by_tag=("proxy:1",),
    slips=("buoy-operator:0.1.0",),
    empty=("anchor.v1.0.0",),
    malformed=("compass.v3.0.0",),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upstream") / "store"
    publish_catalog(folder, BROKEN)
    publish_catalog(folder)
    return folder


@pytest.fixture(scope="module")
def quay(store: Path) -> Iterator[Quay]:
    """An upstream with a sound catalog and an odd one."""
    with Quay(store.parent, publish_catalog(store)) as served:
        yield served


@pytest.fixture(scope="module")
def odd(store: Path) -> PublishedCatalog:
    return publish_catalog(store, BROKEN)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with Mirror(tmp_path / "registry") as served:
        yield served


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(quay: Quay, *arguments: object) -> Run:
    return airferry("catalog", "mirror", *arguments, *quay.flags(trusted=False), "--dest-insecure")


def manifest(host: str, path: str, target: str) -> dict[str, Any] | None:
    request = urllib.request.Request(
        f"http://{host}/v2/{path}/manifests/{target}",
        headers={"Accept": f"{mediatype.DOCKER_MANIFEST}, {mediatype.DOCKER_LIST}, {mediatype.OCI_MANIFEST}"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return {**json.loads(answer.read()), "digest": answer.headers["Docker-Content-Digest"]}
    except urllib.error.HTTPError as error:
        assert error.code == 404
        return None


def mapping(folder: Path) -> dict[str, str]:
    lines = (folder / "mapping.txt").read_text().splitlines()
    assert lines == sorted(lines)
    return dict(line.split("=") for line in lines)


def files(folder: Path, host: str) -> dict[str, str]:
    """Return what was written, with the mirror's address left out."""
    return {file.name: file.read_text().replace(host, "MIRROR") for file in folder.iterdir()}


class TestFromRegistryToRegistry:
    def test_every_image_arrives_under_its_digest_with_what_is_attached_to_it(self, quay: Quay, mirror: Mirror) -> None:
        catalog = quay.release
        done = run(quay, catalog.pullspec, f"{mirror.host}/olm").done()
        assert done.out.startswith("src image has index label for declarative configs path: /configs\nsha256:")
        assert done.out.endswith("wrote mirroring manifests to manifests-operator-index\n")
        found = mapping(Path("manifests-operator-index"))
        assert found.keys() == {catalog.pullspec, *catalog.references.values()}
        for name, source in catalog.references.items():
            path, _, tag = found[source].removeprefix(f"{mirror.host}/").rpartition(":")
            by_tag, digest = manifest(mirror.host, path, tag), catalog.digests[name]
            assert by_tag is not None and by_tag["digest"] == digest
            assert f"{digest} {found[source]}\n" in done.out
            assert ("manifests" in by_tag) == (name in catalog.lists)
        index = manifest(mirror.host, "olm/airlab-operator-index", "v4.16")
        assert index is not None and index["digest"] == catalog.digest and len(index["manifests"]) == 2
        assert manifest(mirror.host, "olm/airlab-anchor-operator", catalog.signature_tag)
        assert manifest(mirror.host, "olm/airlab-compass-bundle", catalog.referrer)
        assert mirror.is_sound()

    def test_the_cluster_finds_the_catalog_by_a_name_that_stays(self, quay: Quay, mirror: Mirror) -> None:
        run(quay, quay.release.pullspec, f"{mirror.host}/olm", "--to-manifests", "m", "--manifests-only").done()
        written = files(Path("m"), mirror.host)
        assert written["catalogSource.yaml"] == (
            "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata:\n  name: operator-index\n"
            "  namespace: openshift-marketplace\nspec:\n  grpcPodConfig:\n    extractContent:\n"
            "      catalogDir: /configs\n  image: MIRROR/olm/airlab-operator-index:v4.16\n  sourceType: grpc\n"
        ), "the lab's catalog has no program"
        assert "ref: MIRROR/olm/airlab-operator-index:v4.16\n" in written["clusterCatalog.yaml"]
        assert "imageTagMirrorSet.yaml" not in written
        run(
            quay, quay.release.pullspec, mirror.host, "--to-manifests", "m", "--manifests-only", "--name", "mine"
        ).done()
        assert "name: mine\n" in Path("m/catalogSource.yaml").read_text()

    def test_a_platform_that_the_catalog_is_not_for_is_refused(self, quay: Quay, mirror: Mirror) -> None:
        asked = run(quay, quay.release.pullspec, f"{mirror.host}/olm", "--index-filter-by-os", "linux/s390x")
        asked.refused("not-found", "has no image for linux/s390x", hint="linux/amd64, linux/arm64")

    def test_a_second_run_reads_no_image_again(self, quay: Quay, mirror: Mirror) -> None:
        command = (quay.release.pullspec, f"{mirror.host}/olm")
        first = run(quay, *command).done()
        quay.heals()
        again = run(quay, *command).done()
        assert "17 known complete: 0 blobs to move" in again.err
        assert again.out == first.out
        asked = {request.path for request in quay.server.requests if "/v2/airlab/" in request.path}
        assert all("/airlab/operator-index/" in path for path in asked)

    def test_a_registry_that_takes_nothing_is_an_error(self, quay: Quay) -> None:
        with nothing_listens() as host:
            failed = run(quay, quay.release.pullspec, f"{host}/olm")
        failed.refused("unreachable", host)

    @pytest.mark.parametrize("flag", ["--dry-run", "--manifests-only"])
    def test_the_files_can_be_had_without_the_images(self, quay: Quay, mirror: Mirror, flag: str) -> None:
        run(quay, quay.release.pullspec, f"{mirror.host}/olm", "--to-manifests", "m", flag).done()
        assert not mirror.blobs()
        before = files(Path("m"), mirror.host)
        assert len(before) == 6
        run(quay, quay.release.pullspec, f"{mirror.host}/olm", "--to-manifests", "m").done()
        assert files(Path("m"), mirror.host) == before

    def test_mirror_sets_keep_what_another_catalog_put_there(self, quay: Quay, odd: PublishedCatalog) -> None:
        for pullspec in (quay.release.pullspec, odd.pullspec):
            run(quay, pullspec, "mirror.example/olm", "--to-manifests", "m", "--manifests-only")
        text = Path("m/imageDigestMirrorSet.yaml").read_text()
        assert "source: quay.io/airlab/proxy\n" in text and "source: quay.io/odd/gauge\n" in text

    def test_deep_paths_may_have_one_entry_for_all(self, quay: Quay) -> None:
        wide = ("--max-components", "0", "--idms-scope", "registry", "--manifests-only", "--to-manifests", "m")
        run(quay, quay.release.pullspec, "mirror.example/olm", *wide).done()
        assert (
            "- mirrors:\n    - mirror.example/olm\n    source: quay.io\n"
            in Path("m/imageDigestMirrorSet.yaml").read_text()
        )
        assert Path("m/imageContentSourcePolicy.yaml").read_text().count("source:") == 8

    def test_objects_are_split_at_the_size_that_is_asked_for(self, quay: Quay) -> None:
        small = ("--max-idms-size", "400", "--manifests-only", "--to-manifests", "m")
        run(quay, quay.release.pullspec, "mirror.example/olm", *small).done()
        objects = Path("m/imageDigestMirrorSet.yaml").read_text().split("---\n")[1:]
        assert len(objects) > 3 and all(len(text.encode()) <= 400 for text in objects)
        assert [f"name: operator-index-{number}\n" in text for number, text in enumerate(objects)].count(False) == 0


class TestAcrossADisk:
    def test_the_far_side_gets_what_a_direct_mirror_would_have_got(self, quay: Quay, tmp_path: Path) -> None:
        catalog, disk = quay.release, tmp_path / "disk"
        to_disk = run(quay, catalog.pullspec, "file://local/index", "--dir", disk).done()
        assert is_sound(disk)
        upload = to_disk.out.partition("run:\n\n\tairferry ")[2].split()
        assert upload[-2:] == ["file://local/index/airlab/operator-index:v4.16", "REGISTRY/REPOSITORY"]
        assert mapping(disk / "manifests" / "operator-index")[catalog.references["proxy:1"]].startswith(
            "file://local/index/airlab/operator-index/airlab/proxy:"
        )
        with Mirror(tmp_path / "one") as direct, Mirror(tmp_path / "two") as far, Mirror(tmp_path / "three") as named:
            run(quay, catalog.pullspec, f"{direct.host}/olm", "--to-manifests", "direct").done()
            # Nothing on the far side reaches the upstream.
            command = [*upload[:-1], f"{far.host}/olm", "--to-manifests", "far", "--dest-insecure"]
            uploaded = airferry(*command).done()
            by_name = ("--from-dir", disk, catalog.pullspec, f"{named.host}/olm", "--to-manifests", "named")
            airferry("catalog", "mirror", *by_name, "--dest-insecure").done()
            wanted = files(Path("direct"), direct.host)
            assert wanted == files(Path("far"), far.host) == files(Path("named"), named.host)
            assert direct.blobs() == far.blobs() == named.blobs()
            again = airferry(*command).done()
        assert "17 known complete" in again.err and again.out == uploaded.out

    def test_a_disk_that_oc_wrote_gives_mirror_sets_for_the_original_names_too(
        self, quay: Quay, mirror: Mirror, tmp_path: Path
    ) -> None:
        disk = tmp_path / "disk"
        run(quay, quay.release.pullspec, "file://local/index", "--dir", disk).done()
        shutil.rmtree(disk / "airferry")
        name = "file://local/index/airlab/operator-index:v4.16"
        airferry("catalog", "mirror", "--dir", disk, name, f"{mirror.host}/olm", "--dest-insecure").done()
        folder = Path("manifests-operator-index")
        assert "source: quay.io/airlab/proxy\n" in (folder / "imageDigestMirrorSet.yaml").read_text()
        assert "file:" not in (folder / "imageDigestMirrorSet.yaml").read_text()
        assert mapping(folder)[name] == f"{mirror.host}/olm/local-index-airlab-operator-index:v4.16"

    def test_images_by_tag_arrive_as_what_the_tag_was(
        self, quay: Quay, odd: PublishedCatalog, mirror: Mirror, tmp_path: Path
    ) -> None:
        disk = tmp_path / "disk"
        run(quay, odd.pullspec, "file://odd", "--dir", disk).left_gaps()
        far = ("--from-dir", disk, odd.pullspec, f"{mirror.host}/olm", "--dest-insecure", "--to-manifests", "m")
        airferry("catalog", "mirror", *far).left_gaps("gauge", "anchor 2.0.0 is unusable")
        found = manifest(mirror.host, "olm/odd-proxy", "1")
        assert found is not None and found["digest"] == odd.digests["proxy:1"]
        assert "source: quay.io/odd/proxy\n" in Path("m/imageTagMirrorSet.yaml").read_text()

    def test_a_name_that_the_disk_does_not_know_is_told_with_those_that_it_knows(
        self, quay: Quay, tmp_path: Path
    ) -> None:
        run(quay, quay.release.pullspec, "file://x", "--dir", tmp_path / "disk").done()
        asked = airferry("catalog", "mirror", "--from-dir", tmp_path / "disk", "quay.io/airlab/other:v1", "m.example/o")
        asked.refused("not-found", "quay.io/airlab/other:v1", hint=quay.release.pullspec)
        gone = airferry("catalog", "mirror", "--from-dir", tmp_path / "gone", "quay.io/airlab/other:v1", "m.example/o")
        gone.refused("not-found", f"there is no folder {tmp_path / 'gone'}", hint="mounted")
        # As a run that is cut off leaves it: what there is has no name yet.
        for folder in ("v2/x/airlab/operator-index/manifests", "airferry/repositories"):
            shutil.rmtree(tmp_path / "disk" / folder)
        command = ("catalog", "mirror", "--from-dir", tmp_path / "disk", quay.release.pullspec, "m.example/o")
        airferry(*command).refused("not-found", "the catalog image did not arrive on the disk", hint="run it again")


def held(image: object, *flags: object) -> dict[str, list[str]]:
    """Return the bundles that a catalog holds, by package."""
    answer = json.loads(airferry("catalog", "list", image, "-o", "json", *flags).done().out)
    return {
        package["name"]: sorted({entry["name"] for channel in package["channels"] for entry in channel["entries"]})
        for package in answer["catalogs"][0]["packages"]
    }


class TestASelection:
    WISH = ("--package", "buoy")
    KEPT: ClassVar = {"anchor": ["anchor.v1.2.0"], "buoy": ["buoy.v0.2.0"]}
    """The head that is asked for, and the newest version of what it needs."""
    NAMES = ("anchor-bundle:1.2.0", "anchor-operator:1.2.0", "buoy-bundle:0.2.0", "buoy-operator:0.2.0")

    def test_only_what_is_wanted_and_what_it_needs_arrives(self, quay: Quay, mirror: Mirror) -> None:
        catalog = quay.release
        done = run(quay, catalog.pullspec, f"{mirror.host}/olm", *self.WISH, "--to-manifests", "m").done()
        assert "added, though not asked for:\n" in done.out
        assert "needs anchor >=1.1.0 <2.0.0: added anchor.v1.2.0" in done.out
        wanted = {catalog.pullspec, *(catalog.references[name] for name in (*self.NAMES, "proxy:1", "gauge:1"))}
        assert mapping(Path("m")).keys() == wanted
        index = f"{mirror.host}/olm/airlab-operator-index:v4.16"
        assert held(index, "--insecure") == self.KEPT
        found = manifest(mirror.host, "olm/airlab-operator-index", "v4.16")
        assert found is not None and found["digest"] != catalog.digest
        # The lab's catalog has no program: the cluster's own must serve the documents.
        assert "catalogDir: /configs" in Path("m/catalogSource.yaml").read_text()
        assert mirror.is_sound()

    def test_the_same_wish_again_moves_nothing(self, quay: Quay, mirror: Mirror) -> None:
        command = (quay.release.pullspec, f"{mirror.host}/olm", *self.WISH)
        first = run(quay, *command).done()
        again = run(quay, *command).done()
        assert "0 blobs to move" in again.err
        assert again.out == first.out

    def test_it_crosses_on_a_disk_as_it_would_directly(self, quay: Quay, mirror: Mirror, tmp_path: Path) -> None:
        name, to = quay.release.pullspec, f"{mirror.host}/olm"
        run(quay, name, to, *self.WISH, "--to-manifests", "direct").done()
        run(quay, name, "file://olm", "--dir", "disk", *self.WISH).done()
        other = Mirror(tmp_path / "other")
        with other:
            far = ("--from-dir", "disk", name, f"{other.host}/olm", "--dest-insecure", "--to-manifests", "far")
            airferry("catalog", "mirror", *far).done()
            there = manifest(other.host, "olm/airlab-operator-index", "v4.16")
            direct = manifest(mirror.host, "olm/airlab-operator-index", "v4.16")
            assert there == direct
            written = files(Path("far"), other.host)
        ours = files(Path("direct"), mirror.host)
        assert written == ours
        assert "catalogDir: /configs" in written["catalogSource.yaml"]

    def test_it_may_be_made_from_the_disk_of_the_whole(self, quay: Quay, mirror: Mirror) -> None:
        name = quay.release.pullspec
        run(quay, name, "file://olm", "--dir", "disk").done()
        far = ("--from-dir", "disk", name, f"{mirror.host}/olm", "--dest-insecure", *self.WISH)
        airferry("catalog", "mirror", *far).done()
        assert held(f"{mirror.host}/olm/airlab-operator-index:v4.16", "--insecure") == self.KEPT

    def test_one_with_a_program_serves_itself_and_one_without_is_served_by_the_cluster(self, tmp_path: Path) -> None:
        bases = write_bases(tmp_path / "bases")
        airferry("catalog", "build", f"oci://{bases}:one", f"oci://{tmp_path}/bare:v1", "--base", "scratch").done()
        for image, extracted in ((f"oci://{bases}:one", False), (f"oci://{tmp_path}/bare:v1", True)):
            to = ("mirror.example/olm", "--manifests-only", "--to-manifests", "m")
            airferry("catalog", "mirror", image, *to).done()
            assert ("extractContent" in Path("m/catalogSource.yaml").read_text()) == extracted

    def test_what_cannot_be_selected_is_refused_before_anything_is_written(self, quay: Quay, mirror: Mirror) -> None:
        asked = run(quay, quay.release.pullspec, f"{mirror.host}/olm", "--package", "bouy")
        asked.refused("usage", "no package bouy", hint="buoy")
        assert not Path("manifests-operator-index").exists()


class TestGaps:
    def test_what_can_be_copied_is_copied_and_the_ledger_names_the_rest(
        self, quay: Quay, odd: PublishedCatalog, mirror: Mirror
    ) -> None:
        ran = run(quay, odd.pullspec, f"{mirror.host}/olm", "--to-manifests", "m")
        ran.left_gaps(
            "Not A Ref",
            "anchor 2.0.0 is unusable, and OLM would install it from the channel candidate",
            "buoy 0.1.0 is unusable; buoy 0.2.0 is unusable, and OLM would install it from the channel alpha",
            "3 gaps",
        )
        ledger = json.loads(Path("m/ledger.json").read_text())
        assert ledger["catalog"] == odd.pullspec
        assert [(gap["code"], gap["bundles"]) for gap in ledger["gaps"]] == [
            ("malformed", ["compass.v3.0.0"]),
            ("not-found", ["anchor.v2.0.0"]),
            ("not-found", ["buoy.v0.1.0", "buoy.v0.2.0"]),
        ]
        assert [(found["code"], found["bundle"]) for found in ledger["findings"]] == [
            ("empty-image", "anchor.v1.0.0"),
            ("value-for-image", "buoy.v0.1.0"),
        ]
        repaired = odd.references["buoy-operator:0.1.0"]
        assert f"{odd.digests['buoy-operator:0.1.0']} {mapping(Path('m'))[repaired]}\n" in ran.out
        assert odd.references["gauge:1"] in mapping(Path("m"))
        assert "no digest mapping available for quay.io/odd/proxy:1" in ran.out

    def test_what_is_there_costs_one_question_and_an_image_by_tag_two(
        self, quay: Quay, odd: PublishedCatalog, mirror: Mirror
    ) -> None:
        command = (odd.pullspec, f"{mirror.host}/olm", "--to-manifests", "m")
        run(quay, *command).left_gaps()
        quay.heals()
        assert "17 images, 15 known complete: 0 blobs to move" in run(quay, *command).left_gaps().err
        asked = [(request.method, request.path) for request in quay.server.requests if "/v2/odd/" in request.path]
        about_images = sorted(item for item in asked if "/odd/odd-index/" not in item[1])
        assert about_images == sorted(
            [
                ("HEAD", "/v2/odd/proxy/manifests/1"),
                ("GET", f"/v2/odd/gauge/manifests/{odd.digests['gauge:1']}"),
                ("GET", f"/v2/odd/anchor-bundle/manifests/{odd.digests['anchor-bundle:2.0.0']}"),
            ]
        )

    def test_the_next_run_closes_the_gaps_and_only_them(self, mirror: Mirror, tmp_path: Path) -> None:
        catalog = publish_catalog(tmp_path / "store", CatalogShape(missing=("gauge:1",)))
        with Quay(tmp_path, catalog) as quay:
            command = (catalog.pullspec, f"{mirror.host}/olm", "--to-manifests", "m")
            run(quay, *command).left_gaps("gauge")
            before = mirror.blobs()
            repository, digest = quay.store.repository("airlab/gauge"), catalog.digests["gauge:1"]
            repository.manifests[digest] = mediatype.DOCKER_MANIFEST
            quay.heals()
            healed = run(quay, *command).done()
            read = {
                request.path.split("/")[3]
                for request in quay.server.requests
                if request.path.startswith("/v2/airlab/") and request.status == 200
            }
        assert read == {"operator-index", "gauge"}
        assert "16 known complete" in healed.err
        assert len(mirror.blobs().keys() - before.keys()) == 3  # manifest, configuration, own layer
        assert not Path("m/ledger.json").exists()

    def test_a_registry_that_cannot_be_reached_costs_its_own_images_alone(self, mirror: Mirror, tmp_path: Path) -> None:
        catalog = publish_catalog(tmp_path / "store", CatalogShape(elsewhere=("proxy:1",)))
        with Quay(tmp_path, catalog) as quay, nothing_listens() as host:
            conf = quay.rules_file
            conf.write_text(f'{conf.read_text()}[[registry]]\nprefix = "registry.redhat.io"\nlocation = "{host}"\n')
            to = (f"{mirror.host}/olm", "--to-manifests", "m", "--dest-insecure", *QUICK)
            ran = airferry("catalog", "mirror", catalog.pullspec, *to, "--registries-conf", conf)
        ran.left_gaps(host, "1 gap:")
        (gap,) = json.loads(Path("m/ledger.json").read_text())["gaps"]
        assert gap["code"] == "unreachable" and gap["packages"] == ["anchor", "buoy"]
        assert len([line for line in ran.out.splitlines() if line.startswith("sha256:")]) == 16

    def test_names_in_a_catalog_do_nothing_to_a_terminal(self, mirror: Mirror, tmp_path: Path) -> None:
        name = "\x1b[2Jbell\x07"
        operators = (Operator("anchor", (("stable", (f"1.0.0{name}",)),), ("proxy",)),)
        shape = CatalogShape(operators=operators, slips=("proxy:1",), missing=("proxy:1",), attached=False)
        catalog = publish_catalog(tmp_path / "store", shape)
        with Quay(tmp_path, catalog) as quay:
            ran = run(quay, catalog.pullspec, f"{mirror.host}/olm", "--to-manifests", "m").left_gaps("bell?")
        assert "\x1b" not in ran.out + ran.err and "\x07" not in ran.out + ran.err

    def test_findings_alone_are_told_and_are_no_gap(self, mirror: Mirror, tmp_path: Path) -> None:
        catalog = publish_catalog(tmp_path / "store", CatalogShape(slips=("proxy:1",)))
        with Quay(tmp_path, catalog) as quay:
            done = run(quay, catalog.pullspec, f"{mirror.host}/olm", "--to-manifests", "m").done()
        assert "says value where image belongs; read as quay.io/airlab/proxy@sha256:" in done.err
        assert json.loads(Path("m/ledger.json").read_text())["gaps"] == []


class TestRequests:
    @pytest.mark.parametrize(
        ("arguments", "code", "words"),
        [
            (["q.example/i:1", "m.example/o", "--max-components", "1"], "usage", "maxPathComponents must be 0"),
            (["q.example/i:1", "oci:///tmp/x"], "unsupported", "an OCI layout is one repository"),
            (["q.example/i:1", "m.example/o:tag"], "usage", "without tag or digest"),
            (["q.example/i:1", "s3://b/x"], "unsupported", "object storage"),
            (["q.example/i:1", "m.example/o", "--name", "No Name"], "usage", "cannot be the name"),
            (["q.example/i:1", "m.example/o", "--index-filter-by-os", "plan9"], "usage", "matches no platform"),
            (["q.example/i:1", "m.example/o", "--index-filter-by-os", "("], "usage", "not a regular expression"),
            (["q.example/i:1", "m.example/o", "--dry-run", "--manifests-only"], "usage", "may not both"),
            (["."], "usage", "DEST"),
        ],
    )
    def test_what_cannot_be_is_refused_before_anything_is_read(
        self, arguments: list[str], code: str, words: str
    ) -> None:
        airferry("catalog", "mirror", *arguments).refused(code, words)

    def test_a_folder_of_documents_is_no_image_to_push(self, tmp_path: Path) -> None:
        (tmp_path / "c").mkdir()
        (tmp_path / "c" / "a.json").write_text('{"schema": "olm.package", "name": "a"}')
        airferry("catalog", "mirror", "./c", "m.example/o").refused("usage", hint="airferry catalog build")

    def test_a_bundle_is_no_catalog(self, quay: Quay) -> None:
        bundle = quay.release.references["anchor-bundle:1.0.0"]
        run(quay, bundle, "m.example/o").refused("usage", "is a bundle, not a catalog", hint="airferry catalog build")

    def test_flags_of_oc_are_taken(self, quay: Quay) -> None:
        older = ("--filter-by-os", "linux/arm64", "--continue-on-error=true", "--path", "/configs/:/tmp/x")
        more = ("--icsp-scope=repository", "--max-icsp-size=1000", "--manifests-only=true", "--skip-verification")
        done = run(quay, quay.release.pullspec, "mirror.example/olm", *older, *more).done()
        assert "--filter-by-os has been deprecated" in done.err and "--path does nothing" in done.err

    def test_mapping_txt_is_what_image_mirror_takes(self, quay: Quay, mirror: Mirror) -> None:
        run(quay, quay.release.pullspec, f"{mirror.host}/olm", "--manifests-only", "--to-manifests", "m").done()
        flags = (*quay.flags(trusted=False), "--dest-insecure")
        done = airferry("image", "mirror", "-f", "m/mapping.txt", *flags).done()
        assert len(done.out.splitlines()) == 17
        sets = airferry("cluster", "mirror-sets", "-f", "m/mapping.txt", "--kind", "idms").done()
        assert f"- {mirror.host}/olm/airlab-proxy\n    source: quay.io/airlab/proxy\n" in sets.out


class TestOtherSources:
    def test_a_layout_is_named_by_its_folder(self, quay: Quay, tmp_path: Path) -> None:
        """A catalog that was built here is pushed with the images that its documents name."""
        layout = f"oci://{tmp_path}/My_Catalog:v1"
        airferry("image", "copy", quay.release.pullspec, layout, *quay.flags(trusted=False)).done()
        run(quay, layout, "mirror.example/olm", "--to-manifests", "m", "--manifests-only").done()
        assert mapping(Path("m"))[layout] == "mirror.example/olm/my-catalog:v1"
        assert "name: my-catalog\n" in Path("m/catalogSource.yaml").read_text()
        assert "source: quay.io/airlab/proxy\n" in Path("m/imageDigestMirrorSet.yaml").read_text()
        run(quay, layout, "file://olm", "--dir", "disk").done()
        name = "file://olm/my-catalog:v1"
        far = ("--from-dir", "disk", name, "mirror.example/olm", "--to-manifests", "far", "--manifests-only")
        airferry("catalog", "mirror", *far).done()
        assert mapping(Path("far")) == mapping(Path("m"))

    def test_a_record_that_leads_out_of_the_disk_is_none(self, quay: Quay, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        run(quay, quay.release.pullspec, "file://olm", "--dir", disk).done()
        (record,) = (disk / "airferry" / "catalogs").rglob("*.json")
        record.write_text(record.read_text().replace("olm/airlab/operator-index/airlab/proxy", "../../etc"))
        name = "file://olm/airlab/operator-index:v4.16"
        far = ("--from-dir", disk, name, "mirror.example/olm", "--to-manifests", "m", "--manifests-only")
        airferry("catalog", "mirror", *far).done()
        assert mapping(Path("m"))[name] == "mirror.example/olm/olm-airlab-operator-index:v4.16"
        airferry("catalog", "mirror", "--from-dir", disk, quay.release.pullspec, "m.example").refused("not-found")

    def test_file_names_live_in_the_current_folder_where_nothing_else_is_said(self, quay: Quay, mirror: Mirror) -> None:
        run(quay, quay.release.pullspec, "file://olm").done()
        name = "file://olm/airlab/operator-index:v4.16"
        airferry("catalog", "mirror", name, f"{mirror.host}/olm", "--dest-insecure", "--to-manifests", "m").done()
        assert quay.release.pullspec in mapping(Path("m"))
        airferry("catalog", "mirror", name, "file://again", "--from-dir", ".", "--dir", "other").done()
        to = (mirror.host, "--dest-insecure", "--to-manifests", "deeper")
        airferry("catalog", "mirror", "--from-dir", "other", quay.release.pullspec, *to).done()

    def test_a_catalog_by_digest_is_also_served_by_its_own_name(self, quay: Quay) -> None:
        name = f"quay.io/{quay.release.repository}@{quay.release.digest}"
        run(quay, name, "mirror.example/olm", "--to-manifests", "m", "--manifests-only").done()
        assert "source: quay.io/airlab/operator-index\n" in Path("m/imageDigestMirrorSet.yaml").read_text()
        image = mapping(Path("m"))[name]
        assert f"image: {image}\n" in Path("m/catalogSource.yaml").read_text()
