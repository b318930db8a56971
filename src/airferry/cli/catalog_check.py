"""``airferry catalog check``."""

from pathlib import Path

import click

from airferry.cli.catalog_selection import SelectionOptions, selects_operators
from airferry.cli.command import OcCommand, finish, run
from airferry.cli.options import FILE, FOLDER, OutputOptions, ReadOptions, reads_registries, says
from airferry.cli.output import print_answer
from airferry.cli.session import session


@click.command("check", cls=OcCommand)
@click.argument("catalogs", nargs=-1, required=True, metavar="CATALOG...")
@selects_operators
@click.option("--upstream", is_flag=True, help="Ask whether each image still exists, and tell what is unusable if not.")
@click.option("--ledger", type=FILE, help="Write everything that was found to this file, as JSON.")
@click.option("--dir", "--from-dir", "tree", type=FOLDER, help="Folder that file:// names live in.")
@reads_registries
@says()
def check(
    catalogs: tuple[str, ...],
    selection: SelectionOptions,
    upstream: bool,
    ledger: Path | None,
    tree: Path | None,
    reading: ReadOptions,
    saying: OutputOptions,
) -> None:
    """Tell what is wrong in each CATALOG: an image in any place, or a folder of its documents (./DIR).

    Images that are written wrongly or by tag, channels that OLM would not serve, needs that nothing meets. With
    --package and the like only what would be selected is checked, and shown with the reasons: nothing is copied.
    Ends with 0 when nothing is wrong, 3 when something is, 1 for what is no catalog.

    \b
    Examples:
      airferry catalog check registry.redhat.io/redhat/redhat-operator-index:v4.16 --upstream
      airferry catalog check ./my-catalog --package 'cluster-logging@>=5.8.0 <6.0.0'
    """
    run(_check(catalogs, selection, upstream, ledger, tree, reading, saying))


async def _check(
    catalogs: tuple[str, ...],
    selection: SelectionOptions,
    upstream: bool,
    ledger: Path | None,
    tree: Path | None,
    reading: ReadOptions,
    saying: OutputOptions,
) -> None:
    from airferry.app.catalogs.check_catalog import CheckRequest, check_catalogs, report_document, write_ledger
    from airferry.app.catalogs.check_text import print_report

    asked = CheckRequest(catalogs, selection.to_request(), upstream, tree)
    async with session(reading, saying) as (places, narrator):
        report = await check_catalogs(asked, places, narrator)
    if ledger is not None:
        await write_ledger(ledger, report)
    print_answer(print_report(report), report_document(report), saying.form)
    finish(report.exit_code)
