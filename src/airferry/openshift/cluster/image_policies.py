"""Signature policies of a cluster, and what its nodes get for them: policy.json and the lookups of registries.d.

Source: machine-config-operator, pkg/controller/container-runtime-config (helpers.go: ``policyItemFromSpec``,
``updatePolicyJSON``, ``generateSigstoreRegistriesdConfig``); field order is that of containers/image.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.oci.pull_rules import PullRule, PullRules
from airferry.oci.pull_sources import find_rule, match_length, normalized
from airferry.oci.reference import Reference
from airferry.openshift.cluster.image_config import SignaturePolicy
from airferry.openshift.cluster.scopes import is_nested

_ACCEPT: Final = {"type": "insecureAcceptAnything"}
_REJECT: Final = {"type": "reject"}
_MOST_SLASHES_OF_ATOMIC: Final = 2


def read_policy(document: Mapping[str, Any], where: str) -> SignaturePolicy:
    """Return a ClusterImagePolicy or ImagePolicy. Raises MalformedError."""
    metadata = document.get("metadata") or {}
    spec = document.get("spec") or {}
    scopes = spec.get("scopes") if isinstance(spec, dict) else None
    if not isinstance(scopes, list) or not scopes or not all(isinstance(scope, str) and scope for scope in scopes):
        raise MalformedError(f"{where}: spec.scopes is not a list of scopes")
    policy = spec.get("policy")
    if not isinstance(metadata, dict) or not isinstance(policy, dict):
        raise MalformedError(f"{where}: metadata or spec.policy is not a map")
    namespace = None
    if document.get("kind") == "ImagePolicy":
        namespace = str(metadata.get("namespace") or "default")
    return SignaturePolicy(
        str(metadata.get("name") or ""), tuple(scopes), _requirement(policy, where), namespace, where
    )


def _requirement(policy: Mapping[str, Any], where: str) -> dict[str, Any]:
    trust = _map(policy, "rootOfTrust", where)
    requirement: dict[str, Any] = {"type": "sigstoreSigned"}
    match trust.get("policyType"):
        case "PublicKey":
            key = _map(trust, "publicKey", where)
            requirement["keyData"] = _text(key, "keyData", where)
            if key.get("rekorKeyData"):
                requirement["rekorPublicKeyData"] = _text(key, "rekorKeyData", where)
        case "FulcioCAWithRekor":
            fulcio = _map(trust, "fulcioCAWithRekor", where)
            subject = _map(fulcio, "fulcioSubject", where)
            requirement["fulcio"] = {
                "caData": _text(fulcio, "fulcioCAData", where),
                "oidcIssuer": _text(subject, "oidcIssuer", where),
                "subjectEmail": _text(subject, "signedEmail", where),
            }
            requirement["rekorPublicKeyData"] = _text(fulcio, "rekorKeyData", where)
        case "PKI":
            requirement["pki"] = _pki(_map(trust, "pki", where), where)
        case other:
            raise MalformedError(f"{where}: rootOfTrust.policyType {other!r} is not known")
    requirement["signedIdentity"] = _identity(policy.get("signedIdentity") or {}, where)
    return requirement


def _pki(fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    subject = _map(fields, "pkiCertificateSubject", where)
    made = {"caRootsData": _text(fields, "caRootsData", where)}
    if fields.get("caIntermediatesData"):
        made["caIntermediatesData"] = _text(fields, "caIntermediatesData", where)
    for ours, theirs in (("subjectEmail", "email"), ("subjectHostname", "hostname")):
        if subject.get(theirs):
            made[ours] = _text(subject, theirs, where)
    return made


def _identity(fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    match fields.get("matchPolicy") or "MatchRepoDigestOrExact":
        case "MatchRepoDigestOrExact":
            return {"type": "matchRepoDigestOrExact"}
        case "MatchRepository":
            return {"type": "matchRepository"}
        case "ExactRepository":
            exact = _map(fields, "exactRepository", where)
            return {"type": "exactRepository", "dockerRepository": _text(exact, "repository", where)}
        case "RemapIdentity":
            remap = _map(fields, "remapIdentity", where)
            prefix, signed = _text(remap, "prefix", where), _text(remap, "signedPrefix", where)
            return {"type": "remapIdentity", "prefix": prefix, "signedPrefix": signed}
        case other:
            raise MalformedError(f"{where}: signedIdentity.matchPolicy {other!r} is not known")


def _map(fields: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise MalformedError(f"{where}: {name} is missing, or not a map")
    return value


def _text(fields: Mapping[str, Any], name: str, where: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedError(f"{where}: {name} is missing, or not text")
    return value


def scope_requirements(policies: Iterable[SignaturePolicy]) -> dict[str, list[Mapping[str, Any]]]:
    """Return, for each scope, what all policies together demand of it, policies by name."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for policy in sorted(policies, key=lambda item: item.name):
        for scope in policy.scopes:
            found.setdefault(scope, []).append(policy.requirement)
    return found


