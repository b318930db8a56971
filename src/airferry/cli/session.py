"""From options to an opened run: settings, logging, progress, places."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airferry.cli.options import OutputOptions, ReadOptions, SideOptions
from airferry.cli.progress import ProgressForm, new_narrator

if TYPE_CHECKING:
    from airferry.app.narration import Narrator
    from airferry.app.places import Places
    from airferry.app.settings import Settings


def to_settings(
    reading: ReadOptions,
    sides: SideOptions | None = None,
    *,
    private: bool = False,
    quay_token_file: Path | None = None,
) -> "Settings":
    """Return the settings that the options mean; an option for one side wins over the one for both."""
    from airferry.app.settings import Settings, Side

    ca, auth = reading.certificate_authority, reading.registry_config
    source = destination = Side(auth, ca, reading.insecure)
    if sides is not None:
        source = Side(
            sides.src_registry_config or auth,
            sides.src_certificate_authority or ca,
            sides.src_insecure or reading.insecure,
        )
        destination = Side(
            sides.dest_registry_config or auth,
            sides.dest_certificate_authority or ca,
            sides.dest_insecure or reading.insecure,
        )
    return Settings(
        source=source,
        destination=destination,
        registries_conf=reading.registries_conf,
        mirror_set_files=(*reading.icsp_file, *reading.idms_file, *reading.itms_file),
        private=private,
        retry_times=reading.retry_times,
        retry_delay_s=reading.retry_delay,
        patience_s=reading.patience,
        quay_token_file=sides.quay_token_file if sides is not None else quay_token_file,
    )


@asynccontextmanager
async def session(
    reading: ReadOptions,
    saying: OutputOptions,
    sides: SideOptions | None = None,
    *,
    private: bool = False,
    quay_token_file: Path | None = None,
) -> AsyncIterator[tuple["Places", "Narrator"]]:
    """Open a run; errors clear the progress before they are shown."""
    from airferry.app.places import Places

    narrator = new_narrator(ProgressForm(saying.progress))
    if reading.skip_verification:
        narrator.warn("--skip-verification does nothing here: digests are always checked")
    try:
        settings = to_settings(reading, sides, private=private, quay_token_file=quay_token_file)
        async with Places(settings) as places:
            yield places, narrator
    finally:
        # Whatever ends the run, a bar must not stay behind and cover what is said next.
        narrator.done()
