"""P11: whether a cluster could pull a whole release from a registry of ours, over TLS."""

from pathlib import Path

from bench.crossing import TIMES, Row, lab
from bench.programs import airferry, middle, our_registry, run

REPOSITORY = "ocp4/openshift4"


def verifying(folder: Path) -> Row:
    """Mirror R190 once, then ask for all of it as nodes would, with the files that were generated."""
    folder.mkdir()
    disk, files = folder / "disk", folder / "manifests"
    with our_registry(folder, tls=True) as host:
        ca = folder / "registry" / "ca.crt"
        with lab(folder, "r190") as upstream:
            run(upstream.mirror("--to-dir", disk), cwd=folder)
            run(upstream.load(disk, f"{host}/{REPOSITORY}", "--manifests-dir", files, ca=ca), cwd=folder)
            version, _, _ = upstream.tag.partition("-")
        nodes = ("--registries-conf", files / "registries.conf", "--ca", ca)
        command = airferry("verify", "--release", version, "--arch", "amd64", *nodes)
        cost = middle([run(command, cwd=folder) for _ in range(TIMES)])
    shown = f"{cost.wall_s:.2f} s, {cost.cpu_s:.2f} CPU s, {cost.rss_mib:.0f} MiB"
    return Row("P11", "prove R190 pullable", shown, "", "under 5 s against a local registry", cost.wall_s < 5)
