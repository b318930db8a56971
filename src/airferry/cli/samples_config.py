"""``airferry samples config``."""

import sys
from typing import Any

import click

from airferry.cli.command import OcCommand, run
from airferry.cli.options import FILE, FOLDER, OutputOptions, ReadOptions, reads_registries, says
from airferry.cli.output import print_answer
from airferry.cli.samples_options import ALLOW_UNVERIFIED, ARCH, FROM_DIR, samples_source
from airferry.cli.session import session


@click.command("config", cls=OcCommand)
@click.argument("source")
@click.argument("registry")
@click.option("--offline", is_flag=True, help="Ask the disk of --from-dir what there is, not the registry.")
@click.option("--ca", "ca_files", type=FILE, multiple=True, help="CA of the registry's certificate, PEM.")
@click.option("--name", default="registry-config", show_default=True, help="Name of the ConfigMap with the CA.")
@click.option("--to-dir", type=FOLDER, help="Folder to write the objects to, a file for each.")
@FROM_DIR
@ALLOW_UNVERIFIED
@ARCH
@reads_registries
@says()
def config(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    """Make what a cluster needs to import the streams of SOURCE from REGISTRY (HOST[:PORT][/PATH]).

    REGISTRY is asked for every tag: streams that are not whole there are skipped, so that no import fails. The objects
    are YAML to apply, each with the oc command that does the same as a comment above it: the operator's Config, the
    list of what is imported, and with --ca the ConfigMap and the image config by which imports trust the registry.

    \b
    Examples:
      airferry samples config 4.12.0 mirror.example.com:8443 --ca ca.crt -a auth.json --to-dir samples
      airferry samples config --from-dir /media/usb file:// mirror.example.com:8443 --offline --ca ca.crt
    """
    run(_config(reading, saying, **options))


async def _config(reading: ReadOptions, saying: OutputOptions, **options: Any) -> None:
    from airferry.app.samples.samples_config import SamplesConfigRequest, samples_config

    asked = SamplesConfigRequest(
        source=samples_source(options),
        registry=options["registry"],
        offline=options["offline"],
        ca_files=options["ca_files"],
        name=options["name"],
        to_dir=options["to_dir"],
    )
    async with session(reading, saying) as (places, narrator):
        answer = await samples_config(asked, places, narrator)
    print_answer(answer.text(), answer.to_json(), saying.form)
    for stream in answer.skipped:
        print(f"skipped: {stream.name}: {stream.reason}", file=sys.stderr)
    for sentence in answer.advice:
        print(f"note: {sentence}", file=sys.stderr)
