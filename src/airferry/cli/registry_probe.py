"""``airferry registry probe``: a look at a registry of any kind before something is copied to it."""

from pathlib import Path

import click

from airferry.cli.command import finish, run
from airferry.cli.options import FILE, OutputOptions, ReadOptions, reads_registries, says
from airferry.cli.output import print_answer
from airferry.cli.session import session


@click.command("probe")
@click.argument("target", metavar="HOST[/PATH]")
@click.option(
    "--quay-token-file",
    type=FILE,
    envvar="AIRFERRY_QUAY_TOKEN_FILE",
    show_envvar=True,
    help="OAuth token, if it is a Quay: organizations that only their members see are found with it.",
)
@reads_registries
@says()
def probe(reading: ReadOptions, saying: OutputOptions, target: str, quay_token_file: Path | None) -> None:
    """Tell which software the registry at HOST is, and what it takes.

    With PATH, what only writing tells is tried out in that repository, with credentials: a tiny image is pushed and
    deleted again, and what the registry does not let anybody delete is named. Without PATH nothing is written.

    \b
    Examples:
      airferry registry probe mirror.example.com:8443
      airferry registry probe mirror.example.com:8443/ocp4/openshift4 -o json
    """
    run(_probe(reading, saying, target, quay_token_file))


async def _probe(reading: ReadOptions, saying: OutputOptions, target: str, quay_token_file: Path | None) -> None:
    from airferry.app.copies.probe_registry import probe_registry
    from airferry.errors import ExitCode

    async with session(reading, saying, quay_token_file=quay_token_file) as (places, narrator):
        facts = await probe_registry(target, places, narrator)
    print_answer("".join(f"{line}\n" for line in facts.lines()), facts.to_json(), saying.form)
    finish(ExitCode.USER if facts.absent else ExitCode.DONE)
