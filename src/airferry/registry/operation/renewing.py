"""A new certificate for a registry that is there, before the old one runs out.

The one that a registry made itself is issued again for the same key, so that one file is replaced, in one step. The
CA stays as long as it outlives what it issues. Otherwise it is issued again, for the same key and name: what
clients trust already goes on to be good until it runs out, and until then they get the new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airferry.errors import UsageError
from airferry.registry.certificates import LEAF_DAYS, make_leaf, renew_ca
from airferry.registry.disk import disk_errors
from airferry.registry.durable import write_durably
from airferry.registry.errors import CertificateError
from airferry.registry.host_names import certified_hosts, our_pair
from airferry.registry.operation.expiry import CertificateFacts, facts_of
from airferry.registry.operation.own_certificate import OwnCertificate
from airferry.registry.provision import CA_KEY_FILE
from airferry.registry.settings import CA_FILE, Settings, TlsFiles
from airferry.server_certificates import general_name


@dataclass(frozen=True, slots=True)
class Renewed:
    """The certificate that is there now. ``is_new_ca``: clients need the new CA certificate, too, some time."""

    certificate: CertificateFacts
    ca: CertificateFacts | None
    is_new_ca: bool


def renew(root: Path, hosts: Sequence[str] = (), now: datetime | None = None) -> Renewed:
    """Issue the server certificate of the registry in ``root`` again, for its names and ``hosts``.

    Raises UsageError where it was made elsewhere, NotFoundError, CertificateError.
    """
    now = now or datetime.now(UTC)
    files = _files(root)
    try:
        old_ca, key = our_pair(root, files)
    except UsageError:
        raise UsageError(
            f"the certificate {files.certificate} was not made by the CA in {root}, which cannot renew it",
            hint="have it issued again, and give it: `--renew --certificate FILE --key FILE`",
        ) from None
    is_new_ca = old_ca.certificate.not_valid_after_utc - now < timedelta(days=LEAF_DAYS)
    ca = renew_ca(old_ca, now) if is_new_ca else old_ca
    names = dict.fromkeys((*certified_hosts(files), *(str(general_name(host).value) for host in hosts)))
    leaf = make_leaf(ca, list(names), now, key=key)
    with disk_errors(f"writing to {root}"):
        if is_new_ca:
            write_durably(root / CA_FILE, ca.certificate_pem, 0o644)
        write_durably(files.certificate, leaf.certificate_pem + ca.certificate_pem, 0o644)
    return Renewed(facts_of(leaf.certificate), facts_of(ca.certificate), is_new_ca)


def install_certificate(root: Path, own: OwnCertificate) -> Renewed:
    """Put a checked certificate in the place of the one that the registry in ``root`` has.

    A process that reads the two files at this moment finds that they do not fit, and keeps what it has.
    """
    files = _files(root)
    try:
        before = (root / CA_FILE).read_bytes()
    except OSError:
        before = None
    with disk_errors(f"writing to {root}"):
        write_durably(files.key, own.key_pem, 0o600)
        write_durably(files.certificate, own.chain_pem, 0o644)
        if own.ca_pem is not None and own.ca_pem != before:
            write_durably(root / CA_FILE, own.ca_pem, 0o644)
        elif own.ca_pem is None:
            (root / CA_FILE).unlink(missing_ok=True)
        (root / CA_KEY_FILE).unlink(missing_ok=True)  # a CA that issues nothing here any more
    ca = facts_of(own.ca) if own.ca is not None else None
    return Renewed(facts_of(own.chain[0]), ca, own.ca_pem is not None and own.ca_pem != before)


def _files(root: Path) -> TlsFiles:
    files = Settings.read(root).tls
    if files is None:
        raise CertificateError(f"the registry in {root} has no certificate")
    return files
