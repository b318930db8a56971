"""A CA and a server certificate of our own, as files in PEM; and the TLS context that serves with them.

Keys are EC P-256: small handshakes, and every client of the field takes them. The leaf has
the names as subject alternative names, because Go clients refuse a certificate that has only a common name.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from airferry.errors import UsageError
from airferry.registry.errors import CertificateError
from airferry.registry.settings import TlsFiles
from airferry.server_certificates import general_name

CA_DAYS: Final = 3650
LEAF_DAYS: Final = 800
"""A little over two years; under the 825 days that Apple's verifiers allow."""

_BACKDATED: Final = timedelta(hours=1)  # clocks on the far side are rarely exact


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key. The key is never shown."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def __repr__(self) -> str:
        return f"Pair({self.certificate.subject.rfc4514_string()})"

    @property
    def certificate_pem(self) -> bytes:
        """The certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key in PEM, PKCS#8, not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def make_ca(name: str, now: datetime) -> Pair:
    """Return a new CA that may sign leaves only (path length 0), valid for ten years from ``now``."""
    key = ec.generate_private_key(ec.SECP256R1())
    return _sign_itself(_name(name), key, now)


def renew_ca(ca: Pair, now: datetime) -> Pair:
    """Return ``ca`` with a new certificate for the same key and name, so that both trust what either issued."""
    return _sign_itself(ca.certificate.subject, ca.key, now)


def make_leaf(ca: Pair, hosts: Sequence[str], now: datetime, *, key: ec.EllipticCurvePrivateKey | None = None) -> Pair:
    """Return a server certificate for ``hosts``, names and IP addresses, and for ``key`` (None: a new one).

    Names are lower case in it, and each stands there once. Raises UsageError for a bad one.
    """
    names = list(dict.fromkeys(general_name(host) for host in hosts))
    if not names:
        raise UsageError("a server certificate needs at least one host", hint="give --host NAME")
    key = key or ec.generate_private_key(ec.SECP256R1())
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    builder = (
        _builder(_name(hosts[0]), ca.certificate.subject, key, now, LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(authority, critical=False)
    )
    return Pair(builder.sign(ca.key, hashes.SHA256()), key)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return the context to serve with: TLS 1.2 at least. Raises CertificateError for a pair that is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certificate, files.key, password="")
    except (OSError, ssl.SSLError) as error:
        raise CertificateError(
            f"the certificate {files.certificate} with the key {files.key} cannot be used: {error}",
            hint="both must be readable PEM, the key not encrypted, and belong together",
        ) from error
    return context


def _sign_itself(subject: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime) -> Pair:
    builder = (
        _builder(subject, subject, key, now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    now = now.astimezone(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])
