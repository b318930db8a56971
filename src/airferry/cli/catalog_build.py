"""``airferry catalog build``."""

from pathlib import Path
from typing import Any

import click

from airferry.cli.catalog_selection import SelectionOptions, selects_operators
from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import FOLDER, OutputOptions, ReadOptions, SideOptions, has_two_sides, reads_registries, says
from airferry.cli.output import print_answer
from airferry.cli.session import session


@click.command("build", cls=OcCommand)
@click.argument("source")
@click.argument("destination")
@selects_operators
@click.option(
    "--base",
    metavar="IMAGE|scratch",
    help="Image with opm to put the catalog on; by default the source's own if it has opm, else scratch: none.",
)
@click.option(
    "--arch",
    "architectures",
    multiple=True,
    metavar="ARCH",
    help="Architecture of a catalog on scratch; by default all that OpenShift runs on, as a list.",
)
@click.option(
    "--bundle-image",
    "bundle_image",
    metavar="TEMPLATE",
    help="Image of bundles that name none, with {package}, {name} and {version} in it.",
)
@click.option("--bundles-to", metavar="REPOSITORY", help="Build images of bundles that name none, into this one.")
@click.option("--to-manifests", "manifests_dir", type=FOLDER, help="Write CatalogSource and ClusterCatalog here.")
@click.option("--name", metavar="NAME", help="Name of these objects; by default after the repository.")
@click.option("--dir", "tree", type=FOLDER, help="Folder that file:// names live in.")
@click.option("--from-dir", "source_tree", type=FOLDER, help="Folder that file:// names of the source live in.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--private", is_flag=True, help="Make files on a disk readable by their owner alone.")
@click.option("--max-per-registry", type=click.IntRange(1, 64), default=6, show_default=True, help="Workers.")
@reads_registries
@has_two_sides
@says()
def build(
    source: str,
    destination: str,
    selection: SelectionOptions,
    reading: ReadOptions,
    sides: SideOptions,
    saying: OutputOptions,
    **options: Any,
) -> None:
    """Build a catalog image at DESTINATION from SOURCE, a catalog in any place or form, or a folder of bundles.

    The same input gives the same digest. The image serves what it holds: opm's cache, which would be of other
    documents, is removed from it.

    \b
    Examples:
      airferry catalog build quay.io/org/catalog:v1 mirror.lan:8443/olm/ours:v1 --package etcd --to-manifests cluster
      airferry catalog build ./our-catalog oci:///media/usb/catalog:v1
      airferry catalog build ./bundles mirror.lan:8443/olm/ours:v1 --bundles-to mirror.lan:8443/olm/bundles
    """
    run(_build(source, destination, selection, reading, sides, saying, **options))


async def _build(
    source: str,
    destination: str,
    selection: SelectionOptions,
    reading: ReadOptions,
    sides: SideOptions,
    saying: OutputOptions,
    **options: Any,
) -> None:
    from airferry.app.catalogs.build_catalog import BuildCatalog, build_catalog
    from airferry.app.catalogs.bundle_images import BundleImages
    from airferry.app.catalogs.make_catalog_image import ARCHITECTURES, CatalogBase

    manifests_dir: Path | None = options["manifests_dir"]
    source_tree: Path | None = options["source_tree"] or options["tree"]
    asked = BuildCatalog(
        source,
        destination,
        selection.to_request(),
        CatalogBase(options["base"], options["architectures"] or ARCHITECTURES, source_tree),
        tree=options["tree"],
        source_tree=options["source_tree"],
        manifests_dir=manifests_dir,
        name=options["name"],
        bundle_images=BundleImages.parse(options["bundle_image"], options["bundles_to"]),
        dry_run=options["dry_run"],
        workers=options["max_per_registry"],
    )
    async with session(reading, saying, sides, private=options["private"]) as (places, narrator):
        report = await build_catalog(asked, places, narrator)
    for line in report.warnings:
        narrator.warn(line)
    print_answer("".join(f"{line}\n" for line in report.lines), report.to_json(), saying.form)
    finish(report.exit_code)
