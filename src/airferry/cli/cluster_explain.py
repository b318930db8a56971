"""``airferry cluster explain``."""

from pathlib import Path

import click

from airferry.cli.cluster_rules import INPUT, RELEASE_REPOSITORY, warn_of
from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import FILE, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.cli.progress import ProgressForm, new_narrator
from airferry.cli.release import host_architecture


@click.command("explain", cls=OcCommand)
@click.argument("image", metavar="REF")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=INPUT)
@click.option("--registries-conf", type=FILE, help="A node's registries.conf, instead of FILEs.")
@click.option("-a", "--registry-config", "--authfile", "registry_config", type=FILE, help="The cluster's pull secret.")
@click.option("--certificate-authority", type=FILE, help="CA certificate that the nodes trust besides the system's.")
@click.option("--probe", is_flag=True, help="Try the pull at each place, and say which one a node takes.")
@click.option(
    "--arch",
    "architecture",
    default=host_architecture,
    show_default="this machine's",
    help="With --probe: architecture of the nodes, where the image is for several.",
)
@RELEASE_REPOSITORY
@says()
def explain(
    saying: OutputOptions,
    image: str,
    files: tuple[Path, ...],
    registries_conf: Path | None,
    registry_config: Path | None,
    certificate_authority: Path | None,
    probe: bool,
    architecture: str,
    release_repository: str,
) -> None:
    """Explain where a node pulls REF from: table, places in order, bars, credentials.

    FILEs are as for `registries-conf`; without any, this machine's own registries.conf counts. For each place it is
    said whether it is barred and why, which entry of the pull secret is used, and which CA; an install-config.yaml
    among FILEs gives its pullSecret and additionalTrustBundle. With --probe the pull is tried at each place, manifest
    and layers, as `airferry verify` tries it. Exits with 0 when a place is left, with --probe when a node gets the
    image; with 3 when that cannot be told, else with 1.

    \b
    Examples:
      airferry cluster explain quay.io/openshift-release-dev/ocp-release:4.18.1-x86_64 imageDigestMirrorSet.yaml
      airferry cluster explain registry.redhat.io/ubi9:latest install-config.yaml -a pull-secret.json --probe
    """
    from airferry.app.cluster.pull_explanation import explain_pull, node_rules, probe_pull, traps_about
    from airferry.app.cluster.pull_explanation_text import explanation_document, print_explanation

    given = (*files, *([registries_conf] if registries_conf is not None else ()))
    found = node_rules(given, release_repository=release_repository)
    traps = traps_about(image, found)
    warn_of(found, traps)
    explanation, access = explain_pull(image, found, registry_config, certificate_authority)
    if probe:
        narrator = new_narrator(ProgressForm(saying.progress))
        narrator.phase("asking places", steps=len(explanation.places))
        try:
            explanation = run(probe_pull(explanation, access, architecture))
        finally:
            narrator.done()
    print_answer(print_explanation(explanation), explanation_document(explanation, traps), saying.form)
    finish(explanation.exit_code)
