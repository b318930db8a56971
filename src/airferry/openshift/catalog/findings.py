"""What is wrong in a catalog, told by package, bundle and entry. Nothing that is dropped is dropped in silence."""

from dataclasses import dataclass
from enum import StrEnum


class FindingCode(StrEnum):
    """What was found; stable, for scripts."""

    VALUE_FOR_IMAGE = "value-for-image"
    EMPTY_IMAGE = "empty-image"
    MALFORMED_IMAGE = "malformed-image"
    NO_REGISTRY = "no-registry"
    IMAGE_BY_TAG = "image-by-tag"
    MALFORMED_ENTRY = "malformed-entry"
    DUPLICATE_NAME = "duplicate-name"
    DUPLICATE_VERSION = "duplicate-version"
    NO_CHANNELS = "package-without-channels"
    NO_DEFAULT_CHANNEL = "no-default-channel"
    ABSENT_DEFAULT_CHANNEL = "absent-default-channel"
    EMPTY_CHANNEL = "channel-without-entries"
    DUPLICATE_ENTRY = "duplicate-entry"
    NO_HEAD = "no-head"
    SEVERAL_HEADS = "several-heads"
    UPDATE_CYCLE = "update-cycle"
    STRANDED_ENTRY = "stranded-entry"
    BEHIND_SKIPPED_ENTRY = "behind-skipped-entry"
    MALFORMED_RANGE = "malformed-range"
    ENTRY_WITHOUT_BUNDLE = "entry-without-bundle"
    BUNDLE_WITHOUT_CHANNEL = "bundle-without-channel"
    MALFORMED_VERSION = "malformed-version"
    NO_RELATED_IMAGES = "no-related-images"
    ABSENT_DEPRECATED = "absent-deprecated"
    UNSATISFIED_NEED = "unsatisfied-need"
    NOT_EVALUATED = "not-evaluated"
    LEFT_OUT = "left-out"
    MISSING_UPSTREAM = "missing-upstream"
    CANNOT_TELL = "cannot-tell"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: ``where`` is the file and document, ``what`` a sentence, ``repaired`` what was read.

    ``repaired`` is "" when nothing could be made of it. ``where``, ``channel``, ``image``, ``hint`` (what helps) and
    ``consequence`` are "" where there is no such thing. ``what`` does not repeat the bundle.
    """

    code: FindingCode
    where: str
    what: str
    package: str = ""
    bundle: str = ""
    repaired: str = ""
    channel: str = ""
    image: str = ""
    hint: str = ""
    consequence: str = ""

    def __str__(self) -> str:
        """The finding in a line, by the bundle or package it is about."""
        about = self.bundle or f"{self.package}:{self.channel}".rstrip(":")
        repaired = f"; read as {self.repaired}" if self.repaired else ""
        return f"{about}: {self.what}{repaired}" if about else f"{self.what}{repaired}"
