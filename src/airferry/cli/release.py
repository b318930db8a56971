"""``airferry release``: info, mirror, extract."""

import platform
import sys
from typing import Any

import click

from airferry.cli.command import SETTINGS, OcGroup, finish, run
from airferry.cli.options import (
    FILE,
    FOLDER,
    OutputOptions,
    ReadOptions,
    SideOptions,
    has_two_sides,
    reads_registries,
    says,
)
from airferry.cli.output import print_answer
from airferry.cli.session import session
from airferry.errors import UsageError

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def host_architecture() -> str:
    """Return this machine's architecture as image configs spell it."""
    machine = platform.machine()
    return _MACHINES.get(machine, machine)


@click.group("release", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Look at, mirror and extract OpenShift releases."""


_ARCH = click.option(
    "--arch",
    default=host_architecture,
    show_default="this machine's",
    help="Architecture that a bare version means, and that is read from a release for several.",
)


@command.command("info")
@click.argument("release")
@click.argument("other", required=False)
@click.option("--changes-from", metavar="RELEASE", help="Compare from this release to RELEASE.")
@click.option("--pullspecs", is_flag=True, help="Show where each image is pulled from.")
@click.option("--size", is_flag=True, help="Show layers and sizes of each image.")
@click.option("--commits", is_flag=True, help="Show repository and commit of each image.")
@click.option("--commit-urls", is_flag=True, help="Show a link to the commit of each image.")
@click.option("--contents", is_flag=True, help="Show the manifests that the release applies.")
@click.option("--verify", is_flag=True, help="Read every image, then print one line for the release (no signatures).")
@click.option("--include-images", is_flag=True, help="With -o json: read every image's configuration.")
@click.option("--image-for", metavar="COMPONENT", help="Show only this component's pull spec.")
@click.option("--dir", "--from-dir", "disk", type=FOLDER, help="Folder that file:// names live in; a disk.")
@_ARCH
@reads_registries
@says("name", "digest", "pullspec")
def info(**options: Any) -> None:
    """Show what RELEASE consists of, or what differs between RELEASE and OTHER.

    \b
    Examples:
      airferry release info 4.12.0
      airferry release info --from-dir /media/usb 4.12.0
      airferry release info quay.io/openshift-release-dev/ocp-release:4.12.0-x86_64 --pullspecs
      airferry release info 4.12.0 --image-for installer
      airferry release info 4.11.23 4.12.0
    """
    shown = [name for name in _SHOWN if options[name]]
    if len(shown) + (options["image_for"] is not None) > 1:
        raise UsageError(
            "only one of --commits, --commit-urls, --pullspecs, --contents, --size, --verify, --image-for may be "
            "specified"
        )
    if options["changes_from"] is not None and options["other"] is not None:
        raise UsageError("give two releases, or --changes-from, not both")
    run(_info(**options, shown=shown[0] if shown else "digests"))


_SHOWN = ("commits", "commit_urls", "pullspecs", "contents", "size", "verify")


async def _info(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.releases.release_info import IMAGE_TABLES, InfoRequest, release_info, release_name

    release, other, older = options["release"], options["other"], options["changes_from"]
    asked = InfoRequest(
        release=release if older is None else older,
        architecture=options["arch"],
        other=other if older is None else release,
        disk=options["disk"],
        table=IMAGE_TABLES[options["shown"]],
        contents=options["contents"],
        verify=options["verify"],
        include_images=options["include_images"],
        image_for=options["image_for"],
    )
    is_one_word = saying.output in ("name", "digest", "pullspec")
    if is_one_word and (asked.image_for is not None or asked.other is not None):
        raise UsageError(f"-o {saying.output} is for one release, not for --image-for or for two")
    async with session(reading, saying) as (places, _):
        if is_one_word:
            print_answer((await release_name(asked, places))[saying.output], None, saying.form)
            return
        answer = await release_info(asked, places)
        print_answer(answer.text, answer.document, saying.form)


@command.command("mirror")
@click.argument("release", required=False)
@click.option("--from", "source", metavar="RELEASE", help="The release, as the argument.")
@click.option("--from-dir", type=FOLDER, help="Disk that a file:// release, or a bare version, is read from.")
@click.option("--to", metavar="REPOSITORY", help="Repository to mirror to: REGISTRY/PATH, or file://PATH.")
@click.option("--to-dir", type=FOLDER, help="Disk to mirror to.")
@click.option("--to-release-image", metavar="REFERENCE", help="Where the release image itself goes, with a tag.")
@click.option("--skip-release-image", is_flag=True, help="Mirror the components only.")
@click.option("--to-mirror", is_flag=True, help="Print SOURCE DESTINATION lines and stop.")
@click.option(
    "--mirror-registry",
    metavar="REPOSITORY",
    help="With --to-dir: the repository the disk will be loaded into, for the generated files.",
)
@click.option("--keep-manifest-list", is_flag=True, help="Taken for oc's sake; lists are always kept whole.")
@click.option("--print-mirror-instructions", default="icsp", show_default=True, help="icsp, idms or none.")
@click.option("--release-image-signature-to-dir", type=FOLDER, help="Folder for the signature ConfigMap.")
@click.option("--manifests-dir", type=FOLDER, help="Folder for the generated files.")
@click.option("--verification-key", type=FILE, multiple=True, help="OpenPGP key to trust instead of Red Hat's.")
@click.option("--signature-store", metavar="URL|FOLDER", multiple=True, help="Where signatures are looked up.")
@click.option("--allow-unverified", is_flag=True, help="Mirror although no signature verifies; kept on record.")
@click.option("--no-attachments", is_flag=True, help="Leave out Sigstore signatures, attestations and referrers.")
@click.option("--with-tool", is_flag=True, help="Put the airferry executable on the disk, for the far side.")
@click.option("--private", is_flag=True, help="Make files on the disk readable by their owner alone.")
@click.option("--refresh", is_flag=True, help="Ask the destination for everything, whatever is remembered.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; print what a real run would.")
@click.option("--max-per-registry", type=click.IntRange(1, 64), default=6, show_default=True, help="Workers.")
@click.option("--apply-release-image-signature", "in_cluster", flag_value="apply", hidden=True)
@click.option("--overwrite", "in_cluster", flag_value="overwrite", hidden=True)
@click.option("--to-image-stream", hidden=True)
@_ARCH
@reads_registries
@has_two_sides
@says()
def mirror(**options: Any) -> None:
    """Mirror RELEASE, whole and verified, to a disk or a registry.

    The same command again goes on where an earlier run stopped.

    \b
    Examples:
      airferry release mirror 4.12.0 -a pull-secret.json --to-dir /media/usb
      airferry release mirror --from-dir /media/usb 4.12.0 --to mirror.example.com:8443/ocp4/openshift4 -a auth.json
      airferry release mirror 4.12.0 -a pull-secret.json --to mirror.example.com:8443/ocp4/openshift4 --dry-run
    """
    if options.pop("in_cluster") or options.pop("to_image_stream", None):
        raise UsageError(
            "this needs a cluster, and airferry does not talk to one",
            hint="mirror with --release-image-signature-to-dir DIR, then `oc apply -f DIR` on the cluster",
        )
    options.pop("to_image_stream", None)
    run(_mirror(**options))


async def _mirror(reading: ReadOptions, sides: SideOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.releases.mirror_release import mirror_release, release_mapping
    from airferry.app.releases.release_request import new_request

    asked = new_request(**options)
    async with session(reading, saying, sides, private=options["private"]) as (places, narrator):
        if options["to_mirror"]:
            mapping = await release_mapping(asked, places)
            pairs = [line.split() for line in mapping.splitlines()]
            document = [{"source": source, "destination": destination} for source, destination in pairs]
            print_answer(mapping, document, saying.form)
            return
        mirrored = await mirror_release(asked, places, narrator)
    print_answer(mirrored.text, mirrored.to_json(), saying.form)
    for line in mirrored.copy.gap_lines:
        narrator.warn(line)
    finish(mirrored.copy.exit_code)


@command.command("extract")
@click.argument("release", required=False)
@click.option("--from", "source", metavar="RELEASE", help="The release, as the argument.")
@click.option("--to", type=FOLDER, default=".", show_default=True, help="Folder to extract to.")
@click.option("--command", "tool", metavar="NAME", help="Extract this tool, such as openshift-install or oc.")
@click.option(
    "--command-os",
    default="linux",
    show_default=True,
    help="linux, mac (or macOS, darwin), windows, OS/ARCH, or '*' for archives of all.",
)
@click.option("--tools", is_flag=True, help="Extract all tools for --command-os as archives.")
@click.option("--file", "file", metavar="NAME", help="Print one file of the release on stdout.")
@click.option("--dir", "--from-dir", "disk", type=FOLDER, help="Folder that file:// names live in; a disk.")
@click.option("--allow-unverified", is_flag=True, help="Use a disk whose release was copied unverified.")
@_ARCH
@reads_registries
@says()
def extract(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    """Extract the payload of RELEASE, or a tool that is bound to exactly that release.

    \b
    Examples:
      airferry release extract --command=openshift-install mirror.example.com:8443/ocp4/openshift4:4.12.0-x86_64
      airferry release extract --command=oc --command-os=mac --from 4.12.0 -a pull-secret.json
      airferry release extract --tools --from-dir /media/usb 4.12.0 --to tools/
      airferry release extract --file=image-references 4.12.0
    """
    run(_extract(reading, saying, **options))


async def _extract(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.releases.extract_release import ExtractRequest, extract_release
    from airferry.app.releases.release_image import one_release

    asked = ExtractRequest(
        release=one_release(options["release"], options["source"]),
        architecture=options["arch"],
        to=options["to"],
        disk=options["disk"],
        command=options["tool"],
        command_os=options["command_os"],
        tools=options["tools"],
        file=options["file"],
        allow_unverified=options["allow_unverified"],
    )
    async with session(reading, saying) as (places, narrator):
        extracted = await extract_release(asked, places, narrator)
    if extracted.content is not None:
        sys.stdout.buffer.write(extracted.content)
        return
    print_answer(extracted.text, {"files": [str(file) for file in extracted.files]}, saying.form)
