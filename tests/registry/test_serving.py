"""Making a registry's folder and serving it: files, TLS, start, stop."""

import asyncio
import os
import ssl
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from airferry.errors import AirferryError, MalformedError, UnsupportedError, UsageError
from airferry.oci import Digest
from airferry.registry import (
    RegistryStore,
    Settings,
    TlsFiles,
    add_hosts,
    certified_hosts,
    init,
    is_initialized,
    serve,
    serve_store,
)
from airferry.registry.certificates import make_ca, make_leaf, server_context
from airferry.registry.errors import CertificateError, InUseError, NotFoundError, ReadOnlyError
from airferry.registry.metadata import open_metadata
from airferry.registry.settings import parse_listen

HOSTS = ["mirror.example.com", "localhost", "127.0.0.1", "::1"]
ANYWHERE = "127.0.0.1:0"
NOBODY = 65534


@pytest.fixture
def root(tmp_path: Path) -> Path:
    init(tmp_path / "registry", HOSTS)
    return tmp_path / "registry"


def test_init_makes_everything_and_keeps_secrets_secret(tmp_path: Path) -> None:
    root = tmp_path / "new" / "registry"
    made = init(root, HOSTS)
    assert is_initialized(root)
    assert (made.user, made.password_file, made.ca_certificate) == ("admin", root / "admin-password", root / "ca.crt")
    assert len((root / "admin-password").read_text().strip()) >= 24
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in root.iterdir()}
    assert modes == {
        "registry.toml": 0o644,
        "ca.crt": 0o644,
        "server.crt": 0o644,
        "ca.key": 0o600,
        "server.key": 0o600,
        "accounts.json": 0o600,
        "token-keys.json": 0o600,
        "admin-password": 0o600,
    }
    password = (root / "admin-password").read_text().strip()
    assert all(password not in file.read_text() for file in root.iterdir() if file.name != "admin-password")
    assert password not in repr(made)


def test_no_two_registries_have_the_same_password(tmp_path: Path) -> None:
    for name in ("a", "b"):
        init(tmp_path / name, HOSTS)
    assert (tmp_path / "a" / "admin-password").read_text() != (tmp_path / "b" / "admin-password").read_text()


def test_init_does_not_touch_a_registry_that_is_there(root: Path) -> None:
    before = {file: file.read_bytes() for file in root.iterdir()}
    with pytest.raises(InUseError):
        init(root, HOSTS)
    assert before == {file: file.read_bytes() for file in root.iterdir()}


def test_init_after_a_broken_off_init_starts_over(root: Path) -> None:
    (root / "registry.toml").unlink()
    init(root, HOSTS)
    assert is_initialized(root)


def test_a_chosen_password_is_not_written_down(tmp_path: Path) -> None:
    made = init(tmp_path / "r", HOSTS, user="ops", password="chosen by me")
    assert made.password_file is None
    assert not any(b"chosen by me" in file.read_bytes() for file in (tmp_path / "r").iterdir())


