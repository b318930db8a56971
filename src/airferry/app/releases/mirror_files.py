"""The files that go with a mirrored release: mirror rules in every form, its signatures, the run-book, the ledger."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from airferry.app.copies.copy_report import gap_to_json
from airferry.content.errors import ReadOnlyError
from airferry.content.filesystem import writing
from airferry.openshift.cluster.mirror_sets import (
    MirrorKind,
    MirrorSet,
    print_documents,
    print_fragment,
    print_object,
    release_mirrors,
)
from airferry.openshift.cluster.registries_conf import print_registries_conf, pull_rules
from airferry.plan import Gap

UNKNOWN_MIRROR = "REGISTRY/REPOSITORY"
"""Stands in files made for a disk whose mirror registry is not known yet; no cluster accepts it by accident."""

LEDGER = "ledger.json"
"""Names what is missing; it is there only after a run that left gaps."""

FILE_NAMES: Final = {
    MirrorKind.IDMS: "imageDigestMirrorSet.yaml",
    MirrorKind.ITMS: "imageTagMirrorSet.yaml",
    MirrorKind.ICSP: "imageContentSourcePolicy.yaml",
    MirrorKind.DIGEST_SOURCES: "install-config-imageDigestSources.yaml",
    MirrorKind.CONTENT_SOURCES: "install-config-imageContentSources.yaml",
}
"""What a file of mirror sets of one kind is called, wherever it is written."""

_OBJECT_NAME = "openshift-release"


@dataclass(frozen=True, slots=True)
class MirrorRules:
    """Which sources are found at which mirrors.

    ``release_source`` alone is also pulled by tag, from ``release_mirrors``, where the release image is.
    """

    sources: tuple[str, ...]
    mirrors: tuple[str, ...]
    release_source: str
    release_mirrors: tuple[str, ...]

    def section(self, kind: MirrorKind) -> str:
        """Return the install-config section or the object named ``example``, as stdout shows them."""
        entries = release_mirrors(self.sources, self.mirrors)
        if kind in (MirrorKind.CONTENT_SOURCES, MirrorKind.DIGEST_SOURCES):
            return print_fragment(kind, entries)
        return print_object(kind, entries)

    def files(self) -> dict[str, str]:
        """Return every file by name; the same rules give the same bytes."""
        entries = release_mirrors(self.sources, self.mirrors)
        digests = MirrorSet(MirrorKind.IDMS, entries, _OBJECT_NAME)
        by_tag = release_mirrors([self.release_source], self.release_mirrors)
        tags = MirrorSet(MirrorKind.ITMS, by_tag, _OBJECT_NAME)
        texts = {
            MirrorKind.CONTENT_SOURCES: print_fragment(MirrorKind.CONTENT_SOURCES, entries),
            MirrorKind.DIGEST_SOURCES: print_fragment(MirrorKind.DIGEST_SOURCES, entries),
            MirrorKind.ICSP: print_documents([MirrorSet(MirrorKind.ICSP, entries, _OBJECT_NAME)]),
            MirrorKind.IDMS: print_documents([digests]),
            MirrorKind.ITMS: print_documents([tags]),
        }
        files = {FILE_NAMES[kind]: text for kind, text in texts.items()}
        if self.mirrors != (UNKNOWN_MIRROR,):
            files["registries.conf"] = print_registries_conf(pull_rules([digests, tags]))
            return files
        note = f"# {UNKNOWN_MIRROR} stands for the mirror; loading the disk there with airferry writes the real file.\n"
        return {name: note + text for name, text in files.items()}


def ledger_text(version: str, gaps: Sequence[Gap]) -> str:
    """Return the ledger of a release as JSON: what is missing, why, and what that makes unusable."""
    return json.dumps({"release": version, "gaps": [gap_to_json(gap) for gap in gaps]}, indent=2) + "\n"


async def forget_ledger(folder: Path, name: str, *, kind: str = "release") -> None:
    """Remove the ledger that an earlier run left for this release, catalog or source of samples: its gaps are closed.

    Raises ReadOnlyError.
    """

    def remove() -> None:
        try:
            document = json.loads((folder / LEDGER).read_bytes())
        except (OSError, ValueError):
            return
        if isinstance(document, dict) and document.get(kind) == name:
            with writing(folder):
                (folder / LEDGER).unlink(missing_ok=True)

    await asyncio.to_thread(remove)


async def check_writable(folder: Path, *, flag: str = "--manifests-dir") -> None:
    """Raise ReadOnlyError when ``folder``, or what it would be made in, cannot be written to. Nothing is written.

    ``flag`` is the one that names another folder.
    """

    def check() -> None:
        nearest = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
        if not os.access(nearest, os.W_OK):
            raise ReadOnlyError(
                f"{nearest} cannot be written to, and the generated files go there",
                hint=f"{flag} names another folder; or work in one that you may write to",
            )

    await asyncio.to_thread(check)
