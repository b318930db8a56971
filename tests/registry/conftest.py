"""A registry on loopback and a plain client for it, which says exactly what it is told to say."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDictProxy
from yarl import URL

from airferry.oci import Digest
from airferry.oci.mediatype import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST
from airferry.registry import Access, Limits, ReadableStore, RegistryStore, Running, init, serve_store
from airferry.registry.settings import CONFIG_FILE, DatabaseUrl

from .postgres import PostgresServer, run_postgres


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def code(self) -> str:
        return json.loads(self.body)["errors"][0]["code"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Speaks to one registry. Paths go out as they are written, without tidying."""

    def __init__(self, session: aiohttp.ClientSession, running: Running, store: ReadableStore) -> None:
        self._session = session
        self.running = running
        self.store = store

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(self.running.url + path, encoded=True)
        if isinstance(body, bytes) and len(body) > 1_000_000:
            body = io.BytesIO(body)  # aiohttp warns of larger bytes
        async with self._session.request(method, url, data=body, headers=sent, allow_redirects=False) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def begin(self, path: str, query: str = "") -> str:
        answer = await self("POST", f"/v2/{path}/blobs/uploads/{query}")
        assert answer.status == 202
        return answer.headers["Location"]

    async def push_blob(self, path: str, content: bytes, algorithm: str = "sha256") -> Digest:
        digest = Digest.of(content, algorithm)
        answer = await self("PUT", f"{await self.begin(path)}?digest={digest}", content)
        assert answer.status == 201, answer.body
        return digest

    async def push_manifest(self, path: str, target: str, raw: bytes, kind: str = OCI_MANIFEST) -> Answer:
        return await self("PUT", f"/v2/{path}/manifests/{target}", raw, Content_Type=kind)

    async def push_image(self, path: str, tag: str, layers: tuple[bytes, ...] = (b"layer",)) -> Digest:
        for content in (b"{}", *layers):
            await self.push_blob(path, content)
        raw = image(layers)
        answer = await self.push_manifest(path, tag, raw)
        assert answer.status == 201, answer.body
        return Digest.of(raw)


def descriptor(content: bytes, kind: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": kind, "digest": Digest.of(content), "size": len(content), **more}


def image(contents: tuple[bytes, ...] = (b"layer",), **more: Any) -> bytes:
    fields = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(b"{}", OCI_CONFIG),
        "layers": [descriptor(content, OCI_LAYER_GZIP) for content in contents],
        **more,
    }
    return json.dumps(fields).encode()


def index(*children: bytes, **more: Any) -> bytes:
    listed = [descriptor(child, OCI_MANIFEST) for child in children]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed, **more}).encode()


STORES: dict[str, Callable[[Path, pytest.FixtureRequest], RegistryStore]] = {
    "memory": lambda folder, request: RegistryStore.in_memory(),
    "disk": lambda folder, request: RegistryStore.on_disk(folder),
    "postgresql": lambda folder, request: RegistryStore.on_disk(folder, request.getfixturevalue("postgres_database")),
}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests, without the patience of a real one."""
    with run_postgres() as server:
        yield server


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[DatabaseUrl]:
    """A database of this test's own, with nothing in it."""
    with postgres_server.new_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | DatabaseUrl:
    """A place for metadata, once of each kind."""
    if request.param == "sqlite":
        return tmp_path / "metadata.sqlite"
    found: DatabaseUrl = request.getfixturevalue("postgres_database")
    return found


@pytest.fixture
def initialized(tmp_path: Path, database: Path | DatabaseUrl) -> Path:
    """The folder of a registry that was initialised, with its metadata in SQLite or PostgreSQL."""
    folder = tmp_path / "registry"
    init(folder, ["localhost"], password="irrelevant")
    if isinstance(database, DatabaseUrl):
        file = folder / CONFIG_FILE
        file.write_text(f'database = "{database.url.render_as_string(hide_password=False)}"\n{file.read_text()}')
    return folder


Start = Callable[..., Any]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Serves any store until the test ends."""
    async with AsyncExitStack() as stack:

        async def start_one(store: ReadableStore, access: Access | None = None, limits: Limits | None = None) -> Client:
            stack.push_async_callback(store.close)
            running = await stack.enter_async_context(serve_store(store, access, limits=limits))
            session = await stack.enter_async_context(
                aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=("Content-Type",))
            )
            return Client(session, running, store)

        yield start_one


@pytest.fixture(params=STORES)
async def registry(request: pytest.FixtureRequest, start: Start, tmp_path: Path) -> Client:
    """A registry without users, once for each kind of store."""
    return await start(STORES[request.param](tmp_path, request))


@pytest.fixture
async def disk_registry(start: Start, tmp_path: Path) -> Client:
    """A registry without users whose files lie in ``tmp_path``."""
    return await start(RegistryStore.on_disk(tmp_path))


async def raw_connection(running: Running) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A bare socket to the registry, for clients that break off or lie."""
    return await asyncio.open_connection("127.0.0.1", running.port)
