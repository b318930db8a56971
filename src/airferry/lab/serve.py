"""``python -m airferry.lab.serve FOLDER``: a lab upstream in a process of its own, for benchmarks and kill tests.

The first line on stdout is ``listening on URL``. It ends on SIGTERM, on SIGINT, or when its stdin closes, so that it
never outlives a parent that was killed: give it a pipe, not /dev/null.
"""

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import msgspec
import uvloop

from airferry.lab.certificates import make_certificates
from airferry.lab.policy import Policy
from airferry.lab.release import publish_release
from airferry.lab.sending import LoggedRequest
from airferry.lab.shape import DEMO, R190, S74, SMALL, Shape
from airferry.lab.store import LabStore
from airferry.lab.upstream import Upstream

SHAPES: dict[str, Shape] = {"demo": DEMO, "small": SMALL, "r190": R190, "s74": S74}
"""Shapes by the names that the command line knows."""


def main(arguments: list[str] | None = None) -> None:
    """Publish what is asked for, serve until told to stop."""
    options = _parser().parse_args(arguments)
    folder = Path(options.folder)
    shape = SHAPES[options.shape] if options.shape else None
    if shape is not None and not (folder / f"release-{shape.tag}.json").exists():
        publish_release(folder, replace(shape, source_host=options.source_host))
    serving = _serve(folder, options)
    if options.tls:
        # Over TLS uvloop needs an eighth of asyncio's time; in the clear asyncio has sendfile.
        uvloop.run(serving)
    else:
        asyncio.run(serving)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="airferry.lab.serve", description=__doc__)
    parser.add_argument("folder", help="the lab store to serve")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--shape", choices=sorted(SHAPES), help="publish this release first, unless it is there")
    parser.add_argument("--source-host", default="quay.io", help="the host in the release's own references")
    parser.add_argument("--tls", metavar="FOLDER", help="speak TLS; ca.pem and the server's files are made in FOLDER")
    parser.add_argument("--log", metavar="FILE", help="append each finished request as a line of JSON")
    parser.add_argument("--pace", type=int, metavar="BYTES_PER_S", help="slow each blob down to this")
    return parser


async def _serve(folder: Path, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    certificates = make_certificates(Path(options.tls)) if options.tls else None
    policy = Policy(pace_bytes_per_s=options.pace)
    on_complete = _log_to(Path(options.log)) if options.log else None
    async with Upstream(
        LabStore(folder), policy, certificates=certificates, port=options.port, on_complete=on_complete
    ) as upstream:
        sys.stdout.write(f"listening on {upstream.url}\nsignatures at {upstream.signature_store_url}\n")
        sys.stdout.flush()
        threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
        await stop.wait()


def _log_to(file: Path) -> Callable[[LoggedRequest], None]:
    def write_line(entry: LoggedRequest) -> None:
        with file.open("ab") as target:
            target.write(msgspec.json.encode(asdict(entry)) + b"\n")

    return write_line


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    # Not sys.stdin, whose lock this thread would still hold when the interpreter ends.
    while os.read(0, 4096):
        pass
    with suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    main()
