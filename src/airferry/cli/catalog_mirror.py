"""``airferry catalog mirror``."""

from dataclasses import fields
from typing import Any

import click

from airferry.cli.catalog_selection import SelectionOptions, selects_operators
from airferry.cli.command import SETTINGS, OcCommand, finish, run
from airferry.cli.options import FOLDER, OutputOptions, ReadOptions, SideOptions, has_two_sides, reads_registries, says
from airferry.cli.output import print_answer
from airferry.cli.session import session

_SCOPE = click.Choice(["repository", "namespace", "registry"])


@click.command("mirror", cls=OcCommand, context_settings=SETTINGS)
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DEST")
@selects_operators
@click.option(
    "--base",
    metavar="IMAGE|scratch",
    help="Image with opm to put a selection on; by default SRC if it has opm, else scratch: none.",
)
@click.option("--max-components", type=int, default=2, show_default=True, help="Parts of a path in DEST; 0: no limit.")
@click.option("--dir", "tree", type=FOLDER, help="Folder that file:// names live in.")
@click.option("--from-dir", type=FOLDER, help="Disk that SRC is read from: as file://NAME, or by its name upstream.")
@click.option("--to-manifests", type=FOLDER, help="Folder for the generated files.")
@click.option("--manifests-only", is_flag=True, help="Write the files, and copy nothing.")
@click.option("--dry-run", is_flag=True, help="Write the files, and say what would be copied.")
@click.option("--name", help="Name of the CatalogSource and ClusterCatalog, instead of the catalog's own.")
@click.option("--idms-scope", type=_SCOPE, default="repository", show_default=True, help="What an entry stands for.")
@click.option("--icsp-scope", type=_SCOPE, default="repository", show_default=True, help="The same, in the ICSP.")
@click.option("--max-idms-size", type=click.IntRange(1), default=250_000, show_default=True, help="Bytes of an object.")
@click.option("--max-icsp-size", type=click.IntRange(1), default=250_000, show_default=True, help="The same, for ICSP.")
@click.option(
    "--index-filter-by-os",
    metavar="REGEX",
    help="Which image of a catalog for several platforms is read, by default linux/amd64; all are mirrored.",
)
@click.option("--filter-by-os", metavar="REGEX", hidden=True, help="Older name of --index-filter-by-os.")
@click.option("--continue-on-error", is_flag=True, hidden=True, help="Taken for oc's sake; always so.")
@click.option("--path", "paths", multiple=True, hidden=True, help="Taken for oc's sake; the image says where it is.")
@click.option("--no-attachments", is_flag=True, help="Leave out signatures, attestations and referrers.")
@click.option("--refresh", is_flag=True, help="Ask the destination for everything, whatever is remembered.")
@click.option(
    "--force", is_flag=True, help="Plan as if nothing were there; blobs that DEST says it holds are still not sent."
)
@click.option("--skip-mount", is_flag=True, help="Do not take blobs over from other repositories of a registry.")
@click.option("--private", is_flag=True, help="Make files on a disk readable by their owner alone.")
@click.option("--max-per-registry", type=click.IntRange(1, 64), default=6, show_default=True, help="Workers.")
@reads_registries
@has_two_sides
@says()
def command(**options: Any) -> None:
    """Mirror the catalog SRC and all that its operators need to DEST: REGISTRY[/NAMESPACE], or file://NAME on a disk.

    What cannot be copied is named, with the operators that lack it (exit 3); the same command again copies what can
    be had by then. Beside the copies it writes mirror sets, a CatalogSource and a ClusterCatalog. With --package and
    the like only those operators and what they need are mirrored, and the catalog at DEST is a new image that holds
    nothing else.

    \b
    Examples:
      airferry catalog mirror registry.redhat.io/redhat/redhat-operator-index:v4.16 mirror.example.com:8443/olm
      airferry catalog mirror registry.redhat.io/redhat/redhat-operator-index:v4.16 file://olm --dir /media/usb
      airferry catalog mirror quay.io/org/catalog:v1 mirror.example.com:8443/olm --package 'etcd@>=0.9.0'
      airferry catalog mirror --from-dir /media/usb registry.redhat.io/redhat/redhat-operator-index:v4.16 mirror.lan/olm
    """
    run(_mirror(**options))


async def _mirror(
    selection: SelectionOptions, reading: ReadOptions, sides: SideOptions, saying: OutputOptions, **options: Any
) -> None:
    from airferry.app.catalogs.catalog_mirror_request import CopyFlags, new_request
    from airferry.app.catalogs.catalog_source import WantedCatalog, parse_index_filter
    from airferry.app.catalogs.mirror_catalog import mirror_catalog

    older, index_filter, paths = (options.pop(name) for name in ("filter_by_os", "index_filter_by_os", "paths"))
    private = options.pop("private")
    options.pop("continue_on_error")
    copying = CopyFlags(**{field.name: options.pop(field.name) for field in fields(CopyFlags)})
    source = WantedCatalog(
        options.pop("source"),
        options.pop("tree"),
        options.pop("from_dir"),
        parse_index_filter(older or index_filter) if older or index_filter else None,
        selection.to_request(),
        options.pop("base"),
    )
    asked = new_request(source, options.pop("destination"), copying, **options)
    async with session(reading, saying, sides, private=private) as (places, narrator):
        if older:
            narrator.warn("Flag --filter-by-os has been deprecated, use --index-filter-by-os instead")
        if paths:
            narrator.warn("--path does nothing here: the image's label says where its catalog is")
        mirrored = await mirror_catalog(asked, places, narrator)
    print_answer(mirrored.text(), mirrored.to_json(), saying.form)
    for line in mirrored.warnings:
        narrator.warn(line)
    finish(mirrored.exit_code)
