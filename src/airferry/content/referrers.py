"""What an answer to "what refers to this?" holds, for places that keep no list of it.

Source: distribution-spec "Listing Referrers": the artifact type is the manifest's own, or else the media type
of its config; the manifest's annotations go into the descriptor.
"""

from collections.abc import Iterable

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
