"""What is served beside the distribution API: ``/healthz``, ``/metrics``, and health in Quay's shape.

``/metrics`` is for scrapers on this machine, and for accounts with ``admin`` everywhere (Basic credentials).
A request that a proxy passed on does not count as one of this machine's.
"""

import ipaddress
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from airferry.errors import AirferryError
from airferry.registry.access import AccountsFile, TokenKeysFile
from airferry.registry.disk import in_thread
from airferry.registry.metadata import Metadata
from airferry.registry.metadata.counting import Stock, count_stock
from airferry.registry.metadata.reading import list_repositories
from airferry.registry.operation.expiry import CertificateFacts, read_ca_facts
from airferry.registry.operation.metrics import CONTENT_TYPE, Counted, Metrics, Sample
from airferry.registry.state_files import GC, SCRUB, SHOWN_BYTES, finished_s, read_state
from airferry.registry.under_way import UNDER_WAY, UnderWay

LEAST_FREE_BYTES: Final = 64 * 1024 * 1024
"""With less, hardly an image can be pushed."""

_COUNT_AGAIN_S: Final = 15.0
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
_NO_CACHE: Final = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Page:
    """A page at a fixed path. ``is_guarded``: only for who may administer the registry, or is on its machine."""

    answer: Callable[[web.Request], Awaitable[web.Response]]
    is_guarded: bool = False


Pages = Mapping[str, Page]


def is_local(request: web.Request) -> bool:
    """Whether a request comes from this machine, and not through a proxy on it."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(request.remote or "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


@dataclass(frozen=True, slots=True)
class Parts:
    """What the pages look at. ``others`` asks all processes that serve this registry for what they counted."""

    root: Path
    metadata: Metadata
    metrics: Metrics
    certificate: Callable[[], CertificateFacts | None]
    lost_lines: Callable[[], int]
    others: Callable[[], Awaitable[list[dict[str, Any]]]]
    accounts: AccountsFile | None = None
    keys: TokenKeysFile | None = None
    least_free_bytes: int = LEAST_FREE_BYTES


class OperationPages:
    """The pages of one serving registry."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stock = Stock()
        self._counted_s = float("-inf")
        self._began_s = time.time()
        self._process = secrets.token_hex(8)

    @property
    def pages(self) -> Pages:
        """The pages by path."""
        instance = Page(self._instance)
        return {
            "/healthz": Page(self._healthz),
            "/health": instance,
            "/health/instance": instance,
            "/metrics": Page(self._metrics, is_guarded=True),
        }

    async def _healthz(self, request: web.Request) -> web.Response:
        """Whether this process answers. Nothing is asked of disk or database, so it may be asked every second."""
        if request.app[UNDER_WAY].is_stopping:
            return web.Response(status=503, text="stopping\n", headers=_NO_CACHE)
        return web.Response(text="ok\n", headers=_NO_CACHE)

    async def _instance(self, request: web.Request) -> web.Response:
        """Answer as Quay does, whose installers and probes look for exactly this."""
        services = {
            "auth": await _works(self._parts.accounts.all) if self._parts.accounts else True,
            "database": await _works(lambda: self._parts.metadata.read(list_repositories, None, 1)),
            "disk_space": await in_thread(self._free_bytes) >= self._parts.least_free_bytes,
            "registry_gunicorn": not request.app[UNDER_WAY].is_stopping,
            "service_key": await _works(self._parts.keys.current) if self._parts.keys else True,
            "web_gunicorn": True,
        }
        status = 200 if all(services.values()) else 503
        body = msgspec.json.encode({"data": {"services": services}, "status_code": status})
        return web.Response(status=status, body=body, content_type="application/json", headers=_NO_CACHE)

    def counted(self, under_way: UnderWay) -> Counted:
        """Return what this process counted."""
        return self._parts.metrics.tell(
            self._process,
            under_way=under_way.count,
            lost_lines=self._parts.lost_lines(),
            began_s=round(self._began_s, 3),
        )

    async def _counted_by_all(self, request: web.Request) -> list[Counted]:
        """Return what each process that serves this registry counted; one that does not answer soon is left out."""
        own = self.counted(request.app[UNDER_WAY])
        others = []
        for told in await self._parts.others():
            with suppress(msgspec.ValidationError):  # another version of this program, in the middle of an upgrade
                others.append(msgspec.convert(told, Counted))
        return [own, *(other for other in others if other.process != own.process)]

    async def _metrics(self, request: web.Request) -> web.Response:
        counted = await self._counted_by_all(request)
        total = Metrics()
        for one in counted:
            total.add(one)
        under_way = sum(one.under_way for one in counted) - 1
        began_s, lost_lines = min(one.began_s for one in counted), sum(one.lost_lines for one in counted)
        samples = [
            *await self._stock_samples(),
            *(await in_thread(self._slow_samples)),
            Sample("requests_under_way", "gauge", "Requests being answered.", under_way),
            Sample("processes", "gauge", "Processes that serve, whose counts these are.", len(counted)),
            Sample("start_time_seconds", "gauge", "When the first of them began to serve.", began_s),
            Sample("access_log_lost_total", "counter", "Lines of the access log lost.", lost_lines),
        ]
        body = total.print(samples)
        return web.Response(body=body.encode(), headers={**_NO_CACHE, "Content-Type": CONTENT_TYPE})

    async def _stock_samples(self) -> list[Sample]:
        if time.monotonic() - self._counted_s > _COUNT_AGAIN_S:
            self._stock = await self._parts.metadata.read(count_stock)
            self._counted_s = time.monotonic()
        stock = self._stock
        return [
            Sample("contents", "gauge", "Blobs and manifests stored, each once.", stock.contents),
            Sample("content_bytes", "gauge", "Bytes of them.", stock.unique_bytes),
            Sample("uploads_under_way", "gauge", "Uploads that are not finished.", stock.uploads),
            Sample("upload_bytes", "gauge", "Bytes received of them.", stock.upload_bytes),
        ]

    def _slow_samples(self) -> list[Sample]:
        """Return what has to be looked for on the disk."""
        text = "When the certificate runs out."
        found = {"server": self._parts.certificate(), "ca": read_ca_facts(self._parts.root)}
        samples = [
            Sample("certificate_expiry_timestamp_seconds", "gauge", text, facts.expires.timestamp(), ("kind", kind))
            for kind, facts in found.items()
            if facts is not None and found["server"] is not None
        ]
        samples.append(Sample("disk_free_bytes", "gauge", "Free on the registry's disk.", self._free_bytes()))
        for name in (GC, SCRUB):
            noted = read_state(self._parts.root, name, most_bytes=SHOWN_BYTES)
            at_s = finished_s(noted)
            if at_s is not None:
                samples.append(Sample(f"{name}_last_finished_timestamp_seconds", "gauge", f"Last {name}.", at_s))
            for key, words in (("freedBytes", "gc_last_freed_bytes"), ("damaged", "scrub_last_damaged")):
                value = (noted or {}).get(key)
                value = len(value) if isinstance(value, list) else value
                if isinstance(value, int | float) and words.startswith(name):
                    samples.append(Sample(words, "gauge", f"What the last {name} came to.", value))
        return samples

    def _free_bytes(self) -> int:
        try:
            found = os.statvfs(self._parts.root)
        except OSError:
            return 0
        return found.f_bavail * found.f_frsize


async def _works(question: Callable[[], Awaitable[object]]) -> bool:
    try:
        await question()
    except AirferryError:
        return False
    return True
