"""``airferry samples``: from a release to a cluster that imports everything it is told to."""

import io
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from airferry.lab import LabStore, publish_images_of
from airferry.lab.attachments import attach_signature
from airferry.oci import Digest
from cli.samples_world import DATA, SamplesWorld, build_samples_world, real_streams
from cli.world import OurRegistry, as_json, nothing_listens
from failures.stage import QUICK, Run, airferry, is_sound, look_at

SAMPLES = ("dotnet", "golang", "java-runtime", "redis")
OUTSIDE = ("jenkins", "jenkins-agent-base")
IMAGES = 13
"""Distinct images that the four samples name; their tags are sixteen."""

REDIS = "x86_64/redis/imagestreams/redis-rhel.json"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SamplesWorld]:
    """Tests look at it, and mirror from it to places of their own."""
    with build_samples_world(tmp_path_factory.mktemp("samples")) as built:
        yield built


@pytest.fixture(scope="module")
def loaded(samples: SamplesWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with all samples of the release, whose mirror was loaded from it."""
    folder = tmp_path_factory.mktemp("loaded")
    disk = folder / "disk"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folder))
        samples.to_disk(disk).done()
        samples.load(disk).done()
    return disk


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[OurRegistry]:
    """A registry that nothing was mirrored to yet."""
    with OurRegistry(tmp_path / "empty") as registry:
        yield registry


def a_list(*streams: dict[str, Any]) -> str:
    return json.dumps({"kind": "List", "apiVersion": "v1", "items": list(streams)})


def a_stream(name: str, images: dict[str, str], **labels: str) -> dict[str, Any]:
    tags = [{"name": tag, "from": {"kind": "DockerImage", "name": image}} for tag, image in images.items()]
    metadata = {"name": name, "labels": {f"samples.operator.openshift.io/{key}": word for key, word in labels.items()}}
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": metadata,
        "spec": {"tags": tags},
    }


def documents(run: Run) -> dict[str, Any]:
    """The objects on stdout, by kind and name."""
    found = [document for document in YAML(typ="safe").load_all(run.out) if document]
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in found}


# list


def test_the_streams_of_a_release_are_those_in_its_operators_image(samples: SamplesWorld) -> None:
    listed = as_json(airferry("samples", "list", samples.release.version, *samples.reach, "-o", "json"))
    of_files = as_json(airferry("samples", "list", DATA / "ocp-x86_64", "--arch", "amd64", "-o", "json"))
    assert listed == {**of_files, "version": samples.release.version}
    assert {stream["name"]: stream["belongsTo"] for stream in listed["streams"]} == {
        **dict.fromkeys(SAMPLES, "sample"),
        **dict.fromkeys(OUTSIDE, "outside"),
    }
    assert len(listed["images"]) == IMAGES


def test_a_table_shows_aliases_architectures_and_whose_a_stream_is(samples: SamplesWorld) -> None:
    out = airferry("samples", "list", samples.release.version, *samples.reach).done().out
    lines = {" ".join(line.split()) for line in out.splitlines()}
    assert "STREAM TAG IMAGE ARCHITECTURE BELONGS TO" in lines
    assert "redis latest 6-el8 -> registry.redhat.io/rhel8/redis-6:latest x86_64 sample" in lines
    assert "dotnet 10.0 registry.access.redhat.com/ubi9/dotnet-100 x86_64 sample" in lines
    assert f"6 streams, 28 tags, {IMAGES} images to mirror; 2 streams are left out" in lines


def test_streams_of_another_architecture_and_of_all(samples: SamplesWorld) -> None:
    reach = ("--registries-conf", samples.rules, samples.release.pullspec)
    other = as_json(airferry("samples", "list", *reach, "--arch", "arm64", "-o", "json"))
    assert [(stream["name"], stream["architecture"]) for stream in other["streams"]] == [("redis", "aarch64")]
    both = as_json(airferry("samples", "list", *reach, "--arch", "arm64", "--all-architectures", "-o", "json"))
    assert len(both["streams"]) == 7


def test_images_are_a_plain_list_that_says_which_tag(samples: SamplesWorld) -> None:
    words = ("--select", "dotnet,tag=1*", "--select", "golang", "-o", "images")
    run = airferry("samples", "list", samples.release.version, *samples.reach, *words).done()
    assert run.out.splitlines() == [
        "registry.access.redhat.com/ubi9/dotnet-100:latest",
        "registry.redhat.io/ubi7/go-toolset:1.18",
        "registry.redhat.io/ubi8/go-toolset:1.18",
        "registry.redhat.io/ubi9/go-toolset:1.18",
    ]


def test_sizes_are_read_from_manifests_and_count_shared_layers_once(samples: SamplesWorld) -> None:
    listed = as_json(airferry("samples", "list", samples.release.version, *samples.reach, "--sizes", "-o", "json"))
    sizes = {
        tag["image"]: tag["sizeBytes"]
        for stream in listed["streams"]
        for tag in stream["tags"]
        if stream["belongsTo"] == "sample"
    }
    assert len(sizes) == IMAGES and all(size > 4096 for size in sizes.values())
    assert max(sizes.values()) < listed["totalBytes"] < sum(sizes.values())
    text = airferry("samples", "list", samples.release.version, *samples.reach, "--sizes").done().out
    assert text.splitlines()[0].endswith("SIZE") and "kB together)" in text


def test_a_size_that_cannot_be_read_is_a_gap(samples: SamplesWorld, tmp_path: Path) -> None:
    file = tmp_path / "streams.json"
    file.write_text(a_list(a_stream("ruby", {"1": "registry.redhat.io/gone/ruby:1"})))
    run = airferry("samples", "list", file, *samples.reach, "--sizes").left_gaps("ruby:1", "gone/ruby")
    assert "ruby" in run.out


def test_what_a_cluster_prints_is_read_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    text = a_list(
        a_stream("ruby", {"3": "registry.redhat.io/ubi9/ruby-33:1"}, managed="true"),
        a_stream("perl", {"5": "registry.redhat.io/ubi9/perl:5"}, managed="false"),
        a_stream("ours", {"1": "registry.example.com/a/b:1"}),
        a_stream("cli", {"latest": f"quay.io/openshift-release-dev/ocp-v4.0-art-dev@sha256:{'0' * 64}"}),
    )
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    listed = as_json(airferry("samples", "list", "-", "-o", "json"))
    assert {stream["name"]: stream["belongsTo"] for stream in listed["streams"]} == {
        "cli": "payload",
        "ours": "other",
        "perl": "sample",
        "ruby": "sample",
    }
    assert listed["images"] == ["registry.redhat.io/ubi9/perl:5", "registry.redhat.io/ubi9/ruby-33:1"]


def test_sources_that_are_none_are_named(samples: SamplesWorld, tmp_path: Path) -> None:
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "bad.json").write_text('{"kind": "ImageStream", "apiVersion": "v1"}')
    airferry("samples", "list", tmp_path / "streams").refused("malformed", "streams/bad.json, metadata has no name")
    airferry("samples", "list", tmp_path / "nowhere.json").refused("usage", "nowhere.json cannot be read")
    (tmp_path / "empty").mkdir()
    airferry("samples", "list", tmp_path / "empty").refused("not-found", "holds no image stream")
    airferry("samples", "list", "file://", "--from-dir", tmp_path).refused("not-found", "remembers no samples")
    airferry("samples", "list", "file://").refused("usage", "samples on a disk", hint="--from-dir")
    airferry("samples", "list", "samples").refused("malformed", "no registry host")
    airferry("samples", "list", DATA, "--select", "pyhton").refused("usage", "matches no tag")


def test_what_is_no_text_on_stdin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8"))
    airferry("samples", "list", "-").refused("usage", "stdin", "not text")


def test_signs_that_steer_terminals_are_no_part_of_a_name(tmp_path: Path) -> None:
    for image in ("quay.io/a/b:\x1b[2J", "quay.io/a/\ud800:1"):
        (tmp_path / "f.json").write_text(a_list(a_stream("ruby", {"1": image})))
        run = airferry("samples", "list", tmp_path / "f.json").refused("malformed", "spec.tags[0].from.name")
        assert "\x1b" not in run.err


def test_a_release_without_samples_is_told(samples: SamplesWorld, tmp_path: Path) -> None:
    from airferry.lab import SMALL, publish_release
    from failures.stage import Quay

    with Quay(tmp_path, publish_release(tmp_path / "store", SMALL)) as quay:
        run = airferry("samples", "list", "4.12.0", "--arch", "amd64", *quay.flags(trusted=False))
    run.refused("not-found", "no component cluster-samples-operator")


def test_a_release_on_a_disk_names_its_samples_too(samples: SamplesWorld, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    samples.quay.mirror(disk, "--arch", "amd64").done()
    here = as_json(
        airferry("samples", "list", samples.release.version, "--from-dir", disk, "--arch", "amd64", "-o", "json")
    )
    name = f"file://openshift/release:{samples.release.tag}"
    assert as_json(airferry("samples", "list", name, "--from-dir", disk, "--arch", "amd64", "-o", "json")) == here
    assert len(here["images"]) == IMAGES
    samples.to_disk(disk, "--select", "redis").done()
    airferry("samples", "list", "file://", "--from-dir", disk, "--arch", "amd64").done()
    airferry("media", "verify", disk).done()


def test_an_unverified_release_on_a_disk_is_not_listened_to(samples: SamplesWorld, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    flags = ("--registries-conf", samples.rules, "--arch", "amd64", "--allow-unverified", *QUICK)
    airferry("release", "mirror", samples.release.version, "--to-dir", disk, *flags).done()
    words = ("samples", "list", samples.release.version, "--from-dir", disk, "--arch", "amd64")
    airferry(*words).refused("untrusted-release", "without a valid signature", hint="--allow-unverified")
    airferry(*words, "--allow-unverified").done()


def test_an_architecture_without_streams_is_told(samples: SamplesWorld, loaded: Path) -> None:
    run = airferry("samples", "list", "file://", "--from-dir", loaded, "--arch", "s390x")
    run.refused("not-found", "no image stream for s390x", hint="x86_64")


def test_links_in_an_operators_image_lead_nowhere(samples: SamplesWorld, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(a_stream("stolen", {"1": "quay.io/a/b:1"})))
    folder = tmp_path / "streams"
    folder.mkdir()
    (folder / "link.json").symlink_to(secret)
    (folder / "real.json").write_text(json.dumps(a_stream("real", {"1": "quay.io/a/b:1"})))
    listed = as_json(airferry("samples", "list", folder, "-o", "json"))
    assert [stream["name"] for stream in listed["streams"]] == ["real"]


# mirror


def test_a_disk_and_then_a_registry_have_every_image_as_it_was(samples: SamplesWorld, loaded: Path) -> None:
    assert is_sound(loaded)
    listed = as_json(airferry("samples", "list", samples.release.version, *samples.reach, "-o", "json"))
    for image in listed["images"]:
        path, _, tag = image.partition("/")[2].partition(":")
        info = as_json(
            airferry("image", "info", f"{samples.mirror.host}/{path}:{tag}", *samples.mirror.flags, "-o", "json")
        )
        published = samples.store.repositories[path].tags[tag]
        assert published in (info["listDigest"], info["digest"]), image
    mapping = (loaded / "manifests" / "samples" / "mapping.txt").read_text().splitlines()
    assert len(mapping) == IMAGES
    assert "registry.redhat.io/rhel9/redis-7:latest=file://rhel9/redis-7:latest" in mapping


def test_straight_to_a_registry_below_a_path(samples: SamplesWorld, empty: OurRegistry, tmp_path: Path) -> None:
    sides = ("--dest-registry-config", empty.auth_file, "--dest-certificate-authority", empty.authority)
    to = f"{empty.host}/ocp/samples"
    words = (*samples.reach, *sides, "--to-manifests", tmp_path / "files", "--select", "redis")
    run = airferry("samples", "mirror", samples.release.version, to, *words).done()
    assert f" {to}/rhel9/redis-7:latest\n" in run.out and len(run.out.split("\n\n")[0].splitlines()) == 4
    assert f"airferry samples config {samples.release.version} {to} --ca ca.crt" in run.out
    again = airferry("samples", "mirror", samples.release.version, to, *words).done()
    assert "0 blobs to move" in again.err


def test_layers_that_images_share_cross_once(samples: SamplesWorld, tmp_path: Path) -> None:
    run = samples.to_disk(tmp_path / "disk", "-o", "json")
    moved = as_json(run)["moved"]
    blobs = {file.name for file in (tmp_path / "disk" / "v2").rglob("blobs/sha256:*")}
    manifests = {file.name for file in (tmp_path / "disk" / "v2").rglob("manifests/sha256:*")}
    assert moved["blobs"] == len(blobs - manifests)


def test_a_dry_run_says_the_same_and_writes_nothing(samples: SamplesWorld, tmp_path: Path) -> None:
    dry = samples.to_disk(tmp_path / "disk", "--dry-run").done()
    assert not (tmp_path / "disk").exists()
    real = samples.to_disk(tmp_path / "disk").done()
    assert real.out.startswith(dry.out) and len(dry.out.splitlines()) == IMAGES


def test_what_is_missing_is_in_the_ledger_and_the_rest_is_done(samples: SamplesWorld, tmp_path: Path) -> None:
    file = tmp_path / "streams.json"
    images = {"1": "registry.redhat.io/ubi8/go-toolset:1.18", "2": "registry.redhat.io/gone/ruby:2"}
    stream = a_stream("ruby", images)
    stream["spec"]["tags"].append({"name": "3", "from": {"kind": "ImageStreamTag", "name": "9"}})
    file.write_text(a_list(stream))
    disk = tmp_path / "disk"
    run = samples.to_disk(disk, source=file).left_gaps("gone/ruby", "ruby:3: it is an alias of ruby:9")
    assert "1 of 2 images are missing" in run.err
    assert "the import of ruby:2 fails; `samples config` skips the streams" in run.err
    ledger = json.loads((disk / "manifests" / "samples" / "ledger.json").read_text())
    assert [(gap["name"], gap["code"]) for gap in ledger["gaps"]] == [("ruby:2", "not-found")]
    assert [item["name"] for item in ledger["notMirrored"]] == ["ruby:3"]
    assert (disk / "v2" / "ubi8" / "go-toolset" / "manifests" / "1.18").exists()
    file.write_text(a_list(a_stream("ruby", {"1": images["1"]})))
    samples.to_disk(disk, source=file).done()
    assert not (disk / "manifests" / "samples" / "ledger.json").exists()


def test_a_dry_run_needs_no_destination(samples: SamplesWorld) -> None:
    with nothing_listens() as nowhere:
        words = ("--select", "golang", "--dry-run", "--retry-times", "0")
        run = airferry("samples", "mirror", samples.release.version, nowhere, *samples.reach, *words).done()
    assert len(run.out.splitlines()) == 3 and f" {nowhere}/ubi9/go-toolset:1.18\n" in run.out


def test_signatures_travel_with_their_images(own: SamplesWorld, tmp_path: Path) -> None:
    path, disk = "ubi9/go-toolset", tmp_path / "disk"
    digest = own.store.repositories[path].tags["1.18"]
    tag = attach_signature(own.store, path, Digest(digest), f"registry.redhat.io/{path}")
    own.to_disk(disk, "--select", "golang").done()
    assert (disk / "v2" / path / "manifests" / tag).exists()
    own.load(disk).done()
    airferry("image", "info", f"{own.mirror.host}/{path}:{tag}", *own.mirror.flags).done()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SamplesWorld]:
    """A world of its own, for tests that change what is published."""
    with build_samples_world(tmp_path / "own") as built:
        yield built


def republish(world: SamplesWorld, generation: int) -> None:
    store: LabStore = world.store
    publish_images_of(store, real_streams()[REDIS], generation)


def test_a_tag_that_moved_is_told_and_the_new_image_copied(own: SamplesWorld, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    own.to_disk(disk, "--select", "redis").done()
    before = own.store.repositories["rhel9/redis-7"].tags["latest"]
    republish(own, 2)
    now = own.store.repositories["rhel9/redis-7"].tags["latest"]
    assert before != now
    run = own.to_disk(disk, "--select", "redis").left_gaps(
        f"registry.redhat.io/rhel9/redis-7:latest has moved: it was {before} and is {now} (redis:7-el9)"
    )
    assert f"{now} file://rhel9/redis-7:latest" in run.out
    ledger = json.loads((disk / "manifests" / "samples" / "ledger.json").read_text())
    assert ledger["gaps"] == [] and len(ledger["movedTags"]) == 4
    (told,) = [item for item in ledger["movedTags"] if item["usedBy"] == ["redis:7-el9"]]
    assert (told["before"], told["now"]) == (before, now)
    own.to_disk(disk, "--select", "redis").done()
    own.load(disk, "--select", "redis").done()
    info = as_json(
        airferry("image", "info", f"{own.mirror.host}/rhel9/redis-7:latest", *own.mirror.flags, "-o", "json")
    )
    assert now in (info["listDigest"], info["digest"])


def test_a_tag_that_vanished_keeps_what_was_mirrored(own: SamplesWorld, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    own.to_disk(disk, "--select", "redis").done()
    tags = own.store.repositories["rhel9/redis-7"].tags
    was = tags.pop("latest")
    run = own.to_disk(disk, "--select", "redis").left_gaps("redis:7-el9", f"the mirror keeps {was} from an earlier run")
    assert "1 of 4 images are missing" in run.err
    own.load(disk, "--select", "redis").done()
    answer = as_json(own.config("file://", "--from-dir", disk, "-o", "json"))
    assert "redis" not in [stream["name"] for stream in answer["skipped"]]


def test_two_runs_with_other_selections_add_up_on_a_disk(
    samples: SamplesWorld, empty: OurRegistry, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    samples.to_disk(disk, "--select", "redis").done()
    samples.to_disk(disk, "--select", "golang").done()
    flags = (*empty.flags, "--to-manifests", tmp_path / "files", "--arch", "amd64")
    run = airferry("samples", "mirror", "--from-dir", disk, "file://", empty.host, *flags).done()
    assert "6 of 13 images of the streams are not on the disk" in run.err
    assert len(run.out.split("\n\n")[0].splitlines()) == 7


def test_a_second_disk_is_made_from_the_first(samples: SamplesWorld, loaded: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    words = ("--from-dir", loaded, "file://", "file://deep/er", "--dir", other, "--arch", "amd64")
    run = airferry("samples", "mirror", *words, "--select", "redis").done()
    assert " file://deep/er/rhel9/redis-7:latest\n" in run.out
    assert f"--from-dir={other} file://deep/er HOST" in run.out
    flags = ("--from-dir", other, "--offline", "--arch", "amd64", "-o", "json")
    answer = as_json(airferry("samples", "config", "file://deep/er", "m.example.com", *flags))
    assert answer["streams"] == 1 and answer["samplesRegistry"] == "m.example.com"


def test_what_no_mirror_serves_is_not_mirrored(samples: SamplesWorld, tmp_path: Path) -> None:
    run = samples.to_disk(tmp_path / "disk", "--select", "jenkins*")
    run.refused("usage", "nothing of this is imported from a samplesRegistry", "jenkins", hint="samples list")


def test_the_ledger_of_a_release_is_left_alone(samples: SamplesWorld, tmp_path: Path) -> None:
    ledger = tmp_path / "files" / "ledger.json"
    ledger.parent.mkdir()
    ledger.write_text('{"release": "4.12.0", "gaps": []}')
    samples.to_disk(tmp_path / "disk", "--select", "golang", "--to-manifests", ledger.parent).done()
    assert ledger.exists() and (ledger.parent / "mapping.txt").exists()


def test_destinations_that_are_none_are_refused(samples: SamplesWorld, tmp_path: Path) -> None:
    def to(*words: object) -> Run:
        return airferry("samples", "mirror", samples.release.version, *words, *samples.reach)

    to("mirror").refused("malformed", "no registry host", hint="HOST[:PORT]")
    to("file://").refused("usage", "is a disk", hint="--dir")
    to("oci://folder").refused("unsupported", "oci://folder")
    with nothing_listens() as nowhere:
        run = to(nowhere, "--select", "redis", "--to-manifests", tmp_path / "files")
        run.refused("unreachable", nowhere)
    assert not (tmp_path / "files").exists()


# config


def test_the_config_skips_what_cannot_be_imported_and_nothing_else(samples: SamplesWorld, loaded: Path) -> None:
    run = samples.config("file://", "--from-dir", loaded, "--ca", samples.mirror.authority).done()
    found = documents(run)
    assert found["Config/cluster"]["spec"] == {
        "architectures": ["x86_64"],
        "managementState": "Managed",
        "samplesRegistry": samples.mirror.host,
        "skippedImagestreams": list(OUTSIDE),
    }
    listed = found["ConfigMap/imagestreamtag-to-image"]["data"]
    assert len(listed) == 16 and listed["redis_7-el9"] == "registry.redhat.io/rhel9/redis-7:latest"
    assert not [key for key in listed if key.startswith("jenkins")]
    (key,) = found["ConfigMap/registry-config"]["data"]
    assert key == samples.mirror.host.replace(":", "..")
    assert found["Image/cluster"]["spec"] == {"additionalTrustedCA": {"name": "registry-config"}}
    assert "skipped: jenkins: its images are imported from where it is written" in run.err
    assert f"airferry secret merge {samples.mirror.host}" in run.err and "mirror sets" in run.err


def test_the_registry_is_asked_and_not_believed(samples: SamplesWorld, loaded: Path, empty: OurRegistry) -> None:
    flags = (*empty.flags, "--arch", "amd64", "-o", "json")
    answer = as_json(airferry("samples", "config", "file://", empty.host, "--from-dir", loaded, *flags))
    assert answer["managementState"] == "Removed" and answer["streams"] == 0
    assert [stream["name"] for stream in answer["skipped"]] == sorted((*SAMPLES, *OUTSIDE))
    assert any("remove the samples" in sentence for sentence in answer["advice"])
    offline = as_json(airferry("samples", "config", "file://", empty.host, "--from-dir", loaded, *flags, "--offline"))
    assert offline["managementState"] == "Managed" and offline["streams"] == 4


def test_a_stream_that_is_there_in_part_is_skipped(samples: SamplesWorld, empty: OurRegistry, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    samples.to_disk(disk, "--select", "redis,tag=6-*", "--select", "golang").done()
    answer = as_json(
        airferry(
            "samples", "config", "file://", empty.host, "--from-dir", disk, "--offline", "--arch", "amd64", "-o", "json"
        )
    )
    reasons = {stream["name"]: stream["reason"] for stream in answer["skipped"]}
    assert "golang" not in reasons and answer["streams"] == 1
    assert reasons["redis"] == "redis:7-el9: registry.redhat.io/rhel9/redis-7:latest is not mirrored"


def test_a_stream_of_a_whole_repository_is_skipped_or_a_no(samples: SamplesWorld, tmp_path: Path) -> None:
    stream = {**a_stream("old", {}), "spec": {"dockerImageRepository": "registry.redhat.io/a/old"}}
    file = tmp_path / "streams.json"
    file.write_text(a_list(stream))
    run = samples.config(file, "--to-dir", tmp_path).done()
    assert "skipped: old: it imports every tag of registry.redhat.io/a/old" in run.err
    assert verify(samples, tmp_path, source=file).out.startswith("0 images\n"), "the operator is to remove the samples"
    config = tmp_path / "samples-config.yaml"
    config.write_text(config.read_text().replace("  - old\n", "  - other\n").replace("Removed", "Managed"))
    assert list(no_of(verify(samples, tmp_path, "-o", "json", source=file))) == ["old:latest"]


def test_the_same_input_gives_the_same_files(samples: SamplesWorld, loaded: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        words = ("--ca", samples.mirror.authority, "--to-dir", tmp_path / name)
        run = samples.config("file://", "--from-dir", loaded, *words).done()
        assert run.out.splitlines() == [str(file) for file in sorted((tmp_path / name).iterdir())]
    assert look_at(tmp_path / "one") == look_at(tmp_path / "two")
    assert sorted(file.name for file in (tmp_path / "one").iterdir()) == [
        "configmap-registry-config.yaml",
        "image-config.yaml",
        "imagestreamtag-to-image.yaml",
        "samples-config.yaml",
    ]


def test_the_list_that_config_makes_is_a_source(samples: SamplesWorld, loaded: Path, tmp_path: Path) -> None:
    samples.config("file://", "--from-dir", loaded, "--to-dir", tmp_path).done()
    listed = as_json(airferry("samples", "list", tmp_path / "imagestreamtag-to-image.yaml", "-o", "json"))
    assert [stream["name"] for stream in listed["streams"]] == list(SAMPLES) and len(listed["images"]) == IMAGES


def test_questions_that_make_no_config_are_refused(samples: SamplesWorld, loaded: Path) -> None:
    samples.config("file://", "--from-dir", loaded, to="file://x").refused("usage", "is no registry")
    samples.config(DATA, "--offline").refused("usage", "--offline asks a disk")
    with nothing_listens() as nowhere:
        samples.config("file://", "--from-dir", loaded, to=nowhere).refused("unreachable", nowhere)
    run = airferry("samples", "config", DATA / "ocp-x86_64", samples.mirror.host, "--arch", "amd64", "--insecure")
    run.refused("unauthorized", samples.mirror.host)


def test_a_record_that_was_spoilt_is_named(samples: SamplesWorld, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    samples.to_disk(disk, "--select", "golang").done()
    record = disk / "airferry" / "samples" / "streams.json"
    record.write_text('{"streams": [{"name": 1}], "images": {}}')
    airferry("samples", "list", "file://", "--from-dir", disk).refused(
        "malformed", str(record), hint="mirror the samples"
    )


# verify


def verify(samples: SamplesWorld, folder: Path, *more: object, source: object = DATA / "ocp-x86_64") -> Run:
    flags = ("--samples-config", folder / "samples-config.yaml", "--ca", samples.mirror.authority)
    return airferry("verify", "--samples", source, *flags, "--pull-secret", samples.mirror.auth_file, *more)


@pytest.fixture
def configured(samples: SamplesWorld, loaded: Path, tmp_path: Path) -> Path:
    """A folder with the objects for the loaded mirror."""
    samples.config("file://", "--from-dir", loaded, "--to-dir", tmp_path / "objects").done()
    return tmp_path / "objects"


def no_of(run: Run) -> dict[str, dict[str, str]]:
    assert run.code == 1, run.end
    return {image["name"]: image for image in json.loads(run.out)["images"] if image["answer"] == "no"}


def test_every_import_of_the_generated_config_is_answered(samples: SamplesWorld, configured: Path) -> None:
    run = verify(samples, configured, "--platform", "linux/amd64").done()
    assert run.out.startswith("16 images, 16 of them samples\n") and "  yes             16\n" in run.out
    assert "  yes             16\n" in verify(samples, configured, "--platform", "linux/amd64", "--deep").done().out


def test_mirror_rules_do_not_help_an_import(samples: SamplesWorld, configured: Path) -> None:
    file = configured / "samples-config.yaml"
    file.write_text(file.read_text().replace(samples.mirror.host, "registry.samples.invalid"))
    rules = configured / "registries.conf"
    rules.write_text(f'[[registry]]\nprefix = "registry.samples.invalid"\nlocation = "{samples.mirror.host}"\n')
    found = no_of(verify(samples, configured, "--registries-conf", rules, "-o", "json"))
    assert len(found) == 16 and {image["code"] for image in found.values()} == {"unreachable"}
    assert "samplesRegistry" in found["redis:7-el9"]["fix"]


def test_a_stream_that_was_not_skipped_is_a_no(samples: SamplesWorld, configured: Path) -> None:
    file = configured / "samples-config.yaml"
    file.write_text(file.read_text().replace("  - jenkins\n", ""))
    found = no_of(verify(samples, configured, "--platform", "linux/amd64", "-o", "json"))
    assert {image["code"] for image in found.values()} == {"not-rewritten"}
    assert "whatever its samplesRegistry is" in found["jenkins:2"]["reason"]
    assert found["jenkins:2"]["fix"].startswith("add jenkins to skippedImagestreams")


def test_an_image_that_is_not_there_is_a_no_with_its_fix(own: SamplesWorld, tmp_path: Path) -> None:
    disk, objects = tmp_path / "disk", tmp_path / "objects"
    own.to_disk(disk, "--select", "redis").done()
    own.load(disk).done()
    own.config("file://", "--from-dir", disk, "--to-dir", objects).done()
    verify(own, objects, "--platform", "linux/amd64").done()
    file = objects / "samples-config.yaml"
    file.write_text(file.read_text().replace("  - golang\n", ""))
    found = no_of(verify(own, objects, "--platform", "linux/amd64", "-o", "json"))
    assert sorted(found) == ["golang:1.18-ubi7", "golang:1.18-ubi8", "golang:1.18-ubi9"]
    fix = found["golang:1.18-ubi9"]["fix"]
    assert fix.endswith("; or add golang to skippedImagestreams; `airferry samples config` does")
    assert found["golang:1.18-ubi9"]["code"] == "no-manifest"
    mend(own, fix, tmp_path)
    verify(own, objects, "--platform", "linux/amd64").done()


def mend(samples: SamplesWorld, fix: str, folder: Path) -> None:
    """Run the command that a fix prints, with what it takes to reach both sides."""
    words = shlex.split(fix[fix.index("airferry samples mirror") :].partition(";")[0])[1:]
    trust = (
        "--dest-registry-config",
        samples.mirror.auth_file,
        "--dest-certificate-authority",
        samples.mirror.authority,
    )
    airferry(*words, *samples.reach, *trust, "--to-manifests", folder / "mended").done()


def test_a_layer_that_was_lost_is_a_no(own: SamplesWorld, tmp_path: Path) -> None:
    disk, objects = tmp_path / "disk", tmp_path / "objects"
    own.to_disk(disk, "--select", "golang").done()
    own.load(disk).done()
    own.config("file://", "--from-dir", disk, "--to-dir", objects).done()
    manifest = json.loads(own.store.read(own.store.repositories["ubi8/go-toolset"].tags["1.18"]))
    (lost,) = (own.mirror.root / "blobs").rglob(manifest["layers"][1]["digest"].partition(":")[2])
    lost.unlink()
    found = no_of(verify(own, objects, "--platform", "linux/amd64", "-o", "json"))
    assert list(found) == ["golang:1.18-ubi8"] and found["golang:1.18-ubi8"]["code"] == "no-blob"
    mend(own, found["golang:1.18-ubi8"]["fix"], tmp_path)
    verify(own, objects, "--platform", "linux/amd64").done()


def test_trust_and_credentials_are_the_clusters(samples: SamplesWorld, configured: Path) -> None:
    flags = ("--samples-config", configured / "samples-config.yaml", "--platform", "linux/amd64", "-o", "json")
    source = ("verify", "--samples", DATA / "ocp-x86_64")
    found = no_of(airferry(*source, *flags, "--pull-secret", samples.mirror.auth_file))
    assert {image["code"] for image in found.values()} == {"unknown-ca"}
    assert "additionalTrustedCA" in found["redis:7-el9"]["fix"]
    found = no_of(airferry(*source, *flags, "--ca", samples.mirror.authority))
    assert {image["code"] for image in found.values()} == {"no-credential"}
    assert f"airferry secret merge {samples.mirror.host}" in found["redis:7-el9"]["fix"]


def test_samples_that_are_removed_are_not_imported(samples: SamplesWorld, configured: Path) -> None:
    file = configured / "samples-config.yaml"
    file.write_text(file.read_text().replace("Managed", "Removed"))
    assert verify(samples, configured).done().out.startswith("0 images\n")


def test_questions_about_samples_that_make_no_sense_are_refused(configured: Path, tmp_path: Path) -> None:
    airferry("verify", "--samples", DATA).refused("usage", "samples operator", hint="--samples-config")
    config = ("--samples-config", configured / "samples-config.yaml")
    airferry("verify", *config).refused("usage", "--samples-config is for --samples")
    airferry("verify", "--samples", DATA, *config, "--from-dir", tmp_path).refused("usage", "not a disk")
