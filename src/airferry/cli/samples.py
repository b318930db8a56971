"""``airferry samples``: list, mirror, config."""

from typing import Any

import click

from airferry.cli.command import SETTINGS, OcGroup, finish, run
from airferry.cli.options import (
    FOLDER,
    OutputOptions,
    ReadOptions,
    SideOptions,
    has_two_sides,
    reads_registries,
    says,
)
from airferry.cli.output import print_answer
from airferry.cli.samples_config import config
from airferry.cli.samples_options import ALLOW_UNVERIFIED, ARCH, FROM_DIR, samples_source
from airferry.cli.session import session
from airferry.errors import ExitCode


@click.group("samples", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """List, mirror and configure what the Cluster Samples Operator imports."""


_ALL_ARCHITECTURES = click.option("--all-architectures", is_flag=True, help="Take the streams of every architecture.")
_SELECT = click.option(
    "--select",
    "selected",
    multiple=True,
    metavar="KEY=GLOB[,…]",
    help="Take only tags with this stream=, tag= and registry=; may be repeated, for more.",
)


@command.command("list")
@click.argument("source")
@_SELECT
@click.option("--sizes", is_flag=True, help="Read the manifest of every image, and show how large it is.")
@FROM_DIR
@ALLOW_UNVERIFIED
@ARCH
@_ALL_ARCHITECTURES
@reads_registries
@says("images")
def list_(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    """Show the image streams of SOURCE: stream, tag, image, architecture, and whose it is.

    SOURCE is a release (a version or a reference), a folder or file of ImageStreams (./DIR, FILE.json), what `oc get is
    -n openshift -o json` printed, the ConfigMap imagestreamtag-to-image, or - for any of these on stdin. With
    --from-dir, file:// names the samples on a disk. What comes with the release is shown, and left out of -o images.

    \b
    Examples:
      airferry samples list 4.12.0 -a pull-secret.json
      airferry samples list ./imagestreams --select 'stream=nodejs,tag=20-*' -o images
      oc get is -n openshift -o json | airferry samples list - --sizes -a pull-secret.json
    """
    run(_list(reading, saying, **options))


async def _list(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.samples.list_samples import list_samples

    async with session(reading, saying) as (places, narrator):
        selected = options["selected"]
        listed = await list_samples(samples_source(options), selected, places, narrator, with_sizes=options["sizes"])
        for gap in listed.gaps:
            narrator.warn(f"{gap.request.name}: {gap.reason}")
    text = listed.images_text if saying.output == "images" else listed.text()
    print_answer(text, listed.to_json(), saying.form)
    finish(ExitCode.GAPS if listed.gaps else ExitCode.DONE)


@command.command("mirror")
@click.argument("source")
@click.argument("destination")
@_SELECT
@FROM_DIR
@ALLOW_UNVERIFIED
@click.option("--dir", "--to-dir", "disk", type=FOLDER, help="Disk that a DESTINATION of file:// is on.")
@click.option("--to-manifests", "manifests_dir", type=FOLDER, help="Folder for the mapping and the ledger.")
@ARCH
@_ALL_ARCHITECTURES
@click.option("--no-attachments", is_flag=True, help="Leave out Sigstore signatures, attestations and referrers.")
@click.option("--private", is_flag=True, help="Make files on the disk readable by their owner alone.")
@click.option("--refresh", is_flag=True, help="Ask the destination for everything, whatever is remembered.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; print what a real run would.")
@click.option("--max-per-registry", type=click.IntRange(1, 64), default=6, show_default=True, help="Workers.")
@reads_registries
@has_two_sides
@says()
def mirror(**options: Any) -> None:
    """Mirror the images of SOURCE's streams to where the samples operator will import them from.

    DESTINATION is the samplesRegistry, HOST[:PORT][/PATH], or file:// for a disk on the way there. Names are those that
    the operator makes of its pull specs; lists stay whole, tags and digests stay what they are. What has moved or
    vanished since is in the ledger, and the rest is done.

    \b
    Examples:
      airferry samples mirror 4.12.0 file:// --dir /media/usb -a pull-secret.json
      airferry samples mirror --from-dir /media/usb file:// mirror.example.com:8443 -a auth.json
      airferry samples mirror ./imagestreams mirror.example.com:8443/samples --select ruby -a auth.json --dry-run
    """
    run(_mirror(**options))


async def _mirror(reading: ReadOptions, sides: SideOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.copies.copying import CopyOptions
    from airferry.app.samples.mirror_samples import MirrorSamples, mirror_samples

    asked = MirrorSamples(
        source=samples_source(options),
        to=options["destination"],
        disk=options["disk"],
        selected=options["selected"],
        manifests_dir=options["manifests_dir"],
        options=CopyOptions(
            dry_run=options["dry_run"],
            attachments=not options["no_attachments"],
            refresh=options["refresh"],
            workers=options["max_per_registry"],
        ),
    )
    async with session(reading, saying, sides, private=options["private"]) as (places, narrator):
        mirrored = await mirror_samples(asked, places, narrator)
    print_answer(mirrored.text, mirrored.to_json(), saying.form)
    for line in mirrored.ledger_lines:
        narrator.warn(line)
    finish(mirrored.exit_code)


command.add_command(config)
