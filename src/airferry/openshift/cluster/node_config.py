"""What a cluster's nodes will have: pull rules, search list, signature policy, and the files that say so.

Source: machine-config-operator, pkg/controller/container-runtime-config (``getValidBlockedAndAllowedRegistries``,
``registriesConfigIgnition``), with its validation: what it refuses as a whole is an error here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.oci.digest import Digest
from airferry.oci.pull_rules import PullRules
from airferry.oci.pull_sources import pull_sources
from airferry.oci.reference import Reference
from airferry.openshift.cluster.cluster_objects import ClusterObjects
from airferry.openshift.cluster.image_config import ImageConfig, SignaturePolicy
from airferry.openshift.cluster.image_policies import (
    overridden_scopes,
    policy_document,
    print_lookups,
    print_policy,
    scope_requirements,
    signature_lookups,
    with_requirements,
)
from airferry.openshift.cluster.registries_conf import (
    SEARCH_REGISTRIES,
    check_scopes,
    print_registries_conf,
    pull_rules,
)
from airferry.openshift.cluster.scopes import is_nested

RELEASE_REPOSITORY: Final = "quay.io/openshift-release-dev/ocp-release"
"""Where a cluster's release image is, unless somebody rebuilt it."""

REGISTRIES_CONF: Final = "etc/containers/registries.conf"
SEARCH_DROP_IN: Final = "etc/containers/registries.conf.d/01-image-searchRegistries.conf"
POLICY_JSON: Final = "etc/containers/policy.json"
SIGSTORE_LOOKUPS: Final = "etc/containers/registries.d/sigstore-registries.yaml"
NAMESPACE_POLICIES: Final = "etc/crio/policies"

