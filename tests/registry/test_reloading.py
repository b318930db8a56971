"""A certificate and settings that change while the registry serves, by way of the same files and sockets as in life."""

import asyncio
import logging
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from airferry.errors import MalformedError
from airferry.oci import Digest
from airferry.registry import AccountsFile, Running, Settings, ask_serving, init, renew, serve
from airferry.registry.errors import CertificateError
from airferry.registry.state_files import STATE_FOLDER

from .guarded import basic

HOSTS = ["localhost", "127.0.0.1"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    init(tmp_path / "registry", HOSTS, password="irrelevant")
    return tmp_path / "registry"


@pytest.fixture
async def running(root: Path) -> AsyncIterator[Running]:
    async with serve(Settings.read(root, listen="127.0.0.1:0", use_auth=False)) as running:
        yield running


def shown_serial(running: Running) -> int:
    """The serial in a handshake of this moment."""
    return x509.load_pem_x509_certificate(
        ssl.get_server_certificate(("127.0.0.1", running.port)).encode()
    ).serial_number


async def shown(running: Running) -> int:
    return await asyncio.to_thread(shown_serial, running)


def stored_serial(root: Path) -> int:
    return x509.load_pem_x509_certificate((root / "server.crt").read_bytes()).serial_number


def trusting(root: Path) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=root / "ca.crt"))


def say(root: Path, before: str, after: str) -> None:
    file = root / "registry.toml"
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))


async def test_a_handshake_after_a_reload_shows_the_new_certificate(root: Path, running: Running) -> None:
    before = await shown(running)
    assert before == stored_serial(root)
    renew(root)
    assert await shown(running) == before, "not until it is told"
    assert running.reload is not None
    done = await running.reload()
    assert done.is_new_certificate
    assert await shown(running) == stored_serial(root) != before
    async with (
        aiohttp.ClientSession(connector=trusting(root)) as session,
        session.get(f"https://localhost:{running.port}/v2/") as answer,
    ):
        assert answer.status == 200, "with a host name in the handshake as without"
    assert not (await running.reload()).is_new_certificate


async def test_an_upload_under_way_goes_on_over_a_reload(root: Path, running: Running) -> None:
    begun, reloaded = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"01234"
        begun.set()
        await reloaded.wait()
        yield b"56789"

    async def push() -> int:
        async with aiohttp.ClientSession(connector=trusting(root)) as session:
            async with session.post(f"{running.url}/v2/a/blobs/uploads/") as answer:
                location = answer.headers["Location"]
            url = f"{running.url}{location}?digest={Digest.of(b'0123456789')}"
            async with session.put(url, data=body()) as answer:
                return answer.status

    pushing = asyncio.create_task(push())
    await begun.wait()
    renew(root)
    assert running.reload is not None
    await running.reload()
    assert await shown(running) == stored_serial(root)
    reloaded.set()
    assert await pushing == 201


async def test_a_pair_that_does_not_match_is_refused_and_the_old_one_stays(
    root: Path, running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = await shown(running)
    init(tmp_path / "other", HOSTS, password="irrelevant")
    shutil.copy(tmp_path / "other" / "server.crt", root / "server.crt")
    say(root, "[tls]", "[tls]\n")
    assert running.reload is not None
    with caplog.at_level(logging.ERROR, "airferry.registry"), pytest.raises(CertificateError, match=r"server\.key"):
        await running.reload()
    assert "what was in force stays" in caplog.text and "server.crt" in caplog.text
    assert await shown(running) == before
    shutil.copy(tmp_path / "other" / "server.key", root / "server.key")
    await running.reload()
    assert await shown(running) == stored_serial(root) != before


async def test_nothing_changes_where_a_part_cannot_be_used(root: Path, running: Running) -> None:
    say(root, 'listen = "127.0.0.1:8443"', 'listen = "127.0.0.1:8443"\nread_only = true')
    (root / "server.crt").write_text("hello")
    assert running.reload is not None
    with pytest.raises(CertificateError):
        await running.reload()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
        session.post(f"{running.url}/v2/a/blobs/uploads/") as answer,
    ):
        assert answer.status == 202
    say(root, "read_only = true", "read_only = 7")
    with pytest.raises(MalformedError):
        await running.reload()


