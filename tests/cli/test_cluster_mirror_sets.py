"""``cluster mirror-sets``: from a disk, a mirror, a mapping file and earlier files, to the same bytes each time."""

import itertools
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from airferry.openshift.cluster import MirrorKind, parse_mirror_sets
from failures.stage import airferry

from .world import OurRegistry, World, as_json

MIRROR = "mirror.example.com:8443/ocp4/openshift4"
FILES = Path(__file__).parents[1] / "data" / "mirrors" / "files"


def mirror_sets(*arguments: object):
    return airferry("cluster", "mirror-sets", *arguments)


def sources(document: dict, kind: str) -> dict[str, list[str]]:
    entries = [entry for item in document["mirrorSets"] if item["kind"] == kind for entry in item["entries"]]
    return {entry["source"]: entry["mirrors"] for entry in entries}


def published(world: World) -> str:
    return world.release.pullspec.rpartition(":")[0]


def of_release(world: World) -> dict[str, list[str]]:
    return {published(world): [MIRROR], f"quay.io/{world.release.component_repository}": [MIRROR]}


class TestFromADisk:
    def test_every_release_it_remembers_has_its_entries(self, world: World) -> None:
        document = as_json(mirror_sets("--from-dir", world.disk, "--to", MIRROR, "-o", "json"))
        assert sources(document, "ImageDigestMirrorSet") == of_release(world)
        assert sources(document, "ImageTagMirrorSet") == {published(world): [MIRROR]}
        assert document["missing"] == [] == document["files"]

    def test_it_says_what_release_mirror_says(self, world: World, out: Path) -> None:
        """The objects of one release are those that mirroring it made, to the byte."""
        flags = ("--from-dir", world.disk, "--to", world.mirror.repository, "--to-dir", out)
        kinds = [word for kind in ("idms", "itms", "icsp", "install-config") for word in ("--kind", kind)]
        mirror_sets(*flags, *kinds, "--release-version", "4.14").done()
        made = {file.name: file.read_text() for file in out.iterdir()}
        assert made == {name: (world.files / name).read_text() for name in made}
        assert len(made) == 4

    def test_a_disk_without_a_release_is_refused(self, tmp_path: Path) -> None:
        mirror_sets("--from-dir", tmp_path, "--to", MIRROR).refused("not-found", "remembers no release", hint="to-dir")

    def test_the_mirror_must_be_named(self, world: World) -> None:
        mirror_sets("--from-dir", world.disk).refused("usage", "--to REPOSITORY is missing", hint="mirror.example.com")


class TestFromAMirror:
    def test_what_it_holds_is_what_the_sets_say(self, world: World) -> None:
        flags = ("--release", world.version, "--to", world.mirror.repository, "--arch", "amd64", *world.mirror.flags)
        document = as_json(mirror_sets(*flags, "--published-at", published(world), "-o", "json"))
        assert set(sources(document, "ImageDigestMirrorSet")) == set(of_release(world))
        assert sources(document, "ImageTagMirrorSet") == {published(world): [world.mirror.repository]}

    def test_what_it_lacks_is_named_and_has_no_entry(self, world: World, tmp_path: Path) -> None:
        """The release image alone was mirrored."""
        with OurRegistry(tmp_path / "other") as other:
            flags = ("--release", world.version, "--to", other.repository, "--arch", "amd64", *other.flags)
            on_disk = f"file://openshift/release:{world.release.tag}"
            airferry(
                "image", "copy", on_disk, f"{other.repository}:{world.release.tag}", "--dir", world.disk, *other.flags
            ).done()
            said = mirror_sets(*flags).left_gaps("the mirror does not hold", "etcd")
        assert world.release.component_repository not in said.out and other.repository in said.out

    def test_a_release_that_is_not_there_is_refused(self, world: World) -> None:
        said = mirror_sets("--release", "4.99.0", "--to", world.mirror.repository, *world.mirror.flags)
        said.refused("not-found")


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    file = tmp_path / "mapping.txt"
    file.write_text(
        f"quay.io/org/one@sha256:{'a' * 64}=m.lan:5000/x/org/one:tag\n"
        "quay.io/org/two:v1 m.lan:5000/x/org/two:v1  # by tag\n"
        "docker.io/busybox:1=m.lan:5000/x/library/busybox:1\n"
    )
    return file


