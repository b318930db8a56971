"""``airferry registry``: init, serve; accounts are in :mod:`airferry.cli.registry_users` and ``registry_tokens``."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

import click

from airferry.cli import (
    registry_content,
    registry_operation,
    registry_quota,
    registry_tokens,
    registry_upkeep,
    registry_users,
)
from airferry.cli.command import SETTINGS, OcGroup, run
from airferry.cli.options import FOLDER, OutputOptions, says
from airferry.cli.output import OutputFormat, print_answer
from airferry.cli.secret import ask_password
from airferry.errors import AirferryError


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
    from airferry.app.mirror_registry import init_registry
    from airferry.app.registry_operation import init_registry_with

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
@click.option("--access-log", metavar="FILE|-", help="Append a line of JSON for every request; - is stdout.")
@click.option(
    "--grace",
    type=click.FloatRange(0, 3600),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="How long requests may take to finish after SIGTERM; uploads that take longer go on after a restart.",
)
@registry_upkeep.upkeeps
@says()
def serve(
    saying: OutputOptions,
    upkeep: registry_upkeep.UpkeepOptions,
    root: Path,
    listen: str | None,
    hosts: tuple[str, ...],
    no_tls: bool,
    no_auth: bool,
    read_only: bool,
    no_delete: bool,
    access_log: str | None,
    grace: float,
) -> None:
    """Serve the registry in --root until it is stopped.

    SIGHUP, or `airferry registry reload`, reads certificate and settings again; nothing is interrupted.

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
    flags = _Flags(
        use_tls=not no_tls,
        use_auth=not no_auth,
        is_read_only=read_only,
        can_delete=not no_delete,
        access_log_to=access_log,
        grace_s=grace,
        upkeep=asdict(upkeep),
    )
    run(_serve(root, listen, hosts, saying.form, flags))


class _Flags(TypedDict):
    use_tls: bool
    use_auth: bool
    is_read_only: bool
    can_delete: bool
    access_log_to: str | None
    grace_s: float
    upkeep: dict[str, str | None]


async def _serve(root: Path, listen: str | None, hosts: tuple[str, ...], form: OutputFormat, flags: _Flags) -> None:
    from airferry.app.mirror_registry import describe_registry, prepare_registry, serve_registry
    from airferry.app.registry_operation import certificate_warnings

    prepared = await prepare_registry(root, listen=listen, hosts=hosts)
    # Said before the socket is opened: whatever goes wrong there, it is known where the password is.
    if prepared.made is not None:
        made = prepared.made
        _say(f"made a registry in {root}: user {made.user}, password in {made.password_file}")
        _say(f"its certificate is for {', '.join(made.hosts)}; clients trust it by {made.ca_certificate}")
    if prepared.added_hosts:
        _say(f"the certificate of the registry in {root} is for {', '.join(prepared.added_hosts)} now, too")
    if flags["use_tls"]:
        for warning in certificate_warnings(root):
            _say(f"warning: {warning}")
    async with serve_registry(root, listen=listen, **flags) as (running, _):
        document = await describe_registry(root, running, use_auth=flags["use_auth"])
        await serve_until_stopped(document, form, reload=running.reload)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def serve_until_stopped(
    document: dict[str, Any], form: OutputFormat, *, reload: Callable[[], Awaitable[object]] | None = None
) -> None:
    """Say where we listen, as ``document`` (one line of JSON) or by its ``url``; return on SIGTERM or SIGINT.

    ``reload`` is called on SIGHUP; what it refuses it has said itself.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    reloading: set[asyncio.Task[None]] = set()  # the loop alone would not keep them
    if reload is not None:

        async def reload_once() -> None:
            with suppress(AirferryError):
                await reload()

        def begin() -> None:
            task = asyncio.ensure_future(reload_once())
            reloading.add(task)
            task.add_done_callback(reloading.discard)

        loop.add_signal_handler(signal.SIGHUP, begin)
    print_answer(f"listening on {document['url']}", document, form, one_line=True)
    await stopped.wait()


for _other in registry_operation.COMMANDS:
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
