"""``samples mirror``: everything arrives as it was, and what does not is told."""

import json
from pathlib import Path

from airferry.lab import LabStore, publish_images_of
from airferry.lab.attachments import attach_signature
from airferry.oci import Digest
from cli.samples_world import IMAGES, REDIS, SamplesWorld, a_list, a_stream, real_streams
from cli.world import OurRegistry, as_json, nothing_listens
from failures.stage import Run, airferry, is_sound


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
    samples.to_disk(disk, "--select", "redis").done()
    assert (disk / "manifests" / "samples" / "ledger.json").exists(), "another source's gaps are not closed by that"
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


def test_pruning_says_that_recorded_samples_would_go_and_their_mapping_keeps_them(
    samples: SamplesWorld, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    samples.to_disk(disk, "--select", "redis").done()
    samples.to_disk(disk, "--select", "golang").done()
    prune = ("image", "prune", "--dir", disk, "file://", "--empty-repositories")
    run = airferry(*prune, "--keep", "file://rhel9/redis-7").done()
    assert "warning: 6 of the 7 images of samples that the disk records go" in run.err
    assert "--keep-list" in run.err
    golang = ("--keep-list", disk / "manifests" / "samples" / "mapping.txt")
    kept = airferry(*prune, *golang, "--keep", "file://rh*redis*").done()
    assert "would free 0B" in kept.out and "warning" not in kept.err
