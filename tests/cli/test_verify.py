"""``airferry verify``: every pull of a release tried as a node would, and what is said when one fails."""

import json

from cli.world import World
from failures.stage import Run, airferry


def verify(world: World, *more: object) -> Run:
    """Run ``verify`` with what the mirror's own files say."""
    nodes = ("--registries-conf", world.files / "registries.conf", "--pull-secret", world.mirror.auth_file)
    return airferry("verify", "--release", world.version, *nodes, "--ca", world.mirror.authority, *more)


def test_a_mirror_that_was_loaded_serves_everything(world: World) -> None:
    run = verify(world).done()
    assert run.out.startswith(f"release {world.version} (amd64, {world.release.digest}): 15 images\n")
    assert "  yes             15\n  no               0\n  cannot tell      0\n" in run.out
    assert run.out.endswith("\nas seen from this host\n")
    answer = json.loads(verify(world, "-o", "json").done().out)
    assert answer["answer"] == "yes" and len(answer["images"]) == 15
    names = [image["name"] for image in answer["images"]]
    assert names[:2] == ["release image", "release image by tag"] and "etcd" in names
