"""``airferry registry``: init here, the other commands in the modules beside this one."""

from pathlib import Path

import click

from airferry.cli import (
    registry_content,
    registry_operation,
    registry_probe,
    registry_quota,
    registry_serving,
    registry_tokens,
    registry_upkeep,
    registry_users,
)
from airferry.cli.command import SETTINGS, OcGroup, run
from airferry.cli.options import FOLDER, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.cli.secret import ask_password


@click.group("registry", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Set up and serve a mirror registry, and look at others."""


@command.command("init")
@click.option("--root", type=FOLDER, required=True, help="Folder for the registry and all it holds.")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME|IP",
    help="Name that the certificate is for; by default this machine's, localhost and 127.0.0.1.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="127.0.0.1:8443",
    show_default=True,
    help="Address that serve will listen on.",
)
@click.option("--user", default="admin", show_default=True, help="First user.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin; otherwise a random one is made.")
@registry_operation.OWN_CERTIFICATE
@click.option("--renew", is_flag=True, help="Renew the certificate of the registry that is there; nothing else.")
@says()
@click.pass_context
def init(
    context: click.Context,
    saying: OutputOptions,
    root: Path,
    hosts: tuple[str, ...],
    listen: str,
    user: str,
    password_stdin: bool,
    own: registry_operation.OwnFiles,
    renew: bool,
) -> None:
    """Make a registry: a CA, a server certificate, one user.

    With --certificate and --key it serves with a certificate of yours, which is checked and copied; --host then says
    which names it must be for. --renew issues the certificate of a registry that is there again, for the same key;
    with --certificate and --key it takes a new one of yours. `airferry registry reload` then shows it to clients.

    \b
    Example:
      airferry registry init --root /srv/registry --host mirror.example.com --listen 0.0.0.0:8443
      airferry registry init --root /srv/registry --certificate mirror.pem --key mirror.key --ca corporate-ca.pem
      airferry registry init --root /srv/registry --renew
    """
    from airferry.app.registry.mirror_registry import init_registry
    from airferry.app.registry.registry_operation import init_registry_with

    files = own.files
    if renew:
        registry_operation.renew(context, root, hosts, files, saying)
        return
    password = ask_password(user, from_stdin=True) if password_stdin else None
    if files is None:
        made = run(init_registry(root, hosts, listen=listen, user=user, password=password))
    else:
        made = run(init_registry_with(root, hosts, files, listen=listen, user=user, password=password))
    lines = [
        f"Made a registry in {made.root} for {', '.join(made.hosts)}",
        f"CA certificate: {made.ca_certificate or 'in the list of this system'}",
        f"User: {made.user}" + (f", password in {made.password_file}" if made.password_file else ""),
        f"Serve it: airferry registry serve --root {made.root}",
    ]
    document = {
        "root": str(made.root),
        "hosts": list(made.hosts),
        "caCertificate": str(made.ca_certificate) if made.ca_certificate else None,
        "user": made.user,
        "passwordFile": str(made.password_file) if made.password_file else None,
    }
    print_answer("".join(f"{line}\n" for line in lines), document, saying.form)


for _other in (registry_serving.serve, registry_probe.probe, *registry_operation.COMMANDS):
    command.add_command(_other)
for _accounts_command in (registry_users.user, registry_tokens.robot, registry_tokens.token, registry_tokens.keys):
    command.add_command(_accounts_command)
for _upkeep_command in (
    registry_upkeep.gc,
    registry_upkeep.scrub,
    registry_content.import_tree,
    registry_content.backup,
    registry_content.restore,
    registry_quota.quota,
):
    command.add_command(_upkeep_command)
