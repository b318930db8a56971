"""A registry that takes nothing: said once and at once, with exit code 1, since nothing was done."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from airferry.app.tree_store import TreeStore
from airferry.registry import Running, serve_store

from .stage import Quay, Served, airferry


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[str]:
    """The host of a registry that serves an empty disk, and nobody can push to."""
    (tmp_path / "empty").mkdir()
    served: Served[Running] = Served(lambda: serve_store(TreeStore(tmp_path / "empty")))
    with served:
        yield f"127.0.0.1:{served.server.port}"


@pytest.mark.parametrize("count", [1, 5])
def test_it_is_one_error(quay: Quay, loaded_disk: Path, read_only: str, count: int) -> None:
    digests = list(quay.release.components.values())[:count]
    pairs = [f"file://openshift/release@{digest}={read_only}/some/where:{digest[7:19]}" for digest in digests]
    run = airferry("image", "mirror", "--from-dir", loaded_disk, *pairs, "--dest-insecure")
    run.refused("denied", read_only, hint="only reads")
    assert "warning: " not in run.err, "one sentence, not one for each image"


def test_it_is_not_tried_with_every_blob(quay: Quay, loaded_disk: Path, read_only: str) -> None:
    command = ("image", "mirror", "--from-dir", loaded_disk, "file://openshift/release:4.12.0*")
    run = airferry(*command, f"{read_only}/some/where", "--dest-insecure", "--log-level", "info")
    run.refused("denied", read_only)
    assert 10 <= run.err.count("step failed") < 30 < len(quay.store.sizes())


def test_but_going_on_past_every_error_is_gaps(quay: Quay, loaded_disk: Path, read_only: str) -> None:
    command = ("image", "mirror", "--from-dir", loaded_disk, "file://openshift/release:4.12.0-x86_64-cli")
    run = airferry(*command, f"{read_only}/some/where:cli", "--dest-insecure", "--continue-on-error")
    run.left_gaps(read_only, "1 of 1 images are missing")
