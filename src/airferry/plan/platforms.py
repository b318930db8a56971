"""Copying only some platforms of a list, said aloud: which digests change, and what is left out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from airferry.errors import UsageError
from airferry.oci import Descriptor, Digest, Manifest


@dataclass(frozen=True, slots=True)
class PlatformFilter:
    """Keeps the children of lists whose ``os/arch[/variant]`` the expression matches, anywhere in it, as oc does.

    ``keep_list`` leaves the list itself unchanged (sparse: some children are not there), so that its digest
    stays; many registries refuse such a list.
    """

    expression: re.Pattern[str]
    keep_list: bool = False

    @classmethod
    def parse(cls, text: str, *, keep_list: bool = False) -> "PlatformFilter | None":
        """Return the filter, or None when it keeps everything (``""`` and ``.*``). Raises UsageError."""
        if text in ("", ".*"):
            return None
        try:
            return cls(re.compile(text), keep_list)
        except re.error as error:
            raise UsageError(f"--filter-by-os is not a regular expression: {error}") from error

    def wants(self, child: Descriptor) -> bool:
        """Whether this child of a list is kept. A child that names no platform is kept: it may be an attestation."""
        return child.platform is None or self.expression.search(str(child.platform)) is not None


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a filter made of a list: the manifest to put instead, and a sentence for the operator."""

    manifest: Manifest
    note: str


def filter_list(
    manifest: Manifest, wanted: PlatformFilter, manifests: Mapping[Digest, Manifest], name: str
) -> Filtered:
    """Return what to copy instead of the list ``manifest``, called ``name``.

    One child left: that child, as oc does. Several: a new list of them. Raises UsageError when none is left.
    """
    kept = [child for child in manifest.children if wanted.wants(child)]
    with_platform = [child for child in kept if child.platform is not None]
    if not with_platform:
        platforms = ", ".join(str(child.platform) for child in manifest.children if child.platform)
        raise UsageError(
            f"--filter-by-os={wanted.expression.pattern} leaves nothing of {name}",
            hint=f"it has {platforms or 'no platforms'}",
        )
    if len(kept) == len(manifest.children) or wanted.keep_list:
        left_out = len(manifest.children) - len(kept)
        return Filtered(manifest, f"{name}: {left_out} platforms are left out, the list stays {manifest.digest}")
    if len(with_platform) == 1 and with_platform[0].digest in manifests:
        child = with_platform[0]
        note = f"{name}: the digest changes from the list {manifest.digest} to {child.digest} ({child.platform})"
        return Filtered(manifests[child.digest], note)
    fields = msgspec.json.decode(manifest.raw)
    keep = {child.digest for child in kept}
    fields["manifests"] = [item for item in fields["manifests"] if item["digest"] in keep]
    made = Manifest.parse(msgspec.json.encode(fields), manifest.media_type)
    platforms = ", ".join(str(child.platform) for child in with_platform)
    return Filtered(made, f"{name}: the digest changes from {manifest.digest} to {made.digest} (only {platforms})")
