"""``airferry registry gc`` and ``scrub``, and the options of ``serve`` that say when they run by themselves."""

import sys
from dataclasses import dataclass
from pathlib import Path

import click

from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import OutputOptions, says, taking
from airferry.cli.output import print_answer
from airferry.cli.progress import ProgressForm, new_narrator
from airferry.cli.registry_accounts import ROOT
from airferry.errors import ExitCode


@dataclass(frozen=True, slots=True)
class UpkeepOptions:
    """When ``serve`` looks after the registry; None is what registry.toml says."""

    gc_interval: str | None
    gc_grace: str | None
    scrub_interval: str | None
    scrub_rate: str | None


upkeeps = taking(
    "upkeep",
    UpkeepOptions,
    [
        click.option("--gc-interval", metavar="24h|off", help="How often garbage is collected; by default daily."),
        click.option("--gc-grace", metavar="24h", help="How long what nothing refers to stays; by default a day."),
        click.option("--scrub-interval", metavar="7d|off", help="How often all content is re-hashed; weekly."),
        click.option("--scrub-rate", metavar="32MiB", help="How much of it a second; by default 32MiB."),
    ],
)


@click.command("gc", cls=OcCommand)
@ROOT
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would go, and how many bytes that frees.")
@click.option(
    "--grace",
    metavar="30m|12h|7d",
    help="Leave what was pushed, mounted, asked for or last referred to less than this ago; by default as in "
    "registry.toml, or 24h.",
)
@click.option(
    "--untagged",
    metavar="30d|never",
    help="Also remove manifests that no tag leads to for this long. Unless registry.toml says so: never.",
)
@says()
def gc(saying: OutputOptions, root: Path, dry_run: bool, grace: str | None, untagged: str | None) -> None:
    """Free the space of what nothing refers to any more, also while the registry is served.

    The result stands in ROOT/state/gc.json, too.

    \b
    Examples:
      airferry registry gc --root /srv/registry --dry-run
      airferry registry gc --root /srv/registry --grace 1h -o json
    """
    from airferry.app.registry.registry_upkeep import collect_garbage, print_garbage

    document, warning = run(collect_garbage(root, grace=grace, untagged=untagged, is_dry_run=dry_run))
    if warning is not None:
        print(f"warning: {warning}", file=sys.stderr)
    print_answer(print_garbage(document), document, saying.form)


@click.command("scrub", cls=OcCommand)
@ROOT
@click.option(
    "--rate",
    metavar="32MiB|off",
    help="How much is read a second; off is as fast as it goes. By default as in registry.toml, or 32MiB.",
)
@says()
def scrub(saying: OutputOptions, root: Path, rate: str | None) -> None:
    """Re-hash all content, also while the registry is served, and name the images that damage breaks (exit 1).

    What is damaged is moved to ROOT/quarantine and answered as missing from then on; pushing it again heals it. The
    result stands in ROOT/state/scrub.json, too.

    \b
    Example:
      airferry registry scrub --root /srv/registry --rate 100MiB
    """
    from airferry.app.registry.registry_upkeep import print_scrubbed, scrub_content

    narrator = new_narrator(ProgressForm(saying.progress))
    try:
        document = run(scrub_content(root, rate, narrator))
    finally:
        narrator.done()
    print_answer(print_scrubbed(document), document, saying.form)
    finish(ExitCode.USER if document["damaged"] else ExitCode.DONE)
