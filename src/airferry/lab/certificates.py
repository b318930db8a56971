"""Certificates for the lab: an own authority, a server certificate, and ways in which one may be wrong."""

import datetime
import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY: Final = datetime.timedelta(days=1)


class Flaw(StrEnum):
    """What is wrong with a server certificate; ``SELF_SIGNED`` is right when given as its own authority."""

    NONE = "none"
    EXPIRED = "expired"
    WRONG_HOST = "wrong-host"
    NO_SAN = "no-san"
    SELF_SIGNED = "self-signed"


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: what a client is told to trust, and what the server shows and holds."""

    authority_file: Path
    certificate_file: Path
    key_file: Path


def make_certificates(folder: Path, flaw: Flaw = Flaw.NONE) -> Certificates:
    """Make an authority and a server certificate for localhost and 127.0.0.1 in ``folder``, with ``flaw``.

    ``SELF_SIGNED`` is what ``openssl req -x509`` makes: CA:TRUE, signed by itself, and its own authority.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("airferry lab authority")
    authority = _authority(authority_name, authority_key)
    if flaw is Flaw.SELF_SIGNED:
        names = _subject_names("localhost", "127.0.0.1")
        server = _authority(_name("localhost"), server_key, names)
        authority = server
    else:
        server = _server(authority_name, authority_key, server_key, flaw)
    pem = serialization.Encoding.PEM
    files.authority_file.write_bytes(authority.public_bytes(pem))
    files.certificate_file.write_bytes(server.public_bytes(pem))
    files.key_file.touch(mode=0o600)
    files.key_file.write_bytes(
        server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def _authority(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, names: x509.SubjectAlternativeName | None = None
) -> x509.Certificate:
    builder = _builder(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    else:
        builder = builder.add_extension(_key_usage(), critical=True)
    return builder.sign(key, hashes.SHA256())


def _server(
    authority_name: x509.Name,
    authority_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    flaw: Flaw,
) -> x509.Certificate:
    builder = _builder(_name("localhost"), authority_name, key)
    if flaw is Flaw.EXPIRED:
        now = datetime.datetime.now(datetime.UTC)
        builder = _builder(_name("localhost"), authority_name, key, until=now - _DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
    )
    if flaw is Flaw.WRONG_HOST:
        builder = builder.add_extension(_subject_names("registry.example.invalid"), critical=False)
    elif flaw is not Flaw.NO_SAN:
        builder = builder.add_extension(_subject_names("localhost", "127.0.0.1"), critical=False)
    return builder.sign(authority_key, hashes.SHA256())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    until: datetime.datetime | None = None,
) -> x509.CertificateBuilder:
    end = until or datetime.datetime.now(datetime.UTC) + 30 * _DAY
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - 60 * _DAY)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _subject_names(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names]
    )


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
