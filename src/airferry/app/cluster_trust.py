"""``cluster trust``: the objects by which a cluster trusts a mirror, and what is wrong with any certificate."""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from airferry.app.cluster_install_config import read_ca_files
from airferry.app.mirror_files import write_files
from airferry.content.http.shown_certificates import shown_certificates
from airferry.errors import ExitCode, MalformedError, UsageError
from airferry.oci.reference import is_host
from airferry.openshift.cluster.trust_bundle import PemCertificate, read_certificates
from airferry.openshift.cluster.trust_objects import TrustObject, trust_objects
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRequest:
    """What is asked for; the fields are the flags of ``cluster trust``."""

    ca_files: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    name: str = "registry-config"
    update_service: bool = False
    without_default_sources: bool = False
    to_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class TrustAnswer:
    """The objects, the files they were written to, and what a cluster would not like about the CA."""

    objects: tuple[TrustObject, ...]
    written: tuple[Path, ...]
    faults: tuple[CertificateFault, ...]


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


async def trust(asked: TrustRequest) -> TrustAnswer:
    """Return the objects, written with ``to_dir``. Raises UsageError, MalformedError."""
    if not asked.ca_files and not asked.without_default_sources:
        raise UsageError("--ca FILE is missing: the CA of the mirror's certificate", hint="or check one with --check")
    if asked.ca_files and not asked.hosts and not asked.update_service:
        raise UsageError(
            "--host HOST[:PORT] is missing: the mirror, as images name it", hint="such as m.example.com:8443"
        )
    if asked.update_service and not asked.ca_files:
        raise UsageError("--update-service needs --ca FILE")
    certificates = await asyncio.to_thread(read_ca_files, asked.ca_files)
    objects = trust_objects(
        certificates,
        asked.hosts,
        name=asked.name,
        update_service=asked.update_service,
        without_default_sources=asked.without_default_sources,
        ca_file=str(asked.ca_files[0]) if len(asked.ca_files) == 1 else "ca.crt",
    )
    written: tuple[Path, ...] = ()
    if asked.to_dir is not None:
        written = await write_files(asked.to_dir, {item.file: str(item).encode() for item in objects})
    where = ", ".join(map(str, asked.ca_files))
    faults = [fault for one in certificates for fault in own_faults(_load(one), where, _now(), is_root=True)]
    return TrustAnswer(objects, written, tuple(faults))


async def check_certificates(
    targets: Sequence[str], ca_files: tuple[Path, ...], hosts: Sequence[str] = ()
) -> tuple[CheckedCertificate, ...]:
    """Check each target, a file or HOST[:PORT], against ``ca_files``, or the system's CAs where there are none.

    ``hosts`` are names that a server's certificate must be for, besides the one it was asked by.
    """
    names = tuple(_host_alone(host) for host in hosts)
    given = await asyncio.to_thread(read_ca_files, ca_files)
    trusted = tuple(_load(one) for one in given)
    return tuple([await _check(target, trusted, bool(ca_files), names) for target in targets])


def worst_exit_code(checked: Sequence[CheckedCertificate]) -> ExitCode:
    """Return USER where a certificate has a fault."""
    return ExitCode.USER if any(one.faults for one in checked) else ExitCode.DONE


async def _check(
    target: str, trusted: tuple[x509.Certificate, ...], has_ca: bool, hosts: tuple[str, ...]
) -> CheckedCertificate:
    file = Path(target)
    if await asyncio.to_thread(file.is_file):
        content = await asyncio.to_thread(file.read_bytes)
        text = content.decode(errors="replace")
        given = tuple(_load(one) for one in read_certificates(text, target))
        leaf = next(
            (one for one in given if not any(has_issued(one, other) for other in given if other != one)), given[0]
        )
    else:
        if not is_host(target):
            raise UsageError(f"{target} is neither a file nor HOST[:PORT]")
        host, port = _host_alone(target), _port(target)
        given = await shown_certificates(host, port)
        leaf, hosts = given[0], tuple(dict.fromkeys((host, *hosts)))
    logger.info("certificate read", extra={"target": target, "certificates": len(given)})
    return await asyncio.to_thread(_examine, target, leaf, given, trusted, has_ca, hosts)


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
    if has_issued(last, last):
        whom = "the given CA" if has_ca else "the CAs of this system"
        text = f"the certificate {target} leads to {name}, which is not {'' if has_ca else 'among '}{whom}"
    else:
        issuer = last.issuer.rfc4514_string()
        text = f"the certificate {target} is signed by {issuer}, whose certificate is neither sent nor given"
    hint = "give the CA with --ca FILE; a server must send its intermediate certificates itself"
    return CertificateFault(FaultKind.CHAIN, text, hint)


def _system_anchors(given: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    """Return those CAs of the system that may be meant; some old ones are not well-formed by today's rules."""
    issuers = {one.issuer.public_bytes() for one in given}
    found: list[x509.Certificate] = []
    for der in ssl.create_default_context().get_ca_certs(binary_form=True):
        if any(issuer in der for issuer in issuers):
            found.append(x509.load_der_x509_certificate(der))
    return tuple(found)


def _load(one: PemCertificate) -> x509.Certificate:
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
