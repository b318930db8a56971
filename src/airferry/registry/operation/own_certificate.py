"""A certificate that was made elsewhere: everything that a client would refuse, said before it is served.

What is checked is what Go's crypto/x509 and OpenSSL demand of a server: a key that fits, names as subject
alternative names, a chain that leads to a CA, dates, purpose, no SHA-1.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from airferry.registry.disk import disk_errors
from airferry.registry.errors import CertificateError
from airferry.server_certificates import (
    CertificateFault,
    Chain,
    build_chain,
    chain_faults,
    has_issued,
    name_faults,
    own_faults,
    purpose_faults,
    subject_names,
)

_MOST_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """A checked certificate: server first, then who issued it, up to where clients trust.

    ``ca`` is what clients are to trust; None where the system's own list has it. The key is never shown.
    """

    chain: tuple[x509.Certificate, ...]
    ca: x509.Certificate | None
    key_pem: bytes = field(repr=False)
    hosts: tuple[str, ...]

    @classmethod
    def read(
        cls, certificate: Path, key: Path, ca: Path | None, hosts: Sequence[str] = (), now: datetime | None = None
    ) -> Self:
        """Read and check PEM files; without ``hosts`` it is for all names in it. Raises CertificateError.

        The certificates may stand in any order: the one that fits ``key`` is the server's.
        """
        now = now or datetime.now(UTC)
        given = _load_all(certificate)
        trusted = _load_all(ca) if ca is not None else ()
        key_pem, public = _load_key(key)
        leaf = next((one for one in given if _public(one) == public), None)
        if leaf is None:
            raise CertificateError(
                f"the key {key} does not belong to the certificate {certificate}",
                hint="give the key that the certificate was requested with; "
                "`openssl pkey -in KEY -pubout` and `openssl x509 -in CERTIFICATE -noout -pubkey` must print the same",
            )
        _check(name_faults(leaf, str(certificate), hosts), purpose_faults(leaf, str(certificate)))
        chain = _chain(leaf, (*given, *trusted), trusted, certificate)
        for one in chain.links:
            _check(own_faults(one, str(certificate), now, is_root=one == chain.root))
        _check(chain_faults(chain, str(certificate)))
        return cls(chain.sent, chain.root, key_pem, tuple(dict.fromkeys(hosts)) or subject_names(leaf))

    @property
    def chain_pem(self) -> bytes:
        """What is sent in a handshake."""
        return b"".join(one.public_bytes(Encoding.PEM) for one in self.chain)

    @property
    def ca_pem(self) -> bytes | None:
        """What clients trust."""
        return self.ca.public_bytes(Encoding.PEM) if self.ca is not None else None


def _load_all(file: Path) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(_read(file)))
    except ValueError as error:
        raise CertificateError(
            f"{file} holds no certificate in PEM",
            hint="PEM begins with -----BEGIN CERTIFICATE-----; from DER: `openssl x509 -inform der -in FILE`",
        ) from error


def _load_key(file: Path) -> tuple[bytes, bytes]:
    """Return a private key in PEM, and its public half."""
    try:
        key = load_pem_private_key(_read(file), password=None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return pem, key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except TypeError as error:
        raise CertificateError(
            f"the key {file} is encrypted, and nobody could be asked for its password at a start",
            hint=f"decrypt it: `openssl pkey -in {file} -out PLAIN`, with umask 077",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{file} holds no private key in PEM", hint="give the key with --key FILE") from error


def _read(file: Path) -> bytes:
    try:
        with disk_errors(f"reading {file}"), file.open("rb") as opened:
            return opened.read(_MOST_BYTES)
    except OSError as error:
        raise CertificateError(f"{file} cannot be read: {error.strerror}", hint="give a file that is there") from error


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _check(*faults: tuple[CertificateFault, ...]) -> None:
    """Raise CertificateError for the first fault."""
    for fault in (fault for found in faults for fault in found):
        raise CertificateError(fault.message, hint=fault.hint)


def _chain(
    leaf: x509.Certificate, known: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate], file: Path
) -> Chain:
    """Return the chain to a root that was given, or without a root to one of the system's."""
    chain = build_chain(leaf, known, trusted)
    if chain.root is not None or _is_known_to_system(chain.links[-1]):
        return chain
    last = chain.links[-1]
    raise CertificateError(
        f"the chain in {file} is not complete: it ends at {last.subject.rfc4514_string()}, "
        f"and the certificate of its issuer {last.issuer.rfc4514_string()} is not there",
        hint="append the intermediate certificates to the file, and give the CA that clients trust with --ca FILE",
    )


def _is_known_to_system(last: x509.Certificate) -> bool:
    """Whether the issuer is in the system's list of CAs."""
    context = ssl.create_default_context()
    issuer = last.issuer.public_bytes()
    for der in context.get_ca_certs(binary_form=True):
        # Some old roots are not well-formed by today's rules: only those that may be it are parsed.
        if issuer in der and has_issued(x509.load_der_x509_certificate(der), last):
            return True
    return False
