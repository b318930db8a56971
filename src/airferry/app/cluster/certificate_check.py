"""What is wrong with a certificate: a server's, as it shows it, or one in a file, as nodes would see it."""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from airferry.app.cluster.pem_files import read_ca_files
from airferry.content.errors import CertificateError, UnreachableError
from airferry.content.http.shown_certificates import shown_certificates
from airferry.errors import AirferryError, ExitCode, MalformedError, UsageError
from airferry.oci.reference import is_host
from airferry.openshift.cluster.trust_bundle import PemCertificate, read_certificates
from airferry.server_certificates import (
    CertificateFault,
    FaultKind,
    build_chain,
    ca_faults,
    chain_faults,
    has_issued,
    name_faults,
    own_faults,
    purpose_faults,
    subject_names,
)

logger = logging.getLogger(__name__)

_SOON: Final = timedelta(days=30)
_HTTPS_PORT: Final = 443
_FILE_ENDINGS: Final = (".crt", ".pem", ".cer", ".cert", ".der", ".key", ".csr", ".p7b", ".p12", ".pfx")
"""What files of certificates are called, and no domain of the DNS."""


@dataclass(frozen=True, slots=True)
class CheckedCertificate:
    """One checked certificate. ``root`` is what it leads to; None where that is not trusted, or unknown."""

    target: str
    subject: str
    names: tuple[str, ...]
    is_ca: bool
    expires: datetime
    root: str | None
    faults: tuple[CertificateFault, ...]
    warnings: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """USER where nodes would refuse it."""
        return ExitCode.USER if self.faults else ExitCode.DONE

    def text(self) -> str:
        """Return the answer for people: a verdict, then each fault with what to do."""
        verdict = "no" if self.faults else "yes"
        lines = [f"{self.target}: {verdict}: {self.subject or 'no subject'}, good until {self.expires:%Y-%m-%d}"]
        if self.names:
            lines.append(f"  names: {', '.join(self.names)}")
        if self.root is not None:
            lines.append(f"  leads to: {self.root}")
        for fault in self.faults:
            lines += [f"  {fault.kind}: {fault.message}", f"    hint: {fault.hint}"]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "".join(f"{line}\n" for line in lines)

    def to_json(self) -> dict[str, Any]:
        """Return the answer with stable keys."""
        faults = [{"kind": one.kind.value, "message": one.message, "hint": one.hint} for one in self.faults]
        return {
            "target": self.target,
            "good": not self.faults,
            "subject": self.subject,
            "names": list(self.names),
            "isCA": self.is_ca,
            "expires": self.expires.isoformat(),
            "leadsTo": self.root,
            "faults": faults,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class UnseenCertificate:
    """A server that showed no certificate, and why."""

    target: str
    error: AirferryError

    @property
    def exit_code(self) -> ExitCode:
        """USER where it speaks no TLS that nodes would speak; GAPS where it is not there, so that nobody can tell."""
        return ExitCode.GAPS if isinstance(self.error, UnreachableError) else ExitCode.USER

    def text(self) -> str:
        """Return the answer for people, as that of a certificate begins."""
        verdict = "cannot tell" if self.exit_code is ExitCode.GAPS else "no"
        return f"{self.target}: {verdict}: {self.error.message}\n    hint: {self.error.hint}\n"

    def to_json(self) -> dict[str, Any]:
        """Return the answer with the keys that a certificate's has as well; ``good`` is None for cannot tell."""
        error = {"code": self.error.code, "message": self.error.message, "hint": self.error.hint}
        good = None if self.exit_code is ExitCode.GAPS else False
        return {"target": self.target, "good": good, "error": error, "faults": [], "warnings": []}


async def check_certificates(
    targets: Sequence[str], ca_files: tuple[Path, ...], hosts: Sequence[str] = ()
) -> tuple[CheckedCertificate | UnseenCertificate, ...]:
    """Check each target, a file or HOST[:PORT], against ``ca_files``, or the system's CAs where there are none.

    ``hosts`` are names that a server's certificate must be for, besides the one it was asked by.
    """
    names = tuple(_host_alone(host) for host in hosts)
    given = await asyncio.to_thread(read_ca_files, ca_files)
    trusted = tuple(load_certificate(one) for one in given)
    return tuple([await _check(target, trusted, bool(ca_files), names) for target in targets])


def worst_exit_code(checked: Sequence[CheckedCertificate | UnseenCertificate]) -> ExitCode:
    """Return USER where nodes would refuse one, else GAPS where one could not be looked at."""
    codes = {one.exit_code for one in checked}
    return next((code for code in (ExitCode.USER, ExitCode.GAPS) if code in codes), ExitCode.DONE)


async def _check(
    target: str, trusted: tuple[x509.Certificate, ...], has_ca: bool, hosts: tuple[str, ...]
) -> CheckedCertificate | UnseenCertificate:
    file = Path(target)
    if await asyncio.to_thread(file.is_file):
        content = await asyncio.to_thread(file.read_bytes)
        text = content.decode(errors="replace")
        given = tuple(load_certificate(one) for one in read_certificates(text, target))
        leaf = next(
            (one for one in given if not any(has_issued(one, other) for other in given if other != one)), given[0]
        )
    else:
        _require_server(target)
        host, port = _host_alone(target), _port(target)
        try:
            given = await shown_certificates(host, port)
        except (UnreachableError, CertificateError) as error:
            return UnseenCertificate(target, error)
        leaf, hosts = given[0], tuple(dict.fromkeys((host, *hosts)))
    logger.info("certificate read", extra={"target": target, "certificates": len(given)})
    return await asyncio.to_thread(_examine, target, leaf, given, trusted, has_ca, hosts)


def _require_server(target: str) -> None:
    """Raise UsageError unless ``target``, which is no file, can be meant as a server."""
    if not is_host(target) or target.lower().endswith(_FILE_ENDINGS):
        raise UsageError(
            f"{target} is neither a file nor HOST[:PORT]",
            hint="write a server without https:// and path, such as mirror.example.com:8443"
            if "://" in target
            else "there is no file of this name, seen from the folder you are in",
        )


def _examine(
    target: str,
    leaf: x509.Certificate,
    given: tuple[x509.Certificate, ...],
    trusted: tuple[x509.Certificate, ...],
    has_ca: bool,
    hosts: tuple[str, ...],
) -> CheckedCertificate:
    anchors = trusted if has_ca else _system_anchors(given)
    chain = build_chain(leaf, (*given, *anchors), anchors)
    is_ca = not hosts and not subject_names(leaf) and not ca_faults(leaf, target)
    now = _now()
    faults: list[CertificateFault] = []
    if not is_ca:
        faults += [*name_faults(leaf, target, hosts), *purpose_faults(leaf, target)]
    root = chain.links[-1]
    is_trusted = root in anchors or any(one in anchors for one in chain.links)
    for one in chain.links:
        faults += own_faults(one, target, now, is_root=(one == root and is_trusted) or has_issued(one, one))
    faults += chain_faults(chain, target)
    warnings = []
    if is_ca and not has_ca:
        warnings.append("it is a CA without SAN: servers that show it themselves are refused by Go clients")
    elif not is_trusted:
        faults.append(_untrusted(target, chain.links, has_ca))
    soonest = min(one.not_valid_after_utc for one in chain.links)
    if now < soonest <= now + _SOON:
        warnings.append(f"one of the chain runs out on {soonest:%Y-%m-%d}")
    subject = leaf.subject.rfc4514_string()
    shown = root.subject.rfc4514_string() if is_trusted and root != leaf else None
    names = subject_names(leaf)
    return CheckedCertificate(
        target, subject, names, is_ca, leaf.not_valid_after_utc, shown, tuple(faults), tuple(warnings)
    )


def _untrusted(target: str, links: tuple[x509.Certificate, ...], has_ca: bool) -> CertificateFault:
    last = links[-1]
    name = last.subject.rfc4514_string()
    wanted = name if has_issued(last, last) else last.issuer.rfc4514_string()
    if has_issued(last, last):
        whom = "the given CA" if has_ca else "the CAs of this system"
        text = f"the certificate {target} leads to {name}, which is not {'' if has_ca else 'among '}{whom}"
    else:
        issuer = last.issuer.rfc4514_string()
        text = f"the certificate {target} is signed by {issuer}, whose certificate is neither sent nor given"
    hint = "give the CA with --ca FILE; a server must send its intermediate certificates itself"
    if has_ca:
        hint = f"--ca FILE must hold the certificate of {wanted}; a server must send intermediate certificates itself"
    return CertificateFault(FaultKind.CHAIN, text, hint)


def _system_anchors(given: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    """Return those CAs of the system that may be meant; some old ones are not well-formed by today's rules."""
    issuers = {one.issuer.public_bytes() for one in given}
    found: list[x509.Certificate] = []
    for der in ssl.create_default_context().get_ca_certs(binary_form=True):
        if any(issuer in der for issuer in issuers):
            found.append(x509.load_der_x509_certificate(der))
    return tuple(found)


def load_certificate(one: PemCertificate) -> x509.Certificate:
    """Return the certificate, parsed. Raises MalformedError."""
    try:
        return x509.load_der_x509_certificate(one.der)
    except ValueError as error:
        raise MalformedError("a certificate cannot be read", hint="copy it again from where it was issued") from error


def _host_alone(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).removeprefix("[").removesuffix("]")


def _port(host: str) -> int:
    _, colon, port = host.rpartition(":")
    return int(port) if colon and port.isdecimal() else _HTTPS_PORT


def _now() -> datetime:
    return datetime.now(UTC)
