import subprocess
from pathlib import Path

import pytest

from airferry.lab import LabStore, PublishedRelease
from airferry.lab.tools import ARCHITECTURE_MARKER, IMAGE_MARKER, VERSION_MARKER, oc, oc_exe, openshift_install

from .reading import files, layers

PULLSPEC = "mirror.example.com:8443/ocp4/openshift4@sha256:" + 64 * "a"


def patch(program: bytes, marker: bytes, value: str) -> bytes:
    """Patch as `oc adm release extract` does: from the marker's leading NUL, ended by a NUL, no other byte touched."""
    at = program.index(marker)
    written = value.encode() + b"\0"
    return program[:at] + written + program[at + len(written) :]


def run(folder: Path, name: str, program: bytes, *arguments: str, shell: str | None = None):
    file = folder / name
    file.write_bytes(program)
    file.chmod(0o755)
    command = [str(file), *arguments] if shell is None else [shell, str(file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_markers_have_the_lengths_of_the_real_ones():
    assert [len(marker) for marker in (IMAGE_MARKER, VERSION_MARKER, ARCHITECTURE_MARKER)] == [327, 93, 98]


@pytest.mark.parametrize(("size_bytes", "boundary"), [(16_384, 8192), (384 * 1024, 65_536)])
def test_each_marker_is_there_once_and_the_first_lies_across_a_block_boundary(size_bytes, boundary):
    program = openshift_install("k", "c0ffee", size_bytes)
    for marker in (IMAGE_MARKER, VERSION_MARKER, ARCHITECTURE_MARKER):
        assert program.count(marker) == 1
    assert program.index(IMAGE_MARKER) < boundary < program.index(IMAGE_MARKER) + len(IMAGE_MARKER)
    assert len(program) == size_bytes
    exe = oc_exe("k", size_bytes)
    assert len(exe) == size_bytes and exe.count(VERSION_MARKER) == 1


def test_an_unpatched_installer_says_that_it_is_not_pinned(tmp_path):
    done = run(tmp_path, "openshift-install", openshift_install("k", "c0ffee", 65_536), "version")
    assert done.returncode == 0
    assert done.stdout == (
        "openshift-install unreleased\n"
        "built from commit c0ffee\n"
        "release image: none, this installer was not pinned to a release\n"
        "release architecture unknown\n"
    )


@pytest.mark.parametrize("shell", [None, "sh", "bash"])
@pytest.mark.parametrize("size_bytes", [16_384, 384 * 1024])
def test_a_patched_installer_prints_the_release_it_belongs_to(tmp_path, shell, size_bytes):
    program = openshift_install("k", "c0ffee", size_bytes)
    for marker, value in ((IMAGE_MARKER, PULLSPEC), (VERSION_MARKER, "4.12.0"), (ARCHITECTURE_MARKER, "linux/amd64")):
        program = patch(program, marker, value)
    done = run(tmp_path, "openshift-install", program, "version", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"openshift-install 4.12.0\nbuilt from commit c0ffee\nrelease image {PULLSPEC}\nrelease architecture amd64\n"
    )


def test_the_longest_values_fit(tmp_path):
    program = openshift_install("k", "c0ffee", 65_536)
    for marker, letter in ((IMAGE_MARKER, "i"), (VERSION_MARKER, "v"), (ARCHITECTURE_MARKER, "a")):
        program = patch(program, marker, (len(marker) - 1) * letter)
    done = run(tmp_path, "openshift-install", program, "version")
    assert done.stdout == (
        f"openshift-install {92 * 'v'}\nbuilt from commit c0ffee\nrelease image {326 * 'i'}\n"
        f"release architecture {97 * 'a'}\n"
    )


def test_an_installer_for_a_multi_release_says_multi(tmp_path):
    program = patch(openshift_install("k", "c", 65_536), ARCHITECTURE_MARKER, "multi (linux/amd64)")
    assert "release architecture multi\n" in run(tmp_path, "openshift-install", program, "version").stdout


def test_oc_prints_its_client_version(tmp_path):
    program = patch(oc("k", "c", 20_000), VERSION_MARKER, "4.12.0")
    done = run(tmp_path, "oc", program, "version", "--client")
    assert done.stdout.splitlines()[0] == "Client Version: 4.12.0"


def test_an_unknown_command_fails(tmp_path):
    assert run(tmp_path, "openshift-install", openshift_install("k", "c", 20_000), "destroy").returncode == 1


@pytest.mark.parametrize(
    ("component", "paths"),
    {
        "cli": ["usr/bin/oc"],
        "cli-artifacts": [
            *(f"usr/share/openshift/linux_{name}/oc" for name in ("amd64", "arm64", "ppc64le")),
            *(f"usr/share/openshift/{name}" for name in ("mac/oc", "mac_arm64/oc", "windows/oc.exe")),
        ],
        "installer": ["usr/bin/openshift-install"],
        "baremetal-installer": ["usr/bin/openshift-install"],
        "installer-artifacts": [
            f"usr/share/openshift/{name}/openshift-install"
            for name in ("mac", "mac_arm64", "linux_amd64", "linux_arm64")
        ],
        "cloud-credential-operator": ["usr/bin/ccoctl"],
    }.items(),
)
def test_the_tools_are_where_the_real_release_has_them(small: PublishedRelease, store: LabStore, component, paths):
    found = files(store, layers(store, small.components[component])[-1])
    assert set(paths) <= set(found)
    for path in paths:
        assert (VERSION_MARKER in found[path]) == (not path.endswith("ccoctl"))
        assert (IMAGE_MARKER in found[path]) == path.endswith("openshift-install")