async def test_settings_are_in_force_after_a_reload_and_what_is_not_is_said(root: Path) -> None:
    settings = Settings.read(root, listen="127.0.0.1:0", use_tls=False)
    async with (
        serve(settings, reread=lambda: Settings.read(root, use_tls=False)) as running,
        aiohttp.ClientSession() as session,
    ):
        assert running.reload is not None

        async def status(method: str, path: str) -> int:
            async with session.request(method, f"{running.url}/v2/a/{path}", headers=headers) as answer:
                return answer.status

        headers: dict[str, str] = {}
        assert await status("GET", "tags/list") == 401
        say(root, "anonymous_pull = false", "anonymous_pull = true")
        say(root, 'listen = "127.0.0.1:8443"', 'listen = "127.0.0.1:9"\nread_only = true\ndeletes = false')
        done = await running.reload()
        assert set(done.changed) == {"anonymous_pull", "read_only", "deletes"}
        assert done.needs_restart == ("listen",)
        assert await status("GET", "tags/list") == 404
        headers["Authorization"] = basic("admin", "irrelevant")
        assert await status("POST", "blobs/uploads/") == 405
        say(root, "read_only = true", "read_only = false")
        await running.reload()
        assert await status("POST", "blobs/uploads/") == 202
        assert await status("DELETE", "manifests/t") == 405


async def test_accounts_need_no_reload(root: Path) -> None:
    async with (
        serve(Settings.read(root, listen="127.0.0.1:0", use_tls=False)) as running,
        aiohttp.ClientSession() as session,
    ):
        accounts = AccountsFile(root)
        await accounts.change_anonymous(lambda before: before.replaced("a", frozenset({"pull"})))  # type: ignore[arg-type]
        accounts.close()
        async with session.get(f"{running.url}/v2/a/tags/list") as answer:
            assert answer.status == 404


async def test_commands_reach_every_process_that_serves(root: Path, running: Running) -> None:
    async with serve(Settings.read(root, listen="127.0.0.1:0", use_auth=False)) as second:
        renew(root)
        answers = await ask_serving(root, "reload")
        assert {answer["url"] for answer in answers} == {running.url, second.url}
        assert all(answer["isNewCertificate"] for answer in answers)
        assert await shown(second) == await shown(running) == stored_serial(root)
        [answer] = [one for one in await ask_serving(root, "status") if one["url"] == second.url]
        assert answer["requestsUnderWay"] == 0
        assert all(one["error"]["code"] == "unsupported" for one in await ask_serving(root, "dance"))
        (root / "server.crt").write_text("hello")
        assert {one["error"]["code"] for one in await ask_serving(root, "reload")} == {"certificate"}
        sockets = list((root / STATE_FOLDER).glob("*.sock"))
        assert len(sockets) == 2 and all(file.stat().st_mode & 0o777 == 0o600 for file in sockets)
    assert len(await ask_serving(root, "status")) == 1
    assert len(list((root / STATE_FOLDER).iterdir())) == 1


async def test_what_a_killed_process_left_is_removed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / STATE_FOLDER).mkdir()
    monkeypatch.chdir(root / STATE_FOLDER)  # the address of a socket must be short
    left = root / STATE_FOLDER / "serving-0123456789ab.sock"
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(left.name)
    assert await ask_serving(root, "status") == []
    async with serve(Settings.read(root, listen="127.0.0.1:0", use_tls=False, use_auth=False)):
        assert not left.exists()
        assert len(await ask_serving(root, "status")) == 1


async def test_a_folder_with_a_long_name_is_reached_too(tmp_path: Path) -> None:
    root = tmp_path / ("deep" * 40)
    init(root, HOSTS, password="irrelevant")
    async with serve(Settings.read(root, listen="127.0.0.1:0", use_tls=False, use_auth=False)) as running:
        [answer] = await ask_serving(root, "reload")
        assert answer["url"] == running.url


async def test_a_folder_that_takes_no_socket_is_served_all_the_same(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (root / STATE_FOLDER).write_text("in the way")
    async with serve(Settings.read(root, listen="127.0.0.1:0", use_tls=False, use_auth=False)) as running:
        assert running.reload is not None
        await running.reload()
    assert "only signals can" in caplog.text
