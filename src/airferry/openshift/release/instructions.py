"""What a mirrored release prints on stdout: success, where it is, and what to do with it next.

The sections have the shape of ``oc adm release mirror``, so that scripts which read them go on working.
The mirror rules themselves are made by another room and come in as text.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from airferry.errors import UsageError
from airferry.oci import PlaceKind, Reference
from airferry.openshift.release.naming import Target


class InstructionStyle(StrEnum):
    """The values of ``--print-mirror-instructions``."""

    ICSP = "icsp"
    IDMS = "idms"
    NONE = "none"

    @classmethod
    def parse(cls, text: str) -> "InstructionStyle":
        """Return the style of that name in any case, "" being icsp. Raises UsageError."""
        try:
            return cls(text.lower() or "icsp")
        except ValueError as error:
            raise UsageError("--print-mirror-instructions must be one of icsp, idms, none") from error


_OBJECT_WORDS = {InstructionStyle.ICSP: "ImageContentSourcePolicy", InstructionStyle.IDMS: "ImageDigestMirrorSet"}


def success_text(image: Reference, target: Target, release_target: Reference | None = None) -> str:
    """Return the section that names the image to update to, and each place that was mirrored to.

    For a disk only the image is named, without ``file://``, as ``oc`` has it.
    """
    on_disk = image.repository.place.kind is not PlaceKind.REGISTRY
    update = f"{image.repository.path}:{image.tag}" if on_disk else str(image)
    text = f"\nSuccess\nUpdate image:  {update}\n"
    if on_disk:
        return text
    word = "Mirror prefix" if target.template is None else "Mirrored to"
    places = (str(target), *((str(release_target),) if release_target is not None else ()))
    return text + "".join(f"{word}: {place}\n" for place in places)


def mirror_text(style: InstructionStyle, fragment: str, mirror_object: str) -> str:
    """Return the sections for install-config.yaml and for a running cluster; "" for the style NONE.

    ``fragment`` and ``mirror_object`` are YAML that ends in a newline, of the kinds that ``style`` names.
    """
    if style is InstructionStyle.NONE:
        return ""
    return (
        "\nTo use the new mirrored repository to install, add the following section to the install-config.yaml:\n\n"
        f"{fragment}\n\n"
        "To use the new mirrored repository for upgrades, use the following to create an "
        f"{_OBJECT_WORDS[style]}:\n\n{mirror_object}"
    )


def upload_text(folder: str, image: Reference, *, program: str = "airferry", unverified: bool = False) -> str:
    """Return the section that says how to load the disk into a registry; ``program`` may be ``oc``, as oc prints it.

    With ``unverified`` the command has the flag without which such a release is refused.
    """
    flag = "--allow-unverified " if unverified else ""
    return (
        "\nTo upload local images to a registry, run:\n\n"
        f"    {program} image mirror {flag}{shlex.quote(f'--from-dir={folder}')} "
        f"'file://{image.repository.path}:{image.tag}*' REGISTRY/REPOSITORY\n\n"
    )


def apply_signatures_text(folder: str) -> str:
    """Return the section that says what to do with the signature files in ``folder``."""
    return f"\n\nTo apply signature configmaps use 'oc apply' on files found in {folder}\n\n"


@dataclass(frozen=True, slots=True)
class SignatureFile:
    """A signature file as reported: its path, and the name of the ConfigMap in it."""

    path: str
    config_map: str


def signature_text(files: Sequence[SignatureFile], *, dry_run: bool = False) -> str:
    """Return one line for each signature file that was written, or would be."""
    if dry_run:
        return "".join(f"info: Write configmap signature file {file.path}\n" for file in files)
    return "".join(f"Configmap signature file {file.path} created\n" for file in files)


def mapping_text(pairs: Sequence[tuple[Reference, Reference]]) -> str:
    """Return what ``--to-mirror`` prints: source and destination of each image, the release first."""
    return "".join(f"{source} {destination}\n" for source, destination in pairs)
