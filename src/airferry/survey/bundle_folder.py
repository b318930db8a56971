"""Bundles and package manifests in folders, as files; what they mean is :mod:`airferry.openshift.catalog`'s."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from airferry.content.filesystem import reading
from airferry.errors import MalformedError
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.reading.bundle_manifests import BundleManifests, bundle_of, read_bundle
from airferry.openshift.catalog.reading.metas import Meta
from airferry.openshift.catalog.reading.package_manifests import (
    PackageManifest,
    bundle_metas,
    package_metas,
    read_package_manifest,
)
from airferry.openshift.catalog.reading.yaml_documents import read_yaml
from airferry.survey.catalog_folder import walk

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""A manifest is held as a whole; a cluster takes none above 1.5 MiB."""
_MAX_BUNDLE_FILES: Final = 10_000
_PACKAGE_FILE: Final = ".package.yaml"
_MANIFEST_SUFFIXES: Final = (".yaml", ".yml", ".json")


def is_bundle(folder: Path) -> bool:
    """Whether the folder is a bundle, told as opm tells it: it has folders ``manifests`` and ``metadata``."""
    return (folder / "manifests").is_dir() and (folder / "metadata").is_dir()


def bundle_folders(folder: Path) -> list[Path]:
    """Return the bundles right in ``folder`` or one level further down, in the order of their paths."""
    return [path for path in _one_or_two_below(folder) if is_bundle(path)]


def half_bundles(folder: Path) -> list[Finding]:
    """Return a finding for each folder that lacks one half of a bundle, where :func:`bundle_folders` looks."""
    return [
        Finding(FindingCode.LEFT_OUT, str(path), f"left out: it has a folder {there}, but no folder {lacking}")
        for path in _one_or_two_below(folder)
        for there, lacking in (("manifests", "metadata"), ("metadata", "manifests"))
        if (path / there).is_dir() and not (path / lacking).is_dir()
    ]


def _one_or_two_below(folder: Path) -> list[Path]:
    with reading(folder):
        below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        further = (sorted(path for path in item.iterdir() if path.is_dir()) for item in below if not is_bundle(item))
        return [*below, *(path for paths in further for path in paths)]


def package_files(folder: Path) -> list[Path]:
    """Return the package manifests (``NAME.package.yaml``) of ``folder`` and of the folders in it."""
    with reading(folder):
        return sorted(path for path in (*folder.glob(f"*{_PACKAGE_FILE}"), *folder.glob(f"*/*{_PACKAGE_FILE}")))


def read_bundle_files(folder: Path, manifests: str = "manifests", metadata: str = "metadata") -> dict[str, bytes]:
    """Return a bundle's files by their path in it, as :func:`read_bundle` takes them. Raises MalformedError, …"""
    files: dict[str, bytes] = {}
    for name, part in (("manifests", folder / manifests), ("metadata", folder / metadata)):
        with reading(part):
            for path in sorted(part.iterdir()):
                if path.is_file():
                    files[f"{name}/{path.name}"] = _read(path)
                if len(files) > _MAX_BUNDLE_FILES:
                    raise MalformedError(f"{folder} is no bundle: it has more than {_MAX_BUNDLE_FILES} files")
    return files


def bundle_folder_metas(
    folders: Sequence[Path], findings: list[Finding], *, image: str = "", with_manifests: bool = False
) -> Iterator[Meta]:
    """Yield the catalog of the bundles in ``folders``.

    A bundle that cannot be read is a finding; MalformedError is raised when none can.
    """
    bundles = []
    for folder in folders:
        try:
            bundles.append((read_bundle(read_bundle_files(folder), str(folder)), image))
        except MalformedError as error:
            if len(folders) == 1:
                raise
            findings.append(Finding(FindingCode.LEFT_OUT, str(folder), f"left out: {error.message}"))
    if not bundles:
        raise MalformedError(f"none of {len(folders)} folders is a bundle that can be read, such as {folders[0]}")
    yield from bundle_metas(bundles, findings, with_manifests=with_manifests)


def package_folder_metas(
    files: Sequence[Path], findings: list[Finding], *, with_manifests: bool = False
) -> Iterator[Meta]:
    """Yield the catalog of package manifests; the bundles of each are below its folder. Raises MalformedError."""
    for file in files:
        found = read_package_manifest(next(read_yaml([_read(file)], str(file)), None), str(file))
        if found is None:
            raise MalformedError(f"{file} is not a package manifest: it has no packageName")
        bundles = _bundles_below(file.parent, found, findings)
        yield from package_metas(found, bundles, findings, with_manifests=with_manifests)


def _bundles_below(folder: Path, package: PackageManifest, findings: list[Finding]) -> list[BundleManifests]:
    """Return a bundle for each CSV; what else lies in a CSV's own folder belongs to it, as for opm."""
    by_folder: dict[Path, list[dict[str, Any]]] = {}
    for path in sorted(walk(folder)):
        if path.name.endswith(_PACKAGE_FILE) or path.suffix not in _MANIFEST_SUFFIXES or not path.is_file():
            continue
        try:
            document = next(read_yaml([_read(path)], str(path)), None)
        except MalformedError as error:
            findings.append(Finding(FindingCode.LEFT_OUT, str(path), f"left out: {error.message}", package.name))
            continue
        if isinstance(document, dict):
            by_folder.setdefault(path.parent, []).append(document)
    bundles = []
    for where, documents in by_folder.items():
        versions = [item for item in documents if item.get("kind") == "ClusterServiceVersion"]
        others = [item for item in documents if item.get("kind") != "ClusterServiceVersion"]
        for csv in versions:
            bundles.append(bundle_of([csv, *others], str(where), package=package.name))
    return bundles


def _read(file: Path) -> bytes:
    with reading(file), file.open("rb") as opened:
        content = opened.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise MalformedError(f"{file} is longer than {MAX_FILE_BYTES >> 20} MiB, which no manifest is")
    return content
