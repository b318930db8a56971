"""Growth of copying: with twice the images, what doubles and what stays."""

import shutil
from pathlib import Path

from bench.crossing import TIMES, Lab, Row, lab
from bench.programs import GIB, Cost, airferry, middle, run


def growth(folder: Path) -> Row:
    """Copy a quarter of the images of R190 to a disk, half of them, and all, in an empty folder."""
    folder.mkdir()
    with lab(folder, "r190") as upstream:
        return _measure(upstream, folder)


def _measure(upstream: Lab, folder: Path) -> Row:
    images = [name.replace(upstream.host, "quay.io", 1) for name in upstream.references()]
    costs: list[tuple[int, int, Cost]] = []
    for count in (len(images) // 4, len(images) // 2, len(images)):
        mapping = folder / "growth.txt"
        mapping.write_text("".join(f"{name}=file://growth:{number}\n" for number, name in enumerate(images[:count])))
        runs = []
        for _ in range(TIMES):
            disk = folder / "growth"
            shutil.rmtree(disk, ignore_errors=True)
            command = airferry("image", "mirror", "-f", mapping, "--dir", disk, "--registries-conf", upstream.rules)
            runs.append(run([*command, "--src-insecure", "--refresh"], cwd=folder))
        moved = sum(file.stat().st_size for file in disk.glob("v2/growth/blobs/*"))
        costs.append((count, moved, middle(runs)))
    shutil.rmtree(disk)
    shown = ", ".join(
        f"{count}: {moved / GIB:.2f} GiB in {cost.wall_s:.2f} s, {cost.rss_mib:.0f} MiB" for count, moved, cost in costs
    )
    (_, _, half), (_, _, all_of_it) = costs[1:]
    reached = all_of_it.wall_s <= 2.2 * half.wall_s and all_of_it.rss_mib <= 1.25 * half.rss_mib
    reach = "at most twice the time (and a tenth for noise), the same memory (and a quarter)"
    return Row("growth", "registry to disk, twice the images", shown, "", reach, reached)
