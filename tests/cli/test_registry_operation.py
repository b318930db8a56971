"""``registry reload``, ``status``, ``unit`` and ``init --renew``, and signals, at processes that really serve."""

import json
import signal
import socket
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from failures.stage import Run, airferry

from .test_registry_and_media import serving, status
from .world import as_json


@pytest.fixture
def root(out: Path) -> Path:
    airferry("registry", "init", "--root", out, "--host", "127.0.0.1", "--listen", "127.0.0.1:0").done()
    return out


def registry(root: Path, *arguments: object) -> Run:
    return airferry("registry", *arguments, "--root", root)


def address(url: str) -> tuple[str, int]:
    host, port = url.partition("://")[2].rsplit(":", 1)
    return host, int(port)


def shown_serial(url: str) -> str:
    certificate = x509.load_pem_x509_certificate(ssl.get_server_certificate(address(url)).encode())
    return f"{certificate.serial_number:x}"


def own_files(root: Path, folder: Path) -> tuple[Path, Path]:
    """A certificate and key of another CA, as an administrator gets them."""
    airferry("registry", "init", "--root", folder, "--host", "127.0.0.1", "--host", "localhost").done()
    return folder / "server.crt", folder / "server.key"


def test_a_renewed_certificate_is_shown_after_a_reload(root: Path) -> None:
    with serving("registry", "serve", "--root", root, "--workers", 1) as (url, process):
        before = shown_serial(url)
        renewed = as_json(registry(root, "init", "--renew", "-o", "json"))
        assert shown_serial(url) == before != renewed["serial"].lstrip("0")
        said = registry(root, "reload").done()
        assert f"Reloaded {url} (process {process.pid}): a new certificate, serial {renewed['serial']}" in said.out
        assert shown_serial(url) == renewed["serial"].lstrip("0")
        [answer] = as_json(registry(root, "reload", "-o", "json"))["reloaded"]
        assert (answer["pid"], answer["isNewCertificate"], answer["needsRestart"]) == (process.pid, False, [])


def test_sighup_reloads_too_and_a_bad_pair_is_said_in_the_log_and_changes_nothing(root: Path, tmp_path: Path) -> None:
    certificate, _ = own_files(root, tmp_path / "other")
    good = (root / "server.crt").read_bytes()
    with serving("registry", "serve", "--root", root) as (url, process):
        before = shown_serial(url)
        (root / "server.crt").write_bytes(certificate.read_bytes())
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "not reloaded, what was in force stays" in line and "server.key" in line
        assert shown_serial(url) == before
        registry(root, "reload").refused("certificate", "what was in force stays", "server.crt", hint="belong together")
        assert shown_serial(url) == before
        (root / "server.crt").write_bytes(good)
        renewed = as_json(registry(root, "init", "--renew", "-o", "json"))
        process.send_signal(signal.SIGHUP)
        registry(root, "status").done()
        while shown_serial(url) != renewed["serial"].lstrip("0"):
            assert process.poll() is None


def test_a_reload_of_what_nobody_serves_is_refused(root: Path, tmp_path: Path) -> None:
    registry(root, "reload").refused("not-found", str(root), hint="registry serve")
    registry(tmp_path / "nothing", "reload").refused("not-found", "no registry", hint="registry init")


def test_settings_that_changed_are_named(root: Path) -> None:
    with serving("registry", "serve", "--root", root, "--no-auth", "--no-tls") as (url, _):
        assert status("POST", f"{url}/v2/a/blobs/uploads/") == 202
        file = root / "registry.toml"
        file.write_text("read_only = true\n" + file.read_text().replace("127.0.0.1:0", "127.0.0.1:9"))
        said = registry(root, "reload").done().out
        assert "in force now: read_only\n" in said and "needs a restart: listen\n" in said
        assert status("POST", f"{url}/v2/a/blobs/uploads/") == 405
        file.write_text("read_only = 7")
        registry(root, "reload").refused("malformed", "what was in force stays")


