"""``airferry catalog list``."""

from typing import Any

import click

from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import FOLDER, OutputOptions, ReadOptions, reads_registries, says
from airferry.cli.output import print_answer
from airferry.cli.session import session
from airferry.errors import ExitCode


@click.command("list", cls=OcCommand)
@click.argument("catalogs", metavar="CATALOG...", nargs=-1, required=True)
@click.option(
    "--package", "packages", multiple=True, metavar="NAME", help="Show the channels and versions of this one."
)
@click.option("--channel", default="", metavar="NAME", help="Show only the channel of that name.")
@click.option("--sizes", is_flag=True, help="Show how much each package would add; reads the images' manifests.")
@click.option("--dir", "--from-dir", "tree", type=FOLDER, help="Folder that file:// names live in.")
@reads_registries
@says()
def command(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    """Show what catalogs hold: packages, channels, versions, deprecations.

    CATALOG is an image in any place (of a layout oci://DIR that holds one image, without a tag), a folder of documents,
    bundles or package manifests (./DIR), or an index in SQLite (./index.db). A bundle image is shown like a catalog.

    \b
    Examples:
      airferry catalog list registry.redhat.io/redhat/redhat-operator-index:v4.16
      airferry catalog list ./my-catalog --package etcd --sizes
      airferry catalog list oci:///media/usb/catalog -o json
    """
    finish(run(_list(reading, saying, **options)))


async def _list(reading: ReadOptions, saying: OutputOptions, **options: Any) -> ExitCode:
    from airferry.app.catalogs.list_catalog import ListRequest, list_catalogs
    from airferry.app.catalogs.list_catalog_text import catalogs_text, findings_lines

    async with session(reading, saying) as (places, narrator):
        listed = await list_catalogs(ListRequest(**options), places, narrator)
        for line in findings_lines(listed):
            narrator.warn(line)
        in_full = bool(options["packages"] or options["channel"])
        document = {"catalogs": [item.to_json() for item in listed]}
        print_answer(catalogs_text(listed, in_full=in_full), document, saying.form)
    return ExitCode.GAPS if any(item.has_gaps for item in listed) else ExitCode.DONE
