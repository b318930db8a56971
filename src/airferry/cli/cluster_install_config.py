"""``airferry cluster install-config``."""

import sys
from pathlib import Path
from typing import Any

import click

from airferry.cli.command import OcCommand, run
from airferry.cli.options import FILE, FOLDER, OutputOptions, says
from airferry.cli.output import print_answer
from airferry.cli.progress import ProgressForm, new_narrator
from airferry.errors import UsageError


@click.command("install-config", cls=OcCommand)
@click.argument("file", type=FILE)
@click.option("--ca", "ca_files", type=FILE, multiple=True, help="Certificates for additionalTrustBundle.")
@click.option(
    "--trust-bundle-policy",
    "bundle_policy",
    type=click.Choice(["Always", "Proxyonly"]),
    help="Set additionalTrustBundlePolicy: Always, or only for what goes through the proxy.",
)
@click.option(
    "--mirror-sets",
    "mirror_set_files",
    type=FILE,
    multiple=True,
    help="Merge the mirrors of this file: any kind of mirror set, or a section of install-config.",
)
@click.option("--from-dir", type=FOLDER, help="Merge the mirrors of the releases on this disk.")
@click.option(
    "--to", metavar="REPOSITORY", help="With --from-dir: the repository of the mirror that it was loaded into."
)
@click.option(
    "--release-version",
    metavar="X.Y[.Z]",
    help="Version to install: imageDigestSources from 4.14 on, imageContentSources before.",
)
@click.option(
    "-a",
    "--registry-config",
    "--authfile",
    "pull_secret",
    type=FILE,
    help="Auth file with the mirror's credential, for pullSecret.",
)
@click.option(
    "--registry",
    "registries",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Whose credential to take from it; by default that of each mirror.",
)
@click.option(
    "--bootstrap-os-image",
    metavar="URL",
    help="Bare metal: image of the bootstrap machine at a server of yours, with ?sha256=DIGEST.",
)
@click.option(
    "--cluster-os-image",
    metavar="URL",
    help="Bare metal: image of the nodes at a server of yours, with ?sha256=DIGEST.",
)
@click.option("--write", is_flag=True, help="Change FILE; without it, what would change is shown.")
@says()
def install_config(saying: OutputOptions, **options: Any) -> None:
    """Edit an install-config.yaml: trust, mirrors and credentials of the mirror are merged in.

    Everything else stays as it is, comments and quotes included. Without --write a diff is shown, in which
    secrets are masked, and nothing is changed. The same again changes nothing. It has no field for mirrors of pulls
    by tag: an ImageTagMirrorSet is left out with a warning, and belongs into the installer's manifests.

    \b
    Examples:
      airferry cluster install-config install-config.yaml --ca ca.crt --mirror-sets idms.yaml -a auth.json
      airferry cluster install-config install-config.yaml --from-dir /media/usb --to m.lan:8443/ocp4/openshift4 --write
    """
    edited = run(_install_config(saying, **options))
    for warning in edited.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    notes = "".join(f"{note}\n" for note in edited.notes)
    file: Path = options["file"]
    if not edited.is_changed:
        text = f"{file}: nothing to change\n"
    elif options["write"]:
        text = f"{notes}{file} is written\n"
    else:
        text = edited.diff
    document = {
        "file": str(file),
        "changed": edited.is_changed,
        "written": edited.is_changed and options["write"],
        "changes": list(edited.notes),
        "warnings": list(edited.warnings),
        "diff": edited.diff,
    }
    print_answer(text, document, saying.form)


async def _install_config(
    saying: OutputOptions, *, from_dir: Path | None, to: str | None, release_version: str | None, **options: Any
) -> Any:
    from airferry.app.cluster.cluster_install_config import InstallConfigRequest, install_config
    from airferry.app.cluster.cluster_mirror_sets import MirrorSetsRequest
    from airferry.app.places import Places
    from airferry.app.settings import Settings

    if to is not None and from_dir is None:
        raise UsageError("--to is for --from-dir DISK", hint="mirrors may also come from a file: --mirror-sets FILE")
    mirrored = MirrorSetsRequest(from_dir=from_dir, to=to) if from_dir is not None else None
    asked = InstallConfigRequest(mirrored=mirrored, release_version=release_version, **options)
    narrator = new_narrator(ProgressForm(saying.progress))
    try:
        async with Places(Settings()) as places:
            return await install_config(asked, places, narrator)
    finally:
        narrator.done()
