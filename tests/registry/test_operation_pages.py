"""``/healthz``, ``/health/instance`` and ``/metrics``: what they say, and to whom."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from airferry.oci import Digest
from airferry.registry import AccountsFile, Running, Settings, init, read_facts, serve

from .conftest import Answer, Client, image
from .guarded import basic, bound_token, robot, user

SECRET = "a password of some length"
ADMIN = basic("admin", SECRET)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    init(tmp_path / "registry", ["localhost", "127.0.0.1"], password=SECRET)
    return tmp_path / "registry"


@pytest.fixture
async def client(root: Path) -> AsyncIterator[Client]:
    settings = Settings.read(root, listen="127.0.0.1:0")
    connector = aiohttp.TCPConnector(ssl=False)
    async with serve(settings) as running, aiohttp.ClientSession(connector=connector) as session:
        yield Client(session, running, None)  # type: ignore[arg-type]  # no test here looks into the store


SAMPLE = re.compile(r'(airferry_registry_[a-z_]+)(?:\{((?:[a-z]+="[^"\\]*",?)*)\})? (-?[0-9.e+]+)\Z')


def parsed(text: str) -> dict[tuple[str, str], float]:
    """Samples by name and labels; every line must be one, or HELP and TYPE before the first of its name."""
    assert text.endswith("\n")
    found: dict[tuple[str, str], float] = {}
    kinds: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds and kind in ("counter", "gauge", "histogram")
            kinds[name] = kind
            continue
        matched = SAMPLE.match(line)
        assert matched, line
        name, labels = matched[1], matched[2] or ""
        assert name in kinds or kinds[re.sub(r"_(bucket|sum|count)\Z", "", name)] == "histogram"
        assert (name, labels) not in found
        found[name, labels] = float(matched[3])
    return found


async def metrics(client: Client) -> dict[str, float]:
    answer = await client("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        name.removeprefix("airferry_registry_") + (f"{{{labels}}}" if labels else ""): value
        for (name, labels), value in parsed(answer.body.decode()).items()
    }


async def push(client: Client, path: str, content: bytes) -> None:
    begun = await client("POST", f"/v2/{path}/blobs/uploads/", Authorization=ADMIN)
    url = f"{begun.headers['Location']}?digest={Digest.of(content)}"
    assert (await client("PUT", url, content, Authorization=ADMIN)).status == 201


async def test_metrics_count_requests_bytes_and_what_is_stored(client: Client, root: Path) -> None:
    for content in (b"{}", b"layer"):
        await push(client, "a", content)
    kind = "application/vnd.oci.image.manifest.v1+json"
    made = await client("PUT", "/v2/a/manifests/t", image(), Content_Type=kind, Authorization=ADMIN)
    assert made.status == 201
    await client("POST", "/v2/a/blobs/uploads/", Authorization=ADMIN)
    await client("GET", f"/v2/a/blobs/{Digest.of(b'layer')}", Authorization=ADMIN)
    await client("HEAD", "/v2/a/manifests/t", Authorization=ADMIN)
    await client("GET", "/v2/a/manifests/t")
    await client("PROPFIND", "/v2/a/manifests/t", Authorization=ADMIN)
    found = await metrics(client)
    assert found['requests_total{route="manifest",method="PUT",status="201"}'] == 1
    assert found['requests_total{route="manifest",method="GET",status="401"}'] == 1
    assert found['requests_total{route="manifest",method="other",status="405"}'] == 1
    assert found['requests_total{route="uploads",method="POST",status="202"}'] == 3
    assert found["received_bytes_total"] == len(b"{}" + b"layer" + image())
    assert found["sent_bytes_total"] >= len(b"layer")
    assert found['request_duration_seconds_count{route="blob",method="GET"}'] == 1
    assert found['request_duration_seconds_bucket{route="blob",method="GET",le="+Inf"}'] == 1
    assert found['request_duration_seconds_sum{route="blob",method="GET"}'] > 0
    assert (found["contents"], found["content_bytes"]) == (3, len(b"{}" + b"layer" + image()))
    assert found["uploads_under_way"] == 1
    assert found["requests_under_way"] == 0
    tls = Settings.read(root).tls
    assert tls is not None
    assert found['certificate_expiry_timestamp_seconds{kind="server"}'] == read_facts(tls).expires.timestamp()
    assert found['certificate_expiry_timestamp_seconds{kind="ca"}'] > datetime.now(UTC).timestamp()
    assert not [name for name in found if name.startswith(("gc_", "scrub_"))]


async def test_buckets_add_up(client: Client) -> None:
    for _ in range(3):
        await client("GET", "/healthz")
    found = await metrics(client)
    buckets = [value for name, value in found.items() if name.startswith("request_duration_seconds_bucket{route")]
    assert buckets == sorted(buckets) and buckets[-1] == 3


async def test_the_last_collection_and_scrub_are_there_once_they_ran(client: Client, root: Path) -> None:
    state = root / "state"
    state.mkdir(exist_ok=True)
    (state / "gc.json").write_text(json.dumps({"finishedAt": "2026-11-22T08:00:00Z", "freedBytes": 4711}))
    (state / "scrub.json").write_text(json.dumps({"finishedAt": "2026-11-21T08:00:00Z", "damaged": ["a", "b"]}))
    found = await metrics(client)
    assert found["gc_last_finished_timestamp_seconds"] == datetime(2026, 11, 22, 8, tzinfo=UTC).timestamp()
    assert (found["gc_last_freed_bytes"], found["scrub_last_damaged"]) == (4711, 2)
    (state / "gc.json").write_text("[]")
    (state / "scrub.json").write_text("hel")
    assert not [name for name in await metrics(client) if name.startswith(("gc_", "scrub_"))]


async def test_metrics_are_for_this_machine_and_for_administrators(client: Client, root: Path) -> None:
    team, token = robot("team+r", team="admin")
    narrow, narrow_secret = bound_token("pull")
    accounts = AccountsFile(root)
    boss = replace(user("boss", everywhere="admin"), tokens=(narrow,))
    await accounts.add([team, user("ann", everywhere="pull,push,delete"), boss])
    accounts.close()

    async def ask(**headers: str) -> Answer:
        return await client("GET", "/metrics", **headers)

    assert (await ask()).status == 200, "from loopback"
    for header in ("X_Forwarded_For", "Forwarded", "X_Real_IP", "Via"):
        refused = await ask(**{header: "192.0.2.1"})
        assert (refused.status, refused.code) == (401, "UNAUTHORIZED")
        assert any(one.startswith("Basic ") for one in refused.headers.getall("WWW-Authenticate"))
        assert b"airferry_registry" not in refused.body
    assert (await ask(X_Forwarded_For="192.0.2.1", Authorization=ADMIN)).status == 200
    assert (await ask(Authorization=basic("boss"))).status == 200
    for name, secret in (("team+r", token), ("ann", ""), ("boss", narrow_secret)):
        refused = await ask(Authorization=basic(name, secret))
        assert (refused.status, refused.code) == (403, "DENIED"), name
    assert (await ask(Authorization=basic("admin", "wrong"))).status == 401
    bearer = (await client("GET", "/v2/auth?scope=repository:a:pull", Authorization=ADMIN)).json["token"]
    assert (await ask(Authorization=f"Bearer {bearer}")).status == 401, "a token for pulling is for pulling"
    assert (await client("POST", "/metrics")).status == 405


async def test_health_is_told_to_everybody_in_quays_shape(client: Client) -> None:
    for path in ("/health/instance", "/health"):
        answer = await client("GET", path, X_Forwarded_For="192.0.2.1")
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
        assert answer.json == {
            "data": {
                "services": {
                    "auth": True,
                    "database": True,
                    "disk_space": True,
                    "registry_gunicorn": True,
                    "service_key": True,
                    "web_gunicorn": True,
                }
            },
            "status_code": 200,
        }
    alive = await client("GET", "/healthz")
    assert (alive.status, alive.body) == (200, b"ok\n")
    assert (await client("HEAD", "/healthz")).status == 200
    assert (await client("PUT", "/healthz", b"x")).headers["Allow"] == "GET, HEAD"


async def test_health_says_which_part_is_ill(root: Path) -> None:
    from aiohttp.test_utils import make_mocked_request

    from airferry.registry import RegistryStore, make_app
    from airferry.registry.operation.metrics import Metrics
    from airferry.registry.operation.pages import OperationPages, Parts

    store = RegistryStore.on_disk(root)

    async def nobody() -> list[dict[str, Any]]:
        return []

    parts: dict[str, Any] = {"certificate": lambda: None, "lost_lines": lambda: 0, "others": nobody}
    parts["least_free_bytes"] = 1 << 60
    pages = OperationPages(Parts(root, store.metadata, Metrics(), **parts)).pages
    request = make_mocked_request("GET", "/health/instance", app=make_app(store))
    answer = await pages["/health/instance"].answer(request)
    body = json.loads(answer.body)
    assert (answer.status, body["status_code"]) == (503, 503)
    assert [name for name, is_well in body["data"]["services"].items() if not is_well] == ["disk_space"]
    await store.close()


async def test_without_users_everybody_may_see_metrics(root: Path) -> None:
    settings = Settings.read(root, listen="127.0.0.1:0", use_tls=False, use_auth=False)
    async with serve(settings) as running, aiohttp.ClientSession() as session:
        answer = await Client(session, running, None)("GET", "/metrics", X_Forwarded_For="192.0.2.1")  # type: ignore[arg-type]
        assert answer.status == 200 and b"certificate" not in answer.body


def test_running_is_not_asked_for_more_than_it_knows() -> None:
    assert Running("http://127.0.0.1:1", 1, False).reload is None
