"""``airferry registry``: init, serve; accounts are in :mod:`airferry.cli.registry_users` and ``registry_tokens``."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypedDict

import click

from airferry.cli import registry_tokens, registry_users
from airferry.cli.command import SETTINGS, OcGroup, finish, run
from airferry.cli.options import FOLDER, OutputOptions, says
from airferry.cli.output import OutputFormat, print_answer
from airferry.cli.secret import ask_password
from airferry.errors import ExitCode

MOST_BY_DEFAULT: Final = 4
"""Measured on two cores only: with two workers small blobs and manifests are served up to twice as fast as with one,
large blobs in the clear as fast. Each takes some 75 MiB. More than two were not measured."""


@click.group("registry", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Set up and serve a mirror registry."""


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
@says()
def init(
    saying: OutputOptions, root: Path, hosts: tuple[str, ...], listen: str, user: str, password_stdin: bool
) -> None:
    """Make a registry: a CA, a server certificate, one user.

    \b
    Example:
      airferry registry init --root /srv/registry --host mirror.example.com --listen 0.0.0.0:8443
    """
    from airferry.app.mirror_registry import init_registry

    password = ask_password(user, from_stdin=True) if password_stdin else None
    made = run(init_registry(root, hosts, listen=listen, user=user, password=password))
    lines = [
        f"Made a registry in {made.root} for {', '.join(made.hosts)}",
        f"CA certificate: {made.ca_certificate}",
        f"User: {made.user}" + (f", password in {made.password_file}" if made.password_file else ""),
        f"Serve it: airferry registry serve --root {made.root}",
    ]
    document = {
        "root": str(made.root),
        "hosts": list(made.hosts),
        "caCertificate": str(made.ca_certificate),
        "user": made.user,
        "passwordFile": str(made.password_file) if made.password_file else None,
    }
    print_answer("".join(f"{line}\n" for line in lines), document, saying.form)


@command.command("serve")
@click.option("--root", type=FOLDER, required=True, help="Folder of the registry; made first where there is none.")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Address to listen on, by default the one given to init (127.0.0.1:8443). A new registry remembers it.",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME|IP",
    help="Name that the certificate is for; added to that of a registry that is there.",
)
@click.option("--no-tls", is_flag=True, help="Speak plain HTTP. For labs only.")
@click.option("--no-auth", is_flag=True, help="Let everybody do everything. For labs only.")
@click.option("--read-only", is_flag=True, help="Refuse every push and delete, and note nothing of what is read.")
@click.option("--no-delete", is_flag=True, help="Refuse to delete tags, manifests and blobs.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help=f"Processes that serve; by default one for each core, at most {MOST_BY_DEFAULT}. One that dies is replaced.",
)
@says()
def serve(
    saying: OutputOptions,
    root: Path,
    listen: str | None,
    hosts: tuple[str, ...],
    no_tls: bool,
    no_auth: bool,
    read_only: bool,
    no_delete: bool,
    workers: int | None,
) -> None:
    """Serve the registry in --root until it is stopped.

    --read-only and --no-delete can stand in registry.toml, too: read_only = true, deletes = false.

    \b
    Example:
      airferry registry serve --root /srv/registry --listen 0.0.0.0:8443 --host mirror.example.com
    """
    for given, text in (
        (no_tls, "--no-tls: passwords and images cross the network in the clear"),
        (no_auth, "--no-auth: everybody who reaches this port may push and delete"),
    ):
        if given:
            _say(f"warning: {text}; for labs only")
    flags = _Flags(use_tls=not no_tls, use_auth=not no_auth, is_read_only=read_only, can_delete=not no_delete)
    run(_prepare(root, listen, hosts))
    workers = workers or min(MOST_BY_DEFAULT, len(os.sched_getaffinity(0)))
    if workers == 1:
        run(_serve(root, listen, saying.form, flags))
    else:
        _serve_in(workers, root, listen, saying.form, flags)


class _Flags(TypedDict):
    use_tls: bool
    use_auth: bool
    is_read_only: bool
    can_delete: bool


async def _prepare(root: Path, listen: str | None, hosts: tuple[str, ...]) -> None:
    from airferry.app.mirror_registry import prepare_registry

    prepared = await prepare_registry(root, listen=listen, hosts=hosts)
    # Said before the socket is opened: whatever goes wrong there, it is known where the password is.
    if prepared.made is not None:
        made = prepared.made
        _say(f"made a registry in {root}: user {made.user}, password in {made.password_file}")
        _say(f"its certificate is for {', '.join(made.hosts)}; clients trust it by {made.ca_certificate}")
    if prepared.added_hosts:
        _say(f"the certificate of the registry in {root} is for {', '.join(prepared.added_hosts)} now, too")


async def _serve(root: Path, listen: str | None, form: OutputFormat, flags: _Flags) -> None:
    from airferry.app.mirror_registry import describe_registry, serve_registry

    async with serve_registry(root, listen=listen, **flags) as (running, _):
        document = await describe_registry(root, running, use_auth=flags["use_auth"])
        await serve_until_stopped({**document, "workers": 1}, form)


def _serve_in(workers: int, root: Path, listen: str | None, form: OutputFormat, flags: _Flags) -> None:
    """Serve in several processes, and end when all of them have."""
    from airferry.app.mirror_registry import Ended, describe_registry, listen_for, serve_registry, share_work

    def announce(printed: bytes) -> None:
        _announce({**json.loads(printed), "workers": workers}, form)

    with listen_for(root, listen=listen) as listener:
        part = share_work(listener, workers, announce)
        if isinstance(part, Ended):
            finish(ExitCode(part.code))
            return

        async def serve_one() -> None:
            async with serve_registry(root, listen=listen, listener=part.listener, **flags) as (running, _):
                document = await describe_registry(root, running, use_auth=flags["use_auth"])
                await until_stopped(lambda: part.ready(json.dumps(document).encode()))

        run(serve_one())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def serve_until_stopped(document: dict[str, Any], form: OutputFormat) -> None:
    """Say where we listen, as ``document`` (one line of JSON) or by its ``url``; return on SIGTERM or SIGINT."""
    await until_stopped(lambda: _announce(document, form))


async def until_stopped(say: Callable[[], None]) -> None:
    """Heed SIGTERM and SIGINT, then ``say`` that we serve; return on one of them."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    say()
    await stopped.wait()


def _announce(document: dict[str, Any], form: OutputFormat) -> None:
    print_answer(f"listening on {document['url']}", document, form, one_line=True)


for _accounts_command in (registry_users.user, registry_tokens.robot, registry_tokens.token, registry_tokens.keys):
    command.add_command(_accounts_command)
