"""What an answer to "what refers to this?" holds, for places that keep no list of it.

Source: distribution-spec "Listing Referrers": the artifact type is the manifest's own, or else the media type
of its config; the manifest's annotations go into the descriptor.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from airferry.oci import Descriptor, Digest, Manifest


def as_referrer(manifest: Manifest) -> Descriptor:
    """Return the descriptor under which a list of referrers shows ``manifest``."""
    artifact_type = manifest.artifact_type or (manifest.config.media_type if manifest.config else None)
    return Descriptor(
        manifest.media_type,
        manifest.digest,
        manifest.size_bytes,
        annotations=manifest.annotations,
        artifact_type=artifact_type,
    )


def by_subject(manifests: Iterable[Manifest]) -> dict[Digest, tuple[Descriptor, ...]]:
    """Return the referrers of each subject among ``manifests``, each once, sorted by digest."""
    found: dict[Digest, dict[Digest, Descriptor]] = {}
    for manifest in manifests:
        if manifest.subject is not None:
            found.setdefault(manifest.subject.digest, {})[manifest.digest] = as_referrer(manifest)
    return {subject: tuple(referrers[digest] for digest in sorted(referrers)) for subject, referrers in found.items()}


class ReferrerLists:
    """Who refers to what in the repositories of a place: worked out once for each, however many ask at a time."""

    def __init__(self, read: Callable[[str], Awaitable[Mapping[Digest, tuple[Descriptor, ...]]]]) -> None:
        """``read`` returns what :func:`by_subject` does for the manifests of a repository."""
        self._read = read
        self._known: dict[str, Mapping[Digest, tuple[Descriptor, ...]]] = {}
        self._reading = asyncio.Lock()
        self._changes = 0

    async def of(self, path: str, subject: Digest) -> tuple[Descriptor, ...]:
        """Return what refers to ``subject``. Raises what reading raises; the next to ask reads again then."""
        async with self._reading:
            known = self._known.get(path)
            if known is None:
                changes = self._changes
                known = await self._read(path)
                if changes == self._changes:  # else it may lack what was written in the meantime
                    self._known[path] = known
        return known.get(subject, ())

    def forget(self, path: str) -> None:
        """Say that the repository has changed."""
        self._changes += 1
        self._known.pop(path, None)
