"""``airferry cluster``: registries-conf, lint, drain."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import FILE, FOLDER, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airferry.app.cluster.node_rules import NodeRules, Trap

INPUT = click.Path(path_type=Path, dir_okay=False, allow_dash=True)

FILES = click.argument("files", metavar="FILE...", nargs=-1, required=True, type=INPUT)

RELEASE_REPOSITORY = click.option(
    "--release-repository",
    metavar="REPOSITORY",
    default="quay.io/openshift-release-dev/ocp-release",
    show_default=True,
    help="Repository of the cluster's release image, which is never blocked without a mirror.",
)


def warn_of(found: "NodeRules", traps: "Sequence[Trap] | None" = None) -> None:
    """Print the traps (or ``traps`` alone), and what was passed over, on stderr."""
    for line in found.warnings(traps):
        print(f"warning: {line}", file=sys.stderr)


@click.command("registries-conf", cls=OcCommand)
@FILES
@RELEASE_REPOSITORY
@click.option("--to-dir", type=FOLDER, help="Write every file that nodes get below this folder, by its path there.")
@click.option(
    "--form",
    type=click.Choice(["openshift", "containerd", "k3s"]),
    default="openshift",
    show_default=True,
    help="Whose nodes: containerd gets certs.d/HOST/hosts.toml, k3s (and RKE2) registries.yaml.",
)
@click.option("--certificate-authority", type=FILE, help="CA certificate of the mirrors, for containerd and k3s.")
@click.option(
    "-a", "--registry-config", "--authfile", "registry_config", type=FILE, help="Credentials of the mirrors, for k3s."
)
@click.option(
    "--show-secrets", is_flag=True, help="Print passwords on stdout; files that are written always hold them."
)
@says()
def registries_conf(
    saying: OutputOptions,
    files: tuple[Path, ...],
    release_repository: str,
    to_dir: Path | None,
    form: str,
    certificate_authority: Path | None,
    registry_config: Path | None,
    show_secrets: bool,
) -> None:
    """Print registries.conf as a cluster's nodes get it.

    FILEs hold ImageDigestMirrorSet, ImageTagMirrorSet, ImageContentSourcePolicy, Image, ClusterImagePolicy and
    ImagePolicy objects, as YAML or JSON, or they are install-config.yaml, whose mirrors count as the objects they
    become; - is stdin. A node's own registries.conf is read as well, with the drop-ins beside it. Exits with 3 when
    --form leaves mirrors out that it cannot say, each with a warning, and with 1 when nothing would be left.

    \b
    Examples:
      airferry cluster registries-conf imageDigestMirrorSet.yaml imageTagMirrorSet.yaml
      oc get imagedigestmirrorsets,imagetagmirrorsets,images.config -o yaml | airferry cluster registries-conf -
      airferry cluster registries-conf install-config.yaml --to-dir node-files
      airferry cluster registries-conf mirrors.yaml --form k3s -a auth.json --certificate-authority ca.crt --to-dir node
    """
    from airferry.app.cluster.node_rules import load_node_rules, rules_document, write_node_files

    found = load_node_rules(files, release_repository=release_repository)
    if form != "openshift":
        _plain(saying, found, PlainOptions(form, certificate_authority, registry_config, show_secrets), to_dir)
        return
    warn_of(found)
    if certificate_authority is not None or registry_config is not None:
        raise UsageError(
            "OpenShift's nodes get CAs and credentials from elsewhere than registries.conf",
            hint="--certificate-authority and -a go with --form containerd or --form k3s",
        )
    texts = found.config.files()
    if to_dir is None:
        print_answer(texts["etc/containers/registries.conf"], rules_document(found), saying.form)
        return
    written = run(write_node_files(to_dir, texts))
    print_answer("".join(f"Wrote {path}\n" for path in written), rules_document(found), saying.form)


@dataclass(frozen=True, slots=True)
class PlainOptions:
    """What the forms of plain Kubernetes need besides the rules."""

    form: str
    certificate_authority: Path | None
    registry_config: Path | None
    show_secrets: bool


def _plain(saying: OutputOptions, found: "NodeRules", options: PlainOptions, to_dir: Path | None) -> None:
    from airferry.app.cluster.node_rules import files_document
    from airferry.app.cluster.plain_kubernetes import plain_form, print_files, traps_of_form, write_plain

    warn_of(found, traps_of_form(found, options.form))
    asked = (found, options.form, options.certificate_authority, options.registry_config)
    made = plain_form(*asked, hide_secrets=not options.show_secrets)
    for line in made.unsaid:
        print(f"warning: {line}", file=sys.stderr)
    document = {"files": files_document(made.files), "unsaid": list(made.unsaid), "lost": list(made.lost)}
    if to_dir is None:
        print_answer(print_files(made.files), document, saying.form)
    else:
        written = run(write_plain(to_dir, plain_form(*asked, hide_secrets=False).files))
        print_answer("".join(f"Wrote {path}\n" for path in written), document, saying.form)
    finish(ExitCode.GAPS if made.lost else ExitCode.DONE)


@click.command("lint", cls=OcCommand)
@FILES
@RELEASE_REPOSITORY
@click.option("--ignore", metavar="CODE", multiple=True, help="Do not report this trap; may be repeated.")
@says()
def lint(saying: OutputOptions, files: tuple[Path, ...], release_repository: str, ignore: tuple[str, ...]) -> None:
    """Find traps in what a cluster is told about its mirrors.

    Exits with 1 when a trap is found, which CODE names, and when no FILE holds anything that could have one.

    \b
    Example:
      airferry cluster lint imageDigestMirrorSet.yaml imageTagMirrorSet.yaml
    """
    from airferry.app.cluster.node_rules import check_codes, load_node_rules, print_traps, require_rules, traps_document

    check_codes(ignore)
    found = load_node_rules(files, release_repository=release_repository)
    require_rules(found, files)
    traps = tuple(trap for trap in found.traps if trap.code not in ignore)
    document = {"warnings": traps_document(traps), "passedOver": list(found.passed_over)}
    print_answer(print_traps(traps), document, saying.form)
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
    from airferry.app.cluster.node_rules import drain_forecast, forecast_document, load_node_rules, print_forecast

    old = load_node_rules(before, release_repository=release_repository)
    new = load_node_rules(after, release_repository=release_repository)
    known = set(old.traps)
    warn_of(new, [trap for trap in new.traps if trap not in known])
    forecast = drain_forecast(old, new)
    print_answer(print_forecast(forecast, old, new), forecast_document(forecast, old, new), saying.form)
    finish(ExitCode.USER if forecast.drains else ExitCode.DONE)


COMMANDS = (registries_conf, lint, drain)
