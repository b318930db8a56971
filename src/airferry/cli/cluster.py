"""``airferry cluster``: what a cluster is told about its mirror; the commands are in the modules beside this one."""

import click

from airferry.cli import (
    cluster_explain,
    cluster_install_config,
    cluster_mirror_sets,
    cluster_rules,
    cluster_trust,
)
from airferry.cli.command import SETTINGS, OcGroup


@click.group("cluster", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Generate, explain and check what a cluster is told about its mirror."""


for _command in (
    cluster_mirror_sets.mirror_sets,
    cluster_install_config.install_config,
    cluster_trust.trust,
    *cluster_rules.COMMANDS,
    cluster_explain.explain,
):
    command.add_command(_command)
