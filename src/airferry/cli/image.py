"""``airferry image``: mirror, copy, info, extract; prune is in a module of its own."""

from typing import Any

import click

from airferry.cli.command import SETTINGS, OcGroup, finish, run
from airferry.cli.image_prune import prune
from airferry.cli.options import FOLDER, OutputOptions, ReadOptions, SideOptions, has_two_sides, reads_registries, says
from airferry.cli.output import print_answer
from airferry.cli.release import host_architecture
from airferry.cli.session import session
from airferry.errors import UsageError


@click.group("image", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Mirror, copy, look at, extract and prune any image."""


_FILTER = click.option(
    "--filter-by-os", default="", metavar="REGEX", help="Only platforms of lists that match, as OS/ARCH[/VARIANT]."
)
_KEEP_LIST = click.option(
    "--keep-manifest-list", is_flag=True, help="With --filter-by-os: keep the list and its digest, lacking children."
)
_COPYING = [
    click.option("--dry-run", is_flag=True, help="Say what would be done."),
    click.option("--no-attachments", is_flag=True, help="Leave out signatures, attestations and referrers."),
    click.option("--refresh", is_flag=True, help="Ask the destination for everything, whatever is remembered."),
    click.option(
        "--force", is_flag=True, help="Plan as if nothing were there; blobs that DST says it holds are still not sent."
    ),
    click.option("--allow-unverified", is_flag=True, help="Load a disk whose release was copied unverified."),
    click.option("--private", is_flag=True, help="Make files on a disk readable by their owner alone."),
    click.option(
        "--max-nested-paths",
        type=click.IntRange(1, 64),
        metavar="N",
        help="Join the last parts of names in destination registries with '-', so that names have at most N parts.",
    ),
    click.option("--max-per-registry", type=click.IntRange(1, 64), default=6, show_default=True, help="Workers."),
]
_LIST_FORMAT = click.option(
    "--list-format",
    type=click.Choice(["plain", "mapping", "skopeo", "regsync", "hauler"]),
    help="Format of the lists, where it cannot be told from what they hold.",
)
_GAPS = [
    click.option("--skip-missing", is_flag=True, help="Go on without sources that do not exist (exit 3)."),
    click.option("--continue-on-error", is_flag=True, help="Go on past every failure (exit 3)."),
]


def _copies(function: Any) -> Any:
    for option in reversed([*_GAPS, *_COPYING]):
        function = option(function)
    return function


@command.command("mirror")
@click.argument("mappings", nargs=-1, metavar="SRC DST [DST…] | SRC=DST…")
@click.option("-f", "--filename", multiple=True, metavar="FILE", help="List or mapping file; '-' is stdin.")
@click.option("--to", metavar="DEST", help="Where the images of a list go; fields as in {repository}:{tag} are filled.")
@_LIST_FORMAT
@click.option("--dir", "tree", type=FOLDER, help="Folder that file:// names live in.")
@click.option("--from-dir", "source_tree", type=FOLDER, help="Folder that file:// names of sources live in.")
@_FILTER
@_KEEP_LIST
@click.option("--skip-mount", is_flag=True, help="Do not take blobs over from other repositories of a registry.")
@click.option("--skip-multiple-scopes", is_flag=True, hidden=True, help="Taken for oc's sake; always so.")
@click.option("--max-registry", type=int, hidden=True, help="Taken for oc's sake.")
@_copies
@reads_registries
@has_two_sides
@says()
def mirror(**options: Any) -> None:
    """Mirror images between registries and disks; lists are copied whole.

    \b
    Examples:
      airferry image mirror quay.io/org/app:1.2 mirror.example.com:8443/org/app:1.2
      airferry image mirror --from-dir /media/usb "file://openshift/release:4.12.0*" mirror.lan:8443/ocp4/openshift4
      airferry image mirror -f mapping.txt --skip-missing
      airferry image mirror -f skopeo-sync.yaml --to "mirror.example.com:8443/{registry}/{repository}:{tag}"
    """
    run(_mirror(**options))


async def _mirror(reading: ReadOptions, sides: SideOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.copies.copying import CopyOptions
    from airferry.app.images.image_lists import ListFiles
    from airferry.app.images.mirror_images import MirrorImages, mirror_images, parse_filter, tolerance

    asked = MirrorImages(
        arguments=options["mappings"],
        lists=ListFiles(files=options["filename"], form=options["list_format"], to=options["to"]),
        settles_platforms=bool(options["filter_by_os"]),
        tree=options["tree"],
        source_tree=options["source_tree"],
        platforms=parse_filter(options["filter_by_os"], keep_manifest_list=options["keep_manifest_list"]),
        allow_unverified=options["allow_unverified"],
        max_nested_paths=options["max_nested_paths"],
        options=CopyOptions(
            dry_run=options["dry_run"],
            attachments=not options["no_attachments"],
            refresh=options["refresh"],
            tolerance=tolerance(skip_missing=options["skip_missing"], go_on=options["continue_on_error"]),
            force=options["force"],
            mount=not options["skip_mount"],
            workers=options["max_per_registry"],
        ),
    )
    async with session(reading, saying, sides, private=options["private"]) as (places, narrator):
        report = await mirror_images(asked, places, narrator)
    print_answer("".join(f"{line}\n" for line in report.lines), report.to_json(), saying.form)
    for line in report.gap_lines:
        narrator.warn(line)
    finish(report.exit_code)


@command.command("copy")
@click.argument("names", nargs=-1, metavar="SOURCE DESTINATION | --list FILE DESTINATION")
@click.option("--list", "lists", multiple=True, metavar="FILE", help="Copy the images of this list; '-' is stdin.")
@_LIST_FORMAT
@click.option("--all", "all_", is_flag=True, hidden=True, help="Taken for skopeo's sake; lists are always whole.")
@click.option("--preserve-digests", is_flag=True, hidden=True, help="Taken for skopeo's sake; always so.")
@click.option("--dir", "tree", type=FOLDER, help="Folder that file:// names live in.")
@_FILTER
@_KEEP_LIST
@_copies
@reads_registries
@has_two_sides
@says()
def copy(names: tuple[str, ...], lists: tuple[str, ...], **options: Any) -> None:
    """Copy one image, whole and with its digest, from SOURCE to DESTINATION, or all images of a list below it.

    \b
    Examples:
      airferry image copy quay.io/org/app:1.2 mirror.example.com:8443/org/app:1.2
      airferry image copy docker://quay.io/org/app:1.2 oci:///tmp/app:1.2
      airferry image copy --list images.txt mirror.example.com:8443
      airferry image copy --list hauler.yaml --dir /media/usb "file://{name}:{tag}"
    """
    if lists and len(names) != 1:
        raise UsageError("with --list, image copy takes one destination", hint="see 'airferry image copy --help'")
    if not lists and len(names) != 2:
        raise UsageError("image copy takes one source and one destination", hint="see 'airferry image copy --help'")
    if not lists and ("=" in names[0] or "*" in names[0]):
        raise UsageError("image copy takes one source and one destination", hint="use `airferry image mirror`")
    for name in ("all_", "preserve_digests"):
        options.pop(name)
    run(
        _mirror(
            **options,
            mappings=() if lists else names,
            filename=lists,
            to=names[0] if lists else None,
            source_tree=None,
            skip_mount=False,
        )
    )


@command.command("info")
@click.argument("images", nargs=-1, required=True)
@click.option("--dir", "--from-dir", "tree", type=FOLDER, help="Folder that file:// names live in.")
@click.option("--show-multiarch", is_flag=True, help="Show every image of a list.")
@_FILTER
@reads_registries
@says()
def info(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    """Show what IMAGES are, wherever they are; tags may hold wildcards.

    \b
    Examples:
      airferry image info quay.io/org/app:1.2
      airferry image info --dir /media/usb "file://openshift/release:*-installer"
      airferry image info oci:///tmp/app:1.2 -o json
    """
    run(_info(reading, saying, **options))


async def _info(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.images.image_info import image_info, print_images
    from airferry.app.images.mirror_images import parse_filter

    wanted = options["filter_by_os"]
    platforms = parse_filter(wanted, keep_manifest_list=False)
    every = options["show_multiarch"] or wanted == ".*"
    async with session(reading, saying) as (places, _):
        found = await image_info(
            options["images"], places, tree=options["tree"], platforms=platforms, all_platforms=every
        )
    documents = [image.to_json() for image in found]
    print_answer(print_images(found), documents[0] if len(documents) == 1 else documents, saying.form)


@command.command("extract")
@click.argument("image", metavar="IMAGE[LAYERS]")
@click.option("--path", "paths", multiple=True, metavar="SRC:DST", help="What to extract, and the folder it goes to.")
@click.option("--file", "files", multiple=True, metavar="FILE", help="Extract this file to the current folder.")
@click.option("--dir", "--from-dir", "tree", type=FOLDER, help="Folder that file:// names live in.")
@click.option("--all-layers", is_flag=True, help="Read every layer; always so.")
@click.option("--only-files", is_flag=True, help="Leave out symbolic links.")
@click.option("--confirm", is_flag=True, help="Extract into folders that are not empty.")
@click.option("--dry-run", is_flag=True, help="List what would be extracted.")
@click.option("--allow-unverified", is_flag=True, help="Read from a release that was copied unverified.")
@_FILTER
@reads_registries
@says()
def extract(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    """Extract files of IMAGE into folders, never outside of them.

    \b
    Examples:
      airferry image extract quay.io/org/app:1.2 --path /usr/bin/app:/tmp/bin
      airferry image extract --dir /media/usb "file://org/app:1.2[-1]" --path /:/tmp/top-layer --dry-run
    """
    run(_extract(reading, saying, **options))


async def _extract(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.images.image_extract import ImageExtract, image_extract
    from airferry.app.images.mirror_images import parse_filter

    wanted = options["filter_by_os"] or f"^linux/{host_architecture()}"
    platforms = parse_filter(wanted, keep_manifest_list=False) or parse_filter("/", keep_manifest_list=False)
    assert platforms is not None, "a slash filters, so there is a filter"
    asked = ImageExtract(
        image=options["image"],
        paths=options["paths"],
        files=options["files"],
        tree=options["tree"],
        platforms=platforms,
        allow_unverified=options["allow_unverified"],
        only_files=options["only_files"],
        confirm=options["confirm"],
        dry_run=options["dry_run"],
    )
    async with session(reading, saying) as (places, narrator):
        found = await image_extract(asked, places)
        for note in found.notes:
            narrator.warn(note)
    text = "".join(f"{entry.line()}\n" for entry in found.entries) if options["dry_run"] else ""
    document = {"files": [str(entry.name) for entry in found.entries], "notes": list(found.notes)}
    print_answer(text, document, saying.form)


command.add_command(prune)
