"""``airferry catalog``: list, check, mirror and build operator catalogs, in the modules beside this one."""

import click

from airferry.cli import catalog_check, catalog_list
from airferry.cli.command import SETTINGS, OcGroup


@click.group("catalog", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Look at, check, mirror and build operator catalogs."""


command.add_command(catalog_list.command)
command.add_command(catalog_check.check)
