"""``airferry registry user``, ``robot``, ``token`` and ``keys``."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from airferry.cli.command import OcGroup, run
from airferry.cli.options import FILE, FOLDER, Decorator, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.cli.secret import ask_password
from airferry.errors import UsageError

if TYPE_CHECKING:
    from airferry.app.registry_accounts import NewSecret, RegistryAccounts

Result = TypeVar("Result")

_ROOT = click.option("--root", type=FOLDER, required=True, help="Folder of the registry.")
_GRANTS = click.option(
    "--grant",
    "grants",
    multiple=True,
    metavar="NAMESPACE=PERMISSIONS",
    help="What it may do, such as team=pull,push, or *=pull for all repositories. May be given several times.",
)
_PASSWORD_STDIN = click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
_GENERATE = click.option("--generate-password", is_flag=True, help="Make a random password and print it, once.")


def _expires_in(default: str) -> Decorator[Any]:
    return click.option(
        "--expires-in",
        "life",
        default=default,
        show_default=True,
        metavar="30m|12h|90d|never",
        help="How long the token is good.",
    )


@click.group("user", cls=OcGroup)
def user() -> None:
    """Add, remove and list users, and say what they may do."""


@user.command("add")
@click.argument("name")
@_ROOT
@_GRANTS
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
    made = _with_accounts(root, lambda accounts: accounts.add_user(name, password, grants))
    _print_made(f"Added user {name}", made, saying)


@user.command("passwd")
@click.argument("name")
@_ROOT
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
    made = _with_accounts(root, lambda accounts: accounts.set_password(name, password))
    _print_made(f"Changed the password of {name}", made, saying)


@user.command("remove")
@click.argument("name")
@_ROOT
@says()
def remove_user(saying: OutputOptions, name: str, root: Path) -> None:
    """Remove a user with all tokens and permissions.

    \b
    Example:
      airferry registry user remove ann --root /srv/registry
    """
    _remove(root, name, saying, is_robot=False)


@user.command("grant")
@click.argument("name", metavar="NAME|anonymous")
@click.argument("namespace")
@click.argument("permissions", metavar="pull,push,delete,admin|none")
@_ROOT
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
    from airferry.app.registry_accounts import grants_document, print_grants

    grants = _with_accounts(root, lambda accounts: accounts.grant(name, namespace, permissions))
    document = {"name": name, "grants": grants_document(grants)}
    print_answer(f"{name} may now: {print_grants(grants)}\n", document, saying.form)


@user.command("import")
@click.argument("htpasswd", type=FILE)
@_ROOT
@_GRANTS
@says()
def import_users(saying: OutputOptions, htpasswd: Path, root: Path, grants: tuple[str, ...]) -> None:
    """Add the users of an htpasswd file (bcrypt only); all of them, or none when one cannot be added.

    \b
    Example:
      airferry registry user import htpasswd --root /srv/registry --grant '*=pull'
    """
    from airferry.app.registry_accounts import account_document

    users = _with_accounts(root, lambda accounts: accounts.import_users(htpasswd, grants))
    text = f"Added {len(users)} users: {', '.join(one.name for one in users)}\n"
    print_answer(text, {"users": [account_document(one) for one in users]}, saying.form)


@user.command("list")
@_ROOT
@says()
def list_users(saying: OutputOptions, root: Path) -> None:
    """List users and what they may do; and what everybody may.

    \b
    Example:
      airferry registry user list --root /srv/registry -o json
    """
    _list(root, saying, is_robot=False)


@click.group("robot", cls=OcGroup)
def robot() -> None:
    """Accounts for programs, with tokens instead of passwords."""


@robot.command("add")
@click.argument("name", metavar="NAMESPACE+NAME")
@_ROOT
@_GRANTS
@_expires_in("never")
@says()
def add_robot(saying: OutputOptions, name: str, root: Path, grants: tuple[str, ...], life: str) -> None:
    """Add a robot and print its token, once. Without --grant it may pull in its namespace.

    \b
    Example:
      airferry registry robot add openshift+cluster1 --root /srv/registry --grant '*=pull'
    """
    made = _with_accounts(root, lambda accounts: accounts.add_robot(name, grants, life))
    _print_made(f"Added robot {name}", made, saying)


@robot.command("remove")
@click.argument("name", metavar="NAMESPACE+NAME")
@_ROOT
@says()
def remove_robot(saying: OutputOptions, name: str, root: Path) -> None:
    """Remove a robot with all tokens and permissions.

    \b
    Example:
      airferry registry robot remove openshift+cluster1 --root /srv/registry
    """
    _remove(root, name, saying, is_robot=True)


@robot.command("list")
@_ROOT
@says()
def list_robots(saying: OutputOptions, root: Path) -> None:
    """List robots and what they may do.

    \b
    Example:
      airferry registry robot list --root /srv/registry
    """
    _list(root, saying, is_robot=True)


@click.group("token", cls=OcGroup)
def token() -> None:
    """Tokens that expire, to log in with instead of a password."""


@token.command("add")
@click.argument("name")
@_ROOT
@_expires_in("90d")
@click.option("--permissions", metavar="pull,push,delete", help="Bind the token to less than its account may do.")
@says()
def add_token(saying: OutputOptions, name: str, root: Path, life: str, permissions: str | None) -> None:
    """Give a user or a robot another token and print it, once.

    \b
    Example:
      airferry registry token add ann --root /srv/registry --expires-in 12h --permissions pull
    """
    made = _with_accounts(root, lambda accounts: accounts.add_token(name, life, permissions))
    _print_made(f"Added a token for {name}", made, saying)


@token.command("remove")
@click.argument("token_id", metavar="ID")
@_ROOT
@says()
def remove_token(saying: OutputOptions, token_id: str, root: Path) -> None:
    """Remove a token; whoever uses it is out at once.

    \b
    Example:
      airferry registry token remove 3f2a9c1b7d40 --root /srv/registry
    """
    account = _with_accounts(root, lambda accounts: accounts.remove_token(token_id))
    print_answer(f"Removed token {token_id} of {account.name}\n", {"id": token_id, "name": account.name}, saying.form)


@token.command("list")
@_ROOT
@says()
def list_tokens(saying: OutputOptions, root: Path) -> None:
    """List the tokens of all accounts, never their text.

    \b
    Example:
      airferry registry token list --root /srv/registry
    """
    from airferry.app.registry_accounts import account_document

    accounts = _with_accounts(root, lambda accounts: accounts.all())
    rows = [{"name": one.name, **entry} for one in accounts for entry in account_document(one)["tokens"]]
    lines = [
        f"{row['id']}  {row['name']}  {'expired' if row['expired'] else 'expires'} {row['expires'] or 'never'}"
        + (f"  only {','.join(row['permissions'])}" if row["permissions"] is not None else "")
        for row in rows
    ]
    print_answer("".join(f"{line}\n" for line in lines), {"tokens": rows}, saying.form)


@click.command("keys")
@_ROOT
@click.option("--rotate", is_flag=True, help="Let a new key sign; the old one verifies until its tokens have expired.")
@says()
def keys(saying: OutputOptions, root: Path, rotate: bool) -> None:
    """Show or rotate the keys that bearer tokens are signed with.

    \b
    Example:
      airferry registry keys --rotate --root /srv/registry
    """
    from airferry.app.registry_accounts import keys_document, token_keys

    document = keys_document(run(token_keys(root, rotate=rotate)))
    lines = [
        f"{key['kid']}  made {key['created']}  " + ("signs" if key["signs"] else f"verifies until {key['until']}")
        for key in document["keys"]
    ]
    print_answer("".join(f"{line}\n" for line in lines), document, saying.form)


def _password(name: str, from_stdin: bool, generate: bool) -> str | None:
    if from_stdin and generate:
        raise UsageError("--password-stdin and --generate-password are two answers to one question")
    return None if generate else ask_password(name, from_stdin=from_stdin)


def _with_accounts(root: Path, work: "Callable[[RegistryAccounts], Awaitable[Result]]") -> Result:
    from airferry.app.registry_accounts import RegistryAccounts

    async def opened() -> Result:
        async with RegistryAccounts.open(root) as accounts:
            return await work(accounts)

    return run(opened())


def _remove(root: Path, name: str, saying: OutputOptions, *, is_robot: bool) -> None:
    _with_accounts(root, lambda accounts: accounts.remove(name, is_robot=is_robot))
    print_answer(f"Removed {name}\n", {"name": name}, saying.form)


def _list(root: Path, saying: OutputOptions, *, is_robot: bool) -> None:
    from airferry.app.registry_accounts import account_document, grants_document, print_grants

    async def read(accounts: "RegistryAccounts") -> Any:
        return await accounts.all(is_robot=is_robot), await accounts.anonymous()

    found, anonymous = _with_accounts(root, read)
    document: dict[str, Any] = {"robots" if is_robot else "users": [account_document(one) for one in found]}
    rows = [f"{one.name}\t{print_grants(one.grants)}\n" for one in found]
    if not is_robot:
        document["anonymous"] = grants_document(anonymous)
        rows += [f"anonymous\t{print_grants(anonymous)}\n"] if anonymous else []
    print_answer("".join(rows), document, saying.form)


def _print_made(done: str, made: "NewSecret", saying: OutputOptions) -> None:
    from airferry.app.registry_accounts import print_grants, secret_document

    lines = [f"{done}; it may: {print_grants(made.account.grants)}"]
    if made.secret is not None:
        kind = "password" if made.token_id is None else f"token {made.token_id}, to be used as password"
        lines.append(f"{kind}: {made.secret}")
    print_answer("".join(f"{line}\n" for line in lines), secret_document(made), saying.form)
