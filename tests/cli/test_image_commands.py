"""``image``: mirror by oc's grammar, copy, info and extract, between registries, disks and layouts."""

import io
import itertools
import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from failures.stage import Run, airferry, look_at

from .world import OurRegistry, World, as_json, nothing_listens

LAYOUT = Path(__file__).parents[1] / "data" / "images" / "multi-platform"
LIST = "sha256:0de0e983a4980f32b1aad2d7f7f387cea2d4e9517b47f336cef27f63735911fa"
PLATFORMS = 4


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurRegistry]:
    """A registry without TLS and users, with a real list and a few tags: ``lab/multi:v1``, ``lab/tags:…``."""
    folder = tmp_path_factory.mktemp("lab")
    with pytest.MonkeyPatch.context() as patch, OurRegistry(folder, use_tls=False, use_auth=False) as registry:
        for name in ("HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folder))
        multi = f"{registry.host}/lab/multi:v1"
        airferry("image", "copy", f"oci://{LAYOUT}@{LIST}", multi, "--insecure").done()
        child = next(iter(children(registry, "lab/multi", "v1").values()))
        for tag in ("mysql-1", "mysql-2", "redis-1"):
            source = f"{registry.host}/lab/multi@{child}"
            airferry("image", "copy", source, f"{registry.host}/lab/tags:{tag}", "--insecure").done()
        patch.undo()
        yield registry


def get(registry: OurRegistry, path: str) -> Any:
    accept = ", ".join(
        f"application/vnd.{kind}+json"
        for kind in ("oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.v2")
    )
    with urllib.request.urlopen(
        urllib.request.Request(f"http://{registry.host}{path}", headers={"Accept": accept})
    ) as answer:
        return YAML(typ="safe").load(answer.read())


def tags(registry: OurRegistry, repository: str) -> list[str]:
    return sorted(get(registry, f"/v2/{repository}/tags/list")["tags"])


def children(registry: OurRegistry, repository: str, target: str) -> dict[str, str]:
    """Return the digests in a list by platform."""
    found = get(registry, f"/v2/{repository}/manifests/{target}")["manifests"]
    names = {child["digest"]: child["platform"] for child in found}
    return {f"{platform['os']}/{platform['architecture']}": digest for digest, platform in names.items()}


def mirror(lab: OurRegistry, *arguments: object) -> Run:
    return airferry("image", "mirror", *arguments, "--insecure")


class TestGrammar:
    def test_one_source_goes_to_many_destinations(self, lab: OurRegistry) -> None:
        source, to = f"{lab.host}/lab/tags:mysql-1", [f"{lab.host}/many/{name}:x" for name in ("a", "b", "c")]
        run = mirror(lab, source, *to).done()
        digest = run.out.split()[0]
        assert run.out == "".join(f"{digest} {name}\n" for name in to)

    def test_pairs_are_copied_each(self, lab: OurRegistry) -> None:
        pairs = [f"{lab.host}/lab/tags:{tag}={lab.host}/pairs/{tag}:new" for tag in ("mysql-1", "redis-1")]
        assert len(mirror(lab, *pairs).done().out.splitlines()) == 2
        assert tags(lab, "pairs/mysql-1") == tags(lab, "pairs/redis-1") == ["new"]

    def test_a_destination_without_a_tag_takes_the_tag_of_the_source(self, lab: OurRegistry) -> None:
        mirror(lab, f"{lab.host}/lab/tags:redis-1", f"{lab.host}/sametag/x").done()
        assert tags(lab, "sametag/x") == ["redis-1"]

    def test_an_image_by_digest_arrives_without_a_tag(self, lab: OurRegistry) -> None:
        run = mirror(lab, f"{lab.host}/lab/multi@{LIST}", f"{lab.host}/untagged/x").done()
        assert run.out == f"{LIST} {lab.host}/untagged/x\n"
        assert len(children(lab, "untagged/x", LIST)) == PLATFORMS

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            (":mysql*", ["mysql-1", "mysql-2"]),
            (":*-1", ["mysql-1", "redis-1"]),
            (":m*-*", ["mysql-1", "mysql-2"]),
            (":*", ["mysql-1", "mysql-2", "redis-1"]),
            ("", ["mysql-1", "mysql-2", "redis-1"]),
        ],
    )
    def test_tags_match_patterns(self, lab: OurRegistry, pattern: str, expected: list[str]) -> None:
        name = f"wild/p{abs(hash(pattern))}"
        mirror(lab, f"{lab.host}/lab/tags{pattern}", f"{lab.host}/{name}").done()
        assert tags(lab, name) == expected

    def test_a_pattern_that_matches_nothing_is_an_error(self, lab: OurRegistry) -> None:
        run = mirror(lab, f"{lab.host}/lab/tags:nope*", f"{lab.host}/wild/none")
        run.refused("not-found", f"no tag matches {lab.host}/lab/tags:nope*")

    @pytest.mark.parametrize("via", ["file", "stdin", "two files"])
    def test_a_mapping_file_holds_both_forms(self, lab: OurRegistry, tmp_path: Path, via: str, monkeypatch) -> None:
        to = f"{lab.host}/mapped/{via.replace(' ', '')}"
        lines = [
            "# comments and blank lines are skipped",
            f"{lab.host}/lab/tags:mysql-1={to}:one",
            "",
            f"{lab.host}/lab/tags:mysql-2 {to}:two {to}:three  # one source, two destinations",
        ]
        text = "\n".join(lines)
        file, other = tmp_path / "mapping.txt", tmp_path / "other.txt"
        if via == "file":
            file.write_text(text)
            flags = ["-f", file]
        elif via == "stdin":
            monkeypatch.setattr("sys.stdin", io.StringIO(text))
            flags = ["-f", "-"]
        else:
            file.write_text("\n".join(lines[:2]))
            other.write_text("\n".join(lines[2:]))
            flags = ["-f", file, "--filename", other]
        assert len(mirror(lab, *flags).done().out.splitlines()) == 3
        assert tags(lab, f"mapped/{via.replace(' ', '')}") == ["one", "three", "two"]

    def test_a_mistake_in_a_mapping_file_is_named_with_its_line(self, lab: OurRegistry, tmp_path: Path) -> None:
        file = tmp_path / "mapping.txt"
        file.write_text(f"{lab.host}/a/b:1={lab.host}/c/d:1\n\nubi9=x\n")
        mirror(lab, "-f", file).refused("malformed", f"file {file}, line 3: ", "ubi9")


