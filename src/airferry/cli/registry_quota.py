"""``airferry registry quota``."""

from pathlib import Path

import click

from airferry.cli.command import OcGroup, run
from airferry.cli.options import OutputOptions, says
from airferry.cli.output import print_answer
from airferry.cli.registry_accounts import ROOT


@click.group("quota", cls=OcGroup)
def quota() -> None:
    """Limit how many bytes a namespace may hold."""


@quota.command("set")
@click.argument("namespace")
@click.argument("size")
@ROOT
@says()
def set_quota(saying: OutputOptions, namespace: str, size: str, root: Path) -> None:
    """Let NAMESPACE (* is everything) hold at most SIZE, what its repositories share counted once.

    It holds from the next push on, which is answered 403 DENIED where it would exceed it. What is there stays.

    \b
    Example:
      airferry registry quota set team 500GiB --root /srv/registry
    """
    from airferry.app.registry.registry_quotas import print_quota, quota_document, set_quota

    done = run(set_quota(root, namespace, size))
    print_answer(print_quota(done), quota_document(done), saying.form)


@quota.command("remove")
@click.argument("namespace")
@ROOT
@says()
def remove_quota(saying: OutputOptions, namespace: str, root: Path) -> None:
    """Take the limit of NAMESPACE away.

    \b
    Example:
      airferry registry quota remove team --root /srv/registry
    """
    from airferry.app.registry.registry_quotas import remove_quota

    run(remove_quota(root, namespace))
    print_answer(f"Removed the quota of {namespace}\n", {"namespace": namespace}, saying.form)


@quota.command("list")
@ROOT
@says()
def list_quotas(saying: OutputOptions, root: Path) -> None:
    """List quotas, and how many bytes each namespace holds.

    \b
    Example:
      airferry registry quota list --root /srv/registry
    """
    from airferry.app.registry.registry_quotas import list_quotas, print_quota, quota_document

    found = run(list_quotas(root))
    document = {"quotas": [quota_document(one) for one in found]}
    print_answer("".join(print_quota(one) for one in found), document, saying.form)
