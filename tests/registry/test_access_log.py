"""The access log: a line for every request, nothing secret in it, and no request that waits for it."""

import json
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from airferry.errors import UsageError
from airferry.registry import Settings, init, serve
from airferry.registry.answered import Answered
from airferry.registry.operation.access_log import AccessLog, access_log, print_line

from .conftest import Client
from .guarded import basic

SECRET = "a-password-nobody-may-see"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    init(tmp_path / "registry", ["localhost"], password=SECRET)
    return tmp_path / "registry"


@asynccontextmanager
async def logged(root: Path, file: Path) -> AsyncIterator[Client]:
    settings = Settings.read(root, listen="127.0.0.1:0", use_tls=False)
    async with serve(settings, access_log_to=str(file)) as running, aiohttp.ClientSession() as session:
        yield Client(session, running, None)  # type: ignore[arg-type]  # no test here looks into the store


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def test_every_request_is_a_line(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    async with logged(root, file) as client:
        await client("GET", "/v2/", Authorization=basic("admin", SECRET))
        await client("PUT", "/v2/a/manifests/t", b"{}", Authorization=basic("admin", SECRET))
        await client("GET", "/v2/a/manifests/t", Authorization=basic("admin", "wrong-password"))
        token = (await client("GET", f"/v2/auth?scope=repository:a:pull&secret={SECRET}")).body.decode()
        issued = await client("GET", "/v2/auth?scope=repository:a:pull", Authorization=basic("admin", SECRET))
        bearer = issued.json["token"]
        await client("GET", "/v2/a/tags/list", Authorization=f"Bearer {bearer}")
        await client("GET", "/healthz")
    found = lines(file)
    assert [(one["method"], one["path"], one["status"], one["user"]) for one in found] == [
        ("GET", "/v2/", 200, "admin"),
        ("PUT", "/v2/a/manifests/t", 400, "admin"),
        ("GET", "/v2/a/manifests/t", 401, None),
        ("GET", "/v2/auth", 401, None),
        ("GET", "/v2/auth", 200, None),
        ("GET", "/v2/a/tags/list", 404, "admin"),
        ("GET", "/healthz", 200, None),
    ]
    assert all(one["remote"] == "127.0.0.1" and one["duration"] >= 0 and one["time"].endswith("Z") for one in found)
    assert found[1]["bytesReceived"] == 2 and found[6]["bytes"] == 3
    text = file.read_text()
    assert all(secret not in text for secret in (SECRET, "wrong-password", token, bearer, "Basic", "secret="))
    assert file.stat().st_mode & 0o777 == 0o640


async def test_a_renamed_log_is_begun_anew_at_a_reload(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    async with logged(root, file) as client:
        await client("GET", "/healthz")
        file.rename(tmp_path / "access.log.1")
        assert client.running.reload is not None
        await client.running.reload()
        await client("GET", "/v2/")
    old = lines(tmp_path / "access.log.1")
    assert [one["path"] for one in old + lines(file)] == ["/healthz", "/v2/"]
    assert lines(file)[-1]["path"] == "/v2/"


def test_a_log_that_cannot_be_opened_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"), access_log(str(tmp_path / "nowhere" / "access.log")):
        pass


def answered(path: str) -> Answered:
    return Answered("GET", path, "other", 200, None, "127.0.0.1", 0, 0, 0.001)


def test_who_reads_too_slowly_loses_lines_and_holds_nobody_up(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(pipe))
    for _ in range(40_000):
        log(answered("/" + "x" * 200))
    assert log.lost > 0
    os.set_blocking(reader, True)
    received: list[bytes] = []
    reading = threading.Thread(target=lambda: received.extend(iter(lambda: os.read(reader, 1 << 20), b"")))
    reading.start()
    log.close()
    reading.join()
    os.close(reader)
    whole = b"".join(received).splitlines()
    assert len(whole) == 40_000 - log.lost
    assert all(json.loads(line)["status"] == 200 for line in whole)


def test_a_full_disk_costs_lines_and_no_answers(caplog: pytest.LogCaptureFixture) -> None:
    log = AccessLog("/dev/full")
    for _ in range(3):
        log(answered("/x"))
    log.close()
    assert log.lost == 3
    assert caplog.text.count("the access log cannot be written") == 1


def test_a_path_of_any_bytes_is_one_line() -> None:
    line = print_line(answered('/v2/\ud800"\n'))
    assert line.count(b"\n") == 1 and json.loads(line)["path"] == '/v2/\ud800"\n'
