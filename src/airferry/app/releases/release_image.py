"""Read a release image: its manifest, configuration and payload, from whatever place the reference names."""

from dataclasses import dataclass
from pathlib import Path

from airferry.app.images.image_config import read_image_config
from airferry.app.places import Places
from airferry.content.errors import DeniedError, NotFoundError, UnauthorizedError
from airferry.content.unpack import read_files
from airferry.errors import AirferryError, MalformedError, UsageError
from airferry.oci import Digest, Manifest, PlaceKind, Reference, Repository
from airferry.openshift.release.describe import ReleaseImage
from airferry.openshift.release.naming import DEFAULT_DISK_PATH, arch_word, architecture_of_word, version_reference
from airferry.openshift.release.payload import (
    IMAGE_REFERENCES,
    MANIFESTS_FOLDER,
    RELEASE_METADATA,
    ReleasePayload,
    parse_payload,
)


@dataclass(frozen=True, slots=True)
class OpenedRelease:
    """A release image that was read.

    ``asked`` is the reference as given; ``reference`` the same by digest (of the list, for a release for several
    architectures). ``manifest`` is the image that was looked into; ``image`` is what it says.
    """

    asked: Reference
    reference: Reference
    manifest: Manifest
    image: ReleaseImage

    @property
    def payload(self) -> ReleasePayload:
        """What the release consists of."""
        return self.image.payload

    @property
    def digest(self) -> Digest:
        """What the reference points at: the list's digest for a list."""
        return self.image.outer_digest

    @property
    def architecture(self) -> str:
        """The architecture of the image that was looked into, as image configs spell it."""
        value = self.image.config.get("architecture")
        return value if isinstance(value, str) and value else "amd64"

    @property
    def arch_word(self) -> str:
        """The architecture as tags spell it; ``multi`` for a list."""
        return arch_word(self.architecture, is_list=self.image.list_digest is not None)


def one_release(argument: str | None, option: str | None) -> str:
    """Return the release given as the argument or by ``--from``; both or none is a UsageError in oc's words."""
    if argument is not None and option is not None:
        raise UsageError("you may not specify an argument and --from")
    release = argument or option
    if release is None:
        raise UsageError(
            "must specify a release image with --from",
            hint="a version such as 4.12.0, or a reference such as REGISTRY/REPOSITORY:4.12.0-x86_64",
        )
    return release


def parse_release(text: str, *, architecture: str, disk: Path | None) -> Reference:
    """Return the reference that ``text`` means where a release is expected.

    A bare version is quay.io's, or, with ``disk``, the one on that disk under the name that --to-dir gives.
    """
    version = version_reference(text, architecture)
    if version is None:
        return Reference.parse(text, tree=str(disk or "."))
    if disk is not None:
        return Reference.parse(f"file://{DEFAULT_DISK_PATH}:{version.tag}", tree=str(disk))
    return version


async def read_release(
    reference: Reference, places: Places, *, architecture: str, or_first: bool = True
) -> OpenedRelease:
    """Read the release at ``reference``; of a list, the image for ``architecture``, or else (``or_first``) its first.

    Raises NotFoundError, …, and MalformedError when the image is no release.
    """
    source = places.source(reference.repository.place)
    path = reference.repository.path
    target = reference.digest or reference.tag
    if target is None:
        raise UsageError(f"{reference} names a repository, not a release", hint="add a tag or a digest")
    root = await source.read_manifest(path, target)
    manifest = root
    if root.is_index:
        manifest = await source.read_manifest(path, choose_child(root, architecture, or_first=or_first))
    if manifest.config is None:
        raise MalformedError(f"{reference} has no image configuration")
    config = await read_image_config(manifest, reference, places)
    try:
        found = await read_files(source, path, manifest, lambda name: name.startswith(MANIFESTS_FOLDER))
    except AirferryError as error:
        error.message = f"{reference}: {error.message}"
        raise
    files = {name.removeprefix(MANIFESTS_FOLDER): item.content for name, item in found.items()}
    if IMAGE_REFERENCES not in files:
        raise MalformedError(
            f"{reference} is not an OpenShift release: it has no {MANIFESTS_FOLDER}{IMAGE_REFERENCES}",
            hint="a release image is named such as quay.io/openshift-release-dev/ocp-release:4.12.0-x86_64",
        )
    image = ReleaseImage(
        asked=reference,
        payload=parse_payload(files[IMAGE_REFERENCES], files.get(RELEASE_METADATA)),
        digest=manifest.digest,
        config=config,
        layers=manifest.layers,
        files=files,
        list_digest=root.digest if root.is_index else None,
    )
    return OpenedRelease(reference, reference.by_digest(root.digest), manifest, image)


def choose_child(index: Manifest, architecture: str, *, or_first: bool = True) -> Digest:
    """Return the child of a list for linux on ``architecture``, or else the first that names a platform.

    The architecture may be spelled as in tags (x86_64) or as in image configs (amd64).
    """
    architecture = architecture_of_word(architecture)
    named = [child for child in index.children if child.platform is not None]
    for child in named:
        if child.platform is not None and (child.platform.os, child.platform.architecture) == ("linux", architecture):
            return child.digest
    if not named:
        raise MalformedError(f"the list {index.digest} has no image for any platform")
    if not or_first:
        raise NotFoundError(
            f"{index.digest} has no image for linux/{architecture}",
            hint=f"it is for {', '.join(str(child.platform) for child in named)}",
        )
    return named[0].digest


async def components_repository(release: OpenedRelease, places: Places) -> Repository | None:
    """Return the release's own repository when it holds the components too: on a disk, or in a mirror.

    None means that they are where the payload says. A mirror keeps everything in one repository, and where there
    is no internet nothing else answers.
    """
    repository = release.reference.repository
    first = release.payload.components[0].image
    if repository.place.kind is not PlaceKind.REGISTRY:
        return repository
    if first.repository.place == repository.place:
        return None
    assert first.digest is not None, "parse_payload takes components by digest only"
    try:
        await places.source(repository.place).read_manifest(repository.path, first.digest)
    except (NotFoundError, DeniedError, UnauthorizedError):
        return None
    return repository
