"""The guide on samples does what it says: its commands, one after the other, with names of this machine."""

import re
import shlex
from pathlib import Path

from cli.samples_world import build_samples_world
from docs.test_documents import BLOCK
from failures.stage import QUICK, airferry

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "samples.md"


def commands() -> list[list[str]]:
    """The commands of the guide's blocks, in their order."""
    lines = [line for block in BLOCK.findall(GUIDE.read_text()) for line in re.sub(r"\\\n\s*", "", block).splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("airferry ")]


def test_the_guides_commands_work_in_their_order(tmp_path: Path) -> None:
    with build_samples_world(tmp_path / "world") as samples:
        meant = {
            "/media/usb": str(tmp_path / "usb"),
            "mirror.example.com:8443": samples.mirror.host,
            "auth.json": str(samples.mirror.auth_file),
            "ca.crt": str(samples.mirror.authority),
            "registries.conf": str(samples.rules),
            "4.12.0": samples.release.version,
        }
        run = 0
        for words in commands():
            if "pull-secret.json" in words:
                # What the internet is to the guide is the lab here.
                at = words.index("-a")
                words[at : at + 2] = map(str, ("--registries-conf", samples.rules, *QUICK))
            words += ["--platform", "linux/amd64"] if words[0] == "verify" else []
            airferry(*(meant.get(word, word) for word in words), "--arch", "amd64").done()
            run += 1
    assert run == 7
