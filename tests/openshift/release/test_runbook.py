"""The page on the disk."""

from dataclasses import replace

from airferry.oci import Digest
from airferry.openshift.release.runbook import ON_THE_DISK, RunBook, print_runbook

DIGEST = Digest.of(b"x")
ACCESS = "-a auth.json --certificate-authority ca.crt"
TOOL = "'./airferry tool'"
BOOK = RunBook("4.12.0", "x86_64", DIGEST, 183, "/media/usb", "4.12.0-x86_64")
FULL = replace(
    BOOK,
    disk=ON_THE_DISK,
    registry="mirror.lan:8443/ocp4/openshift4",
    mirror_objects=("imageDigestMirrorSet.yaml", "imageTagMirrorSet.yaml"),
    signature_files=("config/signature-sha256-0123456789abcdef.json",),
    tool="airferry tool",
    verification_keys=("our key.asc",),
)


def commands(book: RunBook) -> list[str]:
    blocks = print_runbook(book).split("```")[1::2]
    return [line for block in blocks for line in block.strip().splitlines()]


def test_the_commands_come_in_the_order_they_are_needed():
    assert commands(FULL) == [
        "DISK=$PWD",
        "mkdir -p ~/openshift-4.12.0-x86_64 && cd ~/openshift-4.12.0-x86_64",
        "cp \"$DISK\"'/airferry tool' .",
        f'{TOOL} media verify "$DISK"',
        f"{TOOL} login mirror.lan:8443 {ACCESS}",
        f'{TOOL} release mirror --from=file://openshift/release:4.12.0-x86_64 --from-dir="$DISK" '
        f"--to=mirror.lan:8443/ocp4/openshift4 '--verification-key=our key.asc' {ACCESS}",
        f"{TOOL} release extract --command=openshift-install --from=mirror.lan:8443/ocp4/openshift4@{DIGEST} {ACCESS}",
        "./openshift-install version",
        "oc apply -f imageDigestMirrorSet.yaml",
        "oc apply -f imageTagMirrorSet.yaml",
        "oc apply -f config/signature-sha256-0123456789abcdef.json",
        f"oc adm upgrade --allow-explicit-upgrade --to-image=mirror.lan:8443/ocp4/openshift4@{DIGEST}",
    ]


def test_a_key_is_to_be_brought_along_by_other_means_than_the_disk():
    assert "`our key.asc` is the key that the release was signed with; it is not on the disk" in print_runbook(FULL)
    assert "key that the release" not in print_runbook(BOOK)


def test_an_unknown_mirror_is_a_placeholder_that_is_explained():
    page = print_runbook(BOOK)
    assert "--to=REGISTRY/REPOSITORY" in page
    assert "Replace `REGISTRY/REPOSITORY` with your mirror" in page
    assert "Replace" not in print_runbook(FULL)


def test_an_unverified_release_says_so_and_repeats_the_flag():
    page = print_runbook(replace(BOOK, unverified=True))
    assert "**The signature of this release was not verified.**" in page
    assert "--to=REGISTRY/REPOSITORY --allow-unverified" in page
    assert "unverified" not in print_runbook(BOOK)


def test_without_a_disk_nothing_is_checked_or_loaded():
    direct = replace(FULL, disk=None, unverified=True)
    assert not any("media verify" in line or "release mirror" in line for line in commands(direct))
    assert "disk" not in print_runbook(direct)
    assert "not verified.**\n" in print_runbook(direct)


def test_the_same_input_gives_the_same_bytes():
    assert print_runbook(FULL) == print_runbook(replace(FULL))
    assert print_runbook(FULL).endswith("\n")
    assert "\n\n\n" not in print_runbook(FULL)
