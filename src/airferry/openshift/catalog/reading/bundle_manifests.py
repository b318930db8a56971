"""Bundles as operators ship them: manifests and annotations, made into what a catalog says of a bundle.

Source of the rules: operator-registry's parser of bundles and ``opm render``. The manifests are the files right
below ``manifests/``; the first ClusterServiceVersion counts. A catalog's related images are those of the CSV's
``spec.relatedImages``, the bundle's own image, and the images of containers and init containers of the CSV's
deployments. Environment variables ``RELATED_IMAGE_*`` and the annotation ``containerImage`` add nothing, in opm as
in oc: operators that follow the convention list those images in ``relatedImages``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.openshift.catalog.findings import Finding, FindingCode
from airferry.openshift.catalog.model import RelatedImage
from airferry.openshift.catalog.reading.catalog_reader import read_related_image
from airferry.openshift.catalog.reading.manifest_fields import list_of, object_of, objects_of, text_of
from airferry.openshift.catalog.reading.yaml_documents import read_yaml

PACKAGE_ANNOTATION: Final = "operators.operatorframework.io.bundle.package.v1"
CHANNELS_ANNOTATION: Final = "operators.operatorframework.io.bundle.channels.v1"
DEFAULT_CHANNEL_ANNOTATION: Final = "operators.operatorframework.io.bundle.channel.default.v1"


@dataclass(frozen=True, slots=True)
class BundleManifests:
    """A bundle that was read. ``objects`` are its manifests, the CSV among them; ``where`` names it in errors.

    ``channels`` and ``default_channel`` are the author's wish; a catalog may put the bundle elsewhere.
    """

    csv: Mapping[str, Any]
    objects: tuple[Mapping[str, Any], ...]
    where: str
    package: str = ""
    channels: tuple[str, ...] = ()
    default_channel: str = ""
    dependencies: tuple[Mapping[str, Any], ...] = ()
    properties: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """The CSV's name, which is the bundle's in a catalog."""
        return text_of(object_of(self.csv, "metadata"), "name")

    @property
    def version(self) -> str:
        """The operator's version, "" where the CSV has none."""
        return text_of(self._spec, "version")

    @property
    def replaces(self) -> str:
        """The bundle that this one updates, "" for none."""
        return text_of(self._spec, "replaces")

    @property
    def skips(self) -> tuple[str, ...]:
        """Bundles that are passed over on the way to this one."""
        return tuple(skip for skip in list_of(self._spec, "skips") if isinstance(skip, str))

    @property
    def skip_range(self) -> str:
        """The range of versions that this one updates, "" for none."""
        return text_of(self.annotations, "olm.skipRange")

    @property
    def annotations(self) -> Mapping[str, Any]:
        """The CSV's annotations."""
        return object_of(object_of(self.csv, "metadata"), "annotations")

    @property
    def _spec(self) -> Mapping[str, Any]:
        return object_of(self.csv, "spec")

    @property
    def display_name(self) -> str:
        """What the console calls the operator."""
        return text_of(self._spec, "displayName")

    def related_entries(self, image: str) -> list[Any]:
        """Return the CSV's entries of ``relatedImages`` as written, then what else is needed: ``image``, its own, …"""
        entries = list_of(self._spec, "relatedImages")
        said = {item.get("image") for item in entries if isinstance(item, dict)}
        more = dict.fromkeys(extra for extra in (image, *self._operator_images()) if extra and extra not in said)
        return [*entries, *({"name": "", "image": extra} for extra in more)]

    def related(self, image: str) -> tuple[tuple[RelatedImage, ...], tuple[Finding, ...]]:
        """Return every image the bundle needs when its own is ``image``, and what was wrong with the entries."""
        found: dict[str, RelatedImage] = {}
        findings = []
        for number, item in enumerate(self.related_entries(image)):
            entry, finding = read_related_image(item, f"{self.where}, relatedImages[{number}]")
            if entry is not None:
                found.setdefault(entry.image, entry)
            if finding is not None:
                findings.append(replace(finding, package=self.package, bundle=self.name))
        return tuple(found.values()), tuple(findings)

    def _operator_images(self) -> Iterator[str]:
        install = object_of(object_of(self._spec, "install"), "spec")
        for deployment in objects_of(install, "deployments"):
            pod = object_of(object_of(object_of(deployment, "spec"), "template"), "spec")
            for container in (*objects_of(pod, "containers"), *objects_of(pod, "initContainers")):
                yield text_of(container, "image").strip()

    def provides(self) -> tuple[tuple[str, str, str], ...]:
        """Return group, version and kind of what the bundle brings: its CRDs and the CSV's own API services."""
        found: dict[tuple[str, str, str], None] = {}
        for item in self.objects:
            if item.get("kind") == "CustomResourceDefinition":
                spec = object_of(item, "spec")
                versions = [text_of(version, "name") for version in objects_of(spec, "versions")]
                for version in (*versions, text_of(spec, "version")):
                    if version:
                        found[text_of(spec, "group"), version, text_of(object_of(spec, "names"), "kind")] = None
        for item in objects_of(object_of(self._spec, "apiservicedefinitions"), "owned"):
            found[_kind(item)] = None
        return tuple(found)

    def requires(self) -> tuple[tuple[str, str, str], ...]:
        """Return group, version and kind of what the CSV says must be there."""
        found: dict[tuple[str, str, str], None] = {}
        for item in objects_of(object_of(self._spec, "customresourcedefinitions"), "required"):
            group = text_of(item, "name").partition(".")[2]
            found[group, text_of(item, "version"), text_of(item, "kind")] = None
        for item in objects_of(object_of(self._spec, "apiservicedefinitions"), "required"):
            found[_kind(item)] = None
        return tuple(found)

    def missing_crds(self) -> tuple[str, ...]:
        """Return the CRDs that the CSV calls its own and no manifest brings; opm refuses such a bundle."""
        provided = set(self.provides())
        missing = []
        for item in objects_of(object_of(self._spec, "customresourcedefinitions"), "owned"):
            name = text_of(item, "name")
            if (name.partition(".")[2], text_of(item, "version"), text_of(item, "kind")) not in provided:
                missing.append(f"{name}/{text_of(item, 'version')}")
        return tuple(missing)


