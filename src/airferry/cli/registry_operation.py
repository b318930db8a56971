"""``airferry registry reload``, ``status`` and ``unit``, and the renewal of certificates by ``init --renew``."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from airferry.cli.command import OcCommand, run
from airferry.cli.options import FILE, OutputOptions, says, taking
from airferry.cli.output import print_answer
from airferry.cli.registry_accounts import ROOT
from airferry.errors import UsageError
from airferry.quantities import print_binary_size as size

if TYPE_CHECKING:
    from airferry.app.registry.registry_operation import CertificateFiles, RegistryStatus


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """The options that name a certificate made elsewhere."""

    certificate: Path | None
    key: Path | None
    ca: Path | None

    @property
    def files(self) -> "CertificateFiles | None":
        """The files, None where none are named. Raises UsageError for a part of them."""
        from airferry.app.registry.registry_operation import CertificateFiles

        if self.certificate is None and self.key is None and self.ca is None:
            return None
        if self.certificate is None or self.key is None:
            raise UsageError(
                "a certificate of your own needs both --certificate and --key",
                hint="give both; --ca FILE besides them where the chain does not hold the CA",
            )
        return CertificateFiles(self.certificate, self.key, self.ca)


OWN_CERTIFICATE: Final[Callable[[Any], Any]] = taking(
    "own",
    OwnFiles,
    [
        click.option(
            "--certificate", type=FILE, help="Your server certificate in PEM, with the intermediate ones behind it."
        ),
        click.option("--key", type=FILE, help="Its key in PEM, not encrypted."),
        click.option("--ca", type=FILE, help="The CA that clients trust it by, where the chain does not hold it."),
    ],
)


def renew(
    context: click.Context,
    root: Path,
    hosts: tuple[str, ...],
    files: "CertificateFiles | None",
    saying: OutputOptions,
) -> None:
    """Renew the certificate of a registry that is there, and say what is next."""
    from airferry.app.registry.registry_operation import renew_registry

    for name in ("listen", "user", "password_stdin"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(
                f"--renew does not go with --{name.replace('_', '-')}", hint="it renews the certificate, nothing else"
            )
    renewed = run(renew_registry(root, hosts, files))
    facts, ca = renewed.certificate, renewed.ca
    lines = [
        f"The certificate of the registry in {root} is for {', '.join(facts.hosts)}, "
        f"until {facts.expires:%Y-%m-%d}; serial {facts.serial}"
    ]
    if renewed.is_new_ca and ca is not None:
        lines.append(f"The CA certificate is new, too, until {ca.expires:%Y-%m-%d}: give {root / 'ca.crt'} to clients")
    lines.append(f"Show it to clients: airferry registry reload --root {root}")
    document = {
        "root": str(root),
        "serial": facts.serial,
        "expires": facts.expires_at,
        "hosts": list(facts.hosts),
        "isNewCa": renewed.is_new_ca,
        "caExpires": ca.expires_at if ca is not None else None,
    }
    print_answer("".join(f"{line}\n" for line in lines), document, saying.form)


@click.command("reload", cls=OcCommand)
@ROOT
@says()
def reload(saying: OutputOptions, root: Path) -> None:
    """Let the processes that serve a registry read its certificate and settings again.

    Handshakes after this show the new certificate; connections and uploads go on. What cannot be used is refused,
    and what was in force stays: this command then says why and ends with exit 1. Accounts need no reload.

    \b
    Example:
      airferry registry reload --root /srv/registry
    """
    from airferry.app.registry.registry_operation import reload_registry

    answers = run(reload_registry(root))
    lines = []
    for answer in answers:
        shown = "the same certificate" if not answer["isNewCertificate"] else "a new certificate"
        until = f", serial {answer['certificateSerial']}, until {str(answer['certificateExpires'])[:10]}"
        said = f"{shown}{until}" if answer["certificateSerial"] else "no certificate"
        lines.append(f"Reloaded {answer['url']} (process {answer['pid']}): {said}")
        if answer["changed"]:
            lines.append(f"  in force now: {', '.join(answer['changed'])}")
        if answer["needsRestart"]:
            lines.append(f"  needs a restart: {', '.join(answer['needsRestart'])}")
    print_answer("".join(f"{line}\n" for line in lines), {"root": str(root), "reloaded": answers}, saying.form)


@click.command("status", cls=OcCommand)
@ROOT
@says()
def status(saying: OutputOptions, root: Path) -> None:
    """Say what a registry holds and how it is, whether or not it is being served.

    \b
    Example:
      airferry registry status --root /srv/registry
      airferry registry status --root /srv/registry -o json
    """
    from airferry.app.registry.registry_operation import registry_status, status_document

    found = run(registry_status(root))
    print_answer(_status_text(found, status_document(found)), status_document(found), saying.form)


def _serving(answers: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Say where it is served, and by which processes."""
    for url in dict.fromkeys(one["url"] for one in answers):
        here = [one for one in answers if one["url"] == url]
        pids = ", ".join(str(pid) for pid in sorted(one["pid"] for one in here))
        yield f"{url} (process{'es' if len(here) > 1 else ''} {pids}, since {min(one['since'] for one in here)})"


def _status_text(found: "RegistryStatus", document: dict[str, Any]) -> str:
    rows = [
        ("Registry", str(found.root)),
        ("Serving", "; ".join(_serving(found.serving)) or "no"),
        ("Images", f"{document['images']} in {document['repositories']} repositories, {document['tags']} tags"),
        ("Size", f"{size(document['bytes'])} in repositories, {size(document['uniqueBytes'])} on disk"),
        ("Uploads", f"{document['uploads']} under way, {size(document['uploadBytes'])} received"),
        ("Last GC", _last_run(found.collection, "freedBytes")),
        ("Last scrub", _last_run(found.scrub, "damaged")),
    ]
    for name, facts in (("Certificate", document["certificate"]), ("CA", document["caCertificate"])):
        if facts is not None:
            rows.append((name, f"until {facts['expires'][:10]}, {facts['daysLeft']} days; serial {facts['serial']}"))
    lines = [f"{name + ':':<13}{value}" for name, value in rows]
    return "".join(f"{line}\n" for line in (*lines, *(f"Warning: {text}" for text in found.warnings)))


def _last_run(noted: dict[str, Any] | None, key: str) -> str:
    if noted is None:
        return "never"
    value = noted.get(key)
    if isinstance(value, list):
        value = len(value)
    what = ""
    if isinstance(value, int):
        what = f", freed {size(value)}" if key == "freedBytes" else f", {value} damaged"
    return f"{noted.get('finishedAt', 'at an unknown time')}{what}"


@click.command("unit", cls=OcCommand)
@ROOT
@click.option("--user", "is_user", is_flag=True, help="A unit of your own, for `systemctl --user`; without root.")
@says()
def unit(saying: OutputOptions, root: Path, is_user: bool) -> None:
    """Print a systemd unit that serves the registry, with the commands for firewall and SELinux.

    The commands stand before the unit as comments. It runs as the owner of --root. Nothing is changed.

    \b
    Example:
      airferry registry unit --root /srv/registry > /etc/systemd/system/airferry-registry.service
      airferry registry unit --root ~/registry --user > ~/.config/systemd/user/airferry-registry.service
    """
    from airferry.app.registry.registry_operation import registry_unit

    made = registry_unit(root, is_user=is_user)
    document = {
        "unit": made.text,
        "file": made.file,
        "commands": [{"why": why, "command": command} for why, command in made.commands],
    }
    print_answer(made.commented, document, saying.form)


COMMANDS: Final = (reload, status, unit)
