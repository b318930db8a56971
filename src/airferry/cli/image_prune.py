"""``airferry image prune``."""

from pathlib import Path
from typing import Any

import click

from airferry.cli.command import OcCommand, run
from airferry.cli.options import FOLDER, OutputOptions, ReadOptions, reads_registries, says
from airferry.cli.output import print_answer
from airferry.cli.session import session


@click.command("prune", cls=OcCommand)
@click.argument("places", nargs=-1, required=True, metavar="PLACE…")
@click.option("--dir", "tree", type=FOLDER, help="Folder that file:// names live in.")
@click.option("--keep", multiple=True, metavar="NAME", help="What stays: REPOSITORY[:TAG|@DIGEST], * for any letters.")
@click.option(
    "--keep-list", "lists", multiple=True, metavar="FILE", help="What stays: all that a list or mapping file names."
)
@click.option("--to", metavar="DEST", help="Where the images of these lists were mirrored to, as for image mirror.")
@click.option(
    "--list-format",
    type=click.Choice(["plain", "mapping", "skopeo", "regsync", "hauler"]),
    help="Format of the lists, where it cannot be told from what they hold.",
)
@click.option(
    "--max-nested-paths",
    type=click.IntRange(1, 64),
    metavar="N",
    help="The N that `image mirror` was given for these lists, so that the names it made stay.",
)
@click.option(
    "--keep-releases", type=FOLDER, multiple=True, metavar="DISK", help="What stays: the releases that a disk records."
)
@click.option(
    "--drop-release", multiple=True, metavar="VERSION", help="Let a release go that the disk's own record would keep."
)
@click.option("--empty-repositories", is_flag=True, help="Also empty repositories in which nothing is wanted.")
@click.option("--confirm", is_flag=True, help="Remove it; without this flag, only say what would go.")
@reads_registries
@says()
def prune(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    """Remove from a registry or disk what no wanted set refers to; only with --confirm, else say what would go.

    PLACE is HOST[:PORT][/PATH], file://[PATH] under --dir, or oci://DIR. Releases that a disk records stay, and so do
    images with a tag that begins with airferry-pin. Signatures and referrers live and die with their image.

    \b
    Examples:
      airferry image prune mirror.example.com:8443 --keep-list images.txt --to mirror.example.com:8443
      airferry image prune mirror.example.com:8443/apps --keep "mirror.example.com:8443/apps/*:v2.*" --confirm
      airferry image prune --dir /media/usb file:// --drop-release 4.12.0
    """
    run(_prune(reading, saying, **options))


async def _prune(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.images.image_lists import ListFiles
    from airferry.app.images.prune_images import PruneImages, prune_images

    tree: Path | None = options["tree"]
    asked = PruneImages(
        places=options["places"],
        tree=tree,
        keep=options["keep"],
        lists=ListFiles(files=options["lists"], form=options["list_format"], to=options["to"]),
        max_nested_paths=options["max_nested_paths"],
        release_disks=options["keep_releases"],
        dropped_releases=options["drop_release"],
        may_empty=options["empty_repositories"],
        confirm=options["confirm"],
    )
    async with session(reading, saying) as (places, narrator):
        report = await prune_images(asked, places, narrator)
    print_answer(report.text, report.to_json(), saying.form)
    if report.dry_run and report.removal.repositories:
        narrator.note("nothing was removed; the same command with --confirm removes it")
    elif report.removal.repositories and not report.at_once:
        narrator.note(
            "the registry frees the bytes when it collects garbage: `airferry registry gc` on its host; "
            "`registry garbage-collect` for distribution"
        )
