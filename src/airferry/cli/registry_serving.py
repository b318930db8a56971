"""``airferry registry serve``: in one process, or in several that share the work."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from airferry.cli import registry_upkeep
from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import FOLDER, OutputOptions, says
from airferry.cli.output import OutputFormat, print_answer
from airferry.errors import AirferryError, ExitCode

if TYPE_CHECKING:
    from airferry.app.registry.mirror_registry import HowToServe

MOST_BY_DEFAULT: Final = 4
"""Measured on two cores only: with two workers small blobs and manifests are served up to twice as fast as with one,
large blobs in the clear as fast. Each takes some 75 MiB. More than two were not measured."""

Reload = Callable[[], Awaitable[object]]


@click.command("serve", cls=OcCommand)
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
    workers: int | None,
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
    from airferry.app.registry.mirror_registry import HowToServe

    for given, text in (
        (no_tls, "--no-tls: passwords and images cross the network in the clear"),
        (no_auth, "--no-auth: everybody who reaches this port may push and delete"),
    ):
        if given:
            _say(f"warning: {text}; for labs only")
    run(_prepare(root, listen, hosts, use_tls=not no_tls))
    how = HowToServe(
        root,
        listen,
        use_tls=not no_tls,
        use_auth=not no_auth,
        is_read_only=read_only,
        can_delete=not no_delete,
        access_log_to=access_log,
        grace_s=grace,
        upkeep=asdict(upkeep),
    )
    workers = workers or min(MOST_BY_DEFAULT, len(os.sched_getaffinity(0)))
    if workers == 1:
        run(_serve(how, saying.form))
    else:
        _serve_in(workers, how, saying.form)


async def _prepare(root: Path, listen: str | None, hosts: tuple[str, ...], *, use_tls: bool) -> None:
    """Make the registry where there is none, and say what was made, before the socket is opened.

    Whatever goes wrong there, it is known where the password is.
    """
    from airferry.app.registry.mirror_registry import prepare_registry
    from airferry.app.registry.registry_operation import certificate_warnings

    prepared = await prepare_registry(root, listen=listen, hosts=hosts)
    if prepared.made is not None:
        made = prepared.made
        _say(f"made a registry in {root}: user {made.user}, password in {made.password_file}")
        _say(f"its certificate is for {', '.join(made.hosts)}; clients trust it by {made.ca_certificate}")
    if prepared.added_hosts:
        _say(f"the certificate of the registry in {root} is for {', '.join(prepared.added_hosts)} now, too")
    if use_tls:
        for warning in certificate_warnings(root):
            _say(f"warning: {warning}")


async def _serve(how: "HowToServe", form: OutputFormat) -> None:
    from airferry.app.registry.mirror_registry import describe_registry, serve_registry

    async with serve_registry(how) as running:
        document = await describe_registry(how.root, running, use_auth=how.use_auth)
        await serve_until_stopped({**document, "workers": 1}, form, reload=running.reload)


def _serve_in(workers: int, how: "HowToServe", form: OutputFormat) -> None:
    """Serve in several processes, and end when all of them have."""
    from airferry.app.registry.mirror_registry import Ended, describe_registry, listen_for, serve_registry, share_work

    def announce(printed: bytes) -> None:
        _announce({**json.loads(printed), "workers": workers}, form)

    with listen_for(how) as listener:
        part = share_work(listener, workers, announce)
        if isinstance(part, Ended):
            finish(ExitCode(part.code))
            return

        async def serve_one() -> None:
            async with serve_registry(how, listener=part.listener, ledger=part.ledger) as running:
                document = await describe_registry(how.root, running, use_auth=how.use_auth)
                await _until_stopped(lambda: part.ready(json.dumps(document).encode()), running.reload)

        run(serve_one())


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def serve_until_stopped(document: dict[str, Any], form: OutputFormat, *, reload: Reload | None = None) -> None:
    """Say where we listen, as ``document`` (one line of JSON) or by its ``url``; return on SIGTERM or SIGINT.

    ``reload`` is called on SIGHUP; what it refuses it has said itself.
    """
    await _until_stopped(lambda: _announce(document, form), reload)


async def _until_stopped(say: Callable[[], None], reload: Reload | None) -> None:
    """Heed the signals, then ``say`` that we serve; return on SIGTERM or SIGINT."""
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
    say()
    await stopped.wait()


def _announce(document: dict[str, Any], form: OutputFormat) -> None:
    print_answer(f"listening on {document['url']}", document, form, one_line=True)
