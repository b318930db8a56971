"""``airferry cluster``: registries-conf, lint, drain."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from airferry.cli.command import OcCommand, finish
from airferry.cli.options import FOLDER, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.errors import ExitCode

if TYPE_CHECKING:
    from airferry.app.node_rules import NodeRules

INPUT = click.Path(path_type=Path, dir_okay=False, allow_dash=True)

FILES = click.argument("files", metavar="FILE...", nargs=-1, required=True, type=INPUT)

RELEASE_REPOSITORY = click.option(
    "--release-repository",
    metavar="REPOSITORY",
    default="quay.io/openshift-release-dev/ocp-release",
    show_default=True,
    help="Repository of the cluster's release image, which is never blocked without a mirror.",
)


def warn_of(found: "NodeRules") -> None:
    """Print the traps, and what was passed over, on stderr."""
    for line in found.warnings():
        print(f"warning: {line}", file=sys.stderr)


@click.command("registries-conf", cls=OcCommand)
@FILES
@RELEASE_REPOSITORY
@click.option("--to-dir", type=FOLDER, help="Write every file that nodes get below this folder, by its path there.")
@says()
def registries_conf(
    saying: OutputOptions, files: tuple[Path, ...], release_repository: str, to_dir: Path | None
) -> None:
    """Print registries.conf as a cluster's nodes get it.

    FILEs hold ImageDigestMirrorSet, ImageTagMirrorSet, ImageContentSourcePolicy, Image, ClusterImagePolicy and
    ImagePolicy objects, as YAML or JSON, or they are install-config.yaml, whose mirrors count as the objects they
    become; - is stdin. A node's own registries.conf is read as well, with the drop-ins beside it.

    \b
    Examples:
      airferry cluster registries-conf imageDigestMirrorSet.yaml imageTagMirrorSet.yaml
      oc get imagedigestmirrorsets,imagetagmirrorsets,images.config -o yaml | airferry cluster registries-conf -
      airferry cluster registries-conf install-config.yaml --to-dir node-files
    """
    from airferry.app.node_rules import load_node_rules, rules_document, write_node_files

    found = load_node_rules(files, release_repository=release_repository)
    warn_of(found)
    texts = found.config.files()
    if to_dir is None:
        print_answer(texts["etc/containers/registries.conf"], rules_document(found), saying.form)
        return
    written = write_node_files(to_dir, texts)
    print_answer("".join(f"Wrote {path}\n" for path in written), rules_document(found), saying.form)


@click.command("lint", cls=OcCommand)
@FILES
@RELEASE_REPOSITORY
@click.option("--ignore", metavar="CODE", multiple=True, help="Do not report this trap; may be repeated.")
@says()
def lint(saying: OutputOptions, files: tuple[Path, ...], release_repository: str, ignore: tuple[str, ...]) -> None:
    """Find traps in what a cluster is told about its mirrors.

    Exits with 1 when a trap is found, which CODE names.

    \b
    Example:
      airferry cluster lint imageDigestMirrorSet.yaml imageTagMirrorSet.yaml
    """
    from airferry.app.node_rules import check_codes, load_node_rules, print_traps, traps_document

    check_codes(ignore)
    found = load_node_rules(files, release_repository=release_repository)
    traps = tuple(trap for trap in found.traps if trap.code not in ignore)
    shown = [entry for entry in traps_document(found) if entry["code"] not in ignore]
    print_answer(print_traps(traps), {"warnings": shown, "passedOver": list(found.passed_over)}, saying.form)
    finish(ExitCode.USER if traps else ExitCode.DONE)


@click.command("drain", cls=OcCommand)
@click.option("--before", type=INPUT, multiple=True, required=True, help="What the cluster has now; may be repeated.")
@click.option("--after", type=INPUT, multiple=True, required=True, help="What it will have; may be repeated.")
@RELEASE_REPOSITORY
@says()
def drain(saying: OutputOptions, before: tuple[Path, ...], after: tuple[Path, ...], release_repository: str) -> None:
    """Tell whether a change of mirrors drains or reboots the nodes, and which line does.

    Both sides are complete: what is only in --before is removed. FILEs are as for `registries-conf`. Exits with 0
    when pods stay, and with 1 when nodes are drained or rebooted.

    \b
    Examples:
      airferry cluster drain --before now.yaml --after now.yaml --after imageTagMirrorSet.yaml
      airferry cluster drain --before /etc/containers/registries.conf --after new/registries.conf
    """
    from airferry.app.node_rules import drain_forecast, forecast_document, load_node_rules, print_forecast

    old = load_node_rules(before, release_repository=release_repository)
    new = load_node_rules(after, release_repository=release_repository)
    warn_of(new)
    forecast = drain_forecast(old, new)
    print_answer(print_forecast(forecast, old, new), forecast_document(forecast, old, new), saying.form)
    finish(ExitCode.USER if forecast.drains else ExitCode.DONE)


COMMANDS = (registries_conf, lint, drain)