class TestFromAMapping:
    def test_repositories_by_default(self, mapping: Path) -> None:
        document = as_json(mirror_sets("-f", mapping, "-o", "json"))
        assert sources(document, "ImageDigestMirrorSet") == {
            "docker.io/library/busybox": ["m.lan:5000/x/library/busybox"],
            "quay.io/org/one": ["m.lan:5000/x/org/one"],
            "quay.io/org/two": ["m.lan:5000/x/org/two"],
        }
        assert set(sources(document, "ImageTagMirrorSet")) == {"docker.io/library/busybox", "quay.io/org/two"}

    @pytest.mark.parametrize(
        ("scope", "expected"),
        [
            ("namespace", {"docker.io/library": ["m.lan:5000/x/library"], "quay.io/org": ["m.lan:5000/x/org"]}),
            ("registry", {"docker.io": ["m.lan:5000/x"], "quay.io": ["m.lan:5000/x"]}),
        ],
    )
    def test_wider_scopes(self, mapping: Path, scope: str, expected: dict[str, list[str]]) -> None:
        document = as_json(mirror_sets("-f", mapping, "--scope", scope, "-o", "json"))
        assert sources(document, "ImageDigestMirrorSet") == expected

    def test_a_mapping_to_a_disk_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "mapping.txt"
        file.write_text("quay.io/a/b:1=file://a/b:1\n")
        mirror_sets("-f", file).refused("usage", "pull from registries only", hint="--from-dir")


