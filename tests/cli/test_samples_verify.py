"""``verify --samples``: every import is answered, or the answer names what mends it."""

import json
import shlex
from pathlib import Path

import pytest

from cli.samples_world import (
    DATA,
    SamplesWorld,
    no_of,
    verify,
)
from failures.stage import airferry


@pytest.fixture
def configured(samples: SamplesWorld, loaded: Path, tmp_path: Path) -> Path:
    """A folder with the objects for the loaded mirror."""
    samples.config("file://", "--from-dir", loaded, "--to-dir", tmp_path / "objects").done()
    return tmp_path / "objects"


def test_every_import_of_the_generated_config_is_answered(samples: SamplesWorld, configured: Path) -> None:
    run = verify(samples, configured, "--platform", "linux/amd64").done()
    assert run.out.startswith("16 images, 16 of them samples\n") and "  yes             16\n" in run.out
    assert "  yes             16\n" in verify(samples, configured, "--platform", "linux/amd64", "--deep").done().out


def test_the_record_of_a_disk_tells_what_is_imported(samples: SamplesWorld, loaded: Path, configured: Path) -> None:
    of_disk = ("--samples-dir", loaded, "--platform", "linux/amd64")
    run = verify(samples, configured, *of_disk, source="file://").done()
    assert run.out.startswith("16 images, 16 of them samples\n")
    file = configured / "samples-config.yaml"
    file.write_text(file.read_text().replace(f"{samples.mirror.host}'", f"{samples.mirror.host}/elsewhere'"))
    fix = no_of(verify(samples, configured, *of_disk, "-o", "json", source="file://"))["redis:6-el8"]["fix"]
    assert fix.startswith(
        f"airferry samples mirror --refresh --from-dir {loaded} file:// {samples.mirror.host}/elsewhere"
    )
    verify(samples, configured, source="file://").refused("usage", "samples on a disk", hint="--samples-dir")
    airferry("verify", "--samples-dir", loaded).refused("usage", "--samples-dir is for --samples")


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
