"""Repositories, tags and copy requests."""

from dataclasses import replace

import pytest

from airferry.errors import AirferryError, MalformedError, UnsupportedError, UsageError
from airferry.oci import Digest, Reference
from airferry.oci.reference import parse_repository
from airferry.openshift.release.naming import (
    Target,
    arch_word,
    architecture_of_word,
    release_copies,
    version_reference,
)

from .samples import RELEASE_REPOSITORY, oc_release, real_4_12, transcript

MIRROR = "127.0.0.1:5101/ocp4/openshift4"


def copies(to: str = MIRROR, *, arch: str = "x86_64", **options):
    release = oc_release("4.99.1")
    source = Reference.parse(f"{RELEASE_REPOSITORY}@{release.digest}")
    return release_copies(release.payload, source, Target.parse(to, tree="/disk"), arch, **options)


def test_the_mapping_is_that_of_oc():
    lines = [f"{item.source} {item.destination}:{item.tags[0]}" for item in copies("127.0.0.1:5101/x/y")]
    digest = oc_release("4.99.1").digest
    expected = transcript("mirror-to-mirror").replace(":4.99.1-x86_64 127", f"@{digest} 127", 1).splitlines()
    assert lines == expected


@pytest.mark.parametrize(
    ("to", "arch", "tags"),
    [
        (MIRROR, "x86_64", ["4.99.1-x86_64", "4.99.1-x86_64-etcd"]),
        (MIRROR, "multi", ["4.99.1-multi", "4.99.1-multi-etcd"]),
        ("file://openshift/release", "s390x", ["4.99.1-s390x", "4.99.1-s390x-etcd"]),
        (MIRROR + ":${version}-${component}", "x86_64", ["4.99.1-release-x86_64", "4.99.1-etcd-x86_64"]),
        (MIRROR + ":${component}", "aarch64", ["release-aarch64", "etcd-aarch64"]),
    ],
)
def test_tags_follow_the_table(to, arch, tags):
    by_name = {item.name: item.tags for item in copies(to, arch=arch)}
    assert [*by_name["release"], *by_name["etcd"]] == tags


def test_every_image_of_a_real_release_goes_into_one_repository_under_its_own_tag():
    requests = release_copies(
        real_4_12(),
        Reference.parse(f"quay.io/openshift-release-dev/ocp-release@{Digest.of(b'x')}"),
        Target.parse("file://openshift/release", tree="/disk"),
        "x86_64",
    )
    assert len(requests) == 184
    assert len({item.tags for item in requests}) == 184
    assert {str(item.destination) for item in requests} == {"file://openshift/release"}
    assert requests[0].tags == ("4.12.0-x86_64",)


def test_the_release_image_may_go_elsewhere_or_nowhere():
    elsewhere = copies(release_target=Reference.parse("mirror.lan/rel:mine"))
    assert (str(elsewhere[0].destination), elsewhere[0].tags) == ("mirror.lan/rel", ("mine",))
    without = copies(skip_release_image=True)
    assert [item.name for item in without] == [item.name for item in elsewhere[1:]]


def test_from_a_disk_every_component_is_read_from_the_disk():
    disk = parse_repository("file://openshift/release", tree="/disk")
    requests = copies(components_from=disk)
    assert {item.source.repository for item in requests[1:]} == {disk}
    assert [item.source.digest for item in requests] == [item.source.digest for item in copies()]


@pytest.mark.parametrize(
    ("to", "error", "says"),
    [
        ("127.0.0.1:5101/x/${component}:${version}", UnsupportedError, "may not hold a placeholder"),
        ("127.0.0.1:5101/${component}/x", UnsupportedError, "may not hold a placeholder"),
        (MIRROR + ":4.12", UsageError, "may not contain a tag or digest"),
        (f"{MIRROR}@{Digest.of(b'x')}", UsageError, "may not contain a tag or digest"),
        (MIRROR + ":${version}", UsageError, "same tag"),
        (MIRROR + ":${component}-${arch}", UsageError, "unknown placeholder"),
        (MIRROR + ":${component", UsageError, "unknown placeholder"),
        ("mirror", MalformedError, "no registry host"),
    ],
)
def test_a_target_that_cannot_be_is_refused(to, error, says):
    with pytest.raises(error, match=says):
        Target.parse(to)


def test_a_tag_that_grows_too_long_is_refused():
    payload = oc_release("4.99.1").payload
    long = replace(payload, components=(replace(payload.components[0], name="c" * 128),))
    with pytest.raises(MalformedError, match="not a valid tag"):
        release_copies(long, Reference.parse(f"q.io/a@{Digest.of(b'x')}"), Target.parse(MIRROR), "x86_64")


def test_skipping_and_placing_the_release_image_exclude_each_other():
    with pytest.raises(UsageError, match="may not both be specified"):
        copies(skip_release_image=True, release_target=Reference.parse("mirror.lan/rel:mine"))


@pytest.mark.parametrize("target", ["mirror.lan/rel", f"mirror.lan/rel:a@{Digest.of(b'x')}"])
def test_the_place_of_the_release_image_needs_a_tag_alone(target):
    with pytest.raises(UsageError, match="--to-release-image"):
        copies(release_target=Reference.parse(target))


@pytest.mark.parametrize(
    ("architecture", "word"),
    [("amd64", "x86_64"), ("arm64", "aarch64"), ("s390x", "s390x"), ("ppc64le", "ppc64le")],
)
def test_architectures_have_two_spellings(architecture, word):
    assert arch_word(architecture) == word
    assert architecture_of_word(word) == architecture
    assert arch_word(architecture, is_list=True) == "multi"


def test_a_bare_version_is_the_release_on_quay():
    official = "quay.io/openshift-release-dev/ocp-release"
    assert str(version_reference("4.12.0", "amd64")) == f"{official}:4.12.0-x86_64"
    assert str(version_reference("4.12.0-rc.8", "aarch64")) == f"{official}:4.12.0-rc.8-aarch64"
    assert str(version_reference("4.12.0", "multi")) == f"{official}:4.12.0-multi"


@pytest.mark.parametrize("text", ["4.12", "latest", "quay.io/a/b:4.12.0", "4.12.0+build"])
def test_what_is_not_a_bare_version_is_left_to_others(text):
    assert version_reference(text, "amd64") is None


def test_errors_of_targets_are_ours():
    for text in ("", ":", "/", "a.b/c:", "file://", "file://A", "s3://x/y/z", "a.b/c:${", "${component}"):
        with pytest.raises(AirferryError):
            Target.parse(text)
