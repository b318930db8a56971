"""Two CAs of one name, as after one was made again: which of them is a server's?

OpenSSL looks an issuer up by its name, takes one, and gives up when the signature is another's; Go, which nodes are
written in, tries all of the name. So each one of that name is tried by itself. That trusts less and checks the same, so
what OpenSSL then accepts is good: no certificate is accepted here that was not under one of the given CAs.
"""

import asyncio
import ssl
from typing import Final

from cryptography import x509

from airferry.content.http.shown_certificates import shown_certificates
from airferry.content.http.tls import MAYBE_ANOTHER_OF_THE_NAME, TlsContexts
from airferry.errors import AirferryError

_TIMEOUT_S: Final = 10.0
_MOST_TRIED: Final = 8
_EXPIRED: Final = 10
_NO_SIGNER: Final = MAYBE_ANOTHER_OF_THE_NAME - {_EXPIRED}


async def find_anchor(
    tls: TlsContexts, host: str, port: int, found: ssl.SSLCertVerificationError
) -> ssl.SSLContext | ssl.SSLCertVerificationError:
    """Return a context under which ``host`` is trusted, or why it is not, after ``found`` was said with all CAs.

    One of several CAs of the name of an issuer may say more than ``found``: under the CA that did sign, it is the host
    name or the date that is wrong. Raises nothing for a host that cannot be reached any more.
    """
    try:
        shown = await shown_certificates(host, port)
    except AirferryError:
        return found
    issuers = {one.issuer for one in shown}
    alike = [anchor for anchor in tls.anchors() if _subject(anchor) in issuers]
    for anchor in alike[:_MOST_TRIED] if len(alike) > 1 else ():
        context = tls.trusting(anchor)
        refused = await _refusal(context, host, port)
        if refused is None:
            return context
        if not isinstance(refused, ssl.SSLCertVerificationError) or refused.verify_code in _NO_SIGNER:
            continue
        if found.verify_code in MAYBE_ANOTHER_OF_THE_NAME:
            found = refused
    return found


def _subject(anchor: str) -> x509.Name | None:
    try:
        return x509.load_pem_x509_certificate(anchor.encode()).subject
    except ValueError:
        return None


async def _refusal(context: ssl.SSLContext, host: str, port: int) -> Exception | None:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    except (OSError, TimeoutError) as error:
        return error
    writer.transport.abort()
    return None
