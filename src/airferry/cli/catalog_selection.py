"""The options that say what is wanted of a catalog, as one group for every command that takes a catalog."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from airferry.cli.options import FILE, taking

if TYPE_CHECKING:
    from airferry.app.catalogs.catalog_wanted import WantedRequest


@dataclass(frozen=True, slots=True)
class SelectionOptions:
    """What is wanted of a catalog, as it was spelt; nothing means everything."""

    packages: tuple[str, ...]
    channels: tuple[str, ...]
    default_channels: tuple[str, ...]
    heads_only: bool
    all_versions: bool
    no_dependencies: bool
    select: Path | None

    def to_request(self) -> "WantedRequest":
        """Return the wish for app."""
        from airferry.app.catalogs.catalog_wanted import WantedRequest

        return WantedRequest(
            self.packages,
            self.channels,
            self.default_channels,
            self.heads_only,
            self.all_versions,
            not self.no_dependencies,
            self.select,
        )


selects_operators = taking(
    "selection",
    SelectionOptions,
    [
        click.option(
            "--package",
            "packages",
            metavar="NAME[@RANGE]",
            multiple=True,
            help="Operator that is wanted, may be repeated: the head of each of its channels, or the versions in the "
            "range, such as 'NAME@>=1.2.0 <2.0.0'. By default every operator in every version.",
        ),
        click.option(
            "--channel",
            "channels",
            metavar="[PACKAGE:]NAME[@RANGE]",
            multiple=True,
            help="Only this channel of a package, or of each --package; may be repeated.",
        ),
        click.option(
            "--default-channel",
            "default_channels",
            metavar="[PACKAGE:]NAME",
            multiple=True,
            help="Default channel of a package whose own is not wanted.",
        ),
        click.option(
            "--heads-only", is_flag=True, help="Only the newest version in each channel, of those in the range."
        ),
        click.option("--all-versions", is_flag=True, help="Every version of a package, not only the heads."),
        click.option("--no-dependencies", is_flag=True, help="Do not add what the operators need."),
        click.option(
            "--select",
            type=FILE,
            metavar="FILE",
            help="Read what is wanted from an ImageSetConfiguration of oc-mirror.",
        ),
    ],
)