class TestFilters:
    def test_a_list_is_copied_whole_unless_a_filter_is_asked_for(self, lab: OurRegistry) -> None:
        """oc copies this machine's platform alone, under another digest."""
        run = mirror(lab, f"{lab.host}/lab/multi:v1", f"{lab.host}/whole/x:v1").done()
        assert run.out == f"{LIST} {lab.host}/whole/x:v1\n"
        for expression in (".*", ""):
            flags = ("--filter-by-os", expression)
            assert mirror(lab, f"{lab.host}/lab/multi:v1", f"{lab.host}/whole/y:v1", *flags).done().out.startswith(LIST)

    def test_one_platform_becomes_a_plain_image_and_that_is_said(self, lab: OurRegistry) -> None:
        wanted = children(lab, "lab/multi", "v1")["linux/arm64"]
        run = mirror(lab, f"{lab.host}/lab/multi:v1", f"{lab.host}/one/x:v1", "--filter-by-os=linux/arm64").done()
        assert run.out == f"{wanted} {lab.host}/one/x:v1\n"
        assert "warning: " in run.err
        assert f"the digest changes from the list {LIST} to {wanted} (linux/arm64" in run.err

    def test_several_platforms_become_a_new_list_and_that_is_said(self, lab: OurRegistry) -> None:
        expression = "linux/(amd64|arm64)"
        run = mirror(lab, f"{lab.host}/lab/multi:v1", f"{lab.host}/some/x:v1", f"--filter-by-os={expression}").done()
        digest = run.out.split()[0]
        assert digest != LIST and f"the digest changes from {LIST} to {digest} (only " in run.err
        assert set(children(lab, "some/x", "v1")) == {"linux/amd64", "linux/arm64"}

    def test_the_list_can_be_kept_with_children_missing(self, lab: OurRegistry, tmp_path: Path) -> None:
        flags = ("--filter-by-os=linux/amd64", "--keep-manifest-list", "--dir", tmp_path)
        run = mirror(lab, f"{lab.host}/lab/multi:v1", "file://x/y:v1", *flags).done()
        assert run.out == f"{LIST} file://x/y:v1\n"
        assert f"{PLATFORMS - 1} platforms are left out, the list stays {LIST}" in run.err

    def test_a_filter_that_matches_nothing_is_an_error(self, lab: OurRegistry) -> None:
        """oc prints a line, copies nothing and exits 0."""
        run = mirror(lab, f"{lab.host}/lab/multi:v1", f"{lab.host}/none/x:v1", "--filter-by-os=windows/.*")
        run.refused("usage", "leaves nothing of", hint="it has linux/")

    def test_a_filter_leaves_plain_images_alone(self, lab: OurRegistry) -> None:
        mirror(lab, f"{lab.host}/lab/tags:mysql-1", f"{lab.host}/plain/x:v1", "--filter-by-os=windows").done()


