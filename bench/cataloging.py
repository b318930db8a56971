"""P13: reading a catalog of 5,000 bundles, as JSON and as YAML; and growth: three sizes."""

import subprocess
import sys
import time
from pathlib import Path

from airferry.cli import process
from bench.catalog_shape import write_catalog
from bench.crossing import Row

MB = 1000 * 1000


def measure(folder: Path) -> tuple[float, float, float]:
    """Read the catalog in a process of its own, the quickest of three; return wall and CPU seconds, and peak MiB."""
    command = [sys.executable, "-m", "bench.cataloging", str(folder)]
    outputs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() for _ in range(3)]
    return min((float(wall), float(cpu), float(mib)) for wall, cpu, mib in outputs)


def cataloging(folder: Path) -> list[Row]:
    """Write catalogs below ``folder`` and read them."""
    sizes = (2500, 5000, 10000)
    written = {bundles: write_catalog(folder / str(bundles), bundles=bundles) / MB for bundles in sizes}
    growth = {bundles: measure(folder / str(bundles)) for bundles in sizes}
    seconds, _, mib = growth[5000]
    yaml_mb = write_catalog(folder / "yaml", bundles=1000, form="yaml") / MB
    yaml_seconds, _, yaml_mib = measure(folder / "yaml")
    shown = ", ".join(f"{bundles}: {cpu:.2f} CPU s, {peak:.0f} MiB" for bundles, (_, cpu, peak) in growth.items())
    return [
        Row(
            "P13",
            f"read a catalog of 5,000 bundles, {written[5000]:.0f} MB of JSON",
            f"{seconds:.2f} s, {mib:.0f} MiB",
            "",
            "under 10 s, at most 400 MiB",
            seconds < 10 and mib <= 400,
        ),
        Row(
            "P13",
            f"read a catalog of 1,000 bundles, {yaml_mb:.0f} MB of YAML",
            f"{yaml_seconds:.2f} s, {yaml_mib:.0f} MiB",
            "",
            "",
            None,
        ),
        Row(
            "growth",
            "reading a catalog of twice the bundles",
            shown,
            "",
            "at most twice the time (and a tenth for noise); memory holds what is kept of each, so it grows with them",
            growth[10000][1] < 2.2 * growth[5000][1] and growth[5000][1] < 2.2 * growth[2500][1],
        ),
    ]


def main() -> None:
    import resource

    from airferry.openshift.catalog.reading.catalog_reader import read_catalog
    from airferry.survey.catalog_folder import folder_metas

    process.prepare()  # as every command does
    began, busy = time.perf_counter(), time.process_time()
    catalog = read_catalog(folder_metas(Path(sys.argv[1])))
    took, cpu = time.perf_counter() - began, time.process_time() - busy
    assert catalog.packages
    print(took, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
