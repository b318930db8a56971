"""``airferry cluster mirror-sets``."""

from typing import Any

import click

from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import FILE, FOLDER, OutputOptions, ReadOptions, reads_registries, says
from airferry.cli.output import print_answer
from airferry.cli.release import host_architecture
from airferry.cli.session import session


@click.command("mirror-sets", cls=OcCommand)
@click.option(
    "--from-dir", type=FOLDER, help="Disk whose releases (with --to) or images (with -f) were loaded into the mirror."
)
@click.option(
    "--release", "releases", multiple=True, metavar="RELEASE", help="A release that the mirror is asked about."
)
@click.option(
    "--to", metavar="REPOSITORY", help="Repository of the mirror that --from-dir or --release were loaded into."
)
@click.option(
    "--published-at",
    metavar="REPOSITORY",
    default="quay.io/openshift-release-dev/ocp-release",
    show_default=True,
    help="Where --release was published; a disk knows that itself.",
)
@click.option(
    "-f",
    "--filename",
    "mapping_files",
    type=FILE,
    multiple=True,
    help="Mapping file: SRC=DST or SRC DST on each line; with --from-dir also file:// sources. "
    "Of lists in other formats `image copy --list LIST DEST -o json` tells source and destination.",
)
@click.option(
    "--max-nested-paths",
    type=click.IntRange(1, 64),
    metavar="N",
    help="With -f: the N that `image mirror` was given, so that the sets lead to the names it made.",
)
@click.option(
    "--scope",
    type=click.Choice(["repository", "namespace", "registry"]),
    default="repository",
    show_default=True,
    help="How much one entry may stand for; wider ones are made only where they are right for all that was mirrored.",
)
@click.option(
    "--mirror-source-policy",
    type=click.Choice(["AllowContactingSource", "NeverContactSource"]),
    help="Whether nodes may ask the source when no mirror has the image; by default not written, which means they may.",
)
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(["idms", "itms", "icsp", "install-config"]),
    multiple=True,
    default=("idms", "itms"),
    show_default=True,
    help="What to make; may be repeated.",
)
@click.option("--name", default="openshift-release", show_default=True, help="Name of the objects.")
@click.option(
    "--accumulate",
    "accumulated",
    type=FILE,
    multiple=True,
    help="Keep the entries of this file (any kind, or install-config.yaml); may be repeated.",
)
@click.option("--to-dir", type=FOLDER, help="Folder to write the files to; the entries of those there are kept.")
@click.option(
    "--release-version", metavar="X.Y[.Z]", help="With --kind install-config: version of the cluster, where not known."
)
@click.option(
    "--arch",
    "architecture",
    default=host_architecture,
    show_default="this machine's",
    help="Architecture that a bare version means.",
)
@reads_registries
@says()
def mirror_sets(**options: Any) -> None:
    """Make mirror sets of what was really mirrored, keeping what earlier runs put into them.

    The same input gives the same bytes, in whatever order it is given.

    \b
    Examples:
      airferry cluster mirror-sets --from-dir /media/usb --to mirror.example.com:8443/ocp4/openshift4 --to-dir cluster
      airferry cluster mirror-sets --release 4.18.3 --to mirror.example.com:8443/ocp4/openshift4 -a auth.json
      airferry cluster mirror-sets --from-dir /media/usb -f load.txt
      airferry cluster mirror-sets -f mapping.txt --scope namespace --mirror-source-policy NeverContactSource
      airferry cluster mirror-sets --accumulate idms-a.yaml --accumulate idms-b.yaml --kind idms
    """
    run(_mirror_sets(**options))


async def _mirror_sets(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.cluster.cluster_mirror_sets import mirror_sets, new_request

    async with session(reading, saying) as (places, narrator):
        answer = await mirror_sets(new_request(**options), places, narrator)
    print_answer(answer.text(), answer.to_json(), saying.form)
    finish(answer.exit_code)
