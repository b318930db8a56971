"""Certificates made elsewhere: what is taken, and how each fault of them is told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from airferry.errors import UsageError
from airferry.registry import OwnCertificate, add_hosts, init
from airferry.registry.errors import CertificateError

NOW = datetime(2030, 6, 1, tzinfo=UTC)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Made:
    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, password: bytes | None = None) -> bytes:
        protection = BestAvailableEncryption(password) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, protection)


def make(
    name: str,
    issuer: Made | None = None,
    *,
    hosts: tuple[str, ...] = (),
    days: tuple[int, int] = (-10, 300),
    purpose: x509.ObjectIdentifier | None = None,
    key: Key | None = None,
) -> Made:
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False
        )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return Made(builder.sign((issuer.key if issuer else key), hashes.SHA256()), key)


ROOT = make("Corporate Root")
MIDDLE = make("Corporate Issuing CA", ROOT)
OLD_MIDDLE = make("Old Issuing CA", ROOT, days=(-100, -1))
SERVER = make("mirror", MIDDLE, hosts=("mirror.example.com", "*.apps.example.com"))
NAMES = ("mirror.example.com", "*.apps.example.com")


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., OwnCertificate]:
    def read_it(certificate: bytes, key: bytes, ca: bytes | None = None, hosts: tuple[str, ...] = ()) -> OwnCertificate:
        files = {"tls.crt": certificate, "tls.key": key, **({"ca.pem": ca} if ca is not None else {})}
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        ca_file = tmp_path / "ca.pem" if ca is not None else None
        return OwnCertificate.read(tmp_path / "tls.crt", tmp_path / "tls.key", ca_file, hosts, NOW)

    return read_it


GOOD: dict[str, tuple[bytes, bytes | None]] = {
    "everything in one file": (SERVER.pem + MIDDLE.pem + ROOT.pem, None),
    "in any order": (ROOT.pem + MIDDLE.pem + SERVER.pem, None),
    "the root by itself": (SERVER.pem + MIDDLE.pem, ROOT.pem),
    "all of the CA by itself": (SERVER.pem, ROOT.pem + MIDDLE.pem),
    "with text and something foreign": (b"subject=x\n" + SERVER.pem + OLD_MIDDLE.pem + MIDDLE.pem, ROOT.pem),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_chain_is_put_in_order_and_sent_without_its_root(case: str, read: Callable[..., OwnCertificate]) -> None:
    certificate, ca = GOOD[case]
    own = read(certificate, SERVER.key_pem(), ca)
    assert [one.subject for one in own.chain] == [SERVER.certificate.subject, MIDDLE.certificate.subject]
    assert own.ca_pem == ROOT.pem
    assert own.hosts == NAMES
    assert "PRIVATE" not in repr(own)


@pytest.mark.parametrize("key", [SERVER.key_pem(), None], ids=["ec", "rsa"])
def test_keys_of_both_kinds_are_taken(key: bytes | None, read: Callable[..., OwnCertificate]) -> None:
    server = SERVER if key else make("s", ROOT, hosts=NAMES, key=rsa.generate_private_key(65537, 2048))
    assert read(server.pem + MIDDLE.pem + ROOT.pem, server.key_pem()).chain_pem.startswith(server.pem)


def test_a_certificate_that_signed_itself_is_its_own_ca(read: Callable[..., OwnCertificate]) -> None:
    alone = make("mirror", hosts=NAMES)
    own = read(alone.pem, alone.key_pem())
    assert (own.chain_pem, own.ca_pem) == (alone.pem, alone.pem)


@pytest.mark.parametrize("hosts", [("mirror.example.com",), ("MIRROR.example.com", "x.apps.example.com")])
def test_names_are_covered_as_clients_see_it(hosts: tuple[str, ...], read: Callable[..., OwnCertificate]) -> None:
    assert read(SERVER.pem + MIDDLE.pem, SERVER.key_pem(), ROOT.pem, hosts).hosts == hosts


def test_a_wildcard_covers_the_host_that_serve_is_told(tmp_path: Path, read: Callable[..., OwnCertificate]) -> None:
    own = read(SERVER.pem + MIDDLE.pem, SERVER.key_pem(), ROOT.pem)
    init(tmp_path / "r", own.hosts, password="irrelevant", own=own)
    assert add_hosts(tmp_path / "r", ["x.apps.example.com", "mirror.example.com"]) == ()
    with pytest.raises(UsageError, match="no name can be added"):
        add_hosts(tmp_path / "r", ["mirror.example.org"])


def bad(
    server: Made, *, chain: bytes = b"", key: bytes | None = None, ca: bytes | None = None, hosts: tuple[str, ...] = ()
) -> tuple[bytes, bytes, bytes | None, tuple[str, ...]]:
    return server.pem + chain, key or server.key_pem(), ca or ROOT.pem, hosts


OTHER = make("other", hosts=("a",))
BAD: dict[str, tuple[tuple[bytes, bytes, bytes | None, tuple[str, ...]], str, str]] = {
    "a key of another certificate": (
        bad(SERVER, chain=MIDDLE.pem, key=OTHER.key_pem()),
        "does not belong to",
        "openssl",
    ),
    "a key with a password": (bad(SERVER, key=OTHER.key_pem(b"secret")), "is encrypted", "openssl pkey"),
    "a key that is none": (bad(SERVER, key=b"hello"), "no private key", "--key"),
    "a certificate that is none": ((b"hello", SERVER.key_pem(), None, ()), "no certificate in PEM", "BEGIN CERT"),
    "no names": (bad(make("mirror.example.com", ROOT)), "no subject alternative name", "SAN"),
    "another host": (bad(SERVER, chain=MIDDLE.pem, hosts=("m2.example.com",)), "not for m2.example.com", "--host"),
    "too deep for the wildcard": (
        bad(SERVER, chain=MIDDLE.pem, hosts=("a.b.apps.example.com",)),
        "not for a.b.apps.example.com; it is for mirror.example.com",
        "--host",
    ),
    "no intermediate": (bad(SERVER), "ends at CN=mirror", "intermediate"),
    "no root": ((SERVER.pem + MIDDLE.pem, SERVER.key_pem(), None, ()), "CN=Corporate Root is not there", "--ca"),
    "the wrong CA": (bad(SERVER, chain=MIDDLE.pem, ca=OTHER.pem), "ends at CN=Corporate Issuing CA", "--ca"),
    "expired": (bad(make("m", ROOT, hosts=("m",), days=(-9, -2))), "ran out on 2030-05-30", "issued again"),
    "an intermediate expired": (
        bad(make("m", OLD_MIDDLE, hosts=("m",)), chain=OLD_MIDDLE.pem),
        "CN=Old Issuing CA in",
        "issued again",
    ),
    "not yet good": (bad(make("m", ROOT, hosts=("m",), days=(1, 9))), "good from 2030-06-02", "clock"),
    "for clients": (
        bad(make("m", ROOT, hosts=("m",), purpose=ExtendedKeyUsageOID.CLIENT_AUTH)),
        "lacks serverAuth",
        "TLS web server",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_each_fault_is_told_with_a_hint(case: str, read: Callable[..., OwnCertificate]) -> None:
    given, message, hint = BAD[case]
    with pytest.raises(CertificateError) as refused:
        read(*given)
    assert message in refused.value.message
    assert hint in (refused.value.hint or "")
    assert "secret" not in refused.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"nowhere\.pem cannot be read"):
        OwnCertificate.read(tmp_path / "nowhere.pem", tmp_path / "key", None)
