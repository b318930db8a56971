"""``airferry cluster``: what a cluster is told about its mirror; the commands are in the modules beside this one."""

import click

from airferry.cli import cluster_install_config, cluster_mirror_sets, cluster_trust
from airferry.cli.command import SETTINGS, OcGroup


@click.group("cluster", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Generate, explain and check what a cluster is told about its mirror."""


for _command in (cluster_install_config.install_config, cluster_mirror_sets.mirror_sets, cluster_trust.trust):
    command.add_command(_command)
