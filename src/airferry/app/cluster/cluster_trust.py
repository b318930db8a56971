"""``cluster trust``: the objects by which a cluster trusts a mirror."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from airferry.app.cluster.certificate_check import load_certificate
from airferry.app.cluster.pem_files import read_ca_files
from airferry.app.generated_files import kept_file_hint, write_files
from airferry.app.text_files import read_text_file
from airferry.errors import AirferryError, UsageError
from airferry.openshift.cluster.trust_bundle import PemCertificate
from airferry.openshift.cluster.trust_objects import (
    TrustObject,
    TrustWishes,
    config_map_file,
    read_config_map,
    spellings,
    trust_objects,
)
from airferry.server_certificates import CertificateFault, own_faults


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
    """The objects, the files they were written to, what a cluster would not like about the CA, and what to know."""

    objects: tuple[TrustObject, ...]
    written: tuple[Path, ...]
    faults: tuple[CertificateFault, ...]
    notes: tuple[str, ...] = ()


async def trust(asked: TrustRequest) -> TrustAnswer:
    """Return the objects, written with ``to_dir``, where other keys of an earlier ConfigMap are kept.

    Raises UsageError, MalformedError, ReadOnlyError, …
    """
    _check(asked)
    certificates = await asyncio.to_thread(read_ca_files, asked.ca_files)
    wishes = TrustWishes(
        certificates,
        asked.hosts,
        name=asked.name,
        update_service=asked.update_service,
        without_default_sources=asked.without_default_sources,
        ca_file=str(asked.ca_files[0]) if len(asked.ca_files) == 1 else "ca.crt",
    )
    earlier = await asyncio.to_thread(_earlier, asked) if certificates else {}
    objects = trust_objects(wishes, earlier)
    written: tuple[Path, ...] = ()
    if asked.to_dir is not None:
        written = await write_files(asked.to_dir, {item.file: str(item).encode() for item in objects})
    where, now = ", ".join(map(str, asked.ca_files)), datetime.now(UTC)
    faults = [fault for one in certificates for fault in own_faults(load_certificate(one), where, now, is_root=True)]
    notes = [
        f"images are looked up by the host as they spell it, so {host} has a key for each spelling: "
        f"{', '.join(spellings(host))}"
        for host in asked.hosts
        if len(spellings(host)) > 1 and certificates
    ]
    return TrustAnswer(objects, written, tuple(faults), tuple(notes))


def _check(asked: TrustRequest) -> None:
    if not asked.ca_files and not asked.without_default_sources:
        raise UsageError("--ca FILE is missing: the CA of the mirror's certificate", hint="or check one with --check")
    if asked.ca_files and not asked.hosts and not asked.update_service:
        raise UsageError(
            "--host HOST[:PORT] is missing: the mirror, as images name it", hint="such as m.example.com:8443"
        )
    if asked.update_service and not asked.ca_files:
        raise UsageError("--update-service needs --ca FILE")


def _earlier(asked: TrustRequest) -> dict[str, tuple[PemCertificate, ...]]:
    """Return what the ConfigMap holds that is to be written to; nothing where there is none."""
    file = asked.to_dir / config_map_file(asked.name) if asked.to_dir is not None else None
    if file is None or not file.exists():
        return {}
    try:
        return read_config_map(read_text_file(file), str(file), asked.name)
    except AirferryError as error:
        error.hint = kept_file_hint(file, error.hint)
        raise