def overridden_scopes(policies: Sequence[SignaturePolicy]) -> tuple[tuple[SignaturePolicy, str, str], ...]:
    """Return each scope of an ImagePolicy that counts for nothing, and the ClusterImagePolicy's that covers it."""
    cluster = sorted({scope for policy in policies if policy.namespace is None for scope in policy.scopes})
    return tuple(
        (policy, scope, outer)
        for policy in policies
        if policy.namespace is not None
        for scope in policy.scopes
        for outer in cluster
        if is_nested(scope, outer)
    )


def policy_document(
    blocked: Sequence[str], allowed: Sequence[str], requirements: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, Any]:
    """Return policy.json as nodes get it; with nothing to say it is the file that nodes are installed with."""
    default, scopes = _ACCEPT, {}
    if allowed:
        default = _REJECT
        scopes.update({scope: [_ACCEPT] for scope in allowed if scope not in requirements})
    if blocked:
        default = _ACCEPT
        scopes.update({scope: [_REJECT] for scope in blocked})
    document: dict[str, Any] = {"default": [default], "transports": {"docker-daemon": {"": [_ACCEPT]}}}
    return with_requirements(document, requirements, scopes)


def with_requirements(
    document: Mapping[str, Any],
    requirements: Mapping[str, Sequence[Mapping[str, Any]]],
    scopes: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> dict[str, Any]:
    """Return ``document`` with requirements added to its scopes; ``scopes`` take the place of those it has."""
    made: dict[str, Any] = deepcopy(dict(document))
    of_docker = made["transports"].get("docker", {}) if scopes is None else scopes
    wanted = {scope: list(found) for scope, found in of_docker.items()}
    for scope, found in requirements.items():
        wanted[scope] = [*wanted.get(scope, ()), *found]
    if wanted:
        made["transports"]["docker"] = dict(sorted(wanted.items()))
        # The transport "atomic" knows no scopes of more than three parts.
        made["transports"]["atomic"] = {
            scope: found for scope, found in sorted(wanted.items()) if scope.count("/") <= _MOST_SLASHES_OF_ATOMIC
        }
        made["transports"] = dict(sorted(made["transports"].items()))
    return made


def print_policy(document: Mapping[str, Any]) -> str:
    """Return policy.json's text."""
    return json.dumps(document, indent=2, ensure_ascii=False)


def demands_on(reference: Reference, document: Mapping[str, Any]) -> tuple[str, Sequence[Mapping[str, Any]]]:
    """Return what policy.json demands of an image, by the name it is asked for, and the scope that says so.

    The most specific scope counts alone; "" is the transport's or the file's default (containers-policy.json(5)).
    """
    scopes: Mapping[str, Sequence[Mapping[str, Any]]] = document.get("transports", {}).get("docker", {})
    for scope in policy_scopes(reference):
        if scope in scopes:
            return scope, scopes[scope]
    return "", scopes.get("", document.get("default", ()))


def policy_scopes(reference: Reference) -> Iterator[str]:
    """Yield the scopes that speak for a reference, the most specific first; ports are no part of wildcards."""
    repository = normalized(reference.repository)
    name = str(repository)
    yield f"{name}@{reference.digest}" if reference.digest is not None else f"{name}:{reference.tag or 'latest'}"
    while name:
        yield name
        name = name.rpartition("/")[0]
    labels = repository.place.address.partition(":")[0].split(".")
    for start in range(1, len(labels)):
        yield f"*.{'.'.join(labels[start:])}"


def signature_lookups(scopes: Iterable[str], rules: PullRules) -> tuple[str, ...]:
    """Return the scopes of registries.d, sorted: each scope with a policy, and each place its images come from."""
    found: set[str] = set()
    for scope in scopes:
        found.add(scope)
        found.update(places_of(scope, find_rule(scope, rules)))
        for rule in rules.rules:
            if rule.prefix != scope and is_nested(rule.prefix, scope):
                found.update(places_of(rule.prefix, rule))
    return tuple(sorted(found))


def places_of(scope: str, rule: PullRule | None) -> tuple[str, ...]:
    """Return where images of ``scope`` may come from by ``rule``: mirrors of both kinds, then the rule's own place.

    A wildcard without location adds no place of its own. A scope's tag or digest is no part of a place.
    """
    if rule is None:
        return ()
    concrete = f"matched{scope[1:]}" if scope.startswith("*.") else _untagged(scope)
    rest = concrete[match_length(concrete, rule.prefix) or 0 :]
    locations = [*(mirror.location for mirror in rule.mirrors), *([rule.location] if rule.location else [])]
    return tuple(location + rest for location in locations)


def _untagged(scope: str) -> str:
    name = scope.partition("@")[0]
    parent, slash, last = name.rpartition("/")
    return f"{parent}/{last.partition(':')[0]}" if slash else name


def print_lookups(lookups: Sequence[str]) -> str:
    """Return ``sigstore-registries.yaml``."""
    lines = ["docker:"]
    for scope in lookups:
        lines += [f"  {_key(scope)}:", "    use-sigstore-attachments: true"]
    return "\n".join(lines) + "\n"


def _key(scope: str) -> str:
    return f"'{scope}'" if scope[:1] in "*[" else scope
