"""What clients demand of a server's certificate and of the CA it leads to, told as faults. No disk, no network.

What is checked is what Go's crypto/x509 (nodes, oc, podman) and OpenSSL demand: names as subject alternative
names, a chain, dates, purposes, keys that are strong enough, no SHA-1.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from airferry.errors import UsageError

_WEAK: Final = (hashes.SHA1, hashes.MD5)
_LEAST_RSA_BITS: Final = 2048
_LEAST_EC_BITS: Final = 224
_MOST_CHAIN: Final = 10
_AGAIN: Final = "have it issued again"


class FaultKind(StrEnum):
    """What is wrong with a certificate."""

    NO_SAN = "no-san"
    OTHER_HOST = "other-host"
    NOT_FOR_SERVERS = "not-for-servers"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WEAK_SIGNATURE = "weak-signature"
    WEAK_KEY = "weak-key"
    NOT_A_CA = "not-a-ca"
    CHAIN = "chain"


@dataclass(frozen=True, slots=True)
class CertificateFault:
    """One fault: a sentence that names the certificate, and what to do."""

    kind: FaultKind
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Chain:
    """From the server's certificate upwards. ``root`` is the trusted one it leads to, None when it leads to none."""

    links: tuple[x509.Certificate, ...]
    root: x509.Certificate | None

    @property
    def sent(self) -> tuple[x509.Certificate, ...]:
        """What a server sends: all but the root."""
        return tuple(one for one in self.links if one != self.root) or self.links[:1]


def build_chain(
    leaf: x509.Certificate, known: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate]
) -> Chain:
    """Return the chain of ``leaf`` through ``known`` to one that issued itself or, else, to one of ``trusted``."""
    links = [leaf]
    while len(links) <= _MOST_CHAIN:
        last = links[-1]
        if has_issued(last, last):
            return Chain(tuple(links), last)
        issuer = next((one for one in known if one not in links and has_issued(one, last)), None)
        if issuer is None:
            break
        links.append(issuer)
    return Chain(tuple(links), links[-1] if links[-1] in trusted else None)


def has_issued(issuer: x509.Certificate, one: x509.Certificate) -> bool:
    """Whether ``issuer`` signed ``one`` and is named in it."""
    try:
        one.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def subject_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the host names and IP addresses that ``certificate`` is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress))


def covers(names: Iterable[str], host: str) -> bool:
    """Whether one of ``names`` is ``host``, or a wildcard for its first part (RFC 6125 section 6.4.3).

    Raises UsageError where ``host`` is none.
    """
    wanted = str(general_name(host).value)
    for name in names:
        if name.lower() == wanted:
            return True
        first, dot, rest = wanted.partition(".")
        if name.startswith("*.") and first and dot and name[2:].lower() == rest and not _is_address(wanted):
            return True
    return False


