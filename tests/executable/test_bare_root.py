"""The far side, with nothing but the executable from the disk: musl instead of glibc, no Python, no CA certificates."""

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import Built

ROOT_ARCHIVE = Path(__file__).parents[1] / "data" / "alpine" / "alpine-minirootfs-3.12.12-x86_64.tar.gz"
ENTER = """
set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount --bind "$2" "$1/opt/unpacked"
exec chroot "$1" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin:/sbin HOME=/root /bin/sh /far_side.sh
"""
ALONE = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]

pytestmark = [
    pytest.mark.outsider("objcopy", "patchelf", "unshare", "chroot", "mount"),
    pytest.mark.xdist_group("dist"),
    pytest.mark.timeout(600),
]


@dataclass(frozen=True)
class FarSide:
    """What was left behind there."""

    root: Path

    def __call__(self, step: str) -> str:
        """Return what ``step`` printed, once it ended well."""
        output = (self.root / "tmp/steps" / f"{step}.out").read_text()
        assert (self.root / "tmp/steps" / f"{step}.rc").read_text() == "0\n", output
        return output


@contextmanager
def upstream(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve a small signed release like quay.io; yields its host and its signature store."""
    command = [sys.executable, "-m", "airferry.lab.serve", str(folder / "store"), "--shape=small", "--tls", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            host = process.stdout.readline().strip().removeprefix("listening on https://")
            yield host, process.stdout.readline().strip().removeprefix("signatures at ")
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def far_side(built: Built, tmp_path_factory: pytest.TempPathFactory) -> FarSide:
    may = os.geteuid() == 0 and subprocess.run([*ALONE, "true"], capture_output=True).returncode == 0
    if not may or platform.machine() != "x86_64":
        assert not os.environ.get("CI"), "CI runs as root on x86_64, with namespaces"
        pytest.skip("needs root, namespaces and x86_64")
    # Workers of one run share the crossing: not every pytest-xdist keeps a group together.
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with (shared / "far-side.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = shared / "far-side"
        if not (root / "crossed").exists():
            shutil.rmtree(root, ignore_errors=True)
            unpack_bare_root(root)
            fill_disk(root / "media/usb", built, tmp_path_factory.mktemp("near"))
            enter(root, built)
            (root / "crossed").touch()
    return FarSide(root)


def unpack_bare_root(root: Path) -> None:
    with tarfile.open(ROOT_ARCHIVE) as archive:
        archive.extractall(root, filter="tar")
    shutil.rmtree(root / "etc/ssl")
    (root / "opt/unpacked").mkdir()


def fill_disk(disk: Path, built: Built, near: Path) -> None:
    with upstream(near) as (host, signatures):
        (near / "registries.conf").write_text(f'[[registry]]\nprefix = "quay.io"\nlocation = "{host}"\n')
        (near / "auth.json").write_text('{"auths": {}}')
        key = near / "store/verification-key.asc"
        command = [built.executable, "release", "mirror", "4.12.0", "--arch=amd64", "--to-dir", disk, "--with-tool"]
        command += ["--registries-conf", near / "registries.conf", "-a", near / "auth.json"]
        command += ["--certificate-authority", near / "ca.pem", "--verification-key", key]
        command += ["--signature-store", signatures]
        mirrored = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert mirrored.returncode == 0, mirrored.stderr
        shutil.copy(key, disk)


def enter(root: Path, built: Built) -> None:
    shutil.copy(Path(__file__).with_name("far_side.sh"), root)
    command = [*ALONE, "sh", "-c", ENTER, "enter", root, built.folder]
    entered = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert entered.returncode == 0, entered.stderr


def test_the_root_is_bare(far_side: FarSide) -> None:
    root = far_side.root
    assert not list(root.rglob("*python*")) and not (root / "etc/ssl").exists()
    assert list(root.glob("lib/ld-musl-*")) and not list(root.rglob("libc.so.6"))


def test_the_executable_that_ran_is_the_one_that_travelled(far_side: FarSide, built: Built) -> None:
    disk = far_side.root / "media/usb"
    carried = disk / "airferry-linux-x86_64"
    assert carried.read_bytes() == built.executable.read_bytes()
    assert carried.stat().st_mode & 0o7777 == 0o755
    assert far_side("checksum") == "airferry-linux-x86_64: OK\n"
    assert re.fullmatch(r"airferry \d+\.\d+\.\d+\n", far_side("version"))


def test_the_run_book_starts_it_by_its_name_on_the_disk(far_side: FarSide) -> None:
    page = (far_side.root / "media/usb/RUNBOOK-4.12.0-x86_64.md").read_text()
    assert '\n./airferry-linux-x86_64 media verify "$DISK"' in page
    assert '\ncp "$DISK"/airferry-linux-x86_64 .' in page and "\n./airferry-linux-x86_64 release mirror " in page


def test_it_verifies_the_disk(far_side: FarSide) -> None:
    assert re.match(r"\.: whole; \d+ files, .* hashed, \d+ images\n", far_side("verify"))


def test_it_serves_a_registry_with_tls_and_ends_when_told_leaving_nothing_unpacked(far_side: FarSide) -> None:
    assert far_side("serve") == "listening on https://127.0.0.1:8443\n"
    left = [file.name for file in (far_side.root / "tmp").iterdir() if file.name.startswith(("staticx", "_MEI"))]
    assert left == []


def test_it_logs_in_and_loads_the_release_trusting_only_the_given_ca(far_side: FarSide) -> None:
    assert "Saved credentials for mirror.example.com:8443" in far_side("login")
    assert "mirror.example.com:8443/ocp4/openshift4" in far_side("load")
    assert (far_side.root / "root/manifests/registries.conf").is_file()


def test_the_installer_it_extracts_is_bound_to_the_mirror(far_side: FarSide) -> None:
    far_side("extract")
    says = far_side("install")
    assert "release image mirror.example.com:8443/ocp4/openshift4@sha256:" in says


def test_programs_that_it_starts_find_their_own_libraries(far_side: FarSide) -> None:
    assert "4.12.0" in far_side("helped") and "4.12.0" in far_side("helped-unpacked")
    environment = (far_side.root / "tmp/steps/helper-environment").read_text().splitlines()
    assert environment.count("LD_LIBRARY_PATH=/opt/given") == 1
    assert [line for line in environment if line.startswith(("LD_", "_PYI", "STATICX_BUNDLE", "_MEI"))] == [
        "LD_LIBRARY_PATH=/opt/given"
    ]


def test_the_one_folder_form_runs_there_too_through_a_link(far_side: FarSide) -> None:
    assert far_side("unpacked-version") == far_side("version")
    assert far_side("unpacked-verify") == far_side("verify")


def test_the_whole_demo_runs_there(far_side: FarSide) -> None:
    assert far_side("demo").splitlines()[-1].startswith("demo: ok: 184 images crossed, 184/184 pulled")
