"""``airferry catalog``: list, check, mirror and build operator catalogs."""

from typing import Any

import click

from airferry.cli import catalog_check
from airferry.cli.command import SETTINGS, OcGroup, run
from airferry.cli.options import FOLDER, OutputOptions, ReadOptions, reads_registries, says
from airferry.cli.output import print_answer
from airferry.cli.session import session


@click.group("catalog", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Look at, check, mirror and build operator catalogs."""


@command.command("list")
@click.argument("catalog")
@click.option("--dir", "--from-dir", "tree", type=FOLDER, help="Folder that file:// names live in.")
@reads_registries
@says()
def list_(catalog: str, reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    """Show what CATALOG holds: an image in any place, or a folder of its documents (./DIR).

    \b
    Examples:
      airferry catalog list registry.redhat.io/redhat/redhat-operator-index:v4.16
      airferry catalog list ./my-catalog -o json
    """
    run(_list(catalog, reading, saying, **options))


async def _list(catalog: str, reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.list_catalog import catalog_text, catalog_to_json
    from airferry.app.open_catalog import open_catalog

    async with session(reading, saying) as (places, narrator):
        narrator.phase("reading the catalog")
        async with open_catalog(catalog, places, tree=options["tree"]) as opened:
            print_answer(catalog_text(opened.catalog), catalog_to_json(opened.catalog), saying.form)


command.add_command(catalog_check.check)
