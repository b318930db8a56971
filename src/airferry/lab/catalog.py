"""Publishing a made-up operator catalog into a lab store: the catalog image, its bundles, and what they need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from airferry.errors import MalformedError, UsageError
from airferry.lab.attachments import attach_referrer, attach_signature
from airferry.lab.catalog_documents import catalog_files
from airferry.lab.catalog_shape import CATALOG, CatalogShape, Operator
from airferry.lab.images import BuiltImage, ImageParts, put_image, put_list
from airferry.lab.layer import File, Layer, Noise
from airferry.lab.store import LabStore
from airferry.oci import Digest
from airferry.openshift.catalog.labels import CONFIGS_LABEL, DEFAULT_CONFIGS

_ARCHITECTURES: Final = ("amd64", "arm64")
_BASE_BYTES: Final = 16 * 1024


class PublishedCatalog(msgspec.Struct, frozen=True, kw_only=True):
    """A catalog that a lab store holds.

    ``digest`` is what ``tag`` points at in ``repository``. ``references`` gives the reference of each image in the
    documents, ``digests`` its digest, both by the names of :class:`CatalogShape`; those that are missing included.
    ``signed`` is the name of the image with a Sigstore signature, ``referred`` of the one with a referrer, both "" when
    nothing is attached.
    """

    folder: Path
    source_host: str
    repository: str
    tag: str
    digest: str
    references: dict[str, str]
    digests: dict[str, str]
    lists: tuple[str, ...]
    missing: tuple[str, ...]
    signed: str
    signature_tag: str
    referred: str
    referrer: str

    @property
    def pullspec(self) -> str:
        """The catalog image by its own name and tag."""
        return f"{self.source_host}/{self.repository}:{self.tag}"

    def reference_at(self, host: str) -> str:
        """The catalog image by tag at another host, such as the lab upstream's."""
        return f"{host}/{self.repository}:{self.tag}"


def publish_catalog(folder: Path, shape: CatalogShape = CATALOG) -> PublishedCatalog:
    """Publish a catalog of ``shape`` into the lab store at ``folder``, which may hold releases and other catalogs.

    Raises UsageError when the shape names an image that the catalog does not have.
    """
    store = LabStore(folder)
    published = _Build(store, shape).run()
    store.save()
    content = msgspec.json.encode(published, enc_hook=str)
    (folder / f"catalog-{shape.name}-{shape.tag}.json").write_bytes(content)
    return published


