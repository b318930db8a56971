"""P10: planning 5,000 images over 30,000 blobs; and growth: three sizes."""

import hashlib
import json
import random
import subprocess
import sys
import time

from airferry.cli import process
from airferry.oci import Descriptor, Digest, Manifest, Place, PlaceKind, Reference, Repository, mediatype
from airferry.plan import CopyRequest, Survey, plan_copies
from bench.crossing import Row

SOURCE = Repository(Place(PlaceKind.REGISTRY, "quay.io"), "org/images")
MIRROR = Place(PlaceKind.REGISTRY, "mirror.example.com:8443")


def world(images: int) -> tuple[list[CopyRequest], Survey]:
    """Images of ten layers each, six blobs an image, five of an image's layers shared at random."""
    chance = random.Random(1)
    blobs = [
        Descriptor(mediatype.DOCKER_LAYER_GZIP, _digest(number), chance.randrange(1000, 10**8))
        for number in range(images * 6)
    ]
    requests, roots, manifests = [], {}, {}
    for number in range(images):
        layers = chance.sample(blobs, 5) + blobs[number * 6 : number * 6 + 6]
        manifest = Manifest.parse(_manifest(layers), mediatype.DOCKER_MANIFEST)
        target = Repository(MIRROR, f"org/images-{number % 40}")
        request = CopyRequest(Reference(SOURCE, None, manifest.digest), target, (f"t{number}",), f"image-{number}")
        requests.append(request)
        roots[request] = manifest.digest
        manifests[manifest.digest] = manifest
    return requests, Survey(roots, manifests)


def _digest(number: int) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}")


def _manifest(layers: list[Descriptor]) -> bytes:
    listed = [{"mediaType": item.media_type, "digest": item.digest, "size": item.size_bytes} for item in layers]
    listed[0]["mediaType"] = mediatype.DOCKER_CONFIG
    return json.dumps({"schemaVersion": 2, "config": listed[0], "layers": listed[1:]}).encode()


def measure(images: int) -> tuple[float, float, int]:
    """Plan in a process of its own, the quickest of three; return seconds, peak MiB, steps."""
    command = [sys.executable, "-m", "bench.planning", str(images)]
    outputs = [subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() for _ in range(3)]
    return min((float(seconds), float(mib), int(steps)) for seconds, mib, steps in outputs)


def planning() -> list[Row]:
    seconds, mib, steps = measure(5000)
    rows = [
        Row(
            "P10",
            f"plan 5,000 images over 30,000 blobs ({steps} steps)",
            f"{seconds:.2f} s, {mib:.0f} MiB",
            "",
            "under 2 s, under 150 MiB",
            seconds < 2 and mib < 150,
        )
    ]
    growth = [(images, *measure(images)) for images in (2500, 5000, 10000)]
    shown = ", ".join(f"{images}: {took:.2f} s, {mib:.0f} MiB" for images, took, mib, _ in growth)
    rows.append(
        Row(
            "growth",
            "planning twice the images",
            shown,
            "",
            "at most twice the time (and a tenth for noise); memory holds survey and plan, so it grows with them",
            growth[2][1] < 2.2 * growth[1][1] and growth[1][1] < 2.2 * growth[0][1],
        )
    )
    return rows


def main() -> None:
    import resource

    process.prepare()  # as every command does
    requests, survey = world(int(sys.argv[1]))
    began = time.perf_counter()
    plan = plan_copies(requests, survey, can_mount={MIRROR})
    took = time.perf_counter() - began
    print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, len(plan.steps))


if __name__ == "__main__":
    main()
