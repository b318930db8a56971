"""All registries of one side of a run, over one pool of connections."""

from airferry.content.http.aiohttp_transport import AiohttpTransport
from airferry.content.http.document import fetch_document
from airferry.content.http.place import RegistryPlace
from airferry.content.http.session import RegistrySession
from airferry.content.http.settings import HttpSettings
from airferry.content.http.timing import Timing
from airferry.content.http.tls import TlsContexts
from airferry.content.http.transport import Transport


class HttpContent:
    """Gives access to registries. Make it with the settings of one side, close it when the run ends."""

    def __init__(
        self, settings: HttpSettings | None = None, *, transport: Transport | None = None, timing: Timing | None = None
    ) -> None:
        """Raise NotFoundError or MalformedError when the CA file is of no use.

        ``transport`` and ``timing`` are for tests and for sharing a pool.
        """
        self.settings = settings or HttpSettings()
        self._timing = timing or Timing()
        self._transport = transport or AiohttpTransport(
            TlsContexts(
                self.settings.ca_file,
                self.settings.certs_dirs,
                ca_pem=self.settings.ca_pem,
                system_cas=self.settings.system_cas,
            ),
            connect_timeout_s=self.settings.connect_timeout_s,
        )
        self._sessions: dict[tuple[str, bool], RegistrySession] = {}
        self._places: dict[tuple[str, bool], RegistryPlace] = {}

    def registry(self, host: str, *, insecure: bool | None = None) -> RegistryPlace:
        """Return the registry at ``host`` (host[:port]); the same object each time. Nothing is asked yet.

        ``insecure`` None means what the settings say; a rule of registries.conf may say True for one place.
        """
        key = (host, self.settings.insecure if insecure is None else insecure)
        if key not in self._places:
            session = RegistrySession(host, self.settings, self._transport, self._timing, insecure=key[1])
            self._sessions[key] = session
            self._places[key] = RegistryPlace(session)
        return self._places[key]

    async def fetch_document(self, url: str, limit_bytes: int) -> bytes:
        """Return a small public document; see :func:`airferry.content.http.document.fetch_document`."""
        return await fetch_document(self._transport, self._timing, url, limit_bytes, insecure=self.settings.insecure)

    async def close(self) -> None:
        """Give back every connection. Twice is fine."""
        for session in self._sessions.values():
            await session.close()
        await self._transport.close()
