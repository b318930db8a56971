"""What a cluster will pull: the release image, every component, what its own policy demands, and extra images.

Pure; what a release is made of comes as pairs, since a cluster does not know how releases are written.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from airferry.errors import AirferryError, MalformedError
from airferry.oci import Reference
from airferry.oci.pull_rules import PullRules
from airferry.oci.pull_sources import match_length, mirrors_for
from airferry.openshift.cluster.scopes import is_nested

_MAX_LINES: Final = 100_000


class WantedKind(StrEnum):
    """Why an image is wanted."""

    RELEASE = "release"
    COMPONENT = "component"
    EXTRA = "extra"
    SAMPLE = "sample"
    CATALOG = "catalog"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class SignatureDemand:
    """A policy that wants a Sigstore signature. ``key_pem`` is None where the policy has no plain public key.

    Source: ClusterImagePolicy (config.openshift.io/v1); nodes look for ``sha256-<hex>.sig`` beside the image.
    """

    policy: str
    key_pem: bytes | None = None


@dataclass(frozen=True, slots=True)
class ImagePolicy:
    """One ClusterImagePolicy: its name, the scopes it speaks for, and the demand."""

    scopes: tuple[str, ...]
    demand: SignatureDemand


@dataclass(frozen=True, slots=True)
class Wanted:
    """One image that will be pulled, by the name that the cluster uses.

    ``is_sought`` marks the release image where its tag alone is known and its digest was asked for in vain: a cluster
    pulls it by digest, so this name stands for it, and is asked of all mirrors.
    """

    name: str
    reference: Reference
    kind: WantedKind
    demand: SignatureDemand | None = None
    is_sought: bool = False


def wanted_images(
    release: Iterable[Reference],
    components: Iterable[tuple[str, Reference]],
    extra: Iterable[Reference] = (),
    policies: Sequence[ImagePolicy] = (),
) -> tuple[Wanted, ...]:
    """Return every image once: the release's references, components by name, then extra ones, in that order."""
    listed = [(_release_name(item), item, WantedKind.RELEASE) for item in release]
    listed += [(name, item, WantedKind.COMPONENT) for name, item in components]
    listed += [(str(item), item, WantedKind.EXTRA) for item in extra]
    found: dict[tuple[str, WantedKind], Wanted] = {}
    for name, reference, kind in listed:
        demand = demand_for(reference, policies)
        key = (str(reference), kind if kind is WantedKind.EXTRA else WantedKind.COMPONENT)
        if (str(reference), WantedKind.COMPONENT) not in found:
            found.setdefault(key, Wanted(name, reference, kind, demand))
    return tuple(found.values())


def demand_for(reference: Reference, policies: Sequence[ImagePolicy]) -> SignatureDemand | None:
    """Return what the policy with the longest matching scope demands of ``reference``; None when none matches."""
    name = str(reference.repository)
    matching = [(scope, policy) for policy in policies for scope in policy.scopes if is_nested(name, scope)]
    return max(matching, key=lambda item: len(item[0]))[1].demand if matching else None


def is_served_by_tag(reference: Reference, rules: PullRules) -> bool:
    """Whether somebody meant to serve ``reference`` by tag: a rule that covers its name has a mirror for tags.

    Also a rule that a narrower one hides counts: that it is hidden is then worth a "no".
    """
    name = str(reference.repository)
    return any(
        match_length(name, rule.prefix) is not None and mirrors_for(rule, by_digest=False) for rule in rules.rules
    )


def parse_images(text: str, file: str) -> tuple[Reference, ...]:
    """Return the images of a list with one reference on a line; ``#`` begins a comment.

    Raises MalformedError, also for a list of none: a yes for no image would be none.
    """
    lines = text.splitlines()
    if len(lines) > _MAX_LINES:
        raise MalformedError(f"{file} has {len(lines)} lines, more than the {_MAX_LINES} allowed")
    found: list[Reference] = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        try:
            reference = Reference.parse(words)
        except AirferryError as error:
            raise MalformedError(f"{file}, line {number}: {error.message}", hint=error.hint) from error
        if reference.tag is None and reference.digest is None:
            raise MalformedError(f"{file}, line {number}: {words} names no tag and no digest", hint="add one of them")
        found.append(reference)
    if not found:
        raise MalformedError(f"{file} names no image", hint="one reference on a line, such as quay.io/org/app:1.2")
    return tuple(found)


def parse_policies(files: Mapping[str, bytes]) -> tuple[tuple[ImagePolicy, ...], tuple[str, ...]]:
    """Return the ClusterImagePolicies in a release's manifests, and a sentence for each that could not be read."""
    found: list[ImagePolicy] = []
    unread: list[str] = []
    for name, content in sorted(files.items()):
        if b"ClusterImagePolicy" not in content:
            continue
        try:
            found += [_policy(document, name) for document in _documents(content, name) if _is_policy(document)]
        except MalformedError as error:
            unread.append(error.message)
    return tuple(found), tuple(unread)


def _documents(content: bytes, name: str) -> list[Any]:
    # Only releases with such a policy pay for this import (10 ms).
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return list(YAML(typ="safe", pure=True).load_all(content.decode()))
    except (YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise MalformedError(f"the policy {name} of the release is not YAML") from error


def _is_policy(document: Any) -> bool:
    return isinstance(document, dict) and document.get("kind") == "ClusterImagePolicy"


def _policy(document: Mapping[str, Any], file: str) -> ImagePolicy:
    metadata, spec = document.get("metadata"), document.get("spec")
    scopes = spec.get("scopes") if isinstance(spec, dict) else None
    if not isinstance(metadata, dict) or not isinstance(spec, dict) or not isinstance(scopes, list):
        raise MalformedError(f"the policy {file} of the release has no metadata, spec or scopes")
    root = (spec.get("policy") or {}).get("rootOfTrust") if isinstance(spec.get("policy"), dict) else None
    key = root.get("publicKey") if isinstance(root, dict) else None
    key_data = key.get("keyData") if isinstance(key, dict) else None
    demand = SignatureDemand(str(metadata.get("name")), _key(key_data, file))
    return ImagePolicy(tuple(scope for scope in scopes if isinstance(scope, str)), demand)


def _key(text: Any, file: str) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError(f"the key in the policy {file} of the release is not base64") from None


def _release_name(reference: Reference) -> str:
    return "release image" if reference.digest is not None else "release image by tag"