class TestMissing:
    def sources(self, lab: OurRegistry, to: str) -> list[str]:
        return [f"{lab.host}/lab/tags:{tag}={lab.host}/{to}:{tag}" for tag in ("mysql-1", "nope", "redis-1")]

    def test_a_missing_source_stops_before_anything_is_copied(self, lab: OurRegistry) -> None:
        run = mirror(lab, *self.sources(lab, "missing/stop"))
        run.refused("not-found", f"{lab.host}/lab/tags:nope", "nothing was copied", hint="--skip-missing")
        assert "missing/stop" not in get(lab, "/v2/_catalog")["repositories"]

    @pytest.mark.parametrize("flag", ["--skip-missing", "--continue-on-error"])
    def test_it_can_be_left_out_and_is_in_the_ledger(self, lab: OurRegistry, flag: str) -> None:
        name = f"missing/{flag.strip('-')}"
        run = mirror(lab, *self.sources(lab, name), flag).left_gaps(
            f"{lab.host}/lab/tags:nope", "1 of 3 images are missing"
        )
        assert tags(lab, name) == ["mysql-1", "redis-1"]
        assert len(run.out.splitlines()) == 2
        again = mirror(lab, *self.sources(lab, name), flag, "-o", "json")
        assert again.code == 3
        (gap,) = YAML(typ="safe").load(again.out)["gaps"]
        assert gap["code"] == "not-found" and "nope" in gap["source"]

    def test_a_missing_digest_is_left_out_as_well(self, lab: OurRegistry) -> None:
        """oc skips missing tags only."""
        pairs = [f"{lab.host}/lab/tags@sha256:{64 * '0'}={lab.host}/missing/digest:x"]
        pairs.append(f"{lab.host}/lab/tags:mysql-1={lab.host}/missing/digest:y")
        mirror(lab, *pairs, "--skip-missing").left_gaps(64 * "0")
        assert tags(lab, "missing/digest") == ["y"]

    def test_a_pattern_that_matches_nothing_is_a_missing_source_even_beside_one_that_does(
        self, lab: OurRegistry
    ) -> None:
        pairs = [
            f"{lab.host}/lab/tags:mysql*={lab.host}/missing/some",
            f"{lab.host}/lab/tags:nosuch*={lab.host}/missing/x",
        ]
        mirror(lab, *pairs).refused("not-found", "lab/tags:nosuch*")
        mirror(lab, *pairs, "--skip-missing").left_gaps("lab/tags:nosuch*")
        assert tags(lab, "missing/some") == ["mysql-1", "mysql-2"]


