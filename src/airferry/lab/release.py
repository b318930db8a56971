"""Publishing a made-up release into a lab store, in the shape and under the names of quay.io."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from airferry.errors import MalformedError, UsageError
from airferry.lab.attachments import attach_attestation, attach_referrer, attach_signature
from airferry.lab.components import Component
from airferry.lab.images import BuiltImage, ImageParts, put_image, put_list
from airferry.lab.keys import LabKey, signature_message, write_signature
from airferry.lab.layer import Entry, File, Layer, Noise
from airferry.lab.payload import COMPONENT_REPOSITORY, RELEASE_REPOSITORY, payload_entries
from airferry.lab.recipe import ImageRecipe, base_layers, plan_release
from airferry.lab.shape import DEMO, Shape
from airferry.lab.store import LabStore
from airferry.lab.tools import tool_files
from airferry.oci import Digest

_LOWER_IMAGE: Final = "cluster-version-operator"
"""The component that the release image is built on."""


class PublishedRelease(msgspec.Struct, frozen=True, kw_only=True):
    """A release that a lab store holds, and everything a test or a demo may want to know of it.

    ``digest`` is what ``tag`` points at in ``release_repository``; ``components`` gives the digest that
    image-references names for each component (its list, where it is one), those that are ``missing`` included.
    ``signature_store`` (a folder) and ``verification_key`` (a file) are None when the release is not signed.
    ``attachments`` gives the tags that hold signatures and attestations, by repository; ``referrers`` the digests
    that refer to the release image.
    """

    folder: Path
    version: str
    tag: str
    digest: str
    source_host: str
    release_repository: str
    component_repository: str
    components: dict[str, str]
    lists: tuple[str, ...]
    missing: tuple[str, ...]
    signature_store: Path | None
    verification_key: Path | None
    attachments: dict[str, list[str]]
    referrers: tuple[str, ...]

    @property
    def image_count(self) -> int:
        """How many images a complete mirror of this release has: the components and the release image."""
        return len(self.components) + 1

    @property
    def pullspec(self) -> str:
        """The release image by its own name and tag, ``quay.io/openshift-release-dev/ocp-release:<tag>``."""
        return f"{self.source_host}/{self.release_repository}:{self.tag}"

    @property
    def pullspec_by_digest(self) -> str:
        """The release image by its own name and digest."""
        return f"{self.source_host}/{self.release_repository}@{self.digest}"

    def reference_at(self, host: str) -> str:
        """The release image by tag at another host, such as the lab upstream's."""
        return f"{host}/{self.release_repository}:{self.tag}"

    @classmethod
    def load(cls, folder: Path, tag: str) -> "PublishedRelease":
        """Return the release ``tag`` that was published into ``folder`` earlier, perhaps by another process."""
        file = folder / f"release-{tag}.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls, dec_hook=_decode_path)
        except (OSError, msgspec.DecodeError) as error:
            raise MalformedError(f"no lab release {tag} in {folder}: {error}") from error


def publish_release(
    folder: Path,
    shape: Shape = DEMO,
    *,
    key: LabKey | None = None,
    payload_files: Mapping[str, bytes] | None = None,
    layers: Mapping[str, bytes] | None = None,
) -> PublishedRelease:
    """Publish a release of ``shape`` into the lab store at ``folder``, which may hold others already.

    ``key`` signs it; by default a new one is made, whose public half goes into ``folder/verification-key.asc``.
    Raises UsageError when ``shape.missing`` names a component that the release does not have.
    ``payload_files`` replaces or adds files of ``release-manifests/`` (malformed ones, say); ``layers`` replaces
    the own layer of a component, by name, with bytes as they are (a hostile tar, say).
    """
    store = LabStore(folder)
    release = _Build(store, shape, key or LabKey() if shape.signed else None, payload_files or {}, layers or {}).run()
    store.save()
    content = msgspec.json.encode(release, enc_hook=str)
    (folder / f"release-{release.tag}.json").write_bytes(content)
    return release


