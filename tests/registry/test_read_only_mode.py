"""A registry that is told to change nothing, and one that is told to delete nothing."""

import os
from pathlib import Path

import aiohttp
import pytest

from airferry.errors import MalformedError
from airferry.oci import Digest
from airferry.registry import Limits, RegistryStore, Settings, init, serve
from airferry.registry.errors import NoSpaceError, ReadOnlyError
from airferry.registry.settings import CONFIG_FILE

from .conftest import STORES, Client, Start, image

LAYER = Digest.of(b"layer")
WRITES = [
    ("POST", "blobs/uploads/"),
    ("POST", f"blobs/uploads/?mount={LAYER}&from=a"),
    ("PATCH", "{upload}"),
    ("PUT", f"{{upload}}?digest={Digest.of(b'x')}"),
    ("DELETE", "{upload}"),
    ("PUT", "manifests/t"),
    ("DELETE", "manifests/t"),
    ("DELETE", f"manifests/{Digest.of(image())}"),
    ("DELETE", f"blobs/{LAYER}"),
]


@pytest.fixture(params=STORES)
async def stored(request: pytest.FixtureRequest, start: Start, tmp_path: Path) -> Client:
    """A registry with an image, that can be written to."""
    registry: Client = await start(STORES[request.param](tmp_path, request))
    await registry.push_image("a", "t")
    return registry


async def test_a_read_only_registry_refuses_every_write_and_serves_every_pull(stored: Client, start: Start) -> None:
    upload = (await stored.begin("a")).removeprefix("/v2/a/")
    registry = await start(stored.store, None, Limits(is_read_only=True))
    for method, path in WRITES:
        answer = await registry(method, f"/v2/a/{path.format(upload=upload)}", b"x" if method != "DELETE" else None)
        assert (answer.status, answer.code) == (405, "UNSUPPORTED"), (method, path)
        assert not set(answer.headers["Allow"].split(", ")) & {"POST", "PUT", "PATCH", "DELETE"}
    assert (await registry("GET", "/v2/a/manifests/t")).body == image()
    assert (await registry("GET", f"/v2/a/blobs/{LAYER}")).body == b"layer"
    assert (await registry("GET", "/v2/a/tags/list")).json["tags"] == ["t"]
    assert (await stored("PUT", f"/v2/a/{upload}?digest={Digest.of(b'x')}", b"x")).status == 201


async def test_a_registry_without_deletes_says_what_can_be_done_instead(stored: Client, start: Start) -> None:
    registry = await start(stored.store, None, Limits(can_delete=False))
    answer = await registry("DELETE", "/v2/a/manifests/t")
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "PUT"}
    location = await registry.begin("a")
    assert (await registry("DELETE", location)).status == 204, "an upload is not content yet"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    init(tmp_path, ["localhost"], password="irrelevant")
    return tmp_path


def say(root: Path, *lines: str) -> None:
    file = root / CONFIG_FILE
    file.write_text("".join(f"{line}\n" for line in lines) + file.read_text())


def test_what_the_settings_do_not_say_is_allowed(root: Path) -> None:
    settings = Settings.read(root)
    assert not settings.is_read_only
    assert settings.can_delete


def test_the_settings_may_forbid_writes_and_deletes(root: Path) -> None:
    say(root, "read_only = true", "deletes = false")
    settings = Settings.read(root)
    assert settings.is_read_only
    assert not settings.can_delete


def test_the_command_line_may_only_forbid_more(root: Path) -> None:
    assert Settings.read(root, is_read_only=True).is_read_only
    assert not Settings.read(root, can_delete=False).can_delete
    say(root, "read_only = true", "deletes = false")
    assert Settings.read(root, is_read_only=False).is_read_only
    assert not Settings.read(root, can_delete=True).can_delete


@pytest.mark.parametrize("line", ['deletes = "no"', "read_only = 1", "deletes = []"])
def test_a_setting_that_is_neither_true_nor_false_is_refused(root: Path, line: str) -> None:
    say(root, line)
    with pytest.raises(MalformedError, match=line.partition(" ")[0]):
        Settings.read(root)


def tables(root: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in root.iterdir() if file.name.startswith("metadata.sqlite")}


async def test_reading_from_a_read_only_registry_writes_nothing_into_it(tmp_path: Path, start: Start) -> None:
    writing = RegistryStore.on_disk(tmp_path, clock=lambda: 0.0)
    registry = await start(writing)
    await registry.push_blob("a", b"layer")  # needed by no manifest, so that asking for it would be noted
    store = RegistryStore.on_disk(tmp_path, is_read_only=True, clock=lambda: 1e6)
    registry = await start(store, None, Limits(is_read_only=True))
    before = tables(tmp_path)
    assert (await registry("HEAD", f"/v2/a/blobs/{LAYER}")).status == 200
    assert tables(tmp_path) == before


async def test_serve_does_as_the_settings_say(root: Path) -> None:
    stale = root / "uploads" / "stale"
    stale.parent.mkdir()
    stale.write_bytes(b"")
    os.utime(stale, (0, 0))
    settings = Settings.read(root, listen="127.0.0.1:0", use_tls=False, use_auth=False, is_read_only=True)
    async with (
        serve(settings) as running,
        aiohttp.ClientSession() as session,
        session.post(f"{running.url}/v2/a/blobs/uploads/") as answer,
    ):
        assert answer.status == 405
    assert stale.exists()


@pytest.mark.parametrize("error", [NoSpaceError, ReadOnlyError])
async def test_a_blob_can_be_pulled_where_nothing_can_be_noted(start: Start, error: type[Exception]) -> None:
    now_s = 0.0
    store = RegistryStore.in_memory(clock=lambda: now_s)
    registry = await start(store)
    await registry.push_blob("a", b"layer")
    now_s = 1e6

    async def full(work: object, *, is_lasting: bool = True) -> None:
        raise error("no")

    store.metadata.write = full  # type: ignore[method-assign, assignment]
    assert (await registry("GET", f"/v2/a/blobs/{LAYER}")).body == b"layer"
