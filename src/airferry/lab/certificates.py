"""Certificates for the lab: an own authority, a server certificate, and ways in which one may be wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, assert_never

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from airferry.registry.certificates import LEAF_DAYS, Pair, make_ca, make_leaf
from airferry.server_certificates import general_name

_HOSTS: Final = ("localhost", "127.0.0.1")


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
    now = datetime.now(UTC)
    authority = make_ca("airferry lab authority", now)
    server = _server(authority, flaw, now)
    if flaw is Flaw.SELF_SIGNED:
        authority = server
    files.authority_file.write_bytes(authority.certificate_pem)
    files.certificate_file.write_bytes(server.certificate_pem)
    files.key_file.touch(mode=0o600)
    files.key_file.write_bytes(server.key_pem)
    return files


def _server(authority: Pair, flaw: Flaw, now: datetime) -> Pair:
    match flaw:
        case Flaw.NONE:
            return make_leaf(authority, _HOSTS, now)
        case Flaw.EXPIRED:
            return make_leaf(authority, _HOSTS, now - timedelta(days=LEAF_DAYS + 1))
        case Flaw.WRONG_HOST | Flaw.NO_SAN:
            leaf = make_leaf(authority, _HOSTS, now)
            kept = [found.value for found in leaf.certificate.extensions]
            kept = [found for found in kept if not isinstance(found, x509.SubjectAlternativeName)]
            if flaw is Flaw.WRONG_HOST:
                kept.append(_names("registry.example.invalid"))
            return _signed_again(leaf, authority, kept)
        case Flaw.SELF_SIGNED:
            own = make_ca("localhost", now)
            return _signed_again(own, own, [_names(*_HOSTS), x509.BasicConstraints(ca=True, path_length=None)])
        case _:
            assert_never(flaw)


def _signed_again(pair: Pair, by: Pair, extensions: Sequence[x509.ExtensionType]) -> Pair:
    """Return the certificate of ``pair`` with ``extensions`` and no others, signed by ``by``."""
    old = pair.certificate
    builder = x509.CertificateBuilder(
        issuer_name=old.issuer,
        subject_name=old.subject,
        public_key=pair.key.public_key(),
        serial_number=old.serial_number,
        not_valid_before=old.not_valid_before_utc,
        not_valid_after=old.not_valid_after_utc,
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return Pair(builder.sign(by.key, hashes.SHA256()), pair.key)


def _names(*hosts: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([general_name(host) for host in hosts])
