"""``airferry cluster``: what a cluster is told about its mirror; the commands are in the modules beside this one."""

import click

from airferry.cli import cluster_explain, cluster_rules
from airferry.cli.command import SETTINGS, OcGroup


@click.group("cluster", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Generate, explain and check what a cluster is told about its mirror."""


for _rules_command in (*cluster_rules.COMMANDS, cluster_explain.explain):
    command.add_command(_rules_command)
