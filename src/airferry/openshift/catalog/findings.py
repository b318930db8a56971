"""What is wrong in a catalog, told by package, bundle and entry. Nothing that is dropped is dropped in silence."""

from dataclasses import dataclass
from enum import StrEnum


class FindingCode(StrEnum):
    """What was found; stable, for scripts."""

    VALUE_FOR_IMAGE = "value-for-image"
    EMPTY_IMAGE = "empty-image"
    MALFORMED_IMAGE = "malformed-image"
    IMAGE_BY_TAG = "image-by-tag"
    MALFORMED_ENTRY = "malformed-entry"
    UNSATISFIED_NEED = "unsatisfied-need"
    NOT_EVALUATED = "not-evaluated"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: ``where`` is the file and document, ``what`` a sentence, ``repaired`` what was read.

    ``repaired`` is "" when nothing could be made of it.
    """

    code: FindingCode
    where: str
    what: str
    package: str = ""
    bundle: str = ""
    repaired: str = ""