def general_name(host: str) -> x509.DNSName | x509.IPAddress:
    """Return ``host`` as it stands in a certificate: names are lower case. Raises UsageError for what is none."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    is_name = (
        host
        and len(host) <= 253
        and all(
            part and len(part) <= 63 and part.replace("-", "").replace("*", "").isalnum() and part.isascii()
            for part in host.split(".")
        )
    )
    if not is_name:
        raise UsageError(f"{host!r} is neither a host name nor an IP address", hint="give --host without a port")
    return x509.DNSName(host.lower())


def name_faults(leaf: x509.Certificate, where: str, hosts: Sequence[str]) -> tuple[CertificateFault, ...]:
    """Return a fault where ``leaf`` has no SAN, or not for all ``hosts``. ``where`` names the file or server."""
    names = subject_names(leaf)
    if not names:
        common = common_name(leaf)
        only = f"; its common name {common} does not count" if common else ""
        return (
            CertificateFault(
                FaultKind.NO_SAN,
                f"the certificate {where} has no subject alternative name (SAN){only}",
                f"{_AGAIN} with the host names as SAN: Go clients refuse the legacy common name",
            ),
        )
    missing = [host for host in hosts if not covers(names, host)]
    if not missing:
        return ()
    text = f"the certificate {where} is not for {', '.join(missing)}; it is for {', '.join(names)}"
    return (
        CertificateFault(
            FaultKind.OTHER_HOST, text, f"{_AGAIN} with these names as SAN, or give other names with --host"
        ),
    )


def purpose_faults(leaf: x509.Certificate, where: str) -> tuple[CertificateFault, ...]:
    """Return a fault where ``leaf`` has an extended key usage that leaves out servers."""
    try:
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    if {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(purposes):
        return ()
    return (
        CertificateFault(
            FaultKind.NOT_FOR_SERVERS,
            f"the certificate {where} is not for servers: its extended key usage lacks serverAuth",
            f"{_AGAIN} for a TLS web server",
        ),
    )


def own_faults(one: x509.Certificate, where: str, now: datetime, *, is_root: bool) -> tuple[CertificateFault, ...]:
    """Return what is wrong with ``one`` by itself: dates, key, and, unless it is a root, its signature."""
    name = f"the certificate of {one.subject.rfc4514_string()} in {where}"
    found: list[CertificateFault] = []
    if one.not_valid_after_utc <= now:
        text = f"{name} ran out on {one.not_valid_after_utc:%Y-%m-%d}"
        found.append(CertificateFault(FaultKind.EXPIRED, text, _AGAIN))
    if one.not_valid_before_utc > now:
        hint = f"wait, or set this machine's clock: it says {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        text = f"{name} is good from {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on only"
        found.append(CertificateFault(FaultKind.NOT_YET_VALID, text, hint))
    if not is_root and isinstance(one.signature_hash_algorithm, _WEAK):
        hint = f"{_AGAIN} with SHA-256: oc, podman and the cluster's nodes refuse this"
        text = f"{name} is signed with {one.signature_hash_algorithm.name}"
        found.append(CertificateFault(FaultKind.WEAK_SIGNATURE, text, hint))
    key = one.public_key()
    least = {True: _LEAST_RSA_BITS, False: _LEAST_EC_BITS}[isinstance(key, rsa.RSAPublicKey)]
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and key.key_size < least:
        text = f"{name} has a key of {key.key_size} bits"
        found.append(CertificateFault(FaultKind.WEAK_KEY, text, f"{_AGAIN} for a key of at least {least} bits"))
    return tuple(found)


def ca_faults(one: x509.Certificate, where: str, *, below: int = 0) -> tuple[CertificateFault, ...]:
    """Return what keeps ``one`` from being a CA with ``below`` other CAs between it and the server."""
    name = f"the certificate of {one.subject.rfc4514_string()} in {where}"
    problem = None
    try:
        constraints = one.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.ca:
            problem = "its basic constraints say CA:FALSE"
        elif constraints.path_length is not None and below > constraints.path_length:
            problem = f"its path length allows {constraints.path_length} CAs below it, and there are {below}"
    except x509.ExtensionNotFound:
        problem = "it has no basic constraints"
    try:
        usage = one.extensions.get_extension_for_class(x509.KeyUsage).value
        if problem is None and not usage.key_cert_sign:
            problem = "its key usage lacks keyCertSign"
    except x509.ExtensionNotFound:
        pass
    if problem is None:
        return ()
    return (CertificateFault(FaultKind.NOT_A_CA, f"{name} may not sign certificates: {problem}", "give the CA's own"),)


def chain_faults(chain: Chain, where: str) -> tuple[CertificateFault, ...]:
    """Return a fault for each link above the server's that may not sign; one that is trusted itself needs not."""
    above = chain.links[1:]
    return tuple(fault for below, one in enumerate(above) for fault in ca_faults(one, where, below=below))


def common_name(certificate: x509.Certificate) -> str:
    """Return the common name of the subject, "" where there is none."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
