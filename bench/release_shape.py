"""Prints what the lab's releases look like and how long it takes to make them: `python bench/release_shape.py`."""

import statistics
import tempfile
import time
from pathlib import Path

from airferry.lab import DEMO, R190, S74, SMALL, LabStore, publish_release


def main() -> None:
    print(
        f"{'shape':<8}{'images':>8}{'manifests':>11}{'blobs':>7}{'MiB':>9}{'median KiB':>12}{'largest MiB':>13}{'s':>7}"
    )
    for name, shape in (("small", SMALL), ("S74", S74), ("demo", DEMO), ("R190", R190)):
        with tempfile.TemporaryDirectory(prefix="airferry-shape-") as folder:
            start = time.perf_counter()
            release = publish_release(Path(folder), shape)
            elapsed_s = time.perf_counter() - start
            store = LabStore(Path(folder))
            sizes = store.sizes()
            repositories = store.repositories.values()
            manifests = {digest for repository in repositories for digest in repository.manifests}
            blobs = {digest for repository in repositories for digest in repository.blobs}
            layers = [sizes[digest] for digest in blobs if sizes[digest] > 4096]
            print(
                f"{name:<8}{release.image_count:>8}{len(manifests):>11}{len(blobs):>7}"
                f"{sum(sizes.values()) / 2**20:>9.1f}{statistics.median(layers) / 2**10:>12.0f}"
                f"{max(layers) / 2**20:>13.1f}{elapsed_s:>7.2f}"
            )


if __name__ == "__main__":
    main()
