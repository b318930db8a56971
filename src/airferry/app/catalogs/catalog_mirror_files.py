"""The files that go with a mirrored catalog, under the names that ``oc adm catalog mirror`` gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airferry.app.cluster.cluster_mirror_sets import read_sets
from airferry.app.releases.mirror_files import FILE_NAMES
from airferry.oci import PlaceKind, Reference
from airferry.oci.pull_sources import normalized
from airferry.openshift.cluster.accumulating import MOST_BYTES, accumulate, split_objects
from airferry.openshift.cluster.mirror_scopes import MirroredRepository, ScopeWidth, scoped_entries
from airferry.openshift.cluster.mirror_sets import MirrorKind, MirrorSet, print_documents
from airferry.openshift.cluster.registries_conf import print_registries_conf, pull_rules

MAPPING_FILE = "mapping.txt"
_REGISTRIES_CONF = "registries.conf"


@dataclass(frozen=True, slots=True)
class SetStyle:
    """How mirror sets are written: how much one entry may stand for, and how large an object may get, in bytes."""

    width: ScopeWidth = ScopeWidth.REPOSITORY
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True, slots=True)
class MirrorStyles:
    """The styles of the newer kinds, IDMS and ITMS, and of the older ICSP."""

    idms: SetStyle = SetStyle()
    icsp: SetStyle = SetStyle()


def mapping_text(destinations: Mapping[Reference, Reference]) -> str:
    """Return ``SOURCE=DESTINATION`` lines, sorted, as ``image mirror -f`` takes them."""
    return "".join(sorted(f"{source}={destination}\n" for source, destination in destinations.items()))


def mirror_set_files(
    name: str, destinations: Mapping[Reference, Reference], styles: MirrorStyles, folder: Path
) -> dict[str, str]:
    """Return the mirror sets for what goes into a registry, by file name, and the registries.conf that nodes make.

    What earlier runs put into the files in ``folder`` is kept. Raises MalformedError, UnsupportedError when those are
    of no use.
    """
    mirrored = tuple(_mirrored(destinations))
    files: dict[str, str] = {}
    for_nodes: list[MirrorSet] = []
    for kind, style in ((MirrorKind.IDMS, styles.idms), (MirrorKind.ITMS, styles.idms), (MirrorKind.ICSP, styles.icsp)):
        scoped = scoped_entries(mirrored, style.width)
        new = MirrorSet(kind, scoped.by_tag if kind.is_for_tags else scoped.by_digest, "", "this run")
        file = folder / FILE_NAMES[kind]
        entries = accumulate(read_sets(file) if file.exists() else (), (new,)).entries(kind)
        parts = split_objects(kind, entries, name, most_bytes=style.most_bytes, of_catalog=True)
        if parts:
            files[FILE_NAMES[kind]] = print_documents(parts)
        if kind is not MirrorKind.ICSP:
            for_nodes += parts
    files[_REGISTRIES_CONF] = print_registries_conf(pull_rules(for_nodes))
    return files


def by_tag_lines(images: Sequence[Reference]) -> list[str]:
    """Return what is said of images by tag, for which mirror sets by digest do nothing."""
    return [
        f"no digest mapping available for {image}, skip writing to ImageDigestMirrorSet and ImageContentSourcePolicy; "
        "it is in ImageTagMirrorSet"
        for image in images
        if image.digest is None
    ]


def _mirrored(destinations: Mapping[Reference, Reference]) -> list[MirroredRepository]:
    found = {
        MirroredRepository(str(normalized(source.repository)), str(to.repository), by_tag=source.digest is None)
        for source, to in destinations.items()
        if source.repository.place.kind is PlaceKind.REGISTRY
    }
    return sorted(found)
