"""``airferry catalog cache``."""

from pathlib import Path

import click

from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import FOLDER, OutputOptions, ReadOptions, reads_registries, says
from airferry.cli.output import print_answer
from airferry.cli.session import session


@click.command("cache", cls=OcCommand)
@click.argument("image")
@click.option("--dir", "--from-dir", "tree", type=FOLDER, help="Folder that file:// names live in.")
@reads_registries
@says()
def cache(image: str, tree: Path | None, reading: ReadOptions, saying: OutputOptions) -> None:
    """Tell whether opm would start with the cache that the catalog IMAGE holds.

    opm ends at once when its cache is of other documents than the image's. Exit code 0 for yes, 1 for no, 3 where it
    cannot be told: a cache of the newer kind, or an image that holds no opm.

    \b
    Example:
      airferry catalog cache mirror.example.com:8443/olm/redhat-operator-index:v4.16
    """
    run(_cache(image, tree, reading, saying))


async def _cache(image: str, tree: Path | None, reading: ReadOptions, saying: OutputOptions) -> None:
    from airferry.app.catalogs.catalog_cache import check_image_cache, exit_code

    async with session(reading, saying) as (places, narrator):
        narrator.phase("reading the catalog and its cache")
        verdict = await check_image_cache(image, places, tree=tree)
    word = {True: "opm starts", False: "opm does not start", None: "cannot tell whether opm starts"}[verdict.valid]
    print_answer(f"{word}: {verdict.reason}", {"valid": verdict.valid, "reason": verdict.reason}, saying.form)
    finish(exit_code(verdict))