@pytest.mark.parametrize("given", [{"user": "a:b"}, {"user": ""}, {"listen": "nowhere"}, {"password": "x" * 80}])
def test_init_refuses_what_cannot_work_before_it_writes(tmp_path: Path, given: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        init(tmp_path / "r", HOSTS, **given)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("host", ["", "a b", "host:8443", "https://host", "a" * 64 + ".com", "ä.example"])
def test_a_host_that_is_none_gets_no_certificate(host: str) -> None:
    now = datetime.now(UTC)
    with pytest.raises(UsageError):
        make_leaf(make_ca("ca", now), [host], now)


def test_certificates_hold_what_go_clients_want(root: Path) -> None:
    leaf, ca = x509.load_pem_x509_certificates((root / "server.crt").read_bytes())
    assert ca == x509.load_pem_x509_certificate((root / "ca.crt").read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == HOSTS[:2]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == HOSTS[2:]
    leaf.verify_directly_issued_by(ca)
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    lasts = {cert: cert.not_valid_after_utc - datetime.now(UTC) for cert in (leaf, ca)}
    assert lasts[leaf] > timedelta(days=730) and lasts[ca] > timedelta(days=3600)


async def get(url: str, root: Path, password: str | None = None, context: ssl.SSLContext | None = None) -> int:
    context = context or ssl.create_default_context(cafile=root / "ca.crt")
    headers = {"Authorization": aiohttp.encode_basic_auth("admin", password)} if password else {}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{url}/v2/", ssl=context) as answer:
        return answer.status


async def test_a_fresh_registry_serves_by_tls_to_its_user_and_to_nobody_else(root: Path) -> None:
    password = (root / "admin-password").read_text().strip()
    async with serve(Settings.read(root, listen=ANYWHERE)) as running:
        assert running.url == f"https://127.0.0.1:{running.port}"
        assert await get(running.url, root, password) == 200
        assert await get(running.url.replace("127.0.0.1", "localhost"), root, password) == 200
        assert await get(running.url, root) == 401
        assert await get(running.url, root, "admin") == 401


async def test_old_tls_is_refused(root: Path) -> None:
    context = ssl.create_default_context(cafile=root / "ca.crt")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serve(Settings.read(root, listen=ANYWHERE)) as running:
        assert await get(running.url, root, context=context) == 401
    assert server_context(TlsFiles(root / "server.crt", root / "server.key")).minimum_version == ssl.TLSVersion.TLSv1_2


async def test_without_tls_and_users_it_is_plain_and_open(root: Path) -> None:
    async with serve(Settings.read(root, listen=ANYWHERE, use_tls=False, use_auth=False)) as running:
        assert running.url.startswith("http://127.0.0.1:")
        assert await get(running.url, root) == 200


async def test_a_taken_port_is_an_error_with_a_hint(root: Path) -> None:
    async with serve(Settings.read(root, listen=ANYWHERE)) as running:
        with pytest.raises(InUseError) as refused:
            async with serve(Settings.read(root, listen=f"127.0.0.1:{running.port}")):
                pass
    assert str(running.port) in refused.value.message and refused.value.hint


@pytest.mark.parametrize("listen", ["8443", "host:", ":8443", "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1:-1"])
def test_an_address_that_is_none_is_a_usage_error(listen: str) -> None:
    with pytest.raises(UsageError):
        parse_listen(listen)


def test_addresses_to_listen_on() -> None:
    assert parse_listen("0.0.0.0:8443") == ("0.0.0.0", 8443)
    assert parse_listen("[::1]:0") == ("::1", 0)


async def test_the_same_port_can_be_served_again_at_once(root: Path) -> None:
    async with serve(Settings.read(root, listen=ANYWHERE)) as running:
        await get(running.url, root)
    async with serve(Settings.read(root, listen=f"127.0.0.1:{running.port}")) as again:
        assert again.url == running.url


BROKEN: dict[str, tuple[str, str, type[AirferryError]]] = {
    "settings that are no TOML": ("registry.toml", "a b c", MalformedError),
    "settings without a table": ("registry.toml", 'listen = "127.0.0.1:0"\n', MalformedError),
    "accounts that are none": ("accounts.json", "admin:secret\n", MalformedError),
    "keys of tokens that are none": ("token-keys.json", "{}", MalformedError),
    "a certificate that is none": ("server.crt", "hello", CertificateError),
    "a key of another": ("server.key", "", CertificateError),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_folder_that_was_edited_badly_is_refused_by_name(root: Path, case: str) -> None:
    name, content, kind = BROKEN[case]
    (root / name).write_text(content)
    with pytest.raises(kind) as refused:
        async with serve(Settings.read(root, listen=ANYWHERE)):
            pass
    assert name in refused.value.message


async def test_a_key_that_belongs_to_another_certificate_is_refused(root: Path, tmp_path: Path) -> None:
    init(tmp_path / "other", HOSTS)
    (root / "server.key").write_bytes((tmp_path / "other" / "server.key").read_bytes())
    with pytest.raises(CertificateError):
        async with serve(Settings.read(root, listen=ANYWHERE)):
            pass


def test_a_folder_without_a_registry_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as refused:
        Settings.read(tmp_path)
    assert "registry init" in (refused.value.hint or "")


def test_metadata_of_a_newer_airferry_is_refused(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    file = tmp_path / "metadata.sqlite"
    open_metadata(file).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(UnsupportedError):
        open_metadata(file)


@contextmanager
def plain_folder() -> Iterator[Path]:
    """Give a folder whose modes count. A process of root's, who may write anywhere, is nobody's meanwhile."""
    with tempfile.TemporaryDirectory() as folder:  # not below tmp_path, which others may not enter
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


async def test_a_folder_that_cannot_be_written_is_refused(root: Path) -> None:
    async with serve(Settings.read(root, listen=ANYWHERE)):
        pass  # what this imports when it is first needed, nobody may not read
    with plain_folder() as folder:
        init(folder / "registry", HOSTS)
        async with serve(Settings.read(folder / "registry", listen=ANYWHERE)):
            pass
        (folder / "registry").chmod(0o500)
        with pytest.raises(ReadOnlyError, match=str(folder)):
            async with serve(Settings.read(folder / "registry", listen=ANYWHERE)):
                pass
        (folder / "registry").chmod(0o700)


async def test_stale_uploads_are_swept_at_the_start_and_fresh_ones_stay(root: Path) -> None:
    settings = Settings.read(root, listen=ANYWHERE, use_tls=False, use_auth=False)
    async with serve(settings) as running, aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.post(f"{running.url}/v2/a/blobs/uploads/") as answer:
                assert answer.status == 202
        location = answer.headers["Location"]
    stale, *_ = (file for file in (root / "uploads").iterdir() if not location.endswith(file.name.split(".")[0]))
    os.utime(stale, (0, 0))
    async with serve(settings) as running, aiohttp.ClientSession() as session:
        assert not stale.exists()
        async with session.get(running.url + location) as answer:
            assert answer.status == 204


async def test_a_push_under_way_is_finished_before_it_stops() -> None:
    store = RegistryStore.in_memory()
    content = b"0123456789"
    digest = Digest.of(content)
    stopping = asyncio.Event()

    async def body():
        yield content[:5]
        while await store.driver.stat(digest) is None and not stopping.is_set():
            await asyncio.sleep(0)
        yield content[5:]

    async def push(url: str) -> int:
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{url}/v2/a/blobs/uploads/") as begun:
                location = begun.headers["Location"]
            async with session.put(f"{url}{location}?digest={digest}", data=body()) as answer:
                return answer.status

    async with serve_store(store) as running:
        pushing = asyncio.create_task(push(running.url))
        while not store.driver._uploads or not any(upload.is_held for upload in store.driver._uploads.values()):
            await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(stopping.set)
    assert await pushing == 201
    await store.close()


def test_a_name_is_added_once_however_it_is_written(root: Path) -> None:
    ca, key = (root / "ca.crt").read_bytes(), (root / "server.key").read_bytes()
    assert add_hosts(root, ["new.example.com", "NEW.example.com", "LOCALHOST", "0:0:0:0:0:0:0:1", "192.0.2.1"]) == (
        "new.example.com",
        "192.0.2.1",
    )
    files = Settings.read(root).tls
    assert files is not None
    assert certified_hosts(files) == (*HOSTS, "new.example.com", "192.0.2.1")
    assert ((root / "ca.crt").read_bytes(), (root / "server.key").read_bytes()) == (ca, key)
    leaf, issuer = x509.load_pem_x509_certificates((root / "server.crt").read_bytes())
    leaf.verify_directly_issued_by(issuer)
    assert server_context(files) is not None, "certificate and key belong together"
    before = (root / "server.crt").read_bytes()
    assert add_hosts(root, HOSTS) == ()
    assert (root / "server.crt").read_bytes() == before


@pytest.mark.parametrize("missing", ["ca.key", "ca.crt"])
def test_without_its_ca_a_registry_gets_no_new_name(root: Path, missing: str) -> None:
    (root / missing).unlink()
    before = (root / "server.crt").read_bytes()
    with pytest.raises(UsageError, match="no name can be added"):
        add_hosts(root, ["new.example.com"])
    assert add_hosts(root, ["localhost"]) == (), "it has that name"
    assert (root / "server.crt").read_bytes() == before


@pytest.mark.parametrize("host", ["", "a b", "host:8443", "https://host"])
def test_a_name_that_is_none_is_not_added(root: Path, host: str) -> None:
    with pytest.raises(UsageError):
        add_hosts(root, [host])


def test_a_file_that_is_no_certificate_has_no_names(root: Path) -> None:
    (root / "server.crt").write_text("hello")
    with pytest.raises(CertificateError, match=r"server\.crt"):
        add_hosts(root, ["new.example.com"])
