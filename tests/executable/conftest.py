"""What `make dist` makes, built once for all tests here and again only when a source changes."""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]
KEPT = HERE / "build" / "tested"
DEBIAN_PYTHON = Path("/usr/bin/python3")
SOURCES = ("src/airferry", "packaging", "pyproject.toml", "README.md", "LICENSE")


@dataclass(frozen=True)
class Built:
    """The three forms."""

    wheel: Path
    executable: Path
    folder: Path


@pytest.fixture(scope="session")
def built() -> Built:
    if not can_build():
        assert not os.environ.get("CI"), "CI must install python3-venv and libpython3-dev"
        pytest.skip("needs python3-venv and libpython3-dev from Debian")
    out = KEPT / source_hash()[:16]
    out.parent.mkdir(parents=True, exist_ok=True)
    with (KEPT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker, or another run, may be building the same
        if not (out / "complete").exists():
            build(out)
            forget_older(keep=3)
    [wheel], [folder] = out.glob("airferry-*.whl"), out.glob(f"airferry-*-linux-{platform.machine()}")
    return Built(wheel, out / "airferry", folder)


def build(out: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environ["PYTHON"] = str(DEBIAN_PYTHON)
    command = [str(HERE / "packaging" / "build.sh"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    (out / "complete").touch()


def forget_older(keep: int) -> None:
    made = sorted(KEPT.glob("*/complete"), key=lambda file: file.stat().st_mtime)
    for file in made[:-keep]:
        shutil.rmtree(file.parent)


def can_build() -> bool:
    """Whether Debian's Python is new enough, makes environments and comes as a shared library."""
    probe = (
        "import ensurepip, pathlib, sys, sysconfig; "
        "library = pathlib.Path(*sysconfig.get_config_vars('LIBDIR', 'INSTSONAME')); "
        "sys.exit(sys.version_info < (3, 11) or '.so' not in library.name or not library.exists())"
    )
    return shutil.which(DEBIAN_PYTHON) is not None and subprocess.run([DEBIAN_PYTHON, "-c", probe]).returncode == 0


def source_hash() -> str:
    hasher = hashlib.sha256(DEBIAN_PYTHON.resolve().name.encode())
    for name in SOURCES:
        source = HERE / name
        files = [source] if source.is_file() else sorted(source.rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                hasher.update(f"{file.relative_to(HERE)}\0{file.stat().st_mode}\0".encode() + file.read_bytes())
    return hasher.hexdigest()
