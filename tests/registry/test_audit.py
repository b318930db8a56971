"""The audit log: who did what, line by line, and never a secret."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_MANIFEST
from airferry.registry import Settings, init, serve
from airferry.registry.audit import AuditEvent, AuditLog

from .conftest import image
from .guarded import Guarded, basic, user


class Served:
    """A whole registry, as ``serve`` makes it, with its log."""

    def __init__(self, root: Path, url: str, session: aiohttp.ClientSession) -> None:
        self.root = root
        self.url = url
        self.session = session

    async def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, self.url + path, data=body, headers=sent) as answer:
            await answer.read()
            return answer.status

    def lines(self) -> list[dict[str, Any]]:
        shown = [json.loads(line) for line in (self.root / "audit.log").read_text().splitlines()]
        for line in shown:
            assert abs(datetime.fromisoformat(line.pop("at")).timestamp() - datetime.now(UTC).timestamp()) < 60
        return shown


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    root = tmp_path / "registry"
    init(root, ["localhost"], user="owner", password="owner's password")
    guarded = await Guarded.make(root, user("reader", team="pull"))
    guarded.close()
    settings = Settings.read(root, listen="127.0.0.1:0", use_tls=False)
    async with serve(settings) as running, aiohttp.ClientSession() as session:
        yield Served(root, running.url, session)


OWNER = basic("owner")
HERE = {"address": "127.0.0.1"}


async def test_pushes_and_deletes_are_written_down(served: Served) -> None:
    digest, config, raw = Digest.of(b"layer"), Digest.of(b"{}"), image()
    for blob, content in ((digest, b"layer"), (config, b"{}")):
        assert await served("POST", f"/v2/team/a/blobs/uploads/?digest={blob}", content, Authorization=OWNER) == 201
    assert await served("PUT", "/v2/team/a/manifests/t", raw, Content_Type=OCI_MANIFEST, Authorization=OWNER) == 201
    assert await served("POST", f"/v2/team/b/blobs/uploads/?mount={digest}&from=team/a", Authorization=OWNER) == 201
    assert await served("GET", "/v2/team/a/manifests/t", Authorization=OWNER) == 200
    assert await served("DELETE", "/v2/team/a/manifests/t", Authorization=OWNER) == 202
    assert await served("DELETE", f"/v2/team/a/manifests/{Digest.of(raw)}", Authorization=OWNER) == 202
    assert await served("DELETE", f"/v2/team/a/blobs/{digest}", Authorization=OWNER) == 202
    assert await served("DELETE", f"/v2/team/a/blobs/{digest}", Authorization=OWNER) == 404
    who = {"account": "owner", **HERE}
    a, blob, manifest = {"repository": "team/a"}, {"kind": "blob"}, {"kind": "manifest"}
    assert served.lines() == [
        {"event": "login", **who, "by": "password"},
        {"event": "push", **who, **a, **blob, "digest": digest},
        {"event": "push", **who, **a, **blob, "digest": config},
        {"event": "push", **who, **a, **manifest, "digest": Digest.of(raw), "tag": "t"},
        {"event": "push", **who, "repository": "team/b", **blob, "digest": digest},
        {"event": "delete", **who, **a, **manifest, "tag": "t"},
        {"event": "delete", **who, **a, **manifest, "digest": Digest.of(raw)},
        {"event": "delete", **who, **a, **blob, "digest": digest},
    ]


async def test_an_upload_in_parts_is_one_push(served: Served) -> None:
    async with served.session.post(
        f"{served.url}/v2/team/a/blobs/uploads/", headers={"Authorization": OWNER}
    ) as answer:
        location = answer.headers["Location"]
    assert await served("PATCH", location, b"lay", Authorization=OWNER) == 202
    assert await served("PUT", f"{location}?digest={Digest.of(b'layer')}", b"er", Authorization=OWNER) == 201
    assert [line["event"] for line in served.lines()] == ["login", "push"]


async def test_logins_are_written_down_and_names_that_are_none_are_not(served: Served) -> None:
    assert await served("GET", "/v2/", Authorization=OWNER) == 200
    assert await served("GET", "/v2/auth?scope=repository:team/a:pull", Authorization=OWNER) == 200
    for header in (basic("owner", "wrong"), basic("owner", "wrong"), basic("hunter2", "admin"), "Basic !"):
        assert await served("GET", "/v2/", Authorization=header) == 401
    assert await served("GET", "/v2/") == 401
    assert served.lines() == [
        {"event": "login", "account": "owner", **HERE, "by": "password"},
        {"event": "login", "account": "owner", **HERE, "by": "basic"},
        {"event": "login", "account": "owner", **HERE, "by": "token"},
        {"event": "login-failed", "account": "owner", **HERE},
        {"event": "login-failed", **HERE},
    ]
    assert "hunter2" not in (served.root / "audit.log").read_text(), "it may be a password in the wrong field"


async def test_what_an_account_is_denied_is_written_down(served: Served) -> None:
    reader = basic("reader")
    assert await served("POST", "/v2/team/a/blobs/uploads/", Authorization=reader) == 403
    assert await served("GET", "/v2/secret/manifests/t", Authorization=reader) == 403
    denied = [line for line in served.lines() if line["event"] == "denied"]
    assert [(line["account"], line["repository"], line["verb"]) for line in denied] == [
        ("reader", "team/a", "push"),
        ("reader", "secret", "pull"),
    ]


async def test_the_open_registry_writes_down_what_is_pushed_by_nobody_in_particular(tmp_path: Path) -> None:
    init(tmp_path / "r", ["localhost"])
    settings = Settings.read(tmp_path / "r", listen="127.0.0.1:0", use_tls=False, use_auth=False)
    async with serve(settings) as running, aiohttp.ClientSession() as session:
        served = Served(tmp_path / "r", running.url, session)
        assert await served("POST", f"/v2/a/blobs/uploads/?digest={Digest.of(b'x')}", b"x") == 201
    assert served.lines() == [{"event": "push", **HERE, "repository": "a", "kind": "blob", "digest": Digest.of(b"x")}]


async def test_lines_of_many_writers_stay_whole_and_the_file_is_for_its_owner(tmp_path: Path) -> None:
    logs = [AuditLog(tmp_path) for _ in range(4)]
    hostile = 'x"\n{"event":"login"}\n' + "\u2028" * 50 + "y" * 3000
    await asyncio.gather(
        *(log.write(AuditEvent.PUSH, account=hostile, number=n) for n, log in enumerate(logs * 50)),
    )
    lines = (tmp_path / "audit.log").read_text().split("\n")[:-1]
    assert len(lines) == 200
    assert sorted(json.loads(line)["number"] for line in lines) == list(range(200))
    assert {json.loads(line)["account"] for line in lines} == {hostile}
    assert stat.S_IMODE((tmp_path / "audit.log").stat().st_mode) == 0o600


async def test_it_is_only_ever_appended_to_and_may_be_renamed_away(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    await log.write(AuditEvent.PUSH)
    first = log.file.read_bytes()
    await AuditLog(tmp_path).write(AuditEvent.DELETE)
    assert log.file.read_bytes().startswith(first)
    log.file.rename(tmp_path / "audit.log.1")
    await log.write(AuditEvent.LOGIN)
    assert [json.loads(line)["event"] for line in log.file.read_text().splitlines()] == ["login"]


async def test_a_log_that_cannot_be_written_is_said_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "audit.log").symlink_to(tmp_path / "elsewhere")
    await AuditLog(tmp_path).write(AuditEvent.PUSH)
    assert not (tmp_path / "elsewhere").exists(), "a link is not followed"
    assert "audit log cannot be written" in caplog.text
