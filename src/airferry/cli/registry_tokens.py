"""``airferry registry robot``, ``token`` and ``keys``."""

from pathlib import Path

import click

from airferry.cli.command import OcGroup, run
from airferry.cli.options import OutputOptions, says
from airferry.cli.output import print_answer
from airferry.cli.registry_accounts import (
    GRANTS,
    ROOT,
    expires_in,
    list_accounts,
    print_made,
    remove_account,
    with_accounts,
)


@click.group("robot", cls=OcGroup)
def robot() -> None:
    """Accounts for programs, with tokens instead of passwords."""


@robot.command("add")
@click.argument("name", metavar="NAMESPACE+NAME")
@ROOT
@GRANTS
@expires_in("never")
@says()
def add_robot(saying: OutputOptions, name: str, root: Path, grants: tuple[str, ...], life: str) -> None:
    """Add a robot and print its token, once. Without --grant it may pull in its namespace.

    \b
    Example:
      airferry registry robot add openshift+cluster1 --root /srv/registry --grant '*=pull'
    """
    made = with_accounts(root, lambda accounts: accounts.add_robot(name, grants, life))
    print_made(f"Added robot {name}", made, saying)


@robot.command("remove")
@click.argument("name", metavar="NAMESPACE+NAME")
@ROOT
@says()
def remove_robot(saying: OutputOptions, name: str, root: Path) -> None:
    """Remove a robot with all tokens and permissions.

    \b
    Example:
      airferry registry robot remove openshift+cluster1 --root /srv/registry
    """
    remove_account(root, name, saying, is_robot=True)


@robot.command("list")
@ROOT
@says()
def list_robots(saying: OutputOptions, root: Path) -> None:
    """List robots and what they may do.

    \b
    Example:
      airferry registry robot list --root /srv/registry
    """
    list_accounts(root, saying, is_robot=True)


@click.group("token", cls=OcGroup)
def token() -> None:
    """Tokens that expire, to log in with instead of a password."""


@token.command("add")
@click.argument("name")
@ROOT
@expires_in("90d")
@click.option("--permissions", metavar="pull,push,delete", help="Bind the token to less than its account may do.")
@says()
def add_token(saying: OutputOptions, name: str, root: Path, life: str, permissions: str | None) -> None:
    """Give a user or a robot another token and print it, once.

    \b
    Example:
      airferry registry token add ann --root /srv/registry --expires-in 12h --permissions pull
    """
    made = with_accounts(root, lambda accounts: accounts.add_token(name, life, permissions))
    print_made(f"Added a token for {name}", made, saying)


@token.command("remove")
@click.argument("token_id", metavar="ID")
@ROOT
@says()
def remove_token(saying: OutputOptions, token_id: str, root: Path) -> None:
    """Remove a token; whoever uses it is out at once.

    \b
    Example:
      airferry registry token remove 3f2a9c1b7d40 --root /srv/registry
    """
    account = with_accounts(root, lambda accounts: accounts.remove_token(token_id))
    print_answer(f"Removed token {token_id} of {account.name}\n", {"id": token_id, "name": account.name}, saying.form)


@token.command("list")
@ROOT
@says()
def list_tokens(saying: OutputOptions, root: Path) -> None:
    """List the tokens of all accounts, never their text.

    \b
    Example:
      airferry registry token list --root /srv/registry
    """
    from airferry.app.registry.registry_documents import account_document

    accounts = with_accounts(root, lambda accounts: accounts.all())
    rows = [{"name": one.name, **entry} for one in accounts for entry in account_document(one)["tokens"]]
    lines = [
        f"{row['id']}  {row['name']}  {'expired' if row['expired'] else 'expires'} {row['expires'] or 'never'}"
        + (f"  only {','.join(row['permissions'])}" if row["permissions"] is not None else "")
        for row in rows
    ]
    print_answer("".join(f"{line}\n" for line in lines), {"tokens": rows}, saying.form)


@click.command("keys")
@ROOT
@click.option("--rotate", is_flag=True, help="Let a new key sign; the old one verifies until its tokens have expired.")
@says()
def keys(saying: OutputOptions, root: Path, rotate: bool) -> None:
    """Show or rotate the keys that bearer tokens are signed with.

    \b
    Example:
      airferry registry keys --rotate --root /srv/registry
    """
    from airferry.app.registry.registry_accounts import token_keys
    from airferry.app.registry.registry_documents import keys_document

    document = keys_document(run(token_keys(root, rotate=rotate)))
    lines = [
        f"{key['kid']}  made {key['created']}  " + ("signs" if key["signs"] else f"verifies until {key['until']}")
        for key in document["keys"]
    ]
    print_answer("".join(f"{line}\n" for line in lines), document, saying.form)
