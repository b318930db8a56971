"""What ``release mirror`` is asked for: the flags as one value, and where they say that things go."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airferry.app.copies.copying import CopyOptions
from airferry.app.releases.release_image import one_release, parse_release
from airferry.errors import MalformedError, UnsupportedError, UsageError
from airferry.oci import PlaceKind, Reference
from airferry.oci.reference import parse_repository
from airferry.openshift.release.instructions import InstructionStyle
from airferry.openshift.release.naming import DEFAULT_DISK_PATH, Target

_MIRROR_HINT = "write HOST[:PORT]/REPOSITORY, such as mirror.example.com:8443/ocp4/openshift4"


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorRelease:
    """What is asked for; the fields are the flags of ``release mirror``.

    After :meth:`checked`, ``from_dir`` and ``to_dir`` name the disks that take part, however the flags named them.
    ``tool_name`` is the executable's on the disk, once it is there.
    """

    release: str
    architecture: str
    to: str | None = None
    to_dir: Path | None = None
    from_dir: Path | None = None
    to_release_image: str | None = None
    skip_release_image: bool = False
    mirror_registry: str | None = None
    instructions: InstructionStyle = InstructionStyle.ICSP
    signature_dir: Path | None = None
    manifests_dir: Path | None = None
    verification_keys: tuple[Path, ...] = ()
    signature_stores: tuple[str, ...] = ()
    allow_unverified: bool = False
    with_tool: bool = False
    tool_name: str | None = None
    options: CopyOptions = field(default_factory=CopyOptions)

    @property
    def source(self) -> Reference:
        """The release to mirror. Raises MalformedError."""
        return parse_release(self.release, architecture=self.architecture, disk=self.from_dir)

    @property
    def target(self) -> Target:
        """Where components go. Raises UsageError, MalformedError."""
        if self.to is None and self.to_dir is None:
            raise UsageError(
                "must specify an image repository or a folder to mirror the release to",
                hint="--to=REGISTRY/REPOSITORY, or --to-dir=FOLDER for a disk",
            )
        return Target.parse(self.to or f"file://{DEFAULT_DISK_PATH}", tree=self._tree)

    @property
    def release_target(self) -> Reference | None:
        """Where the release image goes when not to the components. Raises MalformedError."""
        return None if self.to_release_image is None else Reference.parse(self.to_release_image, tree=self._tree)

    @property
    def _tree(self) -> str:
        return str(self.to_dir) if self.to_dir is not None else "."

    def checked(self) -> "MirrorRelease":
        """Return the request with its disks named, also where only ``file://`` said that there is one.

        Raises UsageError and UnsupportedError for what cannot be done.
        """
        source, target = self.source.repository.place, self.target.repository.place
        if target.kind is PlaceKind.LAYOUT:
            raise UnsupportedError(
                f"--to={self.to}: a release is not mirrored to an OCI layout", hint="--to-dir=FOLDER makes a disk"
            )
        if self.to_dir is not None and target.kind is PlaceKind.REGISTRY:
            raise UsageError(
                f"--to-dir is for a disk, but --to={self.to} is a registry",
                hint="leave out one of them, or name the registry the disk is for with --mirror-registry",
            )
        asked = self
        if self.from_dir is None and source.kind is PlaceKind.TREE:
            asked = replace(asked, from_dir=Path(source.address))
        if self.to_dir is None and target.kind is PlaceKind.TREE:
            asked = replace(asked, to_dir=Path(target.address))
        _check_disks(asked)
        return asked


def _check_disks(asked: MirrorRelease) -> None:
    if asked.mirror_registry is not None:
        if asked.to_dir is None:
            raise UsageError(
                "--mirror-registry says which registry a disk is for, and there is no disk", hint="--to is enough"
            )
        try:
            is_registry = parse_repository(asked.mirror_registry).place.kind is PlaceKind.REGISTRY
        except MalformedError as error:
            raise UsageError(f"--mirror-registry: {error.message}", hint=_MIRROR_HINT) from error
        if not is_registry or "://" in asked.mirror_registry:
            raise UsageError(f"--mirror-registry={asked.mirror_registry} names no registry", hint=_MIRROR_HINT)
    if asked.with_tool and asked.to_dir is None:
        raise UsageError("--with-tool puts the executable on a disk, and there is none", hint="add --to-dir=FOLDER")
    if asked.signature_stores and asked.from_dir is not None:
        raise UsageError(
            f"--signature-store is not asked about a release on a disk: its signatures are in {asked.from_dir}/config",
            hint="leave it out; a signature ConfigMap from elsewhere may be put into that folder",
        )


def new_request(**flags: Any) -> MirrorRelease:
    """Return the request that the command line's flags mean. Raises UsageError for flags that exclude each other."""
    return MirrorRelease(
        release=one_release(flags["release"], flags["source"]),
        architecture=flags["arch"],
        to=flags["to"],
        to_dir=flags["to_dir"],
        from_dir=flags["from_dir"],
        to_release_image=flags["to_release_image"],
        skip_release_image=flags["skip_release_image"],
        mirror_registry=flags["mirror_registry"],
        instructions=InstructionStyle.parse(flags["print_mirror_instructions"]),
        signature_dir=flags["release_image_signature_to_dir"],
        manifests_dir=flags["manifests_dir"],
        verification_keys=flags["verification_key"],
        signature_stores=flags["signature_store"],
        allow_unverified=flags["allow_unverified"],
        with_tool=flags["with_tool"],
        options=CopyOptions(
            dry_run=flags["dry_run"],
            attachments=not flags["no_attachments"],
            refresh=flags["refresh"],
            workers=flags["max_per_registry"],
        ),
    ).checked()
