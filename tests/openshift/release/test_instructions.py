"""The sections that a mirrored release prints, compared with those of oc."""

import pytest

from airferry.errors import UsageError
from airferry.oci import Reference
from airferry.openshift.cluster.mirror_sets import MirrorKind, print_fragment, print_object, release_mirrors
from airferry.openshift.release.instructions import (
    InstructionStyle,
    SignatureFile,
    apply_signatures_text,
    mapping_text,
    mirror_text,
    signature_text,
    success_text,
    upload_text,
)
from airferry.openshift.release.naming import Target, release_copies

from .samples import RELEASE_REPOSITORY, oc_release, transcript

MIRROR = "127.0.0.1:5101/ocp4/openshift4"
SOURCES = (RELEASE_REPOSITORY, "127.0.0.1:5100/openshift-release-dev/ocp-v4.0-art-dev")
SIGNATURE = SignatureFile("LAB/media/sigs/signature-sha256-1be9173bc4406308.json", "sha256-1be9")


def sections(style: InstructionStyle) -> str:
    kinds = {
        InstructionStyle.ICSP: (MirrorKind.CONTENT_SOURCES, MirrorKind.ICSP),
        InstructionStyle.IDMS: (MirrorKind.DIGEST_SOURCES, MirrorKind.IDMS),
    }
    entries = release_mirrors(reversed(SOURCES), [MIRROR, MIRROR])
    fragment, mirror_object = kinds[style]
    return mirror_text(style, print_fragment(fragment, entries), print_object(mirror_object, entries))


def test_mirroring_to_a_registry_prints_what_oc_prints():
    image = Reference.parse(f"{MIRROR}:4.99.1-x86_64")
    text = success_text(image, Target.parse(MIRROR), image) + sections(InstructionStyle.ICSP)
    assert text == transcript("mirror-to")


def test_mirroring_with_signatures_prints_what_oc_prints():
    image = Reference.parse(f"{MIRROR}:4.99.2-x86_64")
    text = success_text(image, Target.parse(MIRROR)) + sections(InstructionStyle.IDMS)
    text += apply_signatures_text("LAB/media/sigs") + signature_text([SIGNATURE])
    assert text == transcript("mirror-signed-to-sigdir")


def test_a_dry_run_with_signatures_prints_what_oc_prints_where_no_cluster_is_asked():
    image = Reference.parse(f"{MIRROR}:4.99.2-x86_64")
    text = success_text(image, Target.parse(MIRROR)) + signature_text([SIGNATURE], dry_run=True)
    lines = transcript("mirror-signed-dry-sigs").splitlines(keepends=True)
    assert text == "".join(line for line in lines if "Create or configure configmap" not in line)


@pytest.mark.parametrize(
    ("name", "version", "folder", "signatures"),
    [
        ("mirror-to-dir", "4.99.1", "LAB/media/mirror", []),
        (
            "mirror-to-dir-signed",
            "4.99.2",
            "LAB/media/m2",
            [SignatureFile("LAB/media/m2/config/signature-sha256-1be9173bc4406308.json", "x")],
        ),
    ],
)
def test_mirroring_to_a_disk_prints_what_oc_prints(name, version, folder, signatures):
    image = Reference.parse(f"file://openshift/release:{version}-x86_64", tree=folder)
    text = success_text(image, Target.parse("file://openshift/release", tree=folder))
    text += upload_text(folder, image, program="oc") + signature_text(signatures)
    assert text == transcript(name)


def test_a_template_is_called_mirrored_to_as_oc_does():
    target = Target.parse("127.0.0.1:5101/x/y:${version}-${component}")
    image = Reference.parse("127.0.0.1:5101/x/y:4.99.1-release-x86_64")
    assert success_text(image, target) == transcript("mirror-component-tag")


def test_our_own_upload_command_needs_no_flag_and_that_of_oc_does_for_a_list():
    image = Reference.parse("file://openshift/release:4.99.3-multi", tree="d")
    assert "airferry image mirror '--from-dir=a disk' 'file://" in upload_text("a disk", image)
    assert "airferry image mirror --from-dir=d" in upload_text("d", image)
    assert "airferry image mirror --allow-unverified --from-dir=d" in upload_text("d", image, unverified=True)


def test_the_mapping_is_printed_as_oc_does():
    release = oc_release("4.99.1")
    requests = release_copies(
        release.payload,
        Reference.parse(f"{RELEASE_REPOSITORY}@{release.digest}"),
        Target.parse("127.0.0.1:5101/x/y"),
        "x86_64",
    )
    text = mapping_text([(item.source, Reference(item.destination, item.tags[0])) for item in requests])
    expected = transcript("mirror-to-mirror").splitlines()
    assert text.splitlines()[1:] == expected[1:]


@pytest.mark.parametrize(("text", "style"), [("", "icsp"), ("ICSP", "icsp"), ("Idms", "idms"), ("none", "none")])
def test_styles_are_read_in_any_case(text, style):
    assert InstructionStyle.parse(text).value == style


def test_another_style_is_refused():
    with pytest.raises(UsageError, match="--print-mirror-instructions must be one of icsp, idms, none"):
        InstructionStyle.parse("foo")


def test_the_style_none_prints_nothing():
    assert mirror_text(InstructionStyle.NONE, "a", "b") == ""
