"""``airferry secret``: merge, show, check."""

import sys
from pathlib import Path

import click

from airferry.cli.command import SETTINGS, OcGroup, finish, run
from airferry.cli.options import FILE, OutputOptions, TrustOptions, says, trusts
from airferry.cli.output import print_answer
from airferry.errors import ExitCode, UsageError


@click.group("secret", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Merge, show and check pull secrets."""


def ask_password(registry: str, *, from_stdin: bool) -> str:
    """Return a password from stdin or the terminal; it is never taken from the command line."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = str(click.prompt(f"Password for {registry}", hide_input=True, err=True))
    else:
        raise UsageError("no password was given", hint="pipe it in with --password-stdin")
    if not password:
        raise UsageError("the password is empty")
    return password


@command.command("merge")
@click.argument("registry", metavar="HOST[:PORT][/PATH]")
@click.option(
    "-a", "--registry-config", "--authfile", "file", type=FILE, help="Pull secret to add to; none: a new one."
)
@click.option("-u", "--user", "--username", "user", required=True, help="User of the registry.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin instead of asking.")
@click.option("--to", type=FILE, help="File to write, mode 0600; by default the one that was read.")
@says()
def merge(
    saying: OutputOptions, registry: str, file: Path | None, user: str, password_stdin: bool, to: Path | None
) -> None:
    """Add a registry's user to a pull secret and keep the rest.

    \b
    Example:
      airferry secret merge mirror.lan:8443 -a pull-secret.json -u admin --password-stdin --to merged.json < password
    """
    from airferry.app.pull_secrets import check_name, merge_secret

    target = to or file
    if target is None:
        raise UsageError("no file to write", hint="name it with --to, or the pull secret to add to with -a")
    check_name(registry)
    run(merge_secret(file, registry, user, ask_password(registry, from_stdin=password_stdin), target))
    print_answer(
        f"Merged {user} for {registry} into {target}\n", {"registry": registry, "file": str(target)}, saying.form
    )


@command.command("show")
@click.argument("file", type=FILE)
@says()
def show(saying: OutputOptions, file: Path) -> None:
    """Show registries and users of a pull secret, never a secret.

    \b
    Example:
      airferry secret show pull-secret.json
    """
    from airferry.app.pull_secrets import show_secret

    entries = show_secret(file)
    rows = [f"{item.registry}\t{item.user or '-'}\t{item.kind}\t{item.problem or ''}".rstrip() for item in entries]
    document = [
        {"registry": item.registry, "user": item.user, "kind": str(item.kind), "problem": item.problem}
        for item in entries
    ]
    print_answer("".join(f"{row}\n" for row in rows), document, saying.form)
    finish(ExitCode.USER if any(item.problem for item in entries) else ExitCode.DONE)


@command.command("check")
@click.argument("file", type=FILE)
@click.argument("registries", nargs=-1)
@trusts
@says()
def check(saying: OutputOptions, trust: TrustOptions, file: Path, registries: tuple[str, ...]) -> None:
    """Ask each registry of a pull secret whether it accepts its credential.

    \b
    Example:
      airferry secret check pull-secret.json mirror.example.com:8443 --certificate-authority ca.crt
    """
    from airferry.app.pull_secrets import check_secret, worst_exit_code
    from airferry.app.settings import Side

    found = run(check_secret(file, Side(None, trust.certificate_authority, trust.insecure), registries))
    rows = [f"{item.registry}\t{item.user or '-'}\t{'no' if item.code else 'yes'}\t{item.answer}" for item in found]
    document = [
        {
            "registry": item.registry,
            "user": item.user,
            "accepted": item.code is None,
            "code": item.code,
            "answer": item.answer,
        }
        for item in found
    ]
    print_answer("".join(f"{row}\n" for row in rows), document, saying.form)
    finish(worst_exit_code(found))
