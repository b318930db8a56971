"""What of a registry can be replaced while it serves: its certificate, and what of its settings needs no restart."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from airferry.errors import AirferryError
from airferry.registry.certificates import server_context
from airferry.registry.disk import in_thread
from airferry.registry.operation.access_log import AccessLog
from airferry.registry.operation.expiry import CertificateFacts, read_facts
from airferry.registry.operation.serving_certificate import ServingCertificate
from airferry.registry.settings import Settings

logger: Final = logging.getLogger("airferry.registry")

_RELOADABLE: Final = ("anonymous_pull", "is_read_only", "can_delete")
_FIXED: Final = ("listen", "users", "database")


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload came to. ``changed`` settings are in force; those that ``needs_restart`` names are not yet."""

    certificate: CertificateFacts | None
    is_new_certificate: bool
    changed: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()


class Live:
    """Reloads one serving registry. ``apply`` puts settings in force; it may not fail."""

    def __init__(
        self,
        settings: Settings,
        reread: Callable[[], Settings],
        certificate: ServingCertificate | None,
        apply: Callable[[Settings], None],
        access_log: AccessLog | None = None,
    ) -> None:
        self._settings = settings
        self._reread = reread
        self._certificate = certificate
        self._apply = apply
        self._access_log = access_log
        self.certificate_facts = read_facts(settings.tls) if settings.tls else None
        """What handshakes show now."""

    async def reload(self) -> Reloaded:
        """Read settings and certificate again and use them from now on; accounts and keys are always read anew.

        All or nothing: where something cannot be used, all stays as it was. Raises MalformedError, CertificateError,
        NotFoundError.
        """
        try:
            done = await self._reload()
        except AirferryError as error:
            logger.error("not reloaded, what was in force stays: %s", error.message, extra={"code": error.code})
            raise
        shown = done.certificate.serial if done.certificate else None
        logger.info(
            "reloaded",
            extra={"certificate": shown, "changed": list(done.changed), "needs_restart": list(done.needs_restart)},
        )
        return done

    async def _reload(self) -> Reloaded:
        before, old = self._settings, self.certificate_facts
        read = await in_thread(self._reread)
        context = facts = None
        if self._certificate is not None and read.tls is not None:
            context = await in_thread(server_context, read.tls)
            facts = await in_thread(read_facts, read.tls)
        if self._certificate is not None and context is not None:
            self._certificate.replace(context)
            self.certificate_facts = facts
        self._apply(read)
        if self._access_log is not None:
            self._access_log.reopen()
        self._settings = read
        return Reloaded(
            facts,
            is_new_certificate=facts is not None and old is not None and facts.serial != old.serial,
            changed=_differences(before, read, _RELOADABLE),
            needs_restart=_differences(before, read, _FIXED),
        )


def _differences(before: Settings, after: Settings, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return which settings differ, as registry.toml calls them."""
    words = {"is_read_only": "read_only", "can_delete": "deletes"}
    return tuple(words.get(name, name) for name in names if getattr(before, name) != getattr(after, name))
