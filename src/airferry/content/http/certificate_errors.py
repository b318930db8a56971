"""Turns what OpenSSL says about a refused certificate into an error that names registry, subject, reason, flag.

OpenSSL gives numbers for the reason but not the certificate, so the certificate is fetched once more without
checking it. All knowledge of those numbers is here.
"""

import asyncio
import ssl
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from airferry.content.errors import CertificateError, CertificateNameError, CertificateTimeError, UnknownCaError

_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_WRONG_HOST: Final = (62, 64)
_UNKNOWN_CA: Final = (2, 7, 18, 19, 20, 21)
"""X509_V_ERR numbers of OpenSSL's x509_vfy.h, as given in SSLCertVerificationError.verify_code."""

_INSPECT_TIMEOUT_S: Final = 5.0


async def fetch_certificate(host: str, port: int) -> x509.Certificate | None:
    """Return the certificate that ``host`` shows, unchecked; None when it cannot be had (a proxy, a firewall)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(_INSPECT_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError):
        return None
    try:
        raw = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(raw) if raw else None
    except ValueError:
        return None
    finally:
        writer.transport.abort()


def explain(
    registry: str, error: ssl.SSLCertVerificationError, certificate: x509.Certificate | None, now: datetime
) -> CertificateError:
    """Return the error to show. ``registry`` is host[:port] as the user wrote it."""
    subject = f"the certificate of {registry}"
    if certificate is not None:
        subject = f"the certificate of {registry} (subject {certificate.subject.rfc4514_string() or 'empty'})"
    code = error.verify_code
    if code in _WRONG_HOST:
        return _wrong_host(registry, subject, certificate)
    if code in (_EXPIRED, _NOT_YET_VALID):
        return _wrong_time(registry, subject, certificate, now)
    if code in _UNKNOWN_CA:
        return UnknownCaError(
            f"{subject} is signed by an unknown CA{_issuer(certificate)}",
            hint=f"give the CA's certificate with --certificate-authority FILE, "
            f"or put it in /etc/containers/certs.d/{registry}/ca.crt",
        )
    return CertificateError(
        f"{subject} cannot be trusted: {error.verify_message}",
        hint="have it issued again, or use --insecure to connect without checking certificates",
    )


def _wrong_host(registry: str, subject: str, certificate: x509.Certificate | None) -> CertificateError:
    names = _names(certificate) if certificate is not None else None
    if names == ():
        return CertificateNameError(
            f"{subject} has no subject alternative name (SAN); the name in its subject alone does not count",
            hint="have it issued again with a SAN for this host (nodes refuse it too), "
            "or use --insecure to connect without checking certificates",
        )
    valid_for = f"; it is for {', '.join(names)}" if names else ""
    return CertificateNameError(
        f"{subject} is for another host than {_host_only(registry)}{valid_for}",
        hint="use one of the names it is for, have it issued again with this name as SAN, "
        "or use --insecure to connect without checking certificates",
    )


def _wrong_time(registry: str, subject: str, certificate: x509.Certificate | None, now: datetime) -> CertificateError:
    hint = "have it issued again and check this machine's clock, or use --insecure to connect without checking"
    clock = f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC"
    if certificate is not None and certificate.not_valid_after_utc < now:
        date = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        return CertificateTimeError(f"{subject} expired on {date}; {clock}", hint=hint)
    if certificate is not None and certificate.not_valid_before_utc > now:
        date = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return CertificateTimeError(f"{subject} is not valid before {date}; {clock}", hint=hint)
    return CertificateTimeError(f"{subject}, or one it is signed by, is expired or not yet valid; {clock}", hint=hint)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    found = extension.value
    addresses = (str(address) for address in found.get_values_for_type(x509.IPAddress))
    return (*found.get_values_for_type(x509.DNSName), *addresses)


def _issuer(certificate: x509.Certificate | None) -> str:
    if certificate is None:
        return ""
    if certificate.issuer == certificate.subject:
        return ": it is self-signed"
    common = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return f": {common[0].value if common else certificate.issuer.rfc4514_string()!s}"


def _host_only(registry: str) -> str:
    return registry.rpartition(":")[0] if registry.rpartition(":")[2].isdigit() else registry


def utc_now() -> datetime:
    """Return the moment that certificates are compared with."""
    return datetime.now(UTC)
