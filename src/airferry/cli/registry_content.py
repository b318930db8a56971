"""``airferry registry import``, ``backup`` and ``restore``: all of a registry's content, without HTTP."""

from pathlib import Path

import click

from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import FILE, FOLDER, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.cli.progress import ProgressForm, new_narrator
from airferry.cli.registry_accounts import ROOT
from airferry.errors import ExitCode


@click.command("import", cls=OcCommand)
@click.argument("tree", type=FOLDER)
@ROOT
@click.option("--prefix", default="", metavar="NAME", help="Put NAME/ before the names of the tree's repositories.")
@click.option("--copy", is_flag=True, help="Share no files with TREE, whatever the file system can.")
@says()
def import_tree(saying: OutputOptions, tree: Path, root: Path, prefix: str, copy: bool) -> None:
    """Take a tree on disk (release mirror --to-dir, oc's file://) over into the registry, tags and all.

    On one file system nothing is copied: files are shared by reflink or hard link, after every byte was hashed. The
    registry may be served meanwhile. Run again, it takes what is new. What is damaged in TREE is left out (exit 3).

    \b
    Example:
      airferry registry import /media/usb --root /srv/registry --prefix mirror
    """
    from airferry.app.registry.registry_import import import_tree, print_imported

    narrator = new_narrator(ProgressForm(saying.progress))
    try:
        done = run(import_tree(root, tree, prefix=prefix, may_share=not copy, narrator=narrator))
    finally:
        narrator.done()
    print_answer(print_imported(done), done.as_json(), saying.form)
    finish(ExitCode.GAPS if done.faults else ExitCode.DONE)


@click.command("backup", cls=OcCommand)
@click.argument("file", type=FILE)
@ROOT
@says()
def backup(saying: OutputOptions, file: Path, root: Path) -> None:
    """Write all of the registry to FILE, a tar, also while it is served.

    It holds the state of one moment: settings, accounts, keys, metadata (also those in PostgreSQL) and every image. It
    holds secrets, and has mode 0600. Garbage is not collected meanwhile. What is damaged is left out (exit 3).

    \b
    Example:
      airferry registry backup /mnt/backup/registry.tar --root /srv/registry
    """
    from airferry.app.registry.registry_backup import backup_registry, print_backed_up

    narrator = new_narrator(ProgressForm(saying.progress))
    try:
        done = run(backup_registry(root, file, narrator))
    finally:
        narrator.done()
    print_answer(print_backed_up(done), done.as_json(), saying.form)
    finish(ExitCode.GAPS if done.damaged else ExitCode.DONE)


@click.command("restore", cls=OcCommand)
@click.argument("file", type=FILE)
@click.option("--root", type=FOLDER, required=True, help="Folder to make the registry in; empty, or not there yet.")
@click.option(
    "--database",
    metavar="sqlite|URL",
    help="Where the metadata go: into SQLite, or an empty PostgreSQL database. By default as it was.",
)
@says()
def restore(saying: OutputOptions, file: Path, root: Path, database: str | None) -> None:
    """Make the registry again that was backed up to FILE; every object is hashed.

    \b
    Example:
      airferry registry restore /mnt/backup/registry.tar --root /srv/registry
    """
    from airferry.app.registry.registry_backup import print_restored, restore_registry

    narrator = new_narrator(ProgressForm(saying.progress))
    try:
        done = run(restore_registry(file, root, database, narrator))
    finally:
        narrator.done()
    print_answer(print_restored(done), done.as_json(), saying.form)
    finish(ExitCode.GAPS if done.damaged else ExitCode.DONE)
