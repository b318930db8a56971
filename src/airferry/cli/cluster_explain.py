"""``airferry cluster explain``."""

from pathlib import Path

import click

from airferry.cli.cluster_rules import INPUT, RELEASE_REPOSITORY, warn_of
from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import FILE, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.cli.progress import ProgressForm, new_narrator
from airferry.errors import ExitCode


@click.command("explain", cls=OcCommand)
@click.argument("image", metavar="REF")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=INPUT)
@click.option("--registries-conf", type=FILE, help="A node's registries.conf, instead of FILEs.")
@click.option("-a", "--registry-config", "--authfile", "registry_config", type=FILE, help="The cluster's pull secret.")
@click.option("--certificate-authority", type=FILE, help="CA certificate that the nodes trust besides the system's.")
@click.option("--probe", is_flag=True, help="Ask each place for the manifest, and say which one a node takes.")
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
    release_repository: str,
) -> None:
    """Explain where a node pulls REF from: table, places in order, bars, credentials.

    FILEs are as for `registries-conf`; without any, this machine's own registries.conf counts. For each place it is
    said whether it is barred and why, which entry of the pull secret is used, and which CA. With --probe each place
    is asked, without falling back. Exits with 0 when a place is left (with --probe: has the image), else with 1.

    \b
    Examples:
      airferry cluster explain quay.io/openshift-release-dev/ocp-release:4.18.1-x86_64 imageDigestMirrorSet.yaml
      airferry cluster explain registry.redhat.io/ubi9:latest install-config.yaml -a pull-secret.json --probe
    """
    from airferry.app.pull_explanation import (
        explain_pull,
        explanation_document,
        node_rules,
        print_explanation,
        probe_pull,
        traps_about,
    )

    given = (*files, *([registries_conf] if registries_conf is not None else ()))
    found = node_rules(given, release_repository=release_repository)
    traps = traps_about(image, found)
    warn_of(found, traps)
    explanation = explain_pull(image, found, registry_config, certificate_authority)
    if probe:
        narrator = new_narrator(ProgressForm(saying.progress))
        narrator.phase("asking places", steps=len(explanation.places))
        try:
            explanation = run(probe_pull(explanation, certificate_authority))
        finally:
            narrator.done()
    print_answer(print_explanation(explanation), explanation_document(explanation, traps), saying.form)
    finish(ExitCode.DONE if explanation.taken is not None else ExitCode.USER)
