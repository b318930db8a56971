"""Everything that makes a serving registry one that can be operated, put together once for :func:`serve`."""

import logging
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from airferry.registry.access import AccountsFile, Door, TokenKeysFile
from airferry.registry.answered import Observer
from airferry.registry.metadata import Metadata
from airferry.registry.operation.access_log import AccessLog
from airferry.registry.operation.control import ask_serving, controlled
from airferry.registry.operation.expiry import expiry_warnings
from airferry.registry.operation.live import Live, Reloaded
from airferry.registry.operation.metrics import Metrics
from airferry.registry.operation.pages import OperationPages, Pages, Parts
from airferry.registry.operation.serving_certificate import ServingCertificate
from airferry.registry.settings import Settings
from airferry.registry.timestamps import print_second
from airferry.registry.under_way import UnderWay

logger: Final = logging.getLogger("airferry.registry")

_COUNTED: Final = "counted"
_SCRAPE_S: Final = 2.0
"""How long a scrape waits for the other processes."""


@dataclass(frozen=True, slots=True)
class GuardedBy:
    """The door of a registry with users, and the files that it reads."""

    door: Door
    accounts: AccountsFile
    keys: TokenKeysFile


class Operated:
    """The parts of one serving registry that its administrator deals with."""

    def __init__(
        self,
        settings: Settings,
        metadata: Metadata,
        guarded: GuardedBy | None,
        *,
        reread: Callable[[], Settings],
        apply: Callable[[Settings], None],
        log: AccessLog | None,
    ) -> None:
        """Read the certificate. Raises CertificateError."""
        self._settings = settings
        self._log = log
        self._certificate = ServingCertificate(settings.tls) if settings.tls else None
        self._live = Live(settings, reread, self._certificate, apply, log)
        self._metrics = Metrics()
        parts = Parts(
            settings.root,
            metadata,
            self._metrics,
            certificate=lambda: self._live.certificate_facts,
            lost_lines=lambda: log.lost if log else 0,
            others=lambda: ask_serving(settings.root, _COUNTED, patience_s=_SCRAPE_S),
            accounts=guarded.accounts if guarded else None,
            keys=guarded.keys if guarded else None,
        )
        self._pages = OperationPages(parts)
        for warning in expiry_warnings(settings):
            logger.warning(warning)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The context to serve with."""
        return self._certificate.context if self._certificate else None

    @property
    def pages(self) -> Pages:
        """What is served beside the distribution API."""
        return self._pages.pages

    @property
    def observers(self) -> tuple[Observer, ...]:
        """Who is told of every request."""
        return (self._metrics, self._log) if self._log is not None else (self._metrics,)

    @property
    def reload(self) -> Callable[[], Awaitable[Reloaded]]:
        """What reads certificate and settings again."""
        return self._live.reload

    @asynccontextmanager
    async def reachable(self, url: str, under_way: UnderWay) -> AsyncIterator[None]:
        """Answer ``registry reload`` and ``registry status``, and other processes' metrics, while the block runs."""
        began_s = time.time()

        async def reload() -> dict[str, Any]:
            return {"pid": os.getpid(), "url": url, **reloaded_document(await self._live.reload())}

        async def status() -> dict[str, Any]:
            facts = self._live.certificate_facts
            return {
                "pid": os.getpid(),
                "url": url,
                "since": print_second(datetime.fromtimestamp(began_s, UTC)),
                "requestsUnderWay": under_way.count,
                "certificateSerial": facts.serial if facts else None,
            }

        async def counted() -> dict[str, Any]:
            found: dict[str, Any] = msgspec.to_builtins(self._pages.counted(under_way))
            return found

        async with controlled(self._settings.root, {"reload": reload, "status": status, _COUNTED: counted}):
            yield


def reloaded_document(done: Reloaded) -> dict[str, Any]:
    """Return what a reload came to for programs."""
    facts = done.certificate
    return {
        "certificateSerial": facts.serial if facts else None,
        "certificateExpires": facts.expires_at if facts else None,
        "isNewCertificate": done.is_new_certificate,
        "changed": list(done.changed),
        "needsRestart": list(done.needs_restart),
    }