@dataclass(slots=True)
class _Build:
    """One publishing: the store it fills, and the layers made so far, so that shared ones are made once."""

    store: LabStore
    shape: Shape
    key: LabKey | None
    payload_files: Mapping[str, bytes]
    replaced: Mapping[str, bytes]
    noise_bytes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    made: dict[tuple[str, str], Layer] = field(default_factory=dict)

    def run(self) -> PublishedRelease:
        recipe = plan_release(self.shape)
        self.noise_bytes = recipe.noise_bytes
        built = {image.component: self._images(image) for image in recipe.images}
        components = {component: self._named(images) for component, images in built.items()}
        by_name = {component.name: str(digest) for component, digest in components.items()}
        unknown = set(self.shape.missing) - set(by_name)
        if unknown:
            raise UsageError(f"the release has no component {', '.join(sorted(unknown))} that could be missing")
        operator = next(images for component, images in built.items() if component.name == _LOWER_IMAGE)
        digest = self._release_image(components, operator)
        signature_store, key_file = self._sign(digest)
        attachments, referrers = self._attach(digest, components)
        for name in self.shape.missing:
            self.store.forget_manifest(COMPONENT_REPOSITORY, by_name[name])
        return PublishedRelease(
            folder=self.store.folder,
            version=self.shape.version,
            tag=self.shape.tag,
            digest=str(digest),
            source_host=self.shape.source_host,
            release_repository=RELEASE_REPOSITORY,
            component_repository=COMPONENT_REPOSITORY,
            components=by_name,
            lists=tuple(component.name for component, images in built.items() if len(images) > 1),
            missing=self.shape.missing,
            signature_store=signature_store,
            verification_key=key_file,
            attachments=attachments,
            referrers=referrers,
        )

    def _images(self, image: ImageRecipe) -> tuple[BuiltImage, ...]:
        return tuple(self._image(image, architecture) for architecture in image.architectures)

    def _named(self, images: tuple[BuiltImage, ...]) -> Digest:
        """Return what image-references names: the image, or a list of the images."""
        return images[0].digest if len(images) == 1 else put_list(self.store, COMPONENT_REPOSITORY, images)

    def _image(self, image: ImageRecipe, architecture: str) -> BuiltImage:
        names = () if image.base is None else base_layers(image.base)
        layers = [self._layer(name, architecture, ()) for name in names]
        layers.append(self._own_layer(image, architecture))
        component = image.component
        labels = {
            "io.k8s.display-name": component.name,
            "io.openshift.build.commit.id": component.commit,
            "io.openshift.build.source-location": component.source_location,
            "name": f"openshift/ose-{component.name}",
            "version": f"v{self.shape.version}" if component.name in self.shape.rebuilt else "v4.12.0",
        }
        if component.name.endswith("operator"):
            labels["io.openshift.release.operator"] = "true"
        return put_image(self.store, COMPONENT_REPOSITORY, ImageParts(tuple(layers), labels, architecture, image.oci))

    def _own_layer(self, image: ImageRecipe, architecture: str) -> Layer:
        name = image.component.name
        if name in self.replaced:
            return self._raw_layer(self.replaced[name])
        key = f"{self.shape.seed}/{image.own_layer_of}/{architecture}"
        if image.own_layer_of in self.shape.rebuilt:
            key = f"{key}/{self.shape.version}"
        tools = tool_files(image.own_layer_of, key, image.component.commit, self.shape.tool_bytes)
        return self._layer(image.own_layer_of, architecture, tools)

    def _layer(self, name: str, architecture: str, tools: tuple[Entry, ...]) -> Layer:
        made = self.made.get((name, architecture))
        if made is None:
            salt = f"/{self.shape.version}" if name in self.shape.rebuilt else ""
            key = f"{self.shape.seed}/{name}/{architecture}{salt}"
            size_bytes = self.noise_bytes[name, architecture]
            entries = (
                File("usr/", mode=0o755),
                *tools,
                File(f"usr/share/doc/{name}", f"{name} for {architecture}, made up by the airferry lab\n".encode()),
                File(f"usr/lib/{name}.so", Noise(key, size_bytes), 0o755),
            )
            made = self.made[name, architecture] = self.store.put_layer(COMPONENT_REPOSITORY, entries)
        return made

    def _raw_layer(self, content: bytes) -> Layer:
        digest = self.store.put_blob(COMPONENT_REPOSITORY, content)
        return Layer(digest, len(content), digest)

    def _release_image(self, components: Mapping[Component, Digest], operator: tuple[BuiltImage, ...]) -> Digest:
        entries = payload_entries(
            self.shape, components, None if self.key is None else self.key.public, self.payload_files
        )
        top = self.store.put_layer(RELEASE_REPOSITORY, entries)
        multi = len(self.shape.architectures) > 1
        built = tuple(
            put_image(
                self.store,
                RELEASE_REPOSITORY,
                ImageParts((*lower.layers, top), self._release_labels(lower), lower.architecture),
                *(() if multi else (self.shape.tag,)),
            )
            for lower in operator
        )
        return put_list(self.store, RELEASE_REPOSITORY, built, self.shape.tag) if multi else built[0].digest

    def _release_labels(self, lower: BuiltImage) -> dict[str, str]:
        return {
            "io.openshift.release": self.shape.version,
            "io.openshift.release.base-image-digest": lower.digest,
        }

    def _sign(self, digest: Digest) -> tuple[Path | None, Path | None]:
        if self.key is None:
            return None, None
        signature_store = self.store.folder / "signatures"
        signed_digests = {digest, *self._children(digest)}
        for signed in sorted(signed_digests):
            reference = f"{self.shape.source_host}/{RELEASE_REPOSITORY}:{self.shape.tag}"
            write_signature(signature_store, signed, self.key.sign(signature_message(signed, reference)))
        key_file = self.store.folder / "verification-key.asc"
        key_file.write_text(self.key.public, encoding="ascii")
        return signature_store, key_file

    def _children(self, digest: Digest) -> tuple[Digest, ...]:
        fields = msgspec.json.decode(self.store.read(digest))
        return tuple(Digest.parse(child["digest"]) for child in fields.get("manifests", ()))

    def _attach(
        self, digest: Digest, components: Mapping[Component, Digest]
    ) -> tuple[dict[str, list[str]], tuple[str, ...]]:
        if not self.shape.attached:
            return {}, ()
        host = self.shape.source_host
        chosen = list(components.values())[:: max(1, len(components) // self.shape.attached)][: self.shape.attached]
        component_name, release_name = f"{host}/{COMPONENT_REPOSITORY}", f"{host}/{RELEASE_REPOSITORY}"
        signed = [attach_signature(self.store, COMPONENT_REPOSITORY, found, component_name) for found in chosen]
        own = [
            attach_signature(self.store, RELEASE_REPOSITORY, digest, release_name),
            attach_attestation(self.store, RELEASE_REPOSITORY, digest),
        ]
        referrer = attach_referrer(self.store, RELEASE_REPOSITORY, digest)
        return {RELEASE_REPOSITORY: own, COMPONENT_REPOSITORY: signed}, (str(referrer),)


def _decode_path(wanted: type, value: object) -> object:
    if wanted is Path:
        return Path(str(value))
    raise NotImplementedError(wanted)  # msgspec's way to hear that a type is not known here
