"""``airferry verify``."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from airferry.cli.command import SETTINGS, OcCommand, finish, run
from airferry.cli.options import FILE, FOLDER, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.cli.progress import ProgressForm, new_narrator
from airferry.cli.release import host_architecture
from airferry.errors import UsageError

if TYPE_CHECKING:
    from airferry.app.verifying.verify_samples import SamplesWish


@click.command("verify", cls=OcCommand, context_settings=SETTINGS)
@click.option("--release", metavar="RELEASE", help="Release to install: a version, or a reference.")
@click.option("--install-config", type=FILE, help="Read mirrors, pull secret and CA from this install-config.yaml.")
@click.option("--registries-conf", type=FILE, help="Read mirrors and blocked registries from a node's registries.conf.")
@click.option(
    "--mirror-sets",
    type=FILE,
    multiple=True,
    help="Read mirrors from ImageDigestMirrorSet, ImageTagMirrorSet or ImageContentSourcePolicy files.",
)
@click.option("--pull-secret", type=FILE, help="Pull secret that the nodes will have.")
@click.option("--ca", type=FILE, help="CA certificates that the nodes will trust, as PEM.")
@click.option("--system-cas", is_flag=True, help="Trust this host's CAs as well, for registries with public ones.")
@click.option(
    "--catalog", "catalogs", metavar="REF", multiple=True, help="Operator catalog, as its CatalogSource has it."
)
@click.option("--package", "packages", metavar="NAME", multiple=True, help="With --catalog: only these operators.")
@click.option("--images", type=FILE, help="More images that will be pulled, one on a line.")
@click.option(
    "--platform",
    "platforms",
    metavar="OS/ARCH",
    multiple=True,
    help="Platform of the nodes, may be repeated; by default those of the install-config's pools, else the release's.",
)
@click.option(
    "--arch",
    show_default="that of the install-config's pools, else this machine's",
    help="Architecture that a bare version means, and that is read from a release for several.",
)
@click.option("--from-dir", type=FOLDER, help="Ask this disk instead of the mirror, before it leaves.")
@click.option(
    "--release-file", type=FILE, help="What `release info -o json` printed, where the release cannot be read."
)
@click.option("--installer", type=FILE, help="Check that this openshift-install belongs to the release.")
@click.option("--samples", metavar="SOURCE", help="Image streams that will be imported, as `samples list` takes them.")
@click.option("--samples-dir", type=FOLDER, help="Disk that a --samples of file://, or a bare version, is read from.")
@click.option("--samples-config", type=FILE, help="The samples operator's Config, with its samplesRegistry.")
@click.option("--deep", is_flag=True, help="Fetch and hash every layer instead of asking whether it is there.")
@click.option("--junit", type=FILE, help="Write the answer as JUnit XML, too.")
@says()
def command(saying: OutputOptions, junit: Path | None, **flags: Any) -> None:
    """Answer whether a cluster will be able to pull everything, as its nodes will try, before it is installed.

    Each image is looked for where the nodes' mirror rules say, with the nodes' pull secret and CA and nothing of this
    host: manifest, the image for the platform, configuration, every layer, and the signatures that the release demands.
    With --samples every import of the samples operator is tried too, at its samplesRegistry and without mirror rules.
    Ends with 0 when every image is a yes, 1 when one is a no, 3 when one cannot be told.

    \b
    Examples:
      airferry verify --release 4.12.0 --install-config install-config.yaml
      airferry verify --release 4.12.0 --registries-conf registries.conf --pull-secret auth.json --ca ca.crt
      airferry verify --release 4.12.0 --from-dir /media/usb
      airferry verify --catalog mirror.lan/olm/redhat-operator-index:v4.16 --mirror-sets imageDigestMirrorSet.yaml
      airferry verify --images images.txt --registries-conf registries.conf --pull-secret auth.json --ca ca.crt
      airferry verify --samples 4.12.0 --samples-config samples-config.yaml --pull-secret auth.json --ca ca.crt
    """
    from airferry.app.cluster.node_access import NodeFiles
    from airferry.app.verifying.verify import VerifyRequest, verify
    from airferry.app.verifying.verify_catalog import new_wish
    from airferry.app.verifying.verify_text import check_junit, print_junit, print_report, report_document, write_junit

    if junit is not None:
        check_junit(junit)
    nodes = NodeFiles(**{field.name: flags.pop(field.name) for field in fields(NodeFiles)})
    flags["catalogs"] = new_wish(flags["catalogs"], flags.pop("packages"), flags["from_dir"])
    samples = _samples(flags.pop("samples"), flags.pop("samples_config"), flags.pop("samples_dir"))
    asked = VerifyRequest(
        nodes=nodes,
        architecture=flags.pop("arch"),
        own_architecture=host_architecture(),
        samples=samples,
        **flags,
    )
    narrator = new_narrator(ProgressForm(saying.progress))
    try:
        report = run(verify(asked, narrator))
    finally:
        narrator.done()
    if junit is not None:
        write_junit(junit, print_junit(report))
    print_answer(print_report(report), report_document(report), saying.form)
    finish(report.exit_code)


def _samples(source: str | None, config: Path | None, disk: Path | None) -> "SamplesWish | None":
    from airferry.app.verifying.verify_samples import SamplesWish

    if source is None:
        if config is not None or disk is not None:
            option = "--samples-config" if config is not None else "--samples-dir"
            raise UsageError(f"{option} is for --samples", hint="name the streams: --samples SOURCE")
        return None
    return SamplesWish(source, config, disk)