class TestFromADiskOfImages:
    """`image mirror` to a disk leaves where the images came from, so the mapping for loading it is enough."""

    @pytest.fixture
    def carried(self, world: World, tmp_path: Path) -> Path:
        disk = tmp_path / "usb"
        source = f"{world.mirror.repository}:{world.release.tag}"
        airferry("image", "mirror", source, "file://team/app", "--dir", disk, *world.mirror.flags).done()
        return disk

    def test_the_mapping_for_loading_is_enough(self, world: World, carried: Path, tmp_path: Path) -> None:
        load = tmp_path / "load.txt"
        load.write_text(f"file://team/app:{world.release.tag}=m.lan:5000/team/app\n")
        document = as_json(mirror_sets("--from-dir", carried, "-f", load, "-o", "json"))
        expected = {world.mirror.repository: ["m.lan:5000/team/app"]}
        assert sources(document, "ImageDigestMirrorSet") == expected == sources(document, "ImageTagMirrorSet")

    def test_what_is_copied_on_takes_its_origin_along(self, world: World, carried: Path, tmp_path: Path) -> None:
        other, load = tmp_path / "other", tmp_path / "load.txt"
        by_digest = f"file://team/app@{world.release.digest}"
        flags = ("--from-dir", carried, "--dir", other)
        airferry("image", "mirror", by_digest, "file://x/y", *flags).done()
        # What was carried by digest alone once is still known when more is carried, from elsewhere.
        more = f"{world.mirror.repository}@{world.release.digest}"
        airferry("image", "mirror", more, "file://by/digest", "--dir", other, *world.mirror.flags).done()
        load.write_text("file://x/y:a=m.lan/x/y\nfile://by/digest:a=m.lan/z\n")
        document = as_json(mirror_sets("--from-dir", other, "-f", load, "-o", "json"))
        assert sources(document, "ImageDigestMirrorSet") == {world.mirror.repository: ["m.lan/x/y", "m.lan/z"]}
        assert sources(document, "ImageTagMirrorSet") == {world.mirror.repository: ["m.lan/x/y"]}

    def test_beside_the_releases_of_a_disk(self, world: World, tmp_path: Path) -> None:
        disk, load = tmp_path / "usb", tmp_path / "load.txt"
        source = f"file://openshift/release:{world.release.tag}"
        airferry("image", "mirror", source, "file://openshift/release", "--from-dir", world.disk, "--dir", disk).done()
        app = f"{world.mirror.repository}:{world.release.tag}"
        airferry("image", "mirror", app, "file://team/app", "--dir", disk, *world.mirror.flags).done()
        load.write_text(f"file://team/app:{world.release.tag}=m.lan:5000/team/app\n")
        document = as_json(mirror_sets("--from-dir", disk, "--to", MIRROR, "-f", load, "-o", "json"))
        assert sources(document, "ImageDigestMirrorSet") == {
            **of_release(world),
            world.mirror.repository: ["m.lan:5000/team/app"],
        }

    def test_a_dry_run_leaves_nothing(self, world: World, tmp_path: Path) -> None:
        disk = tmp_path / "usb"
        source = f"{world.mirror.repository}:{world.release.tag}"
        airferry("image", "mirror", source, "file://team/app", "--dir", disk, "--dry-run", *world.mirror.flags).done()
        assert not (disk / "airferry" / "images.json").exists()

    def test_what_no_disk_knows_is_refused(self, carried: Path, tmp_path: Path) -> None:
        load = tmp_path / "load.txt"
        load.write_text("file://other/app:1=m.lan/x\n")
        mirror_sets("-f", load).refused("not-found", "file://other/app", hint="--from-dir DISK")
        mirror_sets("-f", load, "--from-dir", carried).refused("not-found", "no disk says")
        mirror_sets("--from-dir", carried).refused("usage", "--to REPOSITORY is missing")

    def test_a_damaged_record_is_named(self, world: World, carried: Path, tmp_path: Path) -> None:
        load = tmp_path / "load.txt"
        load.write_text("file://team/app:1=m.lan/x\n")
        record = carried / "airferry" / "images.json"
        for text in ("[", '{"repositories": []}', '{"repositories": {"a": {"b": 1}}}'):
            record.write_text(text)
            mirror_sets("-f", load, "--from-dir", carried).refused("malformed", str(record))
            source = f"{world.mirror.repository}:{world.release.tag}"
            again = airferry("image", "mirror", source, "file://b", "--dir", carried, *world.mirror.flags)
            again.refused("malformed", str(record))


class TestNames:
    @pytest.mark.parametrize("name", ["Mirror", "a_b", "x" * 254, "../x"])
    def test_a_name_that_kubernetes_refuses_is_refused(self, mapping: Path, name: str) -> None:
        mirror_sets("-f", mapping, "--name", name).refused("malformed", "name")

    @pytest.mark.parametrize("name", ["x" * 253, "on", "12"])
    def test_any_other_name_is_read_back_as_it_is(self, mapping: Path, name: str) -> None:
        documents = list(YAML(typ="safe").load_all(mirror_sets("-f", mapping, "--name", name).done().out))
        assert {document["metadata"]["name"] for document in documents} == {name}


