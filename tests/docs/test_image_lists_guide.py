"""The guide to lists does what it says: its files are written, its commands run, in the order of the page."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.test_image_commands import LAYOUT, LIST, tags
from cli.world import OurRegistry
from failures.conftest import home  # noqa: F401 - the same clean surroundings
from failures.stage import airferry

GUIDE = (Path(__file__).parents[2] / "docs/guides/image-lists.md").read_text()
FILES = re.compile(r"`(\S+)`(?:, which names its own targets)?:\n\n```(?:text|yaml)\n(.*?)```", re.DOTALL)
COMMANDS = re.compile(r"```console\n(.*?)```", re.DOTALL)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[OurRegistry]:
    """A registry that is both the source and the mirror of the guide."""
    with OurRegistry(tmp_path / "registry", use_tls=False, use_auth=False) as registry:
        names = [f"org/app:{tag}" for tag in ("1.3.0", "1.3.1", "2.0.0", "latest", "1.4.0-rc1")]
        pairs = [f"oci://{LAYOUT}@{LIST}={registry.host}/{name}" for name in (*names, "org/tools/cli:latest")]
        pairs += [f"oci://{LAYOUT.parent}/busybox-uclibc:1.38.0-uclibc={registry.host}/org/app:1.2.0"]
        airferry("image", "mirror", *pairs, "--insecure").done()
        yield registry


def here(text: str, host: str) -> str:
    return text.replace("registry.example.com", host).replace("mirror.example.com:8443", f"{host}/m")


def test_the_guide_runs_from_top_to_bottom(registry: OurRegistry, home: Path) -> None:  # noqa: F811 - the fixture
    files = dict(FILES.findall(GUIDE))
    assert set(files) == {"images.txt", "skopeo.yaml", "regsync.yaml", "hauler.yaml"}
    for name, text in files.items():
        (home / name).write_text(here(text, registry.host))
    outputs = []
    for block in COMMANDS.findall(GUIDE):
        for line in block.strip().splitlines():
            words = shlex.split(here(line.strip(), registry.host))[1:]
            outputs.append(airferry(*words, "--insecure").done().out)
    assert len(outputs) == 13
    assert tags(registry, "m/org/app") == ["1.3.0", "1.3.1", "airferry-pin-production"]
    assert tags(registry, "m/org/tools/cli") == ["latest"], "nothing in it was wanted"
    assert tags(registry, "m/skopeo/org/app") == ["1.2.0", "1.3.0", "1.3.1", "2.0.0", "latest"]
    assert tags(registry, "m/synced/app") == ["1.2.0", "1.3.0", "1.3.1"]
    assert tags(registry, "m/synced/org/tools/cli") == ["latest"]
    assert tags(registry, "m/hauler/org/app") == ["1.2.0"]
