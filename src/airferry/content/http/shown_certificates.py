"""The certificates that a server shows, as they are, without trusting them."""

import asyncio
import ssl
from typing import Any, Final

from cryptography import x509

from airferry.content.errors import CertificateError, UnreachableError
from airferry.content.http.tls import speaks_no_tls

_TIMEOUT_S: Final = 10.0
_DER: Final = 2
"""``_ssl.ENCODING_DER``."""


async def shown_certificates(host: str, port: int) -> tuple[x509.Certificate, ...]:
    """Return the server's certificate and what it sends with it. Raises UnreachableError, CertificateError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    except ssl.SSLError as error:
        reason = "it does not speak TLS" if speaks_no_tls(error) else f"the handshake failed: {error.reason}"
        raise CertificateError(f"{host}:{port} shows no certificate: {reason}", hint="check the port") from error
    except (OSError, TimeoutError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "no answer"
        raise UnreachableError(
            f"cannot connect to {host}:{port}: {reason}", hint="check name, port and route"
        ) from error
    try:
        return tuple(x509.load_der_x509_certificate(der) for der in _chain(writer.get_extra_info("ssl_object")))
    except ValueError as error:
        raise CertificateError(f"{host}:{port} shows a certificate that cannot be read") from error
    finally:
        writer.transport.abort()


def _chain(connection: Any) -> list[bytes]:
    """Return the DER of all that was sent. Python has a public way to ask from 3.13 on; the call below it is older."""
    if hasattr(connection, "get_unverified_chain"):
        return list(connection.get_unverified_chain())
    return [one.public_bytes(_DER) for one in connection._sslobj.get_unverified_chain()]
