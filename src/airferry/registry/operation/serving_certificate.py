"""The certificate that handshakes show, which can be another one from one moment to the next."""

import ssl

from airferry.registry.certificates import server_context
from airferry.registry.settings import TlsFiles


class ServingCertificate:
    """Holds the TLS context to serve with. Connections that are open keep what they have when it is replaced."""

    def __init__(self, files: TlsFiles) -> None:
        """Read ``files``. Raises CertificateError for a pair that is none."""
        self.context = server_context(files)
        """What the socket is served with; it hands each handshake to the newest context."""
        self._newest = self.context
        # OpenSSL asks this in every handshake, also where the client names no host.
        self.context.sni_callback = self._choose

    def replace(self, context: ssl.SSLContext) -> None:
        """Show ``context``, made by :func:`server_context`, in every handshake from now on."""
        self._newest = context

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        if self._newest is not context:
            connection.context = self._newest
