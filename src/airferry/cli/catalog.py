"""``airferry catalog``: the commands are in the modules beside this one."""

import click

from airferry.cli import catalog_build, catalog_cache, catalog_check, catalog_list, catalog_mirror
from airferry.cli.command import SETTINGS, OcGroup


@click.group("catalog", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Look at, check, mirror and build operator catalogs."""


for found in (
    catalog_list.command,
    catalog_check.check,
    catalog_mirror.command,
    catalog_build.build,
    catalog_cache.cache,
):
    command.add_command(found)
