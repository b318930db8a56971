"""Copying some platforms of a list only, and saying so."""

import json

import pytest

from airferry.errors import UsageError
from airferry.oci import Descriptor, Digest, Manifest, mediatype
from airferry.oci.descriptor import Platform
from airferry.plan.platforms import PlatformFilter, filter_list

from .worlds import blob_of, image_of

NAMES = ("linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64")
IMAGES = {name: image_of(blob_of(number)) for number, name in enumerate(NAMES)}
ATTESTATION = image_of(blob_of(9))


def list_with(*names: str, attestation: bool = False) -> Manifest:
    items = []
    for name in names:
        parts = dict(zip(("os", "architecture", "variant"), name.split("/"), strict=False))
        items.append(fields_of(IMAGES[name]) | {"platform": parts})
    if attestation:
        items.append(fields_of(ATTESTATION))
    document = {"schemaVersion": 2, "manifests": items, "annotations": {"kept": "yes"}}
    return Manifest.parse(json.dumps(document, indent=1).encode())


def fields_of(manifest: Manifest) -> dict[str, object]:
    return {"mediaType": mediatype.OCI_MANIFEST, "digest": manifest.digest, "size": manifest.size_bytes}


def filtered(manifest: Manifest, expression: str, *, keep_list: bool = False) -> tuple[Manifest, str]:
    wanted = PlatformFilter.parse(expression, keep_list=keep_list)
    assert wanted is not None
    known = {image.digest: image for image in IMAGES.values() if wanted.wants(child_of(manifest, image))}
    made = filter_list(manifest, wanted, known, "quay.io/a:v1")
    return made.manifest, made.note


def child_of(manifest: Manifest, image: Manifest) -> Descriptor:
    found = [child for child in manifest.children if child.digest == image.digest]
    return found[0] if found else Descriptor("", image.digest, 0, Platform("none", "none"))


@pytest.mark.parametrize("expression", ["", ".*"])
def test_a_filter_that_keeps_everything_is_none(expression: str) -> None:
    assert PlatformFilter.parse(expression) is None


def test_a_filter_that_is_no_expression_is_refused() -> None:
    with pytest.raises(UsageError, match="--filter-by-os is not a regular expression"):
        PlatformFilter.parse("linux/(")


WANTED = {
    "linux/amd64": ["linux/amd64"],
    "amd64": ["linux/amd64", "windows/amd64"],
    "linux/arm": ["linux/arm64", "linux/arm/v7"],
    "^linux/arm$": [],
    "^linux/(amd64|arm64)$": ["linux/amd64", "linux/arm64"],
    "v7": ["linux/arm/v7"],
}


@pytest.mark.parametrize("expression", WANTED)
def test_the_expression_may_match_anywhere_as_in_oc(expression: str) -> None:
    wanted = PlatformFilter.parse(expression)
    assert wanted is not None
    children = list_with(*NAMES).children
    assert [str(child.platform) for child in children if wanted.wants(child)] == WANTED[expression]


def test_a_child_without_a_platform_is_kept() -> None:
    wanted = PlatformFilter.parse("linux/amd64")
    assert wanted is not None
    assert wanted.wants(Descriptor("", Digest.of(b""), 0))


def test_one_platform_left_is_that_image_and_both_digests_are_named() -> None:
    manifest = list_with(*NAMES)
    made, note = filtered(manifest, "linux/amd64")
    assert made == IMAGES["linux/amd64"]
    assert str(manifest.digest) in note
    assert str(made.digest) in note


def test_several_left_are_a_new_list_with_everything_else_as_it_was() -> None:
    manifest = list_with(*NAMES, attestation=True)
    made, note = filtered(manifest, "linux/(amd64|arm64)")
    assert [child.digest for child in made.children] == [
        IMAGES["linux/amd64"].digest,
        IMAGES["linux/arm64"].digest,
        ATTESTATION.digest,
    ]
    assert (made.annotations, made.media_type) == ({"kept": "yes"}, manifest.media_type)
    assert "linux/amd64, linux/arm64" in note


def test_the_same_filter_makes_the_same_bytes() -> None:
    one, _ = filtered(list_with(*NAMES), "linux")
    two, _ = filtered(list_with(*NAMES), "linux")
    assert one.raw == two.raw


def test_a_list_that_is_kept_keeps_its_digest_and_says_what_is_left_out() -> None:
    manifest = list_with(*NAMES)
    made, note = filtered(manifest, "linux/amd64", keep_list=True)
    assert made == manifest
    assert "3 platforms are left out" in note


def test_a_filter_that_leaves_nothing_is_an_error_that_names_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"leaves nothing of quay\.io/a:v1") as refusal:
        filtered(list_with(*NAMES, attestation=True), "s390x")
    assert refusal.value.hint == "it has linux/amd64, linux/arm64, linux/arm/v7, windows/amd64"
