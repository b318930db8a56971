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
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from airferry.registry.disk import disk_errors
from airferry.registry.errors import CertificateError
from airferry.registry.host_names import covers, subject_names

_WEAK: Final = (hashes.SHA1, hashes.MD5)
_MOST_BYTES: Final = 1024 * 1024
_MOST_CHAIN: Final = 10


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
        names = _check_names(leaf, certificate, hosts)
        _check_purpose(leaf, certificate)
        chain, root = _chain(leaf, (*given, *trusted), trusted, certificate)
        for one in (*chain, *((root,) if root is not None else ())):
            _check_one(one, certificate, now, is_root=one == root)
        return cls(chain, root, key_pem, names)

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


def _check_names(leaf: x509.Certificate, file: Path, hosts: Sequence[str]) -> tuple[str, ...]:
    names = subject_names(leaf)
    if not names:
        raise CertificateError(
            f"the certificate {file} has no subject alternative name (SAN)",
            hint="have it issued again with the host names as SAN: clients do not look at the common name",
        )
    missing = [host for host in hosts if not covers(names, host)]
    if missing:
        raise CertificateError(
            f"the certificate {file} is not for {', '.join(missing)}; it is for {', '.join(names)}",
            hint="have it issued again with these names as SAN, or give other names with --host",
        )
    return tuple(dict.fromkeys(hosts)) or names


def _check_purpose(leaf: x509.Certificate, file: Path) -> None:
    try:
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(purposes):
        raise CertificateError(
            f"the certificate {file} is not for servers: its extended key usage lacks serverAuth",
            hint="have it issued again for a TLS web server",
        )


def _check_one(one: x509.Certificate, file: Path, now: datetime, *, is_root: bool) -> None:
    name = one.subject.rfc4514_string()
    if one.not_valid_after_utc <= now:
        raise CertificateError(
            f"the certificate of {name} in {file} ran out on {one.not_valid_after_utc:%Y-%m-%d}",
            hint="have it issued again",
        )
    if one.not_valid_before_utc > now:
        raise CertificateError(
            f"the certificate of {name} in {file} is good from {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on only",
            hint=f"wait, or set this machine's clock: it says {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        )
    if not is_root and isinstance(one.signature_hash_algorithm, _WEAK):
        raise CertificateError(
            f"the certificate of {name} in {file} is signed with {one.signature_hash_algorithm.name}",
            hint="have it issued again with SHA-256: oc, podman and the cluster's nodes refuse this",
        )


def _chain(
    leaf: x509.Certificate, known: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate], file: Path
) -> tuple[tuple[x509.Certificate, ...], x509.Certificate | None]:
    """Return what to send, and what it leads to: a root that was given, or None for one of the system's."""
    chain = [leaf]
    while len(chain) <= _MOST_CHAIN:
        last = chain[-1]
        if _has_issued(last, last):
            return (tuple(chain[:-1]) or (leaf,)), last
        issuer = next((one for one in known if one not in chain and _has_issued(one, last)), None)
        if issuer is None:
            break
        chain.append(issuer)
    if chain[-1] in trusted:
        return (tuple(chain[:-1]) or (leaf,)), chain[-1]  # what is below the root may be trusted, too
    if _is_known_to_system(chain[-1]):
        return tuple(chain), None
    raise CertificateError(
        f"the chain in {file} is not complete: it ends at {chain[-1].subject.rfc4514_string()}, "
        f"and the certificate of its issuer {chain[-1].issuer.rfc4514_string()} is not there",
        hint="append the intermediate certificates to the file, and give the CA that clients trust with --ca FILE",
    )


def _has_issued(issuer: x509.Certificate, one: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_known_to_system(last: x509.Certificate) -> bool:
    """Whether the issuer is in the system's list of CAs."""
    context = ssl.create_default_context()
    issuer = last.issuer.public_bytes()
    for der in context.get_ca_certs(binary_form=True):
        # Some old roots are not well-formed by today's rules: only those that may be it are parsed.
        if issuer in der and _has_issued(x509.load_der_x509_certificate(der), last):
            return True
    return False