class TestGoingOn:
    """--continue-on-error goes on past registries that nobody can reach or that refuse everything."""

    def pairs(self, lab: OurRegistry, host: str, to: str) -> list[str]:
        return [
            f"{lab.host}/lab/tags:mysql-1={lab.host}/{to}:a",
            f"{host}/x/y:1={lab.host}/{to}:b",
            f"{host}/x/y:2={lab.host}/{to}:c",
        ]

    def test_past_a_source_that_cannot_be_reached(self, lab: OurRegistry) -> None:
        with nothing_listens() as host:
            pairs, quick = self.pairs(lab, host, "goes/on"), ("--retry-times", "0")
            for flags in ((), ("--skip-missing",)):
                mirror(lab, *pairs, *quick, *flags).refused("unreachable", host)
            assert "goes/on" not in get(lab, "/v2/_catalog")["repositories"]
            run = mirror(lab, *pairs, *quick, "--continue-on-error")
            run.left_gaps(f"{host}/x/y:1", "2 of 3 images are missing")
        assert tags(lab, "goes/on") == ["a"]

    def test_past_a_pattern_whose_registry_cannot_be_reached(self, lab: OurRegistry) -> None:
        with nothing_listens() as host:
            pairs = [f"{lab.host}/lab/tags:mysql*={lab.host}/goes/on2", f"{host}/x/y:v*={lab.host}/goes/on2"]
            run = mirror(lab, *pairs, "--retry-times", "0", "--continue-on-error")
            run.left_gaps(f"{host}/x/y:v*", host)
        assert tags(lab, "goes/on2") == ["mysql-1", "mysql-2"]

    def test_past_a_destination_that_cannot_be_reached(self, lab: OurRegistry) -> None:
        with nothing_listens() as host:
            both = (f"{lab.host}/lab/tags:mysql-1", f"{host}/goes/on3:a", f"{lab.host}/goes/on3:a")
            mirror(lab, *both, "--retry-times", "0").refused("unreachable", host)
            run = mirror(lab, *both, "--retry-times", "0", "--continue-on-error", "-o", "json")
        assert run.code == 3
        gaps = YAML(typ="safe").load(run.out)["gaps"]
        assert {(gap["code"], gap["missing"]) for gap in gaps} == {("unreachable", f"{host}/goes/on3")}
        assert tags(lab, "goes/on3") == ["a"]

    def test_but_not_past_a_disk_that_takes_nothing(self, lab: OurRegistry, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("no folder")
        run = mirror(lab, f"{lab.host}/lab/tags:mysql-1", "file://a/b:1", "--dir", tmp_path / "file/x")
        assert run.code == 1
        again = mirror(
            lab, f"{lab.host}/lab/tags:mysql-1", "file://a/b:1", "--dir", tmp_path / "file/x", "--continue-on-error"
        )
        assert again.code == 1


class TestPlans:
    def test_a_dry_run_prints_the_plan_in_ocs_shape_and_copies_nothing(self, lab: OurRegistry) -> None:
        run = mirror(lab, f"{lab.host}/lab/tags:mysql*", f"{lab.host}/dry/x", "--dry-run").done()
        assert f"{lab.host}/\n  dry/x\n    blobs:\n" in run.err
        assert re.search(rf"\n      {re.escape(lab.host)}/lab/tags sha256:[0-9a-f]{{64}} [\d.]+\w+\n", run.err)
        assert re.search(r"\n      sha256:[0-9a-f]{64} -> mysql-2\n", run.err)
        assert re.search(r"\n  stats: shared=\d+ unique=\d+ size=\S+ ratio=\S+\n", run.err)
        assert f"\nphase 0:\n  {lab.host} dry/x blobs=" in run.err
        assert "info: Planning completed in " in run.err and "info: Dry run complete\n" in run.err
        assert "dry/x" not in get(lab, "/v2/_catalog")["repositories"]

    def test_a_second_run_moves_nothing(self, lab: OurRegistry) -> None:
        arguments = (f"{lab.host}/lab/multi:v1", f"{lab.host}/again/x:v1")
        first = mirror(lab, *arguments).done()
        second = as_json(mirror(lab, *arguments, "-o", "json"))
        assert second["moved"]["bytes"] == second["moved"]["blobs"] == 0
        assert mirror(lab, *arguments).done().out == first.out

    def test_force_writes_all_of_it_again(self, lab: OurRegistry, tmp_path: Path) -> None:
        arguments = (f"{lab.host}/lab/tags:mysql-1", "file://x/y:1", "--dir", tmp_path)
        mirror(lab, *arguments).done()
        forced = as_json(mirror(lab, *arguments, "--force", "-o", "json"))
        assert forced["plan"]["blobs"] == 2

    def test_a_registry_takes_over_blobs_it_has_elsewhere(self, lab: OurRegistry) -> None:
        done = as_json(mirror(lab, f"{lab.host}/lab/tags:mysql-1", f"{lab.host}/mount/x:1", "-o", "json"))
        assert done["moved"]["bytes"] == 0 and done["moved"]["mounts"] == 2
        done = as_json(
            mirror(lab, f"{lab.host}/lab/tags:mysql-1", f"{lab.host}/mount/y:1", "--skip-mount", "-o", "json")
        )
        assert done["moved"]["bytes"] > 0 == done["moved"]["mounts"]


class TestCopy:
    def test_an_image_goes_through_every_kind_of_place(self, lab: OurRegistry, tmp_path: Path) -> None:
        steps = [
            f"{lab.host}/lab/multi:v1",
            f"oci://{tmp_path}/layout:v1",
            "file://a/b:v1",
            f"docker://{lab.host}/round/trip:v1",
        ]
        for source, destination in itertools.pairwise(steps):
            run = airferry("image", "copy", source, destination, "--dir", tmp_path, "--insecure").done()
            assert run.out.startswith(LIST)
        assert children(lab, "round/trip", "v1") == children(lab, "lab/multi", "v1")

    def test_flags_of_skopeo_are_taken(self, lab: OurRegistry, tmp_path: Path) -> None:
        flags = ("--all", "--preserve-digests", "--insecure")
        airferry("image", "copy", f"{lab.host}/lab/multi:v1", f"oci://{tmp_path}/x:v1", *flags).done()


class TestInfo:
    def test_one_image_is_described_as_oc_does(self, lab: OurRegistry) -> None:
        text = airferry("image", "info", f"{lab.host}/lab/tags:mysql-1", "--insecure").done().out
        keys = re.findall(r"^(\w[\w ]*):", text, re.MULTILINE)
        assert keys[:6] == ["Name", "Digest", "Media Type", "Created", "Image Size", "Layers"]
        assert {"OS", "Arch", "Environment"} <= set(keys)
        assert re.search(r"^Created: +\S+ ago$", text, re.MULTILINE)
        assert re.search(r"^Image Size: +[\d.]+[kM]?B in 1 layers$", text, re.MULTILINE)
        assert text.endswith("\n\n")

    def test_a_list_shows_its_platforms(self, lab: OurRegistry) -> None:
        """oc ends with exit 1 and asks for a filter."""
        text = airferry("image", "info", f"{lab.host}/lab/multi:v1", "--insecure").done().out
        assert f"Digest:     {LIST}\n" in text
        for platform, digest in children(lab, "lab/multi", "v1").items():
            assert re.search(rf"{platform}\S* +{digest}", text)

    def test_every_platform_is_shown_where_that_is_asked_for(self, lab: OurRegistry) -> None:
        for flag in ("--show-multiarch", "--show-multiarch=true", "--filter-by-os=.*"):
            text = airferry("image", "info", f"{lab.host}/lab/multi:v1", flag, "--insecure").done().out
            assert text.count(f"Manifest List: {LIST}\n") == PLATFORMS
            assert set(re.findall(r"^Digest: +(\S+)$", text, re.MULTILINE)) == set(
                children(lab, "lab/multi", "v1").values()
            )

    def test_a_filter_picks_a_platform(self, lab: OurRegistry) -> None:
        flags = ("--filter-by-os=linux/arm64", "--insecure", "-o", "json")
        document = as_json(airferry("image", "info", f"{lab.host}/lab/multi:v1", *flags))
        assert document["listDigest"] == LIST
        assert document["digest"] == children(lab, "lab/multi", "v1")["linux/arm64"]
        assert document["config"]["rootfs"]["type"] == "layers"
        run = airferry("image", "info", f"{lab.host}/lab/multi:v1", "--filter-by-os=windows", "--insecure")
        run.refused("usage", "leaves nothing of", hint="it has linux/")

    def test_tags_match_patterns(self, lab: OurRegistry) -> None:
        text = airferry("image", "info", f"{lab.host}/lab/tags:mysql*", "--insecure").done().out
        assert re.findall(r"^Name: +(\S+)$", text, re.MULTILINE) == [
            f"{lab.host}/lab/tags:{tag}" for tag in ("mysql-1", "mysql-2")
        ]
        documents = as_json(airferry("image", "info", f"{lab.host}/lab/tags:*-1", "--insecure", "-o", "json"))
        assert [document["name"].rpartition(":")[2] for document in documents] == ["mysql-1", "redis-1"]

    def test_a_pattern_that_matches_nothing_is_an_error(self, lab: OurRegistry) -> None:
        airferry("image", "info", f"{lab.host}/lab/tags:nope*", "--insecure").refused("not-found", "nope*")

    def test_an_artifact_is_not_an_image(self, lab: OurRegistry, world: World) -> None:
        tag = world.release.attachments[world.release.release_repository][0]
        names = (f"quay.io/{world.release.release_repository}:{tag}", *world.release.referrers)
        flags = world.quay.flags(trusted=False)
        document = as_json(airferry("image", "info", names[0], *flags, "-o", "json"))
        assert document["layers"]
        referrer = f"quay.io/{world.release.release_repository}@{world.release.referrers[0]}"
        text = airferry("image", "info", referrer, *flags).done().out
        assert f"Refers To:     {world.release.digest}\n" in text and "Artifact Type: " in text

    def test_a_layout_and_a_disk_are_looked_into(self, world: World, tmp_path: Path) -> None:
        layout = as_json(airferry("image", "info", f"oci://{LAYOUT}@{LIST}", "-o", "json"))
        assert len(layout["manifests"]) == PLATFORMS
        installer = f"file://openshift/release:{world.release.tag}-installer"
        document = as_json(airferry("image", "info", "--dir", world.disk, installer, "-o", "json"))
        assert document["digest"] == world.release.components["installer"]
        many = as_json(airferry("image", "info", "--dir", world.disk, "file://openshift/release:*-cli*", "-o", "json"))
        assert len(many) == 2

    def test_yaml_says_the_same_as_json(self, world: World) -> None:
        installer = ("--dir", world.disk, f"file://openshift/release:{world.release.tag}-installer")
        text = airferry("image", "info", *installer, "-o", "yaml").done().out
        assert YAML(typ="safe").load(text) == as_json(airferry("image", "info", *installer, "-o", "json"))


class TestExtract:
    @pytest.fixture
    def installer(self, world: World) -> tuple[object, ...]:
        return (f"file://openshift/release:{world.release.tag}-installer", "--dir", world.disk)

    def test_a_path_goes_to_a_folder(self, installer, out: Path) -> None:
        out.mkdir()
        airferry("image", "extract", *installer, "--path", f"/usr/bin/openshift-install:{out}").done()
        (file,) = out.iterdir()
        assert file.name == "openshift-install" and file.stat().st_mode & 0o777 == 0o755

    def test_a_folder_goes_to_a_folder(self, installer, out: Path) -> None:
        out.mkdir()
        airferry("image", "extract", *installer, "--path", f"/usr/bin/:{out}").done()
        assert [file.name for file in out.iterdir()] == ["openshift-install"]

    def test_a_file_goes_to_the_current_folder(self, installer) -> None:
        airferry("image", "extract", *installer, "--file", "usr/bin/openshift-install").done()
        assert Path("openshift-install").stat().st_size > 10_000

    def test_a_file_that_is_not_there_is_an_error(self, installer) -> None:
        """oc exits 0."""
        airferry("image", "extract", *installer, "--file", "usr/bin/nope").refused("not-found", "usr/bin/nope")
        assert not Path("nope").exists()

    def test_a_folder_that_is_not_empty_wants_confirmation(self, installer, out: Path) -> None:
        out.mkdir()
        (out / "mine").write_text("kept")
        asked = ("image", "extract", *installer, "--path", f"/usr/bin/:{out}")
        airferry(*asked).refused("usage", str(out), hint="--confirm")
        assert [file.name for file in out.iterdir()] == ["mine"]
        airferry(*asked, "--confirm").done()
        assert (out / "mine").read_text() == "kept" and (out / "openshift-install").exists()

    def test_a_dry_run_lists_and_writes_nothing(self, installer, out: Path) -> None:
        out.mkdir()
        run = airferry("image", "extract", *installer, "--path", f"/usr/bin/:{out}", "--dry-run").done()
        assert "openshift-install" in run.out and not list(out.iterdir())

    def test_layers_are_chosen_by_number(self, world: World, installer, out: Path) -> None:
        name, *flags = installer
        for selector, expected in (("[-1]", True), ("[0]", False), ("[:]", True)):
            folder = out / selector
            folder.mkdir(parents=True)
            run = airferry("image", "extract", f"{name}{selector}", *flags, "--path", f"/:{folder}")
            run.done()
            assert (folder / "usr/bin/openshift-install").exists() == expected

    def test_the_platform_of_a_list_is_this_machines_or_the_one_asked_for(self, lab: OurRegistry, out: Path) -> None:
        for number, flags in enumerate(((), ("--filter-by-os=linux/arm64",))):
            folder = out / str(number)
            folder.mkdir(parents=True)
            airferry(
                "image", "extract", f"{lab.host}/lab/multi:v1", "--path", f"/:{folder}", "--insecure", *flags
            ).done()
        one, two = (look_at(out / name) for name in ("0", "1"))
        assert one and two and one != two
        missing = ("--path", f"/:{out}", "--insecure", "--filter-by-os=linux/mips", "--confirm")
        run = airferry("image", "extract", f"{lab.host}/lab/multi:v1", *missing)
        run.refused("not-found", "none of the platforms", hint="linux/")

    def test_nothing_of_a_failed_extraction_is_left(self, world: World, installer, tmp_path: Path, out: Path) -> None:
        name, *_ = installer
        described = as_json(airferry("image", "info", *installer, "-o", "json"))
        disk = tmp_path / "disk"
        shutil.copytree(world.disk, disk, symlinks=True)
        layer = disk / "v2/openshift/release/blobs" / described["layers"][-1]["digest"]
        content = bytearray(layer.read_bytes())
        content[len(content) // 2] ^= 1
        layer.write_bytes(content)
        out.mkdir()
        run = airferry("image", "extract", name, "--dir", disk, "--path", f"/:{out}")
        run.refused("content-mismatch", layer.name)
        assert not list(out.iterdir())
