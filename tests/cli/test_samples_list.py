"""``samples list``: every source says the same of the same streams, and says what is wrong with it."""

import io
import json
import sys
from pathlib import Path

import pytest

from cli.samples_world import (
    DATA,
    IMAGES,
    OUTSIDE,
    SAMPLES,
    SamplesWorld,
    a_list,
    a_stream,
)
from cli.world import as_json
from failures.stage import QUICK, airferry


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


def test_what_no_copy_can_serve_is_told_below_the_table(tmp_path: Path) -> None:
    file = tmp_path / "streams.json"
    file.write_text(a_list(a_stream("ruby", {"1": "quay.io/a/b:1", "2": "library/ruby"})))
    run = airferry("samples", "list", file).done()
    assert "1 streams, 2 tags, 1 images to mirror\ncannot be mirrored: ruby:2: no registry host" in run.out
    (told,) = as_json(airferry("samples", "list", file, "-o", "json"))["notMirrored"]
    assert told["name"] == "ruby:2" and "no registry host" in told["reason"]


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