def test_a_certificate_of_ones_own_is_checked_before_anything_is_made(root: Path, tmp_path: Path) -> None:
    certificate, key = own_files(root, tmp_path / "own")
    given = ("--certificate", certificate, "--key", key)
    target = tmp_path / "new"
    airferry("registry", "init", "--root", target, *given, "--host", "mirror.example.com").refused(
        "certificate", "is not for mirror.example.com; it is for 127.0.0.1, localhost", hint="--host"
    )
    airferry("registry", "init", "--root", target, "--certificate", certificate).refused("usage", hint="give both")
    airferry("registry", "init", "--root", target, "--certificate", certificate, "--key", root / "server.key").refused(
        "certificate", "does not belong to", hint="openssl"
    )
    assert not target.exists()
    made = as_json(airferry("registry", "init", "--root", target, *given, "--listen", "127.0.0.1:0", "-o", "json"))
    assert made["hosts"] == ["127.0.0.1", "localhost"] and made["caCertificate"] == str(target / "ca.crt")
    with serving("registry", "serve", "--root", target) as (url, _):
        context = ssl.create_default_context(cafile=tmp_path / "own" / "ca.crt")
        with urllib.request.urlopen(f"{url}/healthz", context=context) as answer:
            assert answer.read() == b"ok\n"
        airferry("registry", "init", "--root", target, "--renew").refused("usage", hint="--certificate FILE")
        airferry("registry", "init", "--root", tmp_path / "own", "--renew").done()
        said = airferry("registry", "init", "--root", target, "--renew", *given).done().out
        assert f"registry reload --root {target}" in said
        serial = shown_serial(url)
        registry(target, "reload").done()
        assert shown_serial(url) != serial
    airferry("registry", "init", "--root", target, "--renew", "--user", "ann").refused("usage", "--user")


def test_the_status_of_a_registry_that_is_served_and_of_one_that_is_not(root: Path) -> None:
    stopped = as_json(registry(root, "status", "-o", "json"))
    assert (stopped["serving"], stopped["images"], stopped["gc"], stopped["scrub"]) == ([], 0, None, None)
    assert not (root / "metadata.sqlite").exists(), "looking makes nothing"
    with serving("registry", "serve", "--root", root, "--no-auth", "--no-tls", "--workers", 1) as (url, process):
        layer = b"layer of some bytes"
        for repository in ("a", "b/c"):
            push_image(url, repository, layer)
        status("POST", f"{url}/v2/a/blobs/uploads/")
        (root / "state" / "gc.json").write_text(json.dumps({"finishedAt": "2026-11-22T08:00:00Z", "freedBytes": 2048}))
        (root / "state" / "scrub.json").write_text(json.dumps({"finishedAt": "2026-11-22T09:00:00Z", "damaged": 0}))
        found = as_json(registry(root, "status", "-o", "json"))
        [one] = found["serving"]
        assert (one["url"], one["pid"]) == (url, process.pid)
        assert (found["images"], found["repositories"], found["tags"], found["uploads"]) == (1, 2, 2, 1)
        assert found["bytes"] == 2 * found["uniqueBytes"] > 2 * len(layer)
        assert found["gc"]["freedBytes"] == 2048
        assert found["certificate"]["daysLeft"] in (799, 800) and found["certificate"]["hosts"] == ["127.0.0.1"]
        text = registry(root, "status").done().out
        assert f"Serving:     {url} (process {process.pid}, since " in text
        assert "Images:      1 in 2 repositories, 2 tags\n" in text
        assert "Last GC:     2026-11-22T08:00:00Z, freed 2KiB\n" in text
        assert "Last scrub:  2026-11-22T09:00:00Z, 0 damaged\n" in text
    after = as_json(registry(root, "status", "-o", "json"))
    assert after["serving"] == [] and after["uniqueBytes"] == found["uniqueBytes"]
    assert "Serving:     no\n" in registry(root, "status").done().out


