"""The words of planning: what is asked for, what a look around found, and the steps that follow."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from airferry.errors import AirferryError
from airferry.oci import Descriptor, Digest, Manifest, Reference, Repository


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """One image to carry: ``source`` (by digest or by tag) into ``destination``, under ``tags`` (may be none).

    ``name`` is what people call it (a component, a tag); the ledger and errors use it. ``attached_to`` is the image
    that this is a signature, an attestation or a referrer of, None for what was asked for itself.
    """

    source: Reference
    destination: Repository
    tags: tuple[str, ...] = ()
    name: str = ""
    attached_to: Digest | None = None

    @property
    def optional(self) -> bool:
        """Whether its absence at the source is no gap: an attachment may or may not exist."""
        return self.attached_to is not None


@dataclass(frozen=True, slots=True)
class Survey:
    """What reading the sources and asking the destinations found.

    ``roots`` gives the digest of each request's image, and lacks requests whose image is missing. ``manifests``
    holds every manifest reachable from the roots. ``present`` says, for each destination repository, which
    manifests and blobs are already there whole; ``tags`` what its tags point at.
    """

    roots: Mapping[CopyRequest, Digest]
    manifests: Mapping[Digest, Manifest]
    present: Mapping[Repository, Set[Digest]] = field(default_factory=dict)
    tags: Mapping[tuple[Repository, str], Digest] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """Something asked for that did not arrive: one line of the ledger.

    ``missing`` is what exactly failed (a manifest, a blob), ``error`` how. ``consequence`` says what that makes
    unusable; the room that knows the image's meaning fills it.
    """

    request: CopyRequest
    missing: str
    error: AirferryError
    consequence: str = ""

    @property
    def code(self) -> str:
        """The error's code."""
        return self.error.code

    @property
    def reason(self) -> str:
        """The error's message."""
        return self.error.message


@dataclass(frozen=True, slots=True)
class CopyBlob:
    """Read a blob from ``source`` and write it to ``destination``."""

    source: Repository
    destination: Repository
    blob: Descriptor


@dataclass(frozen=True, slots=True)
class MountBlob:
    """Take a blob over from ``sibling``, a repository of the same place; copy from ``source`` if declined."""

    source: Repository
    sibling: Repository
    destination: Repository
    blob: Descriptor


@dataclass(frozen=True, slots=True)
class PutManifest:
    """Write a manifest under its digest."""

    destination: Repository
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class PutTag:
    """Point a tag at a manifest."""

    destination: Repository
    tag: str
    manifest: Manifest


Step = CopyBlob | MountBlob | PutManifest | PutTag


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order that is legal to carry out one by one, and what each waits for.

    ``needs[i]`` holds the positions of the steps that must be done before ``steps[i]``; all are less than i.
    ``already_there_bytes`` and ``shared_bytes`` count blob bytes that need no moving, and why.
    """

    steps: tuple[Step, ...]
    needs: tuple[tuple[int, ...], ...]
    already_there_bytes: int = 0
    already_there_blobs: int = 0
    shared_bytes: int = 0
