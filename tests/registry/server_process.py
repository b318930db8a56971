"""Run as a program: serves the registry in the folder argv[1], which has been initialised, until it is killed.

``python server_process.py ROOT LISTEN plain|tls``; prints its URL.
"""

import asyncio
import sys
from pathlib import Path

import uvloop

from airferry.registry import Settings, serve


async def main(root: str, listen: str, mode: str) -> None:
    is_tls = mode == "tls"
    async with serve(Settings.read(Path(root), listen=listen, use_tls=is_tls, use_auth=is_tls)) as running:
        print(running.url, flush=True)  # noqa: T201
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
