"""``make bench``: print the tables and keep them in bench/RESULTS.md with date, commit and machine."""

import argparse
import compileall
import datetime
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.cataloging import cataloging
from bench.crossing import Row, can_run, crossing
from bench.growth import growth
from bench.planning import planning
from bench.programs import airferry, run
from bench.serving import serving
from bench.verifying import verifying

RESULTS = Path(__file__).parent / "RESULTS.md"


def help_cost(folder: Path) -> Row:
    """P12, from the installed program."""
    program = shutil.which("airferry", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    commands = [["--help"], ["release", "--help"]]
    costs = [
        run([program, *words] if program else airferry(*words), cwd=folder) for words in commands for _ in range(3)
    ]
    worst = max(cost.cpu_s for cost in costs)
    return Row(
        "P12", "airferry --help, airferry release --help", f"{worst:.2f} CPU s", "", "under 0.3 s CPU", worst < 0.3
    )


def table(rows: list[Row]) -> str:
    lines = ["| # | work | ours | against | reach | reached |", "|---|---|---|---|---|---|"]
    for row in rows:
        reached = {True: "yes", False: "**no**", None: "–"}[row.reached]
        lines.append(f"| {row.name} | {row.work} | {row.ours} | {row.theirs} | {row.reach} | {reached} |")
    return "\n".join(lines)


def head() -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    today = datetime.datetime.now(datetime.UTC).date()
    return (
        f"{today}, commit {commit or 'unknown'}, {os.cpu_count()} cores ({model or platform.machine()}), "
        f"Python {platform.python_version()}, files in {'memory' if _in_memory() else 'a temporary folder'}; "
        f"SHA-256 of a GiB takes {_hash_cost():.2f} CPU s here, and every copy needs at least one"
    )


def _hash_cost() -> float:
    """What a machine with other tenants gives today: the rows with CPU s/GiB move with it."""
    block, hashed = bytes(1024 * 1024), hashlib.sha256()
    began = time.process_time()
    for _ in range(1024):
        hashed.update(block)
    return time.process_time() - began


def _in_memory() -> bool:
    return Path("/dev/shm").is_dir() and shutil.disk_usage("/dev/shm").free > 12 * 1024**3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        choices=["crossing", "growth", "planning", "help", "serving", "verify", "catalog"],
        help="measure one group and keep nothing",
    )
    parser.add_argument(
        "--serve", action="append", default=[], metavar="OPTION", help="of our registry serve, for P7–P9"
    )
    parser.add_argument("--part", default="", help="of P7–P9: push, pull, head, each also with -plain or -tls")
    parser.add_argument("--dir", type=Path, help="folder to work in")
    options = parser.parse_args()
    base = options.dir or (Path("/dev/shm") if _in_memory() else None)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="airferry-bench-", dir=base) as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        compileall.compile_dir(Path(__file__).parent.parent / "src", quiet=2)
        missing = can_run()
        if missing and options.only in (None, "crossing"):
            print(f"missing from Debian: {', '.join(missing)}", file=sys.stderr)
            return 1
        if options.only in (None, "help"):
            rows.append(help_cost(folder))
        if options.only in (None, "planning"):
            rows += planning()
        if options.only in (None, "crossing"):
            rows += crossing(folder)
        if options.only in (None, "growth"):
            rows.append(growth(folder / "growth"))
        if options.only in (None, "verify"):
            rows.append(verifying(folder / "verify"))
        if options.only in (None, "catalog"):
            rows += cataloging(folder / "catalog")
        if options.only in (None, "serving"):
            rows += serving(folder, more=options.serve, only=options.part)
    rows.sort(key=lambda row: (row.name == "growth", int(row.name[1:]) if row.name[1:].isdigit() else 99))
    print(table(rows))
    if options.only is None:
        RESULTS.write_text(f"# Measurements\n\nBy `make bench`: {head()}.\n\n{table(rows)}\n")
    return 0 if all(row.reached is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
