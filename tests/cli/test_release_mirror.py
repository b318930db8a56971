"""``release mirror``: sections on stdout, generated files, dry runs, and where the release image goes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from failures.stage import Run, airferry, look_at

from .world import OurRegistry, World, as_json, nothing_listens

INSTALL = "\nTo use the new mirrored repository to install, add the following section to the install-config.yaml:\n\n"
UPGRADE = "\nTo use the new mirrored repository for upgrades, use the following to create an "


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[OurRegistry]:
    """An empty registry without TLS and users."""
    with OurRegistry(tmp_path / "lab", use_tls=False, use_auth=False) as registry:
        yield registry


def mirror(world: World, to: OurRegistry, *more: object, name: str = "ocp4/openshift4") -> Run:
    """Mirror straight from the upstream to a registry."""
    where = ("--to", f"{to.host}/{name}", "--dest-insecure")
    return airferry("release", "mirror", world.version, *where, *world.quay.flags(), *more)


def parts(text: str) -> tuple[list[str], str]:
    """Split stdout into the digest lines and all the rest."""
    lines = text.splitlines(keepends=True)
    digests = [line for line in lines if line.startswith("sha256:")]
    return digests, "".join(lines[len(digests) :])


def repositories(registry: OurRegistry, *flags: object) -> list[str]:
    import urllib.request

    with urllib.request.urlopen(f"http://{registry.host}/v2/_catalog") as answer:
        return list(YAML(typ="safe").load(answer.read())["repositories"])


def test_every_image_is_named_with_its_digest_and_tag(world: World) -> None:
    digests, _ = parts(world.to_mirror.out)
    wanted = {"": world.release.digest, **world.release.components}
    tagged = {f"{digest} {world.mirrored}{f'-{name}' if name else ''}\n" for name, digest in wanted.items()}
    assert tagged <= set(digests)
    assert digests == sorted(digests)
    assert set(digests) == tagged


def test_the_sections_are_those_of_oc(world: World) -> None:
    _, text = parts(world.to_mirror.out)
    head = f"\nSuccess\nUpdate image:  {world.mirrored}\nMirror prefix: {world.mirror.repository}\n"
    assert text.startswith(f"{head}{INSTALL}imageContentSources:\n")
    sources = f"quay.io/{world.release.release_repository}", f"quay.io/{world.release.component_repository}"
    rules = [{"mirrors": [world.mirror.repository], "source": source} for source in sources]
    fragment, rest = text.partition(INSTALL)[2].split(UPGRADE)
    assert YAML(typ="safe").load(fragment) == {"imageContentSources": rules}
    word, document = rest.split(":\n\n", 1)
    assert word == "ImageContentSourcePolicy"
    document = document.partition("Configmap signature file")[0]
    assert YAML(typ="safe").load(document) == {
        "apiVersion": "operator.openshift.io/v1alpha1",
        "kind": "ImageContentSourcePolicy",
        "metadata": {"name": "example"},
        "spec": {"repositoryDigestMirrors": rules},
    }


@pytest.mark.parametrize(
    ("style", "fragment", "kind"),
    [
        ("icsp", "imageContentSources:", "ImageContentSourcePolicy"),
        ("IDMS", "imageDigestSources:", "ImageDigestMirrorSet"),
        ("none", None, None),
    ],
)
def test_instructions_come_in_the_style_asked_for(world: World, tmp_path: Path, style: str, fragment, kind) -> None:
    with nothing_listens() as host:
        run = airferry(
            *("release", "mirror", world.version, "--from-dir", world.disk, *world.trust, "--dry-run"),
            *("--to", f"{host}/ocp4/openshift4", "--print-mirror-instructions", style, "--retry-times", "0"),
        ).done()
    if kind is None:
        assert INSTALL not in run.out and UPGRADE not in run.out
    else:
        assert (
            f"{INSTALL}{fragment}\n" in run.out
            and f"{UPGRADE}{kind}:\n\n" in run.out
            and f"\nkind: {kind}\n" in run.out
        )


def test_a_disk_says_how_to_load_it(world: World) -> None:
    digests, text = parts(world.to_disk.out)
    assert f"{world.release.digest} file://openshift/release:{world.release.tag}\n" in digests
    pattern = f"'file://openshift/release:{world.release.tag}*'"
    upload = f"airferry image mirror --from-dir={world.disk} {pattern} REGISTRY/REPOSITORY"
    assert text.startswith(
        f"\nSuccess\nUpdate image:  openshift/release:{world.release.tag}\n"
        f"\nTo upload local images to a registry, run:\n\n    {upload}\n\n"
    )
    name = f"signature-sha256-{world.release.digest[7:23]}.json"
    assert f"Configmap signature file {world.disk}/config/{name} created\n" in text
    assert (world.disk / "config" / name).is_file()


def test_a_dry_run_prints_what_the_real_run_prints(world: World, lab: OurRegistry) -> None:
    dry = mirror(world, lab, "--dry-run").done()
    assert repositories(lab) == []
    real = mirror(world, lab).done()
    dry_digests, dry_text = parts(dry.out)
    real_digests, real_text = parts(real.out)
    assert dry_digests == real_digests
    # One line differs, as with oc: a file that was written, or that would be.
    assert dry_text.partition("info: Write configmap")[0] == real_text.partition("Configmap signature file")[0]
    assert dry_text.splitlines()[-1].removeprefix("info: Write configmap") == real_text.splitlines()[-1].removeprefix(
        "Configmap"
    ).removesuffix(" created")
    again = mirror(world, lab, "--dry-run", "--refresh").done()
    assert again.out == dry.out


def test_a_dry_run_touches_nothing(world: World, lab: OurRegistry, tmp_path: Path, home: Path) -> None:
    before = look_at(tmp_path, without=["upstream.conf"])
    mirror(world, lab, "--dry-run").done()
    airferry("release", "mirror", world.version, "--to-dir", tmp_path / "disk", *world.quay.flags(), "--dry-run").done()
    assert look_at(tmp_path, without=["upstream.conf"]) == before
    assert repositories(lab) == []


def test_a_dry_run_works_where_the_destination_cannot_be_reached(world: World) -> None:
    with nothing_listens() as host:
        flags = ("--from-dir", world.disk, *world.trust, "--to", f"{host}/ocp4/openshift4", "--retry-times", "0")
        run = airferry("release", "mirror", world.version, *flags, "--dry-run").done()
        assert f"Mirror prefix: {host}/ocp4/openshift4\n" in run.out
        assert "warning: " in run.err and "planning as if it were empty" in run.err and host in run.err
        airferry("release", "mirror", world.version, *flags).refused("unreachable", host)


def test_a_dry_run_works_where_a_mirror_that_was_loaded_is_down_now(world: World, tmp_path: Path) -> None:
    with OurRegistry(tmp_path / "going", use_tls=False, use_auth=False) as going:
        mirror(world, going).done()
    run = mirror(world, going, "--dry-run", "--retry-times", "0").done()
    assert "planning as if it were empty" in run.err


def test_a_dry_run_as_json_is_the_plan(world: World, lab: OurRegistry) -> None:
    plan = as_json(mirror(world, lab, "--dry-run", "-o", "json"))
    assert plan["dryRun"] is True and plan["verified"] is True and plan["files"] == []
    assert plan["plan"]["images"] == len(world.release.components) + 1
    assert plan["moved"]["bytes"] == 0 < plan["plan"]["movedBytes"]
    real = as_json(mirror(world, lab, "-o", "json"))
    assert real["plan"] == plan["plan"]
    assert real["moved"]["bytes"] == plan["plan"]["movedBytes"]
    assert real["images"] == plan["images"]
    assert {image["digest"] for image in real["images"]} >= {world.release.digest, *world.component_digests}
    tags = {tag for image in real["attachments"] for tag in image["tags"]}
    assert tags == {tag for tags in world.release.attachments.values() for tag in tags}
    assert {image["digest"] for image in real["attachments"]} >= set(world.release.referrers)
    assert {image["attachedTo"] for image in real["attachments"]} <= {image["digest"] for image in real["images"]}
    again = as_json(mirror(world, lab, "-o", "json"))
    assert again["moved"]["bytes"] == 0
    assert again["images"] == real["images"]


def test_yaml_says_the_same_as_json(world: World, lab: OurRegistry) -> None:
    text = mirror(world, lab, "--dry-run", "-o", "yaml").done().out
    assert YAML(typ="safe").load(text)["digest"] == world.release.digest


GENERATED = {
    "RUNBOOK-4.12.0-x86_64.md",
    "imageContentSourcePolicy.yaml",
    "imageDigestMirrorSet.yaml",
    "imageTagMirrorSet.yaml",
    "install-config-imageContentSources.yaml",
    "install-config-imageDigestSources.yaml",
    "registries.conf",
}


def test_the_same_input_gives_the_same_files(world: World, tmp_path: Path) -> None:
    for name in ("one", "two"):
        to = ("--to", world.mirror.repository, "--manifests-dir", name, *world.mirror.flags)
        airferry("release", "mirror", world.version, "--from-dir", world.disk, *to, *world.trust).done()
    one, two = ({file.name: file.read_bytes() for file in Path(name).iterdir()} for name in ("one", "two"))
    assert one == {name: content.replace(b"two", b"one") for name, content in two.items()}
    signature = {f"signature-sha256-{world.release.digest[7:23]}.json"}
    assert set(one) == GENERATED | signature


def test_two_disks_of_one_release_are_the_same(world: World, tmp_path: Path) -> None:
    world.quay.mirror(tmp_path / "disk").done()
    assert look_at(tmp_path / "disk") == look_at(world.disk)


def test_the_mirror_the_disk_is_for_can_be_named_at_once(world: World, tmp_path: Path) -> None:
    repository = "mirror.example.com:8443/ocp4/openshift4"
    world.quay.mirror(tmp_path / "disk", "--mirror-registry", repository).done()
    files = tmp_path / "disk" / "manifests" / "4.12.0-x86_64"
    rules = (files / "imageDigestMirrorSet.yaml").read_text()
    assert f"- {repository}\n" in rules and "REGISTRY/REPOSITORY" not in rules
    assert "registries.conf" in {file.name for file in files.iterdir()}


@pytest.mark.parametrize("name", ["https://m.lan/a/b", "m.lan/a/b:latest", "just words", "file://a/b", "m.lan"])
def test_a_mirror_registry_that_is_none_is_known_before_anything_is_copied(
    world: World, tmp_path: Path, name: str
) -> None:
    run = world.quay.mirror(tmp_path / "disk", "--mirror-registry", name)
    run.refused("usage", "--mirror-registry", hint="HOST[:PORT]/REPOSITORY")
    assert not (tmp_path / "disk").exists()


def test_a_mirror_registry_without_a_disk_is_refused(world: World, lab: OurRegistry) -> None:
    mirror(world, lab, "--mirror-registry", "m.lan/a/b").refused("usage", "--mirror-registry", "there is no disk")


def test_to_mirror_prints_the_mapping_and_copies_nothing(world: World, lab: OurRegistry) -> None:
    text = mirror(world, lab, "--to-mirror").done().out
    to = f"{lab.host}/ocp4/openshift4:{world.release.tag}"
    components = world.release.components.items()
    assert text.splitlines() == [
        f"{world.release.pullspec_by_digest} {to}",
        *(f"quay.io/{world.release.component_repository}@{digest} {to}-{name}" for name, digest in components),
    ]
    assert repositories(lab) == []


def test_the_mapping_is_one_that_image_mirror_takes(world: World, lab: OurRegistry, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.txt"
    mapping.write_text(mirror(world, lab, "--to-mirror").done().out)
    flags = ("--dest-insecure", *world.quay.flags(trusted=False), "--no-attachments")
    run = airferry("image", "mirror", "-f", mapping, *flags).done()
    assert len(run.out.splitlines()) == world.release.image_count


def test_tags_follow_a_template(world: World, lab: OurRegistry) -> None:
    run = mirror(world, lab, name="ocp/r:${version}-${component}").done()
    digests, text = parts(run.out)
    to = f"{lab.host}/ocp/r:{world.version}"
    assert f"{world.release.digest} {to}-release-x86_64\n" in digests
    assert f"{world.release.components['etcd']} {to}-etcd-x86_64\n" in digests
    assert (
        f"\nSuccess\nUpdate image:  {to}-release-x86_64\nMirrored to: {lab.host}/ocp/r:${{version}}-${{component}}\n"
        in text
    )
    assert f"- {lab.host}/ocp/r\n" in text, "oc ends with exit 1 where the instructions should be"


def test_the_release_image_can_go_elsewhere(world: World, lab: OurRegistry) -> None:
    elsewhere = f"{lab.host}/ocp4/releases:mine"
    run = mirror(world, lab, "--to-release-image", elsewhere).done()
    digests, text = parts(run.out)
    assert f"{world.release.digest} {elsewhere}\n" in digests
    assert f"{world.release.digest} {lab.host}/ocp4/openshift4:{world.release.tag}\n" not in digests
    assert (
        f"Update image:  {elsewhere}\nMirror prefix: {lab.host}/ocp4/openshift4\nMirror prefix: {elsewhere}\n" in text
    )
    both = [f"{lab.host}/ocp4/openshift4", f"{lab.host}/ocp4/releases"]
    fragment = YAML(typ="safe").load(text.partition(INSTALL)[2].partition(UPGRADE)[0])
    assert [rule["mirrors"] for rule in fragment["imageContentSources"]] == [both, both]
    found = airferry("release", "info", elsewhere, "--insecure", "-o", "digest").done().out
    assert found == f"{world.release.digest}\n"


def test_the_release_image_can_stay_behind(world: World, lab: OurRegistry) -> None:
    digests, _ = parts(mirror(world, lab, "--skip-release-image").done().out)
    assert world.release.digest not in "".join(digests)
    assert len([line for line in digests if "x86_64" in line]) == len(world.release.components)
    run = mirror(world, lab, "--skip-release-image", "--to-release-image", f"{lab.host}/x:y")
    run.refused("usage", "--skip-release-image and --to-release-image may not both be specified")


def test_signatures_go_where_they_are_asked_to_go(world: World, lab: OurRegistry, tmp_path: Path) -> None:
    folder = tmp_path / "signatures"
    run = mirror(world, lab, "--release-image-signature-to-dir", folder).done()
    (file,) = folder.iterdir()
    assert file.name == f"signature-sha256-{world.release.digest[7:23]}.json"
    assert f"\n\nTo apply signature configmaps use 'oc apply' on files found in {folder}\n\n" in run.out
    assert run.out.endswith(f"Configmap signature file {file} created\n")
    assert file.read_bytes() == (world.disk / "config" / file.name).read_bytes()


@pytest.mark.parametrize("flag", ["--dest-insecure", "--dest-insecure=true", "--insecure=true", "--insecure"])
def test_flags_take_true_as_with_oc(world: World, lab: OurRegistry, flag: str) -> None:
    where = ("--to", f"{lab.host}/a/b", "--from-dir", world.disk, *world.trust)
    airferry("release", "mirror", world.version, *where, flag, "--dry-run=true").done()
    assert repositories(lab) == []


def test_flags_take_false_as_with_oc(world: World, lab: OurRegistry) -> None:
    where = ("--to", f"{lab.host}/a/b", "--from-dir", world.disk, *world.trust)
    airferry("release", "mirror", world.version, *where, "--insecure=true", "--dry-run=false").done()
    assert repositories(lab) == ["a/b"]
    run = airferry("release", "mirror", world.version, *where, "--insecure=false", "--retry-times", "0", "--refresh")
    assert run.code == 1 and "error[" in run.err


def test_what_only_oc_needs_is_taken_in_silence(world: World, lab: OurRegistry) -> None:
    run = mirror(world, lab, "--keep-manifest-list=true", "--max-per-registry=6", "--dry-run").done()
    assert f"Update image:  {lab.host}/ocp4/openshift4:{world.release.tag}\n" in run.out


def test_an_unsigned_release_needs_to_be_allowed_on_both_sides(tmp_path: Path, lab: OurRegistry) -> None:
    from dataclasses import replace

    from airferry.lab import SMALL, publish_release
    from failures.stage import Quay

    release = publish_release(tmp_path / "store", replace(SMALL, signed=False))
    empty = tmp_path / "signatures"
    empty.mkdir()
    disk, stores = tmp_path / "disk", ("--signature-store", empty)
    with Quay(tmp_path, release) as quay:
        flags = quay.flags(trusted=False)
        run = airferry("release", "mirror", release.version, "--to-dir", disk, *flags, *stores)
        run.refused("untrusted-release", release.digest, hint="--allow-unverified")
        assert not (disk / "v2").exists()
        run = airferry("release", "mirror", release.version, "--to-dir", disk, *flags, *stores, "--allow-unverified")
        assert "is not verified" in run.done().err
    assert "NOT VERIFIED" in airferry("media", "info", disk).done().out
    load = ("release", "mirror", release.version, "--from-dir", disk, "--to", f"{lab.host}/a/b", "--dest-insecure")
    airferry(*load).refused("untrusted-release", release.digest)
    images = ("image", "mirror", "--from-dir", disk, "file://openshift/release", f"{lab.host}/a/b", "--dest-insecure")
    airferry(*images).refused("untrusted-release", release.digest)
    extract = ("release", "extract", "--from-dir", disk, release.version, "--command", "oc", "--to", tmp_path / "t")
    airferry(*extract).refused("untrusted-release", release.digest)
    assert repositories(lab) == []
    for command in (load, images, extract):
        airferry(*command, "--allow-unverified").done()
