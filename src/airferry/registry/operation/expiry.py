"""Until when certificates are good, and the warnings before they run out."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from airferry.registry.errors import CertificateError
from airferry.registry.host_names import read_certificate
from airferry.registry.settings import CA_FILE, Settings, TlsFiles
from airferry.registry.timestamps import print_second
from airferry.server_certificates import subject_names

WARN_BEFORE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What is told of a certificate. ``serial`` is in lower-case hex, as openssl prints it but for the case."""

    serial: str
    subject: str
    issuer: str
    expires: datetime
    hosts: tuple[str, ...]

    @property
    def expires_at(self) -> str:
        """When it runs out, as programs read it."""
        return print_second(self.expires)

    def days_left(self, now: datetime) -> int:
        """Whole days until it runs out, negative when it has."""
        return (self.expires - now).days


def read_facts(files: TlsFiles) -> CertificateFacts:
    """Return the facts of the server certificate. Raises CertificateError."""
    return facts_of(read_certificate(files.certificate))


def read_ca_facts(root: Path) -> CertificateFacts | None:
    """Return the facts of the CA certificate that clients are given; None where there is none."""
    try:
        return facts_of(read_certificate(root / CA_FILE))
    except CertificateError:
        return None


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """Return what is told of ``certificate``."""
    return CertificateFacts(
        certificate.serial_number.to_bytes((certificate.serial_number.bit_length() + 7) // 8, "big").hex(),
        certificate.subject.rfc4514_string(),
        certificate.issuer.rfc4514_string(),
        certificate.not_valid_after_utc,
        subject_names(certificate),
    )


def expiry_warnings(settings: Settings, now: datetime | None = None) -> tuple[str, ...]:
    """Return a sentence for each certificate that runs out within :data:`WARN_BEFORE`, or has. Never raises."""
    if settings.tls is None:
        return ()
    now = now or datetime.now(UTC)
    warnings = []
    try:
        server = read_facts(settings.tls)
    except CertificateError:
        return ()
    ca = read_ca_facts(settings.root)
    for name, facts in (("server certificate", server), ("CA certificate", ca)):
        if facts is None or facts.expires - now > WARN_BEFORE:
            continue
        day = facts.expires.strftime("%Y-%m-%d")
        left = facts.days_left(now)
        when = f"ran out on {day}" if left < 0 else f"runs out on {day}, in {left} days"
        warnings.append(f"the {name} of the registry in {settings.root} {when}; {_remedy(settings.root, server, ca)}")
    return tuple(warnings)


def _remedy(root: Path, server: CertificateFacts, ca: CertificateFacts | None) -> str:
    renew = f"airferry registry init --renew --root {root}"
    if not (root / "ca.key").exists() or ca is None or server.issuer != ca.subject:
        renew += " --certificate FILE --key FILE"
    return f"renew it with `{renew}`, then `airferry registry reload --root {root}`"