class TestPolicies:
    def test_the_policy_is_written(self, mapping: Path) -> None:
        text = mirror_sets("-f", mapping, "--mirror-source-policy", "NeverContactSource").done().out
        documents = list(YAML(typ="safe").load_all(text))
        assert [item["kind"] for item in documents] == ["ImageDigestMirrorSet", "ImageTagMirrorSet"]
        entries = [*documents[0]["spec"]["imageDigestMirrors"], *documents[1]["spec"]["imageTagMirrors"]]
        assert {entry["mirrorSourcePolicy"] for entry in entries} == {"NeverContactSource"}

    def test_an_old_kind_cannot_say_it(self, mapping: Path) -> None:
        never = ("--mirror-source-policy", "NeverContactSource")
        mirror_sets("-f", mapping, *never, "--kind", "icsp").refused("usage", "cannot say", hint="--kind idms")
        old = ("--kind", "install-config", "--release-version", "4.13")
        mirror_sets("-f", mapping, *never, *old).refused("usage", "imageContentSources cannot say")
        mirror_sets("-f", mapping, *never, "--kind", "install-config").done()

    def test_two_policies_name_both_files(self, mapping: Path, tmp_path: Path) -> None:
        files = []
        for policy in ("NeverContactSource", "AllowContactingSource"):
            files.append(tmp_path / f"{policy}.yaml")
            files[-1].write_text(mirror_sets("-f", mapping, "--mirror-source-policy", policy).done().out)
        said = mirror_sets(*(word for file in files for word in ("--accumulate", file)))
        said.refused("malformed", *map(str, files), hint="clusters refuse all")


class TestAccumulating:
    def test_two_releases_in_two_repositories_are_one_set(self, world: World, out: Path) -> None:
        other = "mirror.example.com:8443/ocp4/older"
        for repository in (MIRROR, other, MIRROR):
            mirror_sets("--from-dir", world.disk, "--to", repository, "--to-dir", out).done()
        (item,) = parse_mirror_sets((out / "imageDigestMirrorSet.yaml").read_text(), "idms")
        assert item.name == "openshift-release"
        assert {entry.mirrors for entry in item.entries} == {(other, MIRROR)}

    def test_the_order_of_files_does_not_matter(self, mapping: Path) -> None:
        names = ("idmsFile64921.yaml", "image-content-source-policy-0.yaml", "upi-none-mirror.yaml")
        answers = set()
        for order in itertools.permutations(names):
            flags = [word for name in order for word in ("--accumulate", FILES / name)]
            run = mirror_sets(*flags, "-f", mapping)
            answers.add(run.done().out)
        (text,) = answers
        kept = {entry.source for item in parse_mirror_sets(text, "answer") for entry in item.entries}
        assert {"registry.ci.openshift.org/ocp/release", "quay.io/org/one"} < kept
        assert "registry.product.example.org/ocp/4.2-date-version" in kept

    def test_a_second_run_gives_the_same_bytes(self, mapping: Path, out: Path) -> None:
        def made() -> dict[str, bytes]:
            mirror_sets("-f", mapping, "--to-dir", out, "--kind", "icsp", "--kind", "install-config").done()
            return {file.name: file.read_bytes() for file in out.iterdir()}

        assert made() == made() != {}

    def test_a_file_that_is_none_is_refused_and_left_alone(self, mapping: Path, out: Path) -> None:
        out.mkdir()
        broken = out / "imageDigestMirrorSet.yaml"
        broken.write_text("spec: [")
        mirror_sets("-f", mapping, "--to-dir", out).refused("malformed", str(broken), hint="move it away")
        assert broken.read_text() == "spec: ["

    def test_a_broken_file_that_was_named_is_not_to_be_moved_away(self, tmp_path: Path) -> None:
        broken = tmp_path / "mine.yaml"
        broken.write_text("spec: [")
        said = mirror_sets("--accumulate", broken)
        said.refused("malformed", str(broken))
        assert "move it away" not in said.err

    def test_nothing_to_do_is_refused(self) -> None:
        mirror_sets().refused("usage", "nothing says what was mirrored", hint="--from-dir")


def test_kinds_that_were_asked_for_are_the_kinds_that_are_made(mapping: Path) -> None:
    flags = [word for kind in ("itms", "icsp", "install-config", "idms") for word in ("--kind", kind)]
    sets = parse_mirror_sets(mirror_sets("-f", mapping, *flags).done().out, "answer")
    kinds = [MirrorKind.ITMS, MirrorKind.ICSP, MirrorKind.DIGEST_SOURCES, MirrorKind.IDMS]
    assert [item.kind for item in sets] == kinds
