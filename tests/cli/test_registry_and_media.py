"""``registry`` and ``media``: a registry made once and served, a disk looked at, verified and served."""

import base64
import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from airferry.oci import Digest
from failures.stage import airferry

from .world import World, as_json


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def test_a_registry_is_made_with_a_ca_a_certificate_and_a_user(out: Path) -> None:
    hosts = ("--host", "mirror.example.com", "--host", "192.0.2.7")
    made = as_json(airferry("registry", "init", "--root", out, *hosts, "--listen", "0.0.0.0:8443", "-o", "json"))
    assert made == {
        "root": str(out),
        "hosts": ["mirror.example.com", "192.0.2.7"],
        "caCertificate": str(out / "ca.crt"),
        "user": "admin",
        "passwordFile": str(out / "admin-password"),
    }
    assert {file.name: mode(file) for file in out.iterdir()} == {
        "admin-password": 0o600,
        "ca.crt": 0o644,
        "ca.key": 0o600,
        "registry.toml": 0o644,
        "server.crt": 0o644,
        "server.key": 0o600,
        "accounts.json": 0o600,
        "token-keys.json": 0o600,
    }
    assert len((out / "admin-password").read_text().strip()) >= 32
    shown = subprocess.run(
        ["openssl", "x509", "-in", out / "server.crt", "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "DNS:mirror.example.com" in shown.stdout and "IP Address:192.0.2.7" in shown.stdout


def test_the_password_is_neither_printed_nor_made_where_one_is_given(out: Path, monkeypatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("my-password\n"))
    run = airferry("registry", "init", "--root", out, "--user", "ann", "--password-stdin").done()
    assert "my-password" not in run.out + run.err
    assert not (out / "admin-password").exists()
    assert "ann" in json.loads((out / "accounts.json").read_text())["accounts"]
    other = airferry("registry", "init", "--root", out / "other").done()
    assert (out / "other" / "admin-password").read_text().strip() not in other.out + other.err


def test_a_second_init_changes_nothing(out: Path) -> None:
    airferry("registry", "init", "--root", out).done()
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    airferry("registry", "init", "--root", out).refused("in-use", str(out))
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


@contextmanager
def serving(*arguments: object, within: tuple[str, ...] = ()) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a command that serves, on the host where the command ``within`` runs others; give the URL it prints."""
    command = [*within, sys.executable, "-m", "airferry", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            assert line.startswith("listening on "), process.communicate()
            yield line.removeprefix("listening on ").strip(), process
        finally:
            process.terminate()
            process.communicate()


def test_serve_makes_the_registry_where_there_is_none_and_says_where_it_listens(out: Path) -> None:
    with serving("registry", "serve", "--root", out, "--listen", "127.0.0.1:0", "--host", "127.0.0.1") as (
        url,
        process,
    ):
        assert url.startswith("https://127.0.0.1:")
        host = url.removeprefix("https://")
        auth = out / "auth.json"
        password = (out / "admin-password").read_text().strip()
        encoded = base64.b64encode(f"admin:{password}".encode()).decode()
        auth.write_text(json.dumps({"auths": {host: {"auth": encoded}}}))
        airferry("secret", "check", auth, "--certificate-authority", out / "ca.crt").done()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0
    assert f"made a registry in {out}: user admin, password in {out / 'admin-password'}" in err
    assert password not in err and "Traceback" not in err


def test_without_tls_and_users_it_says_so_loudly(out: Path) -> None:
    flags = ("--no-tls", "--no-auth", "--listen", "127.0.0.1:0")
    with serving("registry", "serve", "--root", out, *flags) as (url, process):
        assert url.startswith("http://127.0.0.1:")
        process.terminate()
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0
    assert err.count("warning: --no-") == 2


@pytest.mark.parametrize(
    "flag, refused", [("--read-only", {"POST", "DELETE"}), ("--no-delete", {"DELETE"})], ids=["read-only", "no-delete"]
)
def test_it_can_be_told_to_change_nothing_or_to_delete_nothing(out: Path, flag: str, refused: set[str]) -> None:
    flags = ("--no-tls", "--no-auth", "--listen", "127.0.0.1:0", flag)
    with serving("registry", "serve", "--root", out, *flags) as (url, _):
        answers = {
            "POST": status("POST", f"{url}/v2/a/blobs/uploads/"),
            "DELETE": status("DELETE", f"{url}/v2/a/manifests/t"),
        }
    assert {method for method, answer in answers.items() if answer == 405} == refused


def status(method: str, url: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method, data=b"")) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def names_of(root: Path) -> str:
    shown = subprocess.run(
        ["openssl", "x509", "-in", root / "server.crt", "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
    )
    return shown.stdout.splitlines()[1].strip()


def test_a_host_that_is_given_later_is_added_to_the_certificate(out: Path) -> None:
    airferry("registry", "init", "--root", out, "--host", "127.0.0.1").done()
    before = {name: (out / name).read_bytes() for name in ("ca.crt", "ca.key", "server.key", "accounts.json")}
    flags = ("--root", out, "--listen", "127.0.0.1:0")
    with serving("registry", "serve", *flags, "--host", "localhost", "--host", "127.0.0.1") as (url, process):
        auth = out / "auth.json"
        host = url.replace("https://127.0.0.1", "localhost")
        password = (out / "admin-password").read_text().strip()
        encoded = base64.b64encode(f"admin:{password}".encode()).decode()
        auth.write_text(json.dumps({"auths": {host: {"auth": encoded}}}))
        airferry("secret", "check", auth, "--certificate-authority", out / "ca.crt").done()
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert f"the certificate of the registry in {out} is for localhost now, too" in err
    assert names_of(out) == "IP Address:127.0.0.1, DNS:localhost"
    assert {name: (out / name).read_bytes() for name in before} == before
    with serving("registry", "serve", *flags, "--host", "LocalHost") as (_, process):
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert err == "" and names_of(out) == "IP Address:127.0.0.1, DNS:localhost"


def test_a_host_that_a_certificate_from_elsewhere_is_not_for_is_refused(out: Path, tmp_path: Path) -> None:
    for root in (out, tmp_path / "other"):
        airferry("registry", "init", "--root", root, "--host", "localhost").done()
    for name in ("server.crt", "server.key"):
        shutil.copy(tmp_path / "other" / name, out / name)
    before = (out / "server.crt").read_bytes()
    flags = ("--root", out, "--listen", "127.0.0.1:0", "--host", "m.lan")
    airferry("registry", "serve", *flags).refused("usage", "server.crt", "no name can be added", hint="without --host")
    assert (out / "server.crt").read_bytes() == before


def test_a_new_registry_remembers_where_it_listens(out: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for more in (("--listen", address), ()):
        with serving("registry", "serve", "--root", out, *more) as (url, _):
            assert url == f"https://{address}"
    with serving("registry", "serve", "--root", out, "--listen", "127.0.0.1:0") as (url, _):
        assert url != f"https://{address}"
    with serving("registry", "serve", "--root", out) as (url, _):
        assert url == f"https://{address}", "what is said once is for once"


@pytest.mark.parametrize("address", ["nowhere", "taken", "no.such.host.invalid:1"])
def test_a_registry_that_cannot_listen_is_not_even_made(out: Path, address: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given = f"127.0.0.1:{taken.getsockname()[1]}" if address == "taken" else address
        code = "in-use" if address == "taken" else "usage"
        airferry("registry", "serve", "--root", out, "--listen", given).refused(code, given)
    assert not out.exists()


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_registry_that_serves_says_as_data_what_a_client_needs(out: Path, form: str) -> None:
    flags = ("--root", out, "--listen", "127.0.0.1:0", "--host", "localhost", "-o", form)
    document = said_when_ready("registry", "serve", *flags)
    url = document.pop("url")
    assert document.pop("workers") in range(1, 5)
    assert document == {
        "address": url.removeprefix("https://"),
        "tls": True,
        "root": str(out),
        "hosts": ["localhost"],
        "caCertificate": str(out / "ca.crt"),
        "users": ["admin"],
        "passwordFile": str(out / "admin-password"),
    }
    open_to_all = said_when_ready("registry", "serve", *flags, "--no-tls", "--no-auth")
    assert open_to_all["url"].startswith("http://")
    assert {open_to_all[key] for key in ("caCertificate", "users", "passwordFile")} == {None}


def test_a_disk_that_is_served_says_as_data_what_a_client_needs(world: World) -> None:
    document = said_when_ready("media", "serve", world.disk, "--listen", "127.0.0.1:0", "-o", "json")
    assert document.pop("url") == f"http://{document['address']}"
    assert document.pop("address").startswith("127.0.0.1:")
    assert document == {
        "tls": False,
        "disk": str(world.disk),
        "readOnly": True,
        "caCertificate": None,
        "users": None,
    }


def said_when_ready(*arguments: object) -> Any:
    """Return what a command that serves says as data."""
    command = [sys.executable, "-m", "airferry", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        process.terminate()
        text = line + process.stdout.read()
        assert process.wait(timeout=30) == 0, process.stderr.read()
    assert text == line or "json" not in arguments, "who reads JSON knows by the end of the line that it is whole"
    return YAML(typ="safe").load(text)


@pytest.mark.parametrize("command", ["registry", "media"])
def test_a_port_that_is_taken_is_named(world: World, out: Path, command: str) -> None:
    where = ("--root", out) if command == "registry" else (world.disk,)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        airferry(command, "serve", *where, "--listen", address).refused("in-use", address, hint="--listen")


def test_a_disk_is_looked_into(world: World) -> None:
    text = airferry("media", "info", world.disk).done().out
    assert f"release {world.version} (x86_64), verified: {world.release.digest}\n" in text
    assert f"  {world.release.tag}-etcd {world.release.components['etcd']}\n" in text
    document = as_json(airferry("media", "info", world.disk, "-o", "json"))
    assert document["releases"] == [
        {"version": world.version, "arch": "x86_64", "digest": world.release.digest, "verified": True}
    ]


def test_a_whole_disk_is_whole(world: World) -> None:
    run = airferry("media", "verify", world.disk).done()
    assert run.out.startswith(f"{world.disk}: whole; ")
    document = as_json(airferry("media", "verify", world.disk, "-o", "json"))
    assert document["faults"] == [] and document["whole"] is True


def test_damage_is_named_with_the_images_it_breaks(world: World, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    shutil.copytree(world.disk, disk, symlinks=True)
    blobs = disk / "v2/openshift/release/blobs"
    name = next(name for name in world.release.components if name not in world.release.lists)
    config = json.loads((blobs / world.release.components[name]).read_text())["config"]["digest"]
    file = blobs / config
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)
    run = airferry("media", "verify", disk)
    assert run.code == 1
    assert config in run.out and f"openshift/release:{world.release.tag}-{name}" in run.out
    found = json.loads(airferry("media", "verify", disk, "-o", "json").out)
    assert not found["whole"] and [fault["digest"] for fault in found["faults"]] == [config]


def test_a_disk_is_served_as_it_lies_there(world: World, tmp_path: Path) -> None:
    with serving("media", "serve", world.disk, "--listen", "127.0.0.1:0") as (url, _):
        host = url.removeprefix("http://")
        reference = f"{host}/openshift/release:{world.release.tag}"
        found = airferry("release", "info", reference, "--insecure", "-o", "digest").done().out
        assert Digest.parse(found.strip()) == world.release.digest
        source = f"{host}/openshift/release"
        copied = airferry("image", "mirror", source, "file://openshift/release", "--insecure", "--dir", tmp_path / "d")
        assert copied.done().out.count(world.release.tag) == world.release.image_count
        run = airferry("image", "mirror", f"{source}:{world.release.tag}", f"{host}/x/y", "--insecure")
        assert run.code in (1, 3) and "this registry only reads" in run.err
    assert airferry("media", "verify", tmp_path / "d").code == 0