def push_image(url: str, repository: str, layer: bytes) -> None:
    from airferry.oci import Digest

    def send(method: str, path: str, body: bytes, **headers: str) -> Any:
        target = path if path.startswith("http") else url + path
        request = urllib.request.Request(target, method=method, data=body, headers=headers)
        return urllib.request.urlopen(request)

    digests = [Digest.of(content) for content in (b"{}", layer)]
    for digest, content in zip(digests, (b"{}", layer), strict=True):
        send("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", content).close()
    kinds = ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar")
    config, rest = (
        {"mediaType": kind, "digest": str(digest), "size": len(content)}
        for kind, digest, content in zip(kinds, digests, (b"{}", layer), strict=True)
    )
    kind = "application/vnd.oci.image.manifest.v1+json"
    body = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [rest]}
    headers = {"Content-Type": kind}
    send("PUT", f"/v2/{repository}/manifests/t", json.dumps(body).encode(), **headers).close()


def test_a_certificate_that_runs_out_soon_is_warned_of(root: Path, tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    from airferry.registry import Settings, make_leaf
    from airferry.registry.certificates import LEAF_DAYS
    from airferry.registry.host_names import our_pair

    files = Settings.read(root).tls
    assert files is not None
    ca, key = our_pair(root, files)
    leaf = make_leaf(ca, ["127.0.0.1"], datetime.now(UTC) - timedelta(days=LEAF_DAYS - 9, hours=-1), key=key)
    files.certificate.write_bytes(leaf.certificate_pem + ca.certificate_pem)
    found = registry(root, "status").done().out
    assert "Warning: the server certificate" in found and "in 9 days" in found
    with serving("registry", "serve", "--root", root) as (_, process):
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert "warning: the server certificate" in err and f"init --renew --root {root}" in err


def test_the_access_log_goes_to_stdout_or_a_file(root: Path, tmp_path: Path) -> None:
    flags = ("--no-auth", "--no-tls", "--access-log")
    with serving("registry", "serve", "--root", root, *flags, "-") as (url, process):
        assert status("GET", f"{url}/v2/") == 200
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["path"] == "/v2/"
    with serving("registry", "serve", "--root", root, *flags, tmp_path / "log") as (url, process):
        assert status("GET", f"{url}/v2/") == 200
        process.terminate()
        process.communicate(timeout=30)
    assert json.loads((tmp_path / "log").read_text())["status"] == 200


def test_a_stop_parks_an_upload_that_does_not_end(root: Path) -> None:
    flags = ("registry", "serve", "--root", root, "--no-auth", "--no-tls", "--grace", "0.1")
    with serving(*flags) as (url, process):
        with urllib.request.urlopen(urllib.request.Request(f"{url}/v2/a/blobs/uploads/", method="POST")) as begun:
            location = begun.headers["Location"]
        with socket.create_connection(address(url)) as connection:
            head = f"PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 99000000\r\n\r\n"
            connection.sendall(head.encode() + b"x" * (3 * 1024 * 1024))
            while (before := offset(url + location)) == 0:
                assert process.poll() is None
            process.terminate()
            process.communicate(timeout=30)
            assert process.returncode == 0
    with serving(*flags) as (url, _):
        assert offset(url + location) >= before > 1


def offset(url: str) -> int:
    with urllib.request.urlopen(url) as answer:
        return int(answer.headers["Range"].removeprefix("0-"))


@pytest.mark.parametrize("flags", [(), ("--user",)], ids=["system", "user"])
def test_a_unit_is_printed_ready_to_be_used(root: Path, flags: tuple[str, ...]) -> None:
    document = as_json(registry(root, "unit", *flags, "-o", "json"))
    text = registry(root, "unit", *flags).done().out
    assert text.endswith(document["unit"]) and f"--root {root}\n" in text
    assert all(f"#   {one['command']}\n" in text for one in document["commands"])
    registry(root / "nothing", "unit").refused("not-found", hint="registry init")