@dataclass(slots=True)
class _Build:
    """One publishing: the store it fills, the images by name, and the base layers, made once for each architecture."""

    store: LabStore
    shape: CatalogShape
    digests: dict[str, Digest] = field(default_factory=dict)
    lists: list[str] = field(default_factory=list)
    bases: dict[str, Layer] = field(default_factory=dict)

    def run(self) -> PublishedCatalog:
        shape = self.shape
        for operator, version in shape.bundles:
            self._operator_image(operator, version)
            self._bundle_image(operator, version)
        for name in sorted({name for operator in shape.operators for name in operator.shares}):
            self._single(f"{name}:1")
        unknown = {*shape.missing, *shape.by_tag, *shape.slips, *shape.elsewhere} - self.digests.keys()
        if unknown:
            raise UsageError(f"the catalog has no image {', '.join(sorted(unknown))}")
        references = {name: self._reference(name) for name in self.digests}
        digest = self._catalog_image(references)
        signed, signature_tag, referred, referrer = self._attach()
        for name in shape.missing:
            self.store.forget_manifest(self._path(name), str(self.digests[name]))
        return PublishedCatalog(
            folder=self.store.folder,
            source_host=shape.source_host,
            repository=f"{shape.namespace}/{shape.name}",
            tag=shape.tag,
            digest=str(digest),
            references=references,
            digests={name: str(found) for name, found in self.digests.items()},
            lists=tuple(self.lists),
            missing=shape.missing,
            signed=signed,
            signature_tag=signature_tag,
            referred=referred,
            referrer=referrer,
        )

    def _path(self, name: str) -> str:
        return f"{self.shape.namespace}/{name.partition(':')[0]}"

    def _reference(self, name: str) -> str:
        host = self.shape.other_host if name in self.shape.elsewhere else self.shape.source_host
        if name in self.shape.by_tag:
            return f"{host}/{self.shape.namespace}/{name}"
        return f"{host}/{self._path(name)}@{self.digests[name]}"

    def _operator_image(self, operator: Operator, version: str) -> None:
        name = f"{operator.name}-operator:{version}"
        path = self._path(name)
        children = tuple(self._image(name, architecture) for architecture in _ARCHITECTURES)
        self.digests[name] = put_list(self.store, path, children, version)
        self.lists.append(name)

    def _single(self, name: str) -> None:
        self.digests[name] = self._image(name, "amd64", name.rpartition(":")[2]).digest

    def _image(self, name: str, architecture: str, *tags: str) -> BuiltImage:
        path = self._path(name)
        program = File(f"usr/bin/{path}", Noise(f"{name}/{architecture}", self.shape.own_bytes), 0o755)
        layers = (self._base(path, architecture), self.store.put_layer(path, (program,)))
        return put_image(self.store, path, ImageParts(layers, {"name": name}, architecture), *tags)

    def _base(self, path: str, architecture: str) -> Layer:
        if architecture not in self.bases:
            entries = (File("usr/", mode=0o755), File("usr/lib/base.so", Noise(f"base/{architecture}", _BASE_BYTES)))
            self.bases[architecture] = self.store.put_layer(path, entries)
        layer = self.bases[architecture]
        self.store.link_blobs(path, (layer.digest,))
        return layer

    def _bundle_image(self, operator: Operator, version: str) -> None:
        name = f"{operator.name}-bundle:{version}"
        path = self._path(name)
        package = f"annotations:\n  operators.operatorframework.io.bundle.package.v1: {operator.name}\n"
        service = f"kind: ClusterServiceVersion\nmetadata:\n  name: {operator.bundle(version)}\n"
        entries = (
            File("manifests/", mode=0o755),
            File(f"manifests/{operator.name}.clusterserviceversion.yaml", service.encode()),
            File("metadata/", mode=0o755),
            File("metadata/annotations.yaml", package.encode()),
        )
        labels = {
            "operators.operatorframework.io.bundle.mediatype.v1": "registry+v1",
            "operators.operatorframework.io.bundle.manifests.v1": "manifests/",
            "operators.operatorframework.io.bundle.metadata.v1": "metadata/",
            "operators.operatorframework.io.bundle.package.v1": operator.name,
        }
        parts = ImageParts((self.store.put_layer(path, entries),), labels)
        self.digests[name] = put_image(self.store, path, parts, version).digest

    def _catalog_image(self, references: Mapping[str, str]) -> Digest:
        path = f"{self.shape.namespace}/{self.shape.name}"
        files = catalog_files(self.shape, references)
        folders = sorted({f"configs/{name.partition('/')[0]}/" for name in files})
        entries = [File("configs/", mode=0o755), *(File(folder, mode=0o755) for folder in folders)]
        entries += [File(f"configs/{name}", content) for name, content in sorted(files.items())]
        configs = self.store.put_layer(path, entries)
        children = tuple(
            put_image(
                self.store,
                path,
                ImageParts((self._base(path, architecture), configs), {CONFIGS_LABEL: DEFAULT_CONFIGS}, architecture),
            )
            for architecture in _ARCHITECTURES
        )
        return put_list(self.store, path, children, self.shape.tag)

    def _attach(self) -> tuple[str, str, str, str]:
        if not self.shape.attached or not self.shape.operators:
            return "", "", "", ""
        first, last = self.shape.operators[0], self.shape.operators[-1]
        signed = f"{first.name}-operator:{first.versions[-1]}"
        referred = f"{last.name}-bundle:{last.versions[-1]}"
        tag = attach_signature(self.store, self._path(signed), self.digests[signed], self._reference(signed))
        referrer = attach_referrer(self.store, self._path(referred), self.digests[referred])
        return signed, tag, referred, str(referrer)


def load_catalog(folder: Path, shape: CatalogShape = CATALOG) -> PublishedCatalog:
    """Return the catalog of ``shape`` that was published into ``folder`` earlier, perhaps by another process."""
    file = folder / f"catalog-{shape.name}-{shape.tag}.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=PublishedCatalog, dec_hook=lambda _, value: Path(str(value)))
    except (OSError, msgspec.DecodeError) as error:
        raise MalformedError(f"no lab catalog {shape.name}:{shape.tag} in {folder}: {error}") from error
