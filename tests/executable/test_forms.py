"""The three forms that `make dist` makes."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from airferry.app.releases.carried_tool import tool_name
from airferry.lab.components import shipped_components

from .conftest import HERE, Built

pytestmark = [
    pytest.mark.outsider("objcopy", "patchelf"),
    pytest.mark.xdist_group("dist"),
    pytest.mark.timeout(600),
]


def test_the_wheel_holds_every_module_and_the_data(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = {name for name in wheel.namelist() if name.startswith("airferry/")}
    source = HERE / "src"
    tree = [file for file in (source / "airferry").rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert names == {str(file.relative_to(source)) for file in tree}
    assert shipped_components()


def test_the_executable_needs_no_library_and_says_what_it_runs_on(built: Built) -> None:
    assert tool_name(built.executable).startswith("airferry-linux-")
    assert built.executable.stat().st_mode & 0o7777 == 0o755


def test_what_it_holds_of_others_comes_with_their_licences(built: Built) -> None:
    text = (built.folder / "THIRD-PARTY-LICENCES.txt").read_text()
    assert (built.executable.parent / "THIRD-PARTY-LICENCES.txt").read_text() == text
    for package in ("aiohttp", "click", "cryptography", "pysequoia", "uvloop", "ruamel.yaml", "Pygments"):
        assert re.search(rf"^{re.escape(package)} \d", text, re.MULTILINE), package
    assert text.count("Apache License") > 3 and "OpenSSL" in text


def test_it_is_small_enough_to_travel(built: Built) -> None:
    assert built.executable.stat().st_size < 40 * 1024 * 1024


@pytest.mark.parametrize("group", ["release", "image", "registry", "media", "secret", "login", "demo"])
def test_commands_that_are_imported_by_name_are_in_it(built: Built, group: str) -> None:
    done = subprocess.run([built.folder / "airferry", group, "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"airferry {group}" in done.stdout


def test_an_error_in_it_ends_as_it_does_elsewhere(built: Built) -> None:
    done = subprocess.run([built.executable, "media", "verify", "/nowhere"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error[not-found]")


def test_the_one_folder_form_does_not_claim_to_travel_as_one_file(built: Built, tmp_path) -> None:
    command = [built.folder / "airferry", "release", "mirror", "4.12.0", "--to-dir", tmp_path, "--with-tool"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "one-folder form" in done.stderr and "make dist" in done.stderr


@pytest.mark.parametrize("form", ["executable", "folder"])
def test_it_speaks_to_postgresql(built: Built, tmp_path: Path, form: str) -> None:
    """Nobody answers on port 1, which only the library that would have spoken to him can say."""
    program = built.executable if form == "executable" else built.folder / "airferry"
    made = subprocess.run([program, "registry", "init", "--root", tmp_path, "--host", "localhost"], capture_output=True)
    assert made.returncode == 0, made.stderr
    settings = tmp_path / "registry.toml"
    settings.write_text(f'database = "postgresql+psycopg://airferry@127.0.0.1:1/registry"\n{settings.read_text()}')
    command = [program, "registry", "serve", "--root", tmp_path, "--listen", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error[unreachable]") and "127.0.0.1" in done.stderr and "refused" in done.stderr
