"""``airferry cluster trust``."""

import sys
from pathlib import Path
from typing import Any

import click

from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import FILE, FOLDER, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.errors import UsageError


@click.command("trust", cls=OcCommand)
@click.option("--ca", "ca_files", type=FILE, multiple=True, help="CA of the mirror's certificate, PEM.")
@click.option("--host", "hosts", multiple=True, metavar="HOST[:PORT]", help="The mirror, as images name it.")
@click.option("--name", default="registry-config", show_default=True, help="Name of the ConfigMap.")
@click.option("--update-service", is_flag=True, help="Add the key that the update service reads.")
@click.option(
    "--disable-default-sources",
    "without_default_sources",
    is_flag=True,
    help="Turn off OperatorHub's sources in the internet.",
)
@click.option("--to-dir", type=FOLDER, help="Folder to write the objects to, a file for each.")
@click.option("--check", "checked", multiple=True, metavar="HOST[:PORT]|FILE", help="Check this certificate instead.")
@says()
def trust(saying: OutputOptions, checked: tuple[str, ...], **options: Any) -> None:
    """Make what a running cluster needs to trust a mirror, or check certificates.

    The objects are YAML to apply, each with the oc command that does the same as a comment above it. Runs accumulate:
    what the ConfigMap in --to-dir holds already is kept. --check says whether nodes would accept a server's
    certificate, or one in a file, by --ca or else by this system's CAs; it exits with 1 when they would not, and
    with 3 when a server is not there, so that it cannot be told.

    \b
    Examples:
      airferry cluster trust --ca ca.crt --host mirror.example.com:8443 --disable-default-sources
      airferry cluster trust --ca ca.crt --host mirror.example.com:8443 --update-service --to-dir cluster
      airferry cluster trust --check mirror.example.com:8443 --ca ca.crt
      airferry cluster trust --check tls.crt --ca ca.crt --host mirror.example.com
    """
    if checked:
        _check(saying, checked, **options)
        return
    from airferry.app.cluster.cluster_trust import TrustRequest, trust

    answer = run(trust(TrustRequest(**options)))
    warnings = [*(f"{fault.message}; {fault.hint}" for fault in answer.faults), *answer.notes]
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    files = [str(file) for file in answer.written]
    text = "".join(f"{file}\n" for file in files) if files else "".join(map(str, answer.objects))
    objects = [{"file": item.file, "yaml": item.yaml, "command": item.command} for item in answer.objects]
    print_answer(text, {"objects": objects, "files": files, "warnings": warnings}, saying.form)


def _check(
    saying: OutputOptions, checked: tuple[str, ...], *, ca_files: tuple[Path, ...], hosts: tuple[str, ...], **other: Any
) -> None:
    from airferry.app.cluster.certificate_check import check_certificates, worst_exit_code

    if other["to_dir"] is not None or other["update_service"] or other["without_default_sources"]:
        raise UsageError("--check makes no objects", hint="leave out --to-dir, --update-service, …")
    found = run(check_certificates(checked, ca_files, hosts))
    print_answer("".join(one.text() for one in found), {"certificates": [one.to_json() for one in found]}, saying.form)
    finish(worst_exit_code(found))
