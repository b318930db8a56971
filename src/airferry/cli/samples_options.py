"""Options that the samples commands share."""

from typing import TYPE_CHECKING, Any, Final

import click

from airferry.cli.options import FOLDER
from airferry.cli.release import host_architecture

if TYPE_CHECKING:
    from airferry.app.samples.open_samples import SamplesSource

FROM_DIR: Final = click.option(
    "--from-dir", type=FOLDER, help="Disk that a file:// name, or a release by a bare version, is read from."
)
ARCH: Final = click.option(
    "--arch",
    default=host_architecture,
    show_default="this machine's",
    help="Architecture that a bare version means, and whose streams are taken.",
)
ALLOW_UNVERIFIED: Final = click.option(
    "--allow-unverified", is_flag=True, help="Use a disk whose release was copied unverified."
)


def samples_source(options: dict[str, Any]) -> "SamplesSource":
    """Return the source that the options mean."""
    from airferry.app.samples.open_samples import SamplesSource

    return SamplesSource(
        text=options["source"],
        disk=options["from_dir"],
        architecture=options["arch"],
        every_architecture=options.get("all_architectures", False),
        allow_unverified=options["allow_unverified"],
    )
