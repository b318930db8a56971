"""What ``airferry registry user``, ``robot`` and ``token`` share: options, opening the accounts, answers."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from airferry.cli.command import run
from airferry.cli.options import FOLDER, Decorator, OutputOptions
from airferry.cli.output import print_answer

if TYPE_CHECKING:
    from airferry.app.registry.registry_accounts import RegistryAccounts
    from airferry.app.registry.registry_documents import NewSecret

Result = TypeVar("Result")

ROOT = click.option("--root", type=FOLDER, required=True, help="Folder of the registry.")
GRANTS = click.option(
    "--grant",
    "grants",
    multiple=True,
    metavar="NAMESPACE=PERMISSIONS",
    help="What it may do, such as team=pull,push, or *=pull for all repositories. May be given several times.",
)


def expires_in(default: str) -> Decorator[Any]:
    """Add the option that says how long a token is good."""
    return click.option(
        "--expires-in",
        "life",
        default=default,
        show_default=True,
        metavar="30m|12h|90d|never",
        help="How long the token is good.",
    )


def with_accounts(root: Path, work: "Callable[[RegistryAccounts], Awaitable[Result]]") -> Result:
    """Return what ``work`` makes of the accounts of the registry in ``root``."""
    from airferry.app.registry.registry_accounts import RegistryAccounts

    async def opened() -> Result:
        async with RegistryAccounts.open(root) as accounts:
            return await work(accounts)

    return run(opened())


def remove_account(root: Path, name: str, saying: OutputOptions, *, is_robot: bool) -> None:
    """Remove an account and say so."""
    with_accounts(root, lambda accounts: accounts.remove(name, is_robot=is_robot))
    print_answer(f"Removed {name}\n", {"name": name}, saying.form)


def list_accounts(root: Path, saying: OutputOptions, *, is_robot: bool) -> None:
    """List robots or users and what they may do."""
    from airferry.app.registry.registry_documents import account_document, grants_document, print_grants

    async def read(accounts: "RegistryAccounts") -> Any:
        return await accounts.all(is_robot=is_robot), await accounts.anonymous()

    found, anonymous = with_accounts(root, read)
    document: dict[str, Any] = {"robots" if is_robot else "users": [account_document(one) for one in found]}
    rows = [f"{one.name}\t{print_grants(one.grants)}\n" for one in found]
    if not is_robot:
        document["anonymous"] = grants_document(anonymous)
        rows += [f"anonymous\t{print_grants(anonymous)}\n"] if anonymous else []
    print_answer("".join(rows), document, saying.form)


def print_made(done: str, made: "NewSecret", saying: OutputOptions) -> None:
    """Say what was done, and show the secret that came with it, this once."""
    from airferry.app.registry.registry_documents import print_grants, secret_document

    lines = [f"{done}; it may: {print_grants(made.account.grants)}"]
    if made.secret is not None:
        kind = "password" if made.token_id is None else f"token {made.token_id}, to be used as password"
        lines.append(f"{kind}: {made.secret}")
    print_answer("".join(f"{line}\n" for line in lines), secret_document(made), saying.form)
