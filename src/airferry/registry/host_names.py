"""The names a registry's certificate is for: reading them, and adding some to a registry that is there."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from airferry.errors import UsageError
from airferry.registry.certificates import Pair, make_leaf
from airferry.registry.disk import disk_errors
from airferry.registry.errors import CertificateError
from airferry.registry.provision import CA_KEY_FILE, write_durably
from airferry.registry.settings import CA_FILE, Settings, TlsFiles
from airferry.server_certificates import covers, general_name, subject_names


def certified_hosts(files: TlsFiles) -> tuple[str, ...]:
    """Return the host names and IP addresses that the certificate is for. Raises CertificateError."""
    return subject_names(read_certificate(files.certificate))


def add_hosts(root: Path, hosts: Sequence[str]) -> tuple[str, ...]:
    """Make the certificate of the registry in ``root`` be for ``hosts`` too, and return which it was not for.

    It is issued anew by the registry's own CA, for the same key; clients that trust the CA notice nothing.
    Raises UsageError for a name that is none, and for a certificate that is not of our making.
    """
    files = Settings.read(root).tls
    assert files is not None, "it is read with TLS"
    known = certified_hosts(files)
    wanted = dict.fromkeys(str(general_name(host).value) for host in hosts)
    added = tuple(name for name in wanted if not covers(known, name))
    if added:
        ca, key = our_pair(root, files)
        leaf = make_leaf(ca, [*known, *added], datetime.now(UTC), key=key)
        with disk_errors(f"writing {files.certificate}"):
            write_durably(files.certificate, leaf.certificate_pem + ca.certificate_pem, 0o644)
    return added


def our_pair(root: Path, files: TlsFiles) -> tuple[Pair, ec.EllipticCurvePrivateKey]:
    """Return the CA and the server's key. Raises UsageError where the certificate was made elsewhere."""
    try:
        ca_certificate = read_certificate(root / CA_FILE)
        read_certificate(files.certificate).verify_directly_issued_by(ca_certificate)
        ca_key, key = _read_key(root / CA_KEY_FILE), _read_key(files.key)
    except (OSError, ValueError, TypeError, InvalidSignature, CertificateError) as error:
        raise UsageError(
            f"the certificate {files.certificate} was not made by the CA in {root}, so no name can be added to it",
            hint="have the certificate issued for that name, and serve without --host",
        ) from error
    return Pair(ca_certificate, ca_key), key


def _read_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{file} is not a key of ours")
    return key


def read_certificate(file: Path) -> x509.Certificate:
    """Return the first certificate in a PEM file. Raises CertificateError, ReadOnlyError where it may not be read."""
    try:
        with disk_errors(f"reading {file}"):
            return x509.load_pem_x509_certificate(file.read_bytes())
    except (ValueError, FileNotFoundError) as error:
        raise CertificateError(f"{file} is not a certificate in PEM") from error
