"""Where a release and its components go: repositories, tags, and what is asked of the planner.

Everything goes into one repository, as ``oc`` has it, under ``VERSION-ARCH`` and ``VERSION-ARCH-COMPONENT``. A
release that is a list of architectures is always copied whole and its tags say ``multi``; ``oc`` does that only
with ``--keep-manifest-list`` and otherwise tags the whole list ``-x86_64``, which we do not follow.
"""

import re
from dataclasses import dataclass
from typing import Final

from airferry.errors import MalformedError, UnsupportedError, UsageError
from airferry.oci import Place, PlaceKind, Reference, Repository
from airferry.oci.descriptor import shortened
from airferry.oci.reference import is_tag
from airferry.openshift.release.payload import ReleasePayload
from airferry.openshift.semver import is_version
from airferry.plan.model import CopyRequest

OFFICIAL_REPOSITORY: Final = Repository(Place(PlaceKind.REGISTRY, "quay.io"), "openshift-release-dev/ocp-release")
"""Where a bare version X.Y.Z is looked up."""

DEFAULT_DISK_PATH: Final = "openshift/release"
"""The repository that ``--to-dir`` alone means."""

ARCHITECTURES: Final = ("amd64", "arm64", "ppc64le", "s390x")
"""What releases are made for, as image configs spell it."""

RELEASE_NAME: Final = "release"
"""What the release image itself is called in requests, ledgers and tag templates."""

_ARCH_WORDS: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_ARCHITECTURES: Final = {word: arch for arch, word in _ARCH_WORDS.items()}
_PLACEHOLDER: Final = re.compile(r"\$\{([^}]*)\}")


def arch_word(architecture: str, *, is_list: bool = False) -> str:
    """Return the architecture as tags spell it: amd64 is x86_64, arm64 is aarch64, a list is multi."""
    return "multi" if is_list else _ARCH_WORDS.get(architecture, architecture)


def architecture_of_word(word: str) -> str:
    """Return the architecture as image configs spell it: x86_64 is amd64, aarch64 is arm64; others as they are."""
    return _ARCHITECTURES.get(word, word)


def check_architecture(word: str) -> str:
    """Return ``word`` when releases are made for it, in either spelling, or for ``multi``. Raises UsageError."""
    if architecture_of_word(word) not in (*ARCHITECTURES, "multi"):
        raise UsageError(
            f"there are no releases for the architecture {shortened(word)}",
            hint=f"--arch takes {', '.join(ARCHITECTURES)}, multi; multi is the release for several",
        )
    return word


def version_reference(text: str, architecture: str) -> Reference | None:
    """Return quay.io's reference for the bare version ``text``, or None when it is not one.

    ``architecture`` may be spelled as in image configs (amd64) or in tags (x86_64, multi). No update graph is asked.
    Raises UsageError for a version for another architecture.
    """
    if not is_version(text) or not is_tag(text):
        return None
    return Reference(OFFICIAL_REPOSITORY, f"{text}-{arch_word(check_architecture(architecture))}")


@dataclass(frozen=True, slots=True)
class Target:
    """Where components go: a repository, and how tags are made.

    ``template`` is None for the usual tags, else the tag of ``--to`` with ``${component}`` and ``${version}``.
    """

    repository: Repository
    template: str | None = None

    @classmethod
    def parse(cls, text: str, *, tree: str = ".") -> "Target":
        """Return what ``--to`` spells: a repository, or ``REPOSITORY:TAG`` with placeholders in the tag.

        A placeholder in the repository is refused: the mirror rules of a cluster map repository to repository,
        so that components spread over repositories of their own names could not be pulled.
        """
        head, slash, last = text.rpartition("/")
        name, colon, tag = last.partition(":")
        if "${" in head or "${" in name:
            raise UnsupportedError(
                f"the repository of --to may not hold a placeholder: {text}",
                hint="use them in the tag, such as REGISTRY/REPOSITORY:${version}-${component}",
            )
        if not colon or "${" not in tag:
            return cls(_repository_only(text, tree))
        _check_template(tag, text)
        return cls(_repository_only(f"{head}{slash}{name}", tree), tag)

    def tag(self, version: str, arch: str, component: str | None) -> str:
        """Return the tag of a component, or of the release image when ``component`` is None.

        ``arch`` is a word of :func:`arch_word`. Raises MalformedError when the outcome is not a valid tag.
        """
        if self.template is not None:
            filled = self.template.replace("${version}", version).replace("${component}", component or RELEASE_NAME)
            tag = f"{filled}-{arch}"
        else:
            tag = f"{version}-{arch}" if component is None else f"{version}-{arch}-{component}"
        if not is_tag(tag):
            raise MalformedError(f"{tag!r} is not a valid tag: at most 128 letters, digits, dots, dashes, underscores")
        return tag

    def __str__(self) -> str:
        """As it was given."""
        return str(self.repository) if self.template is None else f"{self.repository}:{self.template}"


def release_copies(
    payload: ReleasePayload,
    release: Reference,
    target: Target,
    arch: str,
    *,
    release_target: Reference | None = None,
    skip_release_image: bool = False,
    components_from: Repository | None = None,
) -> tuple[CopyRequest, ...]:
    """Return what to copy: the release image first, then each component in the order of image-references.

    ``release`` is the release image by digest. ``arch`` is a word of :func:`arch_word`. ``release_target`` is
    ``--to-release-image``, a reference with a tag. ``components_from`` names the repository that holds every
    component when the source is a disk or a mirror; without it they come from where the payload says.
    Raises UsageError when both ways of treating the release image are asked for.
    """
    if skip_release_image and release_target is not None:
        raise UsageError("--skip-release-image and --to-release-image may not both be specified")
    requests: list[CopyRequest] = []
    if not skip_release_image:
        place, tag = _release_place(release_target, target, payload.version, arch)
        requests.append(CopyRequest(release, place, (tag,), RELEASE_NAME))
    for component in payload.components:
        digest = component.image.digest
        assert digest is not None, "parse_payload takes components by digest only"
        source = component.image if components_from is None else Reference(components_from, None, digest)
        tag = target.tag(payload.version, arch, component.name)
        requests.append(CopyRequest(source, target.repository, (tag,), component.name))
    return tuple(requests)


def _release_place(release_target: Reference | None, target: Target, version: str, arch: str) -> tuple[Repository, str]:
    if release_target is None:
        return target.repository, target.tag(version, arch, None)
    if release_target.tag is None or release_target.digest is not None:
        raise UsageError(
            f"--to-release-image must be a reference with a tag and without a digest, not {release_target}"
        )
    return release_target.repository, release_target.tag


def _repository_only(text: str, tree: str) -> Repository:
    reference = Reference.parse(text, tree=tree)
    if reference.tag is not None or reference.digest is not None:
        raise UsageError(f"--to must be to an image repository and may not contain a tag or digest: {text}")
    return reference.repository


def _check_template(tag: str, whole: str) -> None:
    names = _PLACEHOLDER.findall(tag)
    unknown = sorted(set(names) - {"component", "version"})
    if unknown or "${" in _PLACEHOLDER.sub("", tag):
        raise UsageError(f"unknown placeholder in --to={whole}", hint="use ${component} and ${version}")
    if "component" not in names:
        raise UsageError(
            f"the tag in --to={whole} lacks ${{component}}, so all images would get the same tag",
            hint="write REGISTRY/REPOSITORY:${version}-${component}",
        )
