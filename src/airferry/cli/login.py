"""``airferry login``."""

from pathlib import Path

import click

from airferry.cli.command import SETTINGS, OcCommand, run
from airferry.cli.options import FILE, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.cli.secret import ask_password
from airferry.errors import UsageError


@click.command("login", cls=OcCommand, context_settings=SETTINGS)
@click.argument("registry", metavar="HOST[:PORT][/PATH]")
@click.option("-u", "--user", "--username", "user", help="User of the registry.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin instead of asking.")
@click.option("--auth-basic", hidden=True, help="Taken to say what to use instead: it would show in the process list.")
@click.option(
    "-a",
    "--registry-config",
    "--authfile",
    "--to",
    "to",
    type=FILE,
    help="File to store in; by default your auth file.",
)
@click.option("--certificate-authority", type=FILE, help="CA certificate to trust, besides those of the system.")
@click.option("--insecure", is_flag=True, help="Do not verify TLS, and allow plain HTTP.")
@says()
def command(
    saying: OutputOptions,
    registry: str,
    user: str | None,
    password_stdin: bool,
    auth_basic: str | None,
    to: Path | None,
    certificate_authority: Path | None,
    insecure: bool,
) -> None:
    """Prove credentials to a registry, then store them.

    \b
    Example:
      airferry login mirror.example.com:8443 -u admin --password-stdin < admin-password
    """
    from airferry.app.pull_secrets import login
    from airferry.app.settings import Side

    if auth_basic is not None:
        raise UsageError(
            "--auth-basic would show the password to every user of this machine", hint="-u USER --password-stdin < FILE"
        )
    name = user or click.prompt(f"User for {registry}", err=True)
    password = ask_password(registry, from_stdin=password_stdin)
    outcome, file = run(login(registry, name, password, Side(None, certificate_authority, insecure), to))
    text = f"Saved credentials for {registry} into {file}: {outcome.value}\n"
    print_answer(text, {"registry": registry, "file": str(file), "outcome": outcome.name.lower()}, saying.form)
