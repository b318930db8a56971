"""``samples config``: what is really there, and nothing else, is what the operator is told to import."""

from pathlib import Path

from cli.samples_world import DATA, IMAGES, OUTSIDE, SAMPLES, SamplesWorld, a_list, a_stream, documents, no_of, verify
from cli.world import OurRegistry, as_json, nothing_listens
from failures.stage import airferry, look_at


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


def test_a_tag_that_was_pushed_into_a_stream_is_no_reason_to_skip_it(
    samples: SamplesWorld, loaded: Path, tmp_path: Path
) -> None:
    stream = a_stream("golang", {"1.18": "registry.redhat.io/ubi8/go-toolset:1.18"})
    stream["spec"]["tags"].append({"name": "mine"})
    file = tmp_path / "streams.json"
    file.write_text(a_list(stream))
    answer = as_json(samples.config(file, "-o", "json"))
    assert answer["skipped"] == [] and answer["managementState"] == "Managed"


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
