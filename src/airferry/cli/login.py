"""``airferry login``."""

from pathlib import Path

import click

from airferry.cli.command import SETTINGS, OcCommand, run
from airferry.cli.options import FILE, OutputOptions, TrustOptions, says, trusts
from airferry.cli.output import print_answer
from airferry.cli.secret import ask_password
from airferry.errors import UsageError


def _refuse_password(_context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        raise UsageError(
            "--auth-basic would show the password to every user of this machine", hint="-u USER --password-stdin < FILE"
        )


@click.command("login", cls=OcCommand, context_settings=SETTINGS)
@click.argument("registry", metavar="HOST[:PORT][/PATH]")
@click.option("-u", "--user", "--username", "user", help="User of the registry.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin instead of asking.")
@click.option(
    "--auth-basic",
    hidden=True,
    expose_value=False,
    callback=_refuse_password,
    help="Taken to say what to use instead: it would show in the process list.",
)
@click.option(
    "-a",
    "--registry-config",
    "--authfile",
    "--to",
    "to",
    type=FILE,
    help="File to store in; by default your auth file.",
)
@trusts
@says()
def command(
    saying: OutputOptions, trust: TrustOptions, registry: str, user: str | None, password_stdin: bool, to: Path | None
) -> None:
    """Prove credentials to a registry, then store them.

    What the registry refuses is not stored; nor is anything for a registry that asks nobody for credentials, since
    it can prove none (airferry secret merge stores without asking).

    \b
    Example:
      airferry login mirror.example.com:8443 -u admin --password-stdin < admin-password
    """
    from airferry.app.pull_secrets import check_name, login
    from airferry.app.settings import Side

    check_name(registry)
    name = user or click.prompt(f"User for {registry}", err=True)
    password = ask_password(registry, from_stdin=password_stdin)
    side = Side(None, trust.certificate_authority, trust.insecure)
    file = run(login(registry, name, password, side, to))
    text = f"Saved credentials for {registry} into {file}: the registry accepted them\n"
    print_answer(text, {"registry": registry, "user": name, "file": str(file), "outcome": "accepted"}, saying.form)
