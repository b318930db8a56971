"""``image prune``: on our registry, a disk and a layout; what is wanted or pinned never goes."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from airferry.content.filesystem import READABLE
from airferry.content.partial import Workspace
from failures.stage import Run, airferry, is_sound, look_at

from .test_image_commands import LAYOUT, LIST, children, get, tags
from .world import OurRegistry, World, as_json

BUSYBOX = LAYOUT.parent / "busybox-uclibc"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[OurRegistry]:
    """A registry with ``apps/web``: list, busybox and a pin; and ``apps/other`` with the list."""
    with OurRegistry(tmp_path / "registry", use_tls=False, use_auth=False) as registry:
        web, other = f"{registry.host}/apps/web", f"{registry.host}/apps/other"
        pairs = [f"oci://{LAYOUT}@{LIST}={web}:v1", f"oci://{LAYOUT}@{LIST}={other}:v1"]
        pairs += [f"oci://{BUSYBOX}:1.38.0-uclibc={web}:box"]
        airferry("image", "mirror", *pairs, "--insecure").done()
        yield registry


@pytest.fixture
def disk(tmp_path: Path, world: World) -> Path:
    """A disk with a release and ``apps/web`` in two versions that share nothing."""
    copied = tmp_path / "disk"
    shutil.copytree(world.disk, copied, symlinks=True, copy_function=shutil.copy2)
    airferry("media", "info", copied).done()
    pairs = [f"oci://{LAYOUT}@{LIST}=file://apps/web:v1", f"oci://{BUSYBOX}:1.38.0-uclibc=file://apps/web:box"]
    airferry("image", "mirror", *pairs, "--dir", copied).done()
    return copied


def prune(registry: OurRegistry, *arguments: object) -> Run:
    return airferry("image", "prune", registry.host, "--insecure", *arguments)


def prune_disk(disk: Path, *arguments: object) -> Run:
    return airferry("image", "prune", "--dir", disk, "file://", *arguments)


class TestRegistry:
    def test_a_dry_run_says_what_would_go_and_removes_nothing(self, lab: OurRegistry) -> None:
        run = prune(lab, "--keep", f"{lab.host}/apps/web:box").done()
        assert f"  {LIST} (v1): no wanted set names it\n" in run.out
        assert f"only in the list {LIST}" in run.out
        assert f"{lab.host}/apps/other: left alone, nothing in it is wanted\n" in run.out
        assert "--confirm removes it" in run.err
        assert tags(lab, "apps/web") == ["box", "v1"]

    def test_confirmed_it_goes_and_what_is_wanted_is_whole(self, lab: OurRegistry, tmp_path: Path) -> None:
        keep = ("--keep", f"{lab.host}/apps/web:box")
        planned = as_json(prune(lab, *keep, "-o", "json"))
        done = as_json(prune(lab, *keep, "--confirm", "-o", "json"))
        assert {**done, "dryRun": True} == planned
        assert (done["exact"], done["freedAtOnce"], done["spared"]) == (True, False, [])
        assert tags(lab, "apps/web") == ["box"] and tags(lab, "apps/other") == ["v1"]
        airferry("image", "copy", f"{lab.host}/apps/web:box", f"oci://{tmp_path}/box:1", "--src-insecure").done()
        again = as_json(prune(lab, *keep, "--confirm", "-o", "json"))
        assert again["repositories"] == [] and again["freedBytes"] == 0

    def test_bytes_that_another_repository_shares_are_not_counted(self, lab: OurRegistry) -> None:
        shared = as_json(prune(lab, "--keep", f"{lab.host}/apps/web:box", "-o", "json"))
        assert shared["freedBytes"] == 0, "apps/other has the same list"
        alone = as_json(prune(lab, "--keep", f"{lab.host}/apps/web:box", "--empty-repositories", "-o", "json"))
        sizes = blob_sizes(lab, "apps/web", "v1")
        assert alone["freedBytes"] == sum(sizes.values())
        part = airferry("image", "prune", f"{lab.host}/apps/web", "--keep", f"{lab.host}/apps/web:box", "--insecure")
        assert "would free at most" in part.done().out

    def test_a_pin_is_never_removed(self, lab: OurRegistry) -> None:
        airferry(
            "image", "copy", f"{lab.host}/apps/web:v1", f"{lab.host}/apps/web:airferry-pin-prod", "--insecure"
        ).done()
        run = prune(lab, "--keep", f"{lab.host}/apps/web:box", "--confirm").done()
        assert tags(lab, "apps/web") == ["airferry-pin-prod", "box", "v1"], run.out
        assert len(children(lab, "apps/web", "v1")) == 4

    def test_an_image_wanted_by_digest_alone_keeps_what_a_tag_shares_with_it(self, lab: OurRegistry) -> None:
        """A registry does not list what has no tag, so it is asked for."""
        child = children(lab, "apps/other", "v1")["linux/arm64"]
        web = f"{lab.host}/apps/new"
        pairs = [f"{lab.host}/apps/other@{LIST}={web}", f"{lab.host}/apps/other@{child}={web}:arm"]
        airferry("image", "mirror", *pairs, f"{lab.host}/apps/web:box={web}:box", "--insecure").done()
        flags = ("--keep", f"{web}@{LIST}", "--confirm", "--insecure")
        airferry("image", "prune", web, *flags).done()
        assert tags(lab, "apps/new") == ["arm"]
        assert len(children(lab, "apps/new", LIST)) == 4

    def test_a_list_that_was_mirrored_is_a_wanted_set(self, lab: OurRegistry, tmp_path: Path) -> None:
        (tmp_path / "list").write_text("quay.io/web:v*\nquay.io/web:boxx\n")
        to = ("--to", f"{lab.host}/apps/{{repository}}")
        run = prune(lab, "--keep-list", tmp_path / "list", *to, "--confirm").done()
        assert f"1 of 2 entries name nothing that is there: {lab.host}/apps/web:boxx" in run.err
        assert tags(lab, "apps/web") == ["v1"]

    def test_a_set_that_cannot_be_read_or_names_nothing_stops_everything(
        self, lab: OurRegistry, tmp_path: Path
    ) -> None:
        keep = ("--keep", f"{lab.host}/apps/web:box", "--confirm")
        (tmp_path / "list").write_text("quay.io/apps/web:v1\nubi9\n")
        prune(lab, *keep, "--keep-list", tmp_path / "list").refused("malformed", "line 2")
        (tmp_path / "list").write_text("quay.io/apps/web:v1\n")
        prune(lab, *keep, "--keep-list", tmp_path / "list").refused("usage", "names nothing that is there", hint="--to")
        prune(lab, *keep, "--keep-list", tmp_path / "nosuch").refused("usage", "cannot be read")
        prune(lab, *keep, "--keep", f"{lab.host}/apps/web:v9").refused("usage", "names nothing that is there")
        prune(lab, *keep, "--keep-releases", tmp_path).refused("not-found", "holds no images")
        prune(lab, "--confirm").refused("usage", "everything would go")
        assert tags(lab, "apps/web") == ["box", "v1"]

    def test_a_release_keeps_its_components(self, world: World, tmp_path: Path) -> None:
        mirror = world.mirror
        run = airferry("image", "prune", mirror.host, "--keep", world.mirrored, *mirror.flags, "-o", "json")
        assert as_json(run)["repositories"] == []
        run = airferry("image", "prune", mirror.host, "--keep-releases", world.disk, *mirror.flags, "-o", "json")
        assert as_json(run)["repositories"] == []

    def test_signatures_and_referrers_go_with_their_image(self, world: World, tmp_path: Path) -> None:
        with OurRegistry(tmp_path / "own", use_tls=False, use_auth=False) as registry:
            to = f"{registry.host}/ocp/all"
            flags = (
                "--dest-insecure",
                "--src-certificate-authority",
                world.mirror.authority,
                "-a",
                world.mirror.auth_file,
            )
            tag = world.release.tag
            pairs = [f"{world.mirrored}={to}:gone", f"{world.mirrored}-etcd={to}:etcd"]
            airferry("image", "mirror", *pairs, *flags).done()
            attached = set(tags(registry, "ocp/all")) - {"gone", "etcd"}
            assert any(tag.endswith(".sig") for tag in attached)
            referrers = get(registry, f"/v2/ocp/all/referrers/{world.release.digest}")["manifests"]
            assert referrers
            done = as_json(prune(registry, "--keep", f"{to}:etcd", "--confirm", "-o", "json"))
            gone = {manifest["digest"] for one in done["repositories"] for manifest in one["manifests"]}
            assert gone >= {world.release.digest, *(found["digest"] for found in referrers)}
            assert tags(registry, "ocp/all") == ["etcd"], tag

    def test_a_registry_that_deletes_nothing_says_so_with_what_to_do(self, tmp_path: Path) -> None:
        root = tmp_path / "own"
        with OurRegistry(root, use_tls=False, use_auth=False) as registry:
            pairs = [f"oci://{BUSYBOX}:1.38.0-uclibc={registry.host}/apps/web:{tag}" for tag in ("box", "two")]
            pairs += [f"oci://{LAYOUT}@{LIST}={registry.host}/apps/web:v1"]
            airferry("image", "mirror", *pairs, "--insecure").done()
        settings = root / "registry.toml"
        settings.write_text(f"deletes = false\n{settings.read_text()}")
        with OurRegistry(root, use_tls=False, use_auth=False) as registry:
            run = prune(registry, "--keep", f"{registry.host}/apps/web:box", "--confirm")
            run.refused("denied", "deleting is turned off", hint="--no-delete")
            assert tags(registry, "apps/web") == ["box", "two", "v1"]

    def test_without_credentials_it_says_where_they_belong(self, world: World) -> None:
        flags = ("--certificate-authority", world.mirror.authority, "-a", "/dev/null")
        run = airferry("image", "prune", world.mirror.host, "--keep", f"{world.mirror.host}/x", *flags)
        run.refused("unauthorized", "list its repositories", hint=f"airferry login {world.mirror.host}")
        assert "name the repositories" in run.err


def blob_sizes(registry: OurRegistry, repository: str, target: str) -> dict[str, int]:
    """Return the sizes of a list, its images and their blobs."""
    found: dict[str, int] = {}
    top = get(registry, f"/v2/{repository}/manifests/{target}")
    sizes = {child["digest"]: child["size"] for child in top["manifests"]}
    for digest in sizes:
        image = get(registry, f"/v2/{repository}/manifests/{digest}")
        found |= {part["digest"]: part["size"] for part in (image["config"], *image["layers"])}
    return {**found, **sizes, LIST: len((LAYOUT / "blobs/sha256" / LIST[7:]).read_bytes())}


class TestDisk:
    def test_a_recorded_release_stays_and_the_rest_goes(self, disk: Path, world: World) -> None:
        before = set(look_at(disk / "v2/openshift"))
        size = sum(file.stat().st_size for file in (disk / "v2/apps").rglob("blobs/*"))
        planned = as_json(prune_disk(disk, "--keep", "file://apps/web:v1", "-o", "json"))
        done = as_json(prune_disk(disk, "--keep", "file://apps/web:v1", "--confirm", "-o", "json"))
        assert done["freedBytes"] == planned["freedBytes"] > 0
        assert size - done["freedBytes"] == sum(file.stat().st_size for file in (disk / "v2/apps").rglob("blobs/*"))
        assert set(look_at(disk / "v2/openshift")) == before
        assert is_sound(disk)
        airferry("media", "verify", disk).done()

    def test_a_dropped_release_goes_with_its_record_and_nothing_else(self, disk: Path, world: World) -> None:
        apps = look_at(disk / "v2/apps")
        prune_disk(disk, "--drop-release", "4.99.0").refused("usage", "0 releases", hint="media info")
        dry = look_at(disk)
        run = prune_disk(disk, "--drop-release", world.version).done()
        assert look_at(disk) == dry and f"release {world.version}: no longer kept" in run.out
        prune_disk(disk, "--drop-release", world.version, "--confirm").done()
        assert look_at(disk / "v2/apps") == apps
        assert not (disk / "v2/openshift").exists()
        assert not list((disk / "airferry/releases").glob("*")) and not list((disk / "config").glob("signature*"))
        assert as_json(airferry("media", "info", disk, "-o", "json"))["releases"] == []

    def test_a_record_that_cannot_be_read_stops_everything(self, disk: Path) -> None:
        (record,) = (disk / "airferry/releases").glob("*.json")
        record.write_text("{}")
        before = look_at(disk)
        prune_disk(disk, "--keep", "file://apps/web:v1", "--confirm").refused("malformed", "cannot be read")
        assert look_at(disk) == before

    def test_a_damaged_manifest_stops_everything(self, disk: Path) -> None:
        """What it needs is not known."""
        (disk / "v2/apps/web/manifests" / LIST).write_text("{}")
        before = look_at(disk)
        run = prune_disk(disk, "--keep", "file://apps/web:box", "--confirm")
        run.refused("damaged", LIST, hint="media verify")
        assert look_at(disk) == before

    def test_a_disk_that_somebody_writes_to_is_left_alone(self, disk: Path) -> None:
        writer = Workspace(disk, READABLE)
        writer.open()
        try:
            prune_disk(disk, "--keep", "file://apps/web:v1", "--confirm").refused("in-use", "")
            prune_disk(disk, "--keep", "file://apps/web:v1").done()
        finally:
            writer.close()

    def test_what_went_is_copied_again_when_it_is_wanted_again(self, disk: Path) -> None:
        """No memory of an earlier run says that it is there."""
        prune_disk(disk, "--keep", "file://apps/web:v1", "--confirm").done()
        pair = f"oci://{BUSYBOX}:1.38.0-uclibc=file://apps/web:fresh"
        assert as_json(airferry("image", "mirror", pair, "--dir", disk, "-o", "json"))["moved"]["blobs"] > 0
        info = as_json(airferry("media", "info", disk, "-o", "json"))
        (web,) = (found for found in info["repositories"] if found["path"] == "apps/web")
        assert set(web["tags"]) == {"v1", "fresh"}, "a tag that went does not come back with its image"
        airferry("media", "verify", disk).done()

    def test_a_repository_that_is_emptied_is_gone(self, disk: Path) -> None:
        keep = ("--keep", "file://openshift/release")
        prune_disk(disk, *keep, "--confirm").done()
        assert (disk / "v2/apps/web").exists()
        prune_disk(disk, *keep, "--empty-repositories", "--confirm").done()
        assert not (disk / "v2/apps").exists()
        airferry("media", "verify", disk).done()

    def test_a_scope_looks_at_no_other_repository(self, disk: Path) -> None:
        run = airferry("image", "prune", "--dir", disk, "file://apps", "--keep", "file://apps/web:v1", "-o", "json")
        assert [one["repository"] for one in as_json(run)["repositories"]] == ["file://apps/web"]
        elsewhere = airferry("image", "prune", "--dir", disk, "file://apps", "--drop-release", "4.12.0")
        elsewhere.refused("usage", "is also in openshift/release")


class TestLayout:
    def test_images_and_blobs_that_nothing_wants_go(self, tmp_path: Path) -> None:
        layout = tmp_path / "layout"
        airferry("image", "copy", f"oci://{LAYOUT}@{LIST}", f"oci://{layout}:v1").done()
        airferry("image", "copy", f"oci://{BUSYBOX}:1.38.0-uclibc", f"oci://{layout}:box").done()
        stray = layout / "blobs/sha256" / ("0" * 64)
        stray.write_text("x" * 1000)
        before = sum(file.stat().st_size for file in layout.rglob("blobs/*/*"))
        done = as_json(
            airferry("image", "prune", f"oci://{layout}", "--keep", f"oci://{layout}:box", "--confirm", "-o", "json")
        )
        after = sum(file.stat().st_size for file in layout.rglob("blobs/*/*"))
        assert before - after == done["freedBytes"] > 1000 and not stray.exists()
        names = [entry.get("annotations", {}) for entry in json.loads((layout / "index.json").read_text())["manifests"]]
        assert names == [{"org.opencontainers.image.ref.name": "box"}]
        airferry("image", "copy", f"oci://{layout}:box", f"oci://{tmp_path}/copy:box").done()

    def test_entries_of_an_unknown_kind_leave_all_as_it_is(self, tmp_path: Path) -> None:
        layout = tmp_path / "layout"
        shutil.copytree(BUSYBOX, layout)
        index = json.loads((layout / "index.json").read_text())
        (layout / "blobs/sha256" / ("1" * 64)).write_text("{}")
        index["manifests"].append({"mediaType": "application/x-unknown", "digest": f"sha256:{'1' * 64}", "size": 2})
        (layout / "index.json").write_text(json.dumps(index))
        run = airferry("image", "prune", f"oci://{layout}", "--keep", f"oci://{layout}:1.38*").done()
        assert "left alone, what sha256:1111" in run.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("mirror.lan", "other.lan"), "one place"),
        (("ubi9",), "everything would go"),
        (("s3://bucket/x",), "no place to prune"),
        (("oci://",), "no place to prune"),
        (("mirror.lan/A",), "no place to prune"),
        (("mirror.lan", "--keep", "other.lan/a:b"), "is not in mirror.lan"),
        (("mirror.lan", "--drop-release", "4.12.0"), "0 releases"),
        (("mirror.lan", "--to", "mirror.lan/x"), "--to says where"),
    ],
)
def test_misuse_is_named(arguments: tuple[str, ...], words: str) -> None:
    airferry("image", "prune", *arguments).refused("usage", words)
