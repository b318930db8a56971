"""Where the images of bundles are that have none of their own: elsewhere, by a rule, or built along with a catalog."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from airferry.app.catalogs.catalog_forms import CatalogForm
from airferry.app.catalogs.open_catalog import OpenedCatalog
from airferry.errors import MalformedError, UsageError
from airferry.oci import PlaceKind, Reference, Repository
from airferry.oci.reference import is_tag, parse_repository
from airferry.openshift.catalog.building.bundle_image import BundleImage, bundle_image, files_of, with_image
from airferry.openshift.catalog.model import Bundle, Catalog
from airferry.openshift.catalog.reading.bundle_manifests import read_bundle
from airferry.openshift.catalog.reading.metas import Meta
from airferry.survey.bundle_folder import bundle_folders, is_bundle, read_bundle_files

_FIELD: Final = re.compile(r"\{(\w*)\}")
_FIELDS: Final[dict[str, Callable[[Bundle], str]]] = {
    "package": lambda bundle: bundle.package,
    "name": lambda bundle: bundle.name,
    "version": lambda bundle: bundle.version,
}
_NO_TAG: Final = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(slots=True)
class BundleImages:
    """Images for bundles without one: at ``template``, or built into ``repository``, or with none of both, none.

    A bundle without an image stays in the catalog with its manifests. ``built`` are the images to be brought along.
    """

    template: str | None = None
    repository: Repository | None = None
    built: dict[str, BundleImage] = field(default_factory=dict)

    @classmethod
    def parse(cls, template: str | None, repository: str | None) -> "BundleImages":
        """Return what the options say. Raises UsageError, and MalformedError for what is no repository."""
        if template is not None and repository is not None:
            raise UsageError("--bundle-image and --bundles-to may not both be given")
        unknown = [name for name in _FIELD.findall(template or "") if name not in _FIELDS]
        if unknown:
            known = ", ".join(f"{{{name}}}" for name in _FIELDS)
            raise UsageError(f"--bundle-image knows no {{{unknown[0]}}}", hint=f"it knows {known}")
        into = parse_repository(repository) if repository is not None else None
        if into is not None and into.place.kind is not PlaceKind.REGISTRY:
            raise UsageError(
                "--bundles-to needs a repository in a registry: the catalog names the images there",
                hint="build where that registry can be reached, or leave the option out",
            )
        return cls(template, into)

    def given_to(self, opened: OpenedCatalog, kept: Catalog, mtime_s: int) -> Iterator[Meta]:
        """Yield the documents of a catalog, kept bundles without an image with one. Blocks while it reads."""
        if self.template is None and self.repository is None:
            yield from opened.metas()
            return
        sources = _files_by_name(opened) if self.repository is not None else {}
        for meta in opened.metas():
            package = kept.packages.get(meta.package)
            bundle = package.bundles.get(meta.name) if package is not None and meta.schema == "olm.bundle" else None
            if package is None or bundle is None or meta.value.get("image"):
                yield meta
            elif self.repository is not None:
                files = sources.get(meta.name) or files_of(meta, package)
                built = self.built[bundle_tag(bundle)] = bundle_image(files, meta.where, mtime_s=mtime_s)
                yield with_image(meta, str(Reference(self.repository, None, built.digest)))
            else:
                yield with_image(meta, self._from_template(bundle))

    def _from_template(self, bundle: Bundle) -> str:
        text = _FIELD.sub(lambda found: _FIELDS[found[1]](bundle), self.template or "")
        reference = Reference.parse(text)
        if reference.repository.place.kind is not PlaceKind.REGISTRY or (reference.tag or reference.digest) is None:
            raise MalformedError(f"--bundle-image gives {text!r} for {bundle.name}, which names no image in a registry")
        return str(reference)


def bundle_tag(bundle: Bundle) -> str:
    """Return the tag of a bundle's image: the bundle's name, as far as a tag can say it."""
    tag = _NO_TAG.sub("_", bundle.name)[:128]
    return tag if is_tag(tag) else f"_{tag[:127]}"


def _files_by_name(opened: OpenedCatalog) -> Mapping[str, Mapping[str, bytes]]:
    """Return the files of the bundles that a folder holds as such, by the bundles' names."""
    if opened.form is not CatalogForm.BUNDLES:
        return {}
    folders = [opened.folder] if is_bundle(opened.folder) else bundle_folders(opened.folder)
    found = {}
    for folder in folders:
        files = read_bundle_files(folder)
        try:
            found[read_bundle(files, str(folder)).name] = files
        except MalformedError:
            continue  # reading the catalog has told of it
    return found
