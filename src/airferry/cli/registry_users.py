"""``airferry registry user``."""

from pathlib import Path

import click

from airferry.cli.command import OcGroup
from airferry.cli.options import FILE, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.cli.registry_accounts import GRANTS, ROOT, list_accounts, print_made, remove_account, with_accounts
from airferry.cli.secret import ask_password
from airferry.errors import UsageError

_PASSWORD_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
_GENERATE = click.option("--generate-password", is_flag=True, help="Make a random password and print it, once.")


@click.group("user", cls=OcGroup)
def user() -> None:
    """Add, remove and list users, and say what they may do."""


@user.command("add")
@click.argument("name")
@ROOT
@GRANTS
@_PASSWORD_STDIN
@_GENERATE
@says()
def add_user(
    saying: OutputOptions,
    name: str,
    root: Path,
    grants: tuple[str, ...],
    password_stdin: bool,
    generate_password: bool,
) -> None:
    """Add a user.

    \b
    Example:
      airferry registry user add ann --root /srv/registry --grant team=pull,push --password-stdin < password
    """
    password = _password(name, password_stdin, generate_password)
    made = with_accounts(root, lambda accounts: accounts.add_user(name, password, grants))
    print_made(f"Added user {name}", made, saying)


@user.command("passwd")
@click.argument("name")
@ROOT
@_PASSWORD_STDIN
@_GENERATE
@says()
def change_password(
    saying: OutputOptions, name: str, root: Path, password_stdin: bool, generate_password: bool
) -> None:
    """Give a user another password; whoever uses the old one is out at once.

    \b
    Example:
      airferry registry user passwd admin --root /srv/registry --password-stdin < password
    """
    password = _password(name, password_stdin, generate_password)
    made = with_accounts(root, lambda accounts: accounts.set_password(name, password))
    print_made(f"Changed the password of {name}", made, saying)


@user.command("remove")
@click.argument("name")
@ROOT
@says()
def remove_user(saying: OutputOptions, name: str, root: Path) -> None:
    """Remove a user with all tokens and permissions.

    \b
    Example:
      airferry registry user remove ann --root /srv/registry
    """
    remove_account(root, name, saying, is_robot=False)


@user.command("grant")
@click.argument("name", metavar="NAME|anonymous")
@click.argument("namespace")
@click.argument("permissions", metavar="pull,push,delete,admin|none")
@ROOT
@says()
def grant(saying: OutputOptions, name: str, namespace: str, permissions: str, root: Path) -> None:
    """Set what a user, a robot or everybody (anonymous) may do in a namespace.

    A namespace is the beginning of repository names: team covers team/app, too; * covers everything. Push and
    delete come with pull, admin with all. What was granted in that namespace before is replaced.

    \b
    Examples:
      airferry registry user grant ann team pull,push --root /srv/registry
      airferry registry user grant anonymous openshift/release pull --root /srv/registry
      airferry registry user grant ann team none --root /srv/registry
    """
    from airferry.app.registry.registry_documents import grants_document, print_grants

    grants = with_accounts(root, lambda accounts: accounts.grant(name, namespace, permissions))
    document = {"name": name, "grants": grants_document(grants)}
    print_answer(f"{name} may now: {print_grants(grants)}\n", document, saying.form)


@user.command("import")
@click.argument("htpasswd", type=FILE)
@ROOT
@GRANTS
@says()
def import_users(saying: OutputOptions, htpasswd: Path, root: Path, grants: tuple[str, ...]) -> None:
    """Add the users of an htpasswd file (bcrypt only); all of them, or none when one cannot be added.

    \b
    Example:
      airferry registry user import htpasswd --root /srv/registry --grant '*=pull'
    """
    from airferry.app.registry.registry_documents import account_document

    users = with_accounts(root, lambda accounts: accounts.import_users(htpasswd, grants))
    text = f"Added {len(users)} users: {', '.join(one.name for one in users)}\n"
    print_answer(text, {"users": [account_document(one) for one in users]}, saying.form)


@user.command("list")
@ROOT
@says()
def list_users(saying: OutputOptions, root: Path) -> None:
    """List users and what they may do; and what everybody may.

    \b
    Example:
      airferry registry user list --root /srv/registry -o json
    """
    list_accounts(root, saying, is_robot=False)


def _password(name: str, from_stdin: bool, generate: bool) -> str | None:
    if from_stdin and generate:
        raise UsageError("--password-stdin and --generate-password are two answers to one question")
    return None if generate else ask_password(name, from_stdin=from_stdin)
