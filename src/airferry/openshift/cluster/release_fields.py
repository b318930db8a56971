"""Which fields of install-config.yaml a release knows, by its version."""

import re
from typing import Final

from airferry.errors import MalformedError
from airferry.openshift.cluster.mirror_sets import MirrorKind

_VERSION: Final = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?:[.-].*)?\Z")
_DIGEST_SOURCES_SINCE: Final = (4, 14)


def source_section(version: str | None) -> MirrorKind:
    """Return the section for mirrors: imageDigestSources from 4.14 on, and where no version is known.

    Raises MalformedError for what is no version.
    """
    if version is None:
        return MirrorKind.DIGEST_SOURCES
    found = _VERSION.match(version)
    if found is None:
        raise MalformedError(f"{version!r} is not a release version", hint="write it as 4.14 or 4.14.3")
    numbers = int(found[1]), int(found[2])
    return MirrorKind.DIGEST_SOURCES if numbers >= _DIGEST_SOURCES_SINCE else MirrorKind.CONTENT_SOURCES