def read_bundle(files: Mapping[str, bytes], where: str) -> BundleManifests:
    """Return the bundle whose files, by their path in it, are ``files``: ``manifests/…`` and ``metadata/…``.

    Manifests that are no YAML are left out, and told as findings, as opm leaves them out. Raises MalformedError for
    a bundle without a CSV or without a package in its annotations, with ``where`` in it.
    """
    objects, findings = _manifests(files, where)
    metadata = [
        document
        for path, content in sorted(files.items())
        if path.startswith("metadata/") and path.count("/") == 1
        for document in _read_or_none(content, path)
        if isinstance(document, dict)
    ]
    annotations: Mapping[str, Any] = next(filter(None, (object_of(item, "annotations") for item in metadata)), {})
    bundle = bundle_of(objects, where, package=text_of(annotations, PACKAGE_ANNOTATION).strip())
    if not bundle.package:
        raise MalformedError(
            f"{where} does not say its package",
            hint=f"metadata/annotations.yaml must have {PACKAGE_ANNOTATION}",
        )
    channels = (channel.strip() for channel in text_of(annotations, CHANNELS_ANNOTATION).split(","))
    return replace(
        bundle,
        channels=tuple(channel for channel in channels if channel),
        default_channel=text_of(annotations, DEFAULT_CHANNEL_ANNOTATION).strip(),
        dependencies=tuple(next(filter(None, (objects_of(item, "dependencies") for item in metadata)), ())),
        properties=tuple(next(filter(None, (objects_of(item, "properties") for item in metadata)), ())),
        findings=findings,
    )


def bundle_of(objects: Iterable[Mapping[str, Any]], where: str, *, package: str = "") -> BundleManifests:
    """Return the bundle that consists of these manifests. Raises MalformedError when there is no CSV with a name."""
    kept: list[Mapping[str, Any]] = []
    csv: Mapping[str, Any] | None = None
    for item in objects:
        if item.get("kind") == "ClusterServiceVersion":
            if csv is not None:
                continue
            csv = item
        kept.append(item)
    if csv is None:
        raise MalformedError(f"{where} is no bundle: it has no ClusterServiceVersion")
    bundle = BundleManifests(csv, tuple(kept), where, package)
    if not bundle.name:
        raise MalformedError(f"{where}: its ClusterServiceVersion has no name")
    return bundle


def _manifests(files: Mapping[str, bytes], where: str) -> tuple[list[Mapping[str, Any]], tuple[Finding, ...]]:
    objects: list[Mapping[str, Any]] = []
    findings = []
    for path, content in sorted(files.items()):
        folder, _, name = path.rpartition("/")
        if folder != "manifests" or name.startswith("."):
            continue
        try:
            # As opm does: one object a file, what follows it is not looked at.
            document = next(read_yaml([content], path), None)
        except MalformedError as error:
            findings.append(Finding(FindingCode.MALFORMED_ENTRY, where, error.message))
            continue
        if isinstance(document, dict):
            objects.append(document)
    return objects, tuple(findings)


def _read_or_none(content: bytes, path: str) -> list[Any]:
    try:
        return list(read_yaml([content], path))[:1]
    except MalformedError:
        return []


def _kind(item: Mapping[str, Any]) -> tuple[str, str, str]:
    return text_of(item, "group"), text_of(item, "version"), text_of(item, "kind")