_SOME_DIGEST: Final = Digest("sha256:" + "a" * 64)


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What nodes have.

    ``search_drop_in`` is None where there is no such file. ``policy`` is None where nodes keep the file they were
    installed with; ``namespace_policies`` is by namespace. ``lookups`` is None where nothing is known about
    registries.d, as of a node's registries.conf alone. ``not_blocked`` are scopes that the operator drops from the
    blocked ones, with an error in its log, because the release itself could not be pulled any more.
    """

    rules: PullRules
    search: tuple[str, ...] = SEARCH_REGISTRIES
    search_drop_in: tuple[str, ...] | None = None
    policy: Mapping[str, Any] | None = None
    namespace_policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lookups: tuple[str, ...] | None = None
    not_blocked: tuple[str, ...] = ()
    policies: tuple[SignaturePolicy, ...] = ()
    trusted_ca: str | None = None

    def files(self) -> dict[str, str]:
        """Return every file by its path on the node, without the leading slash."""
        files = {REGISTRIES_CONF: print_registries_conf(self.rules, search=self.search)}
        if self.search_drop_in is not None:
            files[SEARCH_DROP_IN] = print_registries_conf(PullRules(), search=self.search_drop_in)
        if self.policy is not None:
            files[POLICY_JSON] = print_policy(self.policy)
        if self.lookups:
            files[SIGSTORE_LOOKUPS] = print_lookups(self.lookups)
        for namespace, policy in sorted(self.namespace_policies.items()):
            files[f"{NAMESPACE_POLICIES}/{namespace}.json"] = print_policy(policy)
        return files


@dataclass(frozen=True, slots=True)
class _Sources:
    """``registrySources`` after the operator looked at it; the lists for policy.json differ from the others."""

    blocked: tuple[str, ...]
    policy_blocked: tuple[str, ...]
    allowed: tuple[str, ...]
    not_blocked: tuple[str, ...]


def node_config(objects: ClusterObjects, *, release_repository: str = RELEASE_REPOSITORY) -> NodeConfig:
    """Return what nodes get for ``objects``. Raises as :func:`pull_rules` does, where the cluster refuses them."""
    config = objects.image_config or ImageConfig()
    check_scopes((*config.insecure, *config.blocked, *config.allowed))
    sources = _valid_sources(objects, config, release_repository)
    rules = pull_rules(objects.mirror_sets, insecure=config.insecure, blocked=sources.blocked)
    overridden = {(policy.origin, scope) for policy, scope, _ in overridden_scopes(objects.policies)}
    demands = scope_requirements(policy for policy in objects.policies if policy.namespace is None)
    by_namespace = _by_namespace(objects.policies, overridden)
    _check_allowed(sources, release_repository)
    _check_policies([*demands, *(scope for found in by_namespace.values() for scope in found)], sources)
    policy = None
    if sources.policy_blocked or sources.allowed or demands or by_namespace:
        policy = policy_document(sources.policy_blocked, sources.allowed, demands)
    scopes = {*demands, *(scope for found in by_namespace.values() for scope in found)}
    rendered = signature_lookups(scopes, rules) if scopes else ()
    return NodeConfig(
        rules,
        search_drop_in=config.search,
        policy=policy,
        namespace_policies={name: with_requirements(policy or {}, found) for name, found in by_namespace.items()},
        lookups=rendered if objects.lookups is None else objects.lookups,
        not_blocked=sources.not_blocked,
        policies=objects.policies,
        trusted_ca=config.trusted_ca,
    )


def _valid_sources(objects: ClusterObjects, config: ImageConfig, release_repository: str) -> _Sources:
    blocked: list[str] = []
    policy_blocked: list[str] = []
    allowed: list[str] = []
    not_blocked: list[str] = []
    for scope in config.blocked:
        if not is_nested(release_repository, scope):
            blocked.append(scope)
            policy_blocked.append(scope)
        elif _has_unblocked_mirror(objects, config, release_repository):
            # policy.json goes by the name, not by the place, and the release's name must stay pullable.
            blocked.append(scope)
            allowed.append(release_repository)
            if scope != release_repository:
                policy_blocked.append(scope)
        else:
            not_blocked.append(scope)
    return _Sources(tuple(blocked), tuple(policy_blocked), (*allowed, *config.allowed), tuple(not_blocked))


def _has_unblocked_mirror(objects: ClusterObjects, config: ImageConfig, release_repository: str) -> bool:
    """Whether the release can still be pulled by digest; tag mirrors do not count."""
    by_digest = [item for item in objects.mirror_sets if not item.kind.is_for_tags]
    rules = pull_rules(by_digest, insecure=config.insecure, blocked=config.blocked)
    reference = Reference(Reference.parse(release_repository).repository, digest=_SOME_DIGEST)
    names = (str(source.reference.repository) for source in pull_sources(reference, rules))
    return any(not any(is_nested(name, scope) for scope in config.blocked) for name in names)


def _check_allowed(sources: _Sources, release_repository: str) -> None:
    if sources.allowed and sources.policy_blocked and sources.allowed != (release_repository,):
        raise MalformedError(
            "allowedRegistries and blockedRegistries may not both be given",
            hint="clusters refuse the whole image config then; allow what is needed, and leave the rest out",
        )


def _check_policies(scopes: Sequence[str], sources: _Sources) -> None:
    for scope in scopes:
        if sources.allowed and not any(is_nested(scope, allowed) for allowed in sources.allowed):
            raise MalformedError(
                f"an image policy is for {scope}, which lies in none of the allowedRegistries",
                hint="clusters refuse the whole image config then; allow it too, or narrow the policy",
            )
        outer = next((blocked for blocked in sources.policy_blocked if is_nested(scope, blocked)), None)
        if outer is not None:
            raise MalformedError(
                f"an image policy is for {scope}, which lies in the blocked {outer}",
                hint="clusters refuse the whole image config then; nothing is pulled from there anyway",
            )


def _by_namespace(
    policies: Sequence[SignaturePolicy], overridden: set[tuple[str, str]]
) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for policy in sorted(policies, key=lambda item: item.name):
        if policy.namespace is None:
            continue
        for scope in policy.scopes:
            if (policy.origin, scope) not in overridden:
                found.setdefault(policy.namespace, {}).setdefault(scope, []).append(policy.requirement)
    return found
