"""``airferry media``: info, verify, serve."""

from pathlib import Path

import click

from airferry.cli.command import SETTINGS, OcGroup, finish, run
from airferry.cli.options import FOLDER, OutputOptions, says
from airferry.cli.output import OutputFormat, print_answer
from airferry.cli.progress import ProgressForm, new_narrator
from airferry.cli.registry_serving import serve_until_stopped
from airferry.errors import ExitCode


@click.group("media", cls=OcGroup, context_settings=SETTINGS)
def command() -> None:
    """Look into, verify and serve a tree on disk."""


@command.command("info")
@click.argument("disk", type=FOLDER)
@says()
def info(saying: OutputOptions, disk: Path) -> None:
    """Show what is on DISK.

    \b
    Example:
      airferry media info /media/usb
    """
    from airferry.app.media import media_info, print_inventory

    inventory, releases = run(media_info(disk))
    document = {
        **inventory.as_json(),
        "releases": [
            {"version": item.version, "arch": item.arch_word, "digest": str(item.digest), "verified": item.verified}
            for item in releases
        ],
    }
    print_answer(print_inventory(inventory, releases), document, saying.form)


@command.command("verify")
@click.argument("disk", type=FOLDER)
@click.option("--discard", is_flag=True, help="Remove what is damaged; mirroring to DISK again brings only that.")
@says()
def verify(saying: OutputOptions, disk: Path, discard: bool) -> None:
    """Hash every byte on DISK and name what is damaged and which images that breaks (exit 1).

    \b
    Examples:
      airferry media verify /media/usb
      airferry media verify /media/usb --discard
    """
    from airferry.app.media import media_discard, media_verify, print_verification

    narrator = new_narrator(ProgressForm(saying.progress))
    try:
        found = run(media_verify(disk, narrator))
    finally:
        narrator.done()
    print_answer(print_verification(found), found.as_json(), saying.form)
    if not found.whole:
        if discard:
            removed = run(media_discard(disk, found))
            narrator.note(f"info: {len(removed)} damaged files removed from {disk}")
        else:
            narrator.note(f"hint: airferry media verify {disk} --discard removes what is damaged")
        narrator.note("hint: the command that wrote the disk, run again, brings what is missing and nothing else")
    finish(ExitCode.DONE if found.whole else ExitCode.USER)


@command.command("serve")
@click.argument("disk", type=FOLDER)
@click.option(
    "--listen", metavar="HOST:PORT", default="127.0.0.1:5000", show_default=True, help="Address to listen on."
)
@click.option("--allow-unverified", is_flag=True, help="Serve a disk whose release was copied unverified.")
@says()
def serve(saying: OutputOptions, disk: Path, listen: str, allow_unverified: bool) -> None:
    """Serve DISK as a read-only registry over plain HTTP, straight from its files.

    \b
    Example:
      airferry media serve /media/usb --listen 127.0.0.1:5000
    """
    run(_serve(disk, listen, saying.form, allow_unverified=allow_unverified))


async def _serve(disk: Path, listen: str, form: OutputFormat, *, allow_unverified: bool) -> None:
    from airferry.app.registry.mirror_registry import describe_media, serve_media

    async with serve_media(disk, listen=listen, allow_unverified=allow_unverified) as running:
        await serve_until_stopped(describe_media(disk, running), form)
