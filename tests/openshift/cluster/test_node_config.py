"""What nodes get for cluster objects: blocked and allowed scopes, policy.json, lookups, and what is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airferry.errors import MalformedError, UnsupportedError
from airferry.oci import Reference
from airferry.openshift.cluster.cluster_objects import ClusterObjects, join_objects, parse_cluster_objects
from airferry.openshift.cluster.image_config import ImageConfig, SignaturePolicy
from airferry.openshift.cluster.image_policies import demands_on, policy_scopes
from airferry.openshift.cluster.mirror_sets import MirrorSet, SourcePolicy
from airferry.openshift.cluster.node_config import (
    POLICY_JSON,
    RELEASE_REPOSITORY,
    SEARCH_DROP_IN,
    SIGSTORE_LOOKUPS,
    NodeConfig,
    node_config,
)
from airferry.openshift.cluster.registries_conf import SEARCH_REGISTRIES, print_registries_conf

from .test_registries_conf import icsp, idms, itms, shape

FILES = Path(__file__).parents[2] / "data" / "mirrors" / "files"
ACCEPT, REJECT = {"type": "insecureAcceptAnything"}, {"type": "reject"}
SIGNED = {"type": "sigstoreSigned", "keyData": "eA==", "signedIdentity": {"type": "matchRepoDigestOrExact"}}
NEVER = SourcePolicy.NEVER


def made(
    *sets: MirrorSet, policies: tuple[SignaturePolicy, ...] = (), release: str = RELEASE_REPOSITORY, **sources: object
) -> NodeConfig:
    config = ImageConfig(**sources)  # type: ignore[arg-type]
    return node_config(ClusterObjects(sets, config, policies), release_repository=release)


def scopes(config: NodeConfig, transport: str = "docker") -> dict[str, list[str]]:
    """What policy.json says of each scope, by type."""
    assert config.policy is not None
    return {scope: [item["type"] for item in found] for scope, found in config.policy["transports"][transport].items()}


def blocked(config: NodeConfig) -> list[str]:
    return sorted(rule.prefix for rule in config.rules.rules if rule.blocked)


def signed(*names: str, namespace: str | None = None) -> SignaturePolicy:
    return SignaturePolicy("p", names, SIGNED, namespace, f"{names}{namespace}")


# With the outcomes of the operator's own TestGetValidBlockAndAllowedRegistries, and some more. Blocked, digest
# mirrors; then what is blocked in registries.conf, rejected in policy.json, accepted there, and dropped.
PAYLOAD = "quay.io/openshift-release-dev"
BLOCKING = {
    "no release is blocked": (
        ["block.io", "block2.io"],
        [],
        ["block.io", "block2.io"],
        ["block.io", "block2.io"],
        [],
        [],
    ),
    "the release without a mirror": (["block.io", "quay.io"], [], ["block.io"], ["block.io"], [], ["quay.io"]),
    "the release with a mirror": (
        ["block.io", "quay.io"],
        [(PAYLOAD, ["m.io/ocp"])],
        ["block.io", "quay.io"],
        ["block.io", "quay.io"],
        [PAYLOAD],
        [],
    ),
    "its very repository with a mirror": (
        [PAYLOAD],
        [(PAYLOAD, ["m.io/ocp"])],
        [PAYLOAD],
        [],
        [PAYLOAD],
        [],
    ),
    "a mirror of its registry": (["quay.io"], [("quay.io", ["m.io"])], ["quay.io"], ["quay.io"], [PAYLOAD], []),
    "its mirror is blocked as well": (
        ["quay.io", "m.io/ocp"],
        [(PAYLOAD, ["m.io/ocp"])],
        ["m.io/ocp"],
        ["m.io/ocp"],
        [],
        ["quay.io"],
    ),
    "a scope around its mirror is blocked": (
        ["quay.io", "m.io"],
        [(PAYLOAD, ["m.io/ocp"])],
        ["m.io"],
        ["m.io"],
        [],
        ["quay.io"],
    ),
    "one of two mirrors is blocked": (
        ["quay.io", "m.io"],
        [(PAYLOAD, ["m.io/ocp", "n.io/ocp"])],
        ["m.io", "quay.io"],
        ["m.io", "quay.io"],
        [PAYLOAD],
        [],
    ),
    "its mirror is itself in the blocked scope": (
        ["quay.io"],
        [(PAYLOAD, ["quay.io/cache"])],
        [],
        [],
        [],
        ["quay.io"],
    ),
    "another repository of its registry": (["quay.io/x"], [], ["quay.io/x"], ["quay.io/x"], [], []),
}


@pytest.mark.parametrize("case", BLOCKING)
def test_blocking_what_the_release_comes_from(case: str) -> None:
    given, mirrors, bars, rejects, accepts, dropped = BLOCKING[case]
    config = made(idms(*mirrors), blocked=tuple(given), release=PAYLOAD)
    tables = blocked(config)
    assert [scope for scope in tables if scope in given] == sorted(bars)
    assert list(config.not_blocked) == dropped
    if rejects or accepts:
        wanted = {
            **{scope: ["reject"] for scope in rejects},
            **{scope: ["insecureAcceptAnything"] for scope in accepts},
        }
        assert scopes(config) == wanted
        assert config.policy is not None
        # With rejected scopes all others are accepted; with accepted ones alone all others are rejected.
        assert config.policy["default"] == [ACCEPT if rejects else REJECT]
    else:
        assert config.policy is None


def test_tag_mirrors_do_not_save_a_blocked_release() -> None:
    config = made(itms((PAYLOAD, ["m.io/ocp"])), blocked=("quay.io",), release=PAYLOAD)
    assert config.not_blocked == ("quay.io",)


def test_older_mirror_sets_save_it() -> None:
    assert made(icsp((PAYLOAD, ["m.io/ocp"])), blocked=("quay.io",), release=PAYLOAD).not_blocked == ()


def test_allowed_registries_reject_all_others_by_policy_alone() -> None:
    config = made(allowed=("quay.io", "m.io/ns/repo", "a.io/b/c/d"))
    assert config.rules.rules == ()
    assert config.policy is not None and config.policy["default"] == [REJECT]
    accepted = ["insecureAcceptAnything"]
    assert scopes(config) == {"quay.io": accepted, "m.io/ns/repo": accepted, "a.io/b/c/d": accepted}
    # That transport knows no scopes of more than three parts.
    assert scopes(config, "atomic") == {"quay.io": accepted, "m.io/ns/repo": accepted}
    assert config.policy["transports"]["docker-daemon"] == {"": [ACCEPT]}


def test_an_allowed_scope_with_a_policy_is_accepted_only_signed() -> None:
    config = made(allowed=("q.io/a", "q.io/b"), policies=(signed("q.io/a"),))
    assert scopes(config) == {"q.io/a": ["sigstoreSigned"], "q.io/b": ["insecureAcceptAnything"]}


REFUSED = {
    "allowed and blocked": (lambda: made(allowed=("a.io",), blocked=("b.io",)), "may not both be given"),
    "a policy outside the allowed": (
        lambda: made(allowed=("a.io",), policies=(signed("q.io"),)),
        "none of the allowed",
    ),
    "a policy inside the blocked": (
        lambda: made(blocked=("q.io",), policies=(signed("q.io/a"),)),
        "in the blocked q.io",
    ),
    "an allowed scope that is none": (lambda: made(allowed=("*.a/b",)), "is not a scope"),
    "an insecure scope that is none": (lambda: made(insecure=("a.*",)), "is not a scope"),
    "a source that is never asked as its own mirror": (
        lambda: made(idms(("q.io/a", ["q.io/a", "m.io"]), policy=NEVER)),
        "its own mirror",
    ),
    "two policies for one source": (
        lambda: made(idms(("q.io/a", ["m.io"]), policy=NEVER), itms(("q.io/a", ["m.io"]))),
        "has both",
    ),
    "a namespace's policy inside the blocked": (
        lambda: made(blocked=("q.io",), policies=(signed("q.io/a", namespace="n"),)),
        "in the blocked q.io",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_cluster_refuses_as_a_whole(case: str) -> None:
    make, says = REFUSED[case]
    with pytest.raises(MalformedError, match=says):
        make()


def test_the_one_allowed_list_that_goes_with_blocked_registries() -> None:
    config = made(allowed=(RELEASE_REPOSITORY,), blocked=("b.io",))
    assert scopes(config) == {RELEASE_REPOSITORY: ["insecureAcceptAnything"], "b.io": ["reject"]}


LOOKUPS = {
    "without mirrors the scope alone": ([], ["q.io/a"], ["q.io/a"]),
    "the scope and its mirrors of both kinds": (
        [idms(("q.io/a", ["m.io/d"])), itms(("q.io/a", ["m.io/t"]))], ["q.io/a"], ["m.io/d", "m.io/t", "q.io/a"],
    ),
    "a part of a mirrored source": ([idms(("q.io", ["m.io/q"]))], ["q.io/a"], ["m.io/q/a", "q.io/a"]),
    "a mirrored part of a scope": ([idms(("q.io/a/b", ["m.io/b"]))], ["q.io/a"], ["m.io/b", "q.io/a", "q.io/a/b"]),
    "a registry as scope": ([idms(("q.io", ["m.io/q"]))], ["q.io"], ["m.io/q", "q.io"]),
    "a wildcard": ([idms(("*.ex.com", ["m.io/ex"]))], ["*.ex.com"], ["*.ex.com", "m.io/ex"]),
    "a host of a mirrored wildcard": ([idms(("*.ex.com", ["m.io/ex"]))], ["a.ex.com/x"], ["a.ex.com/x", "m.io/ex/x"]),
    "a host inside a wildcard scope": (
        [idms(("a.ex.com", ["m.io/a"]))], ["*.ex.com"], ["*.ex.com", "a.ex.com", "m.io/a"],
    ),
    "what is mirrored elsewhere": ([idms(("q.io/ab", ["m.io"]))], ["q.io/a"], ["q.io/a"]),
}  # fmt: skip


@pytest.mark.parametrize("case", LOOKUPS)
def test_where_signatures_are_looked_for(case: str) -> None:
    sets, names, wanted = LOOKUPS[case]
    config = made(*sets, policies=(signed(*names),))
    assert config.lookups == tuple(wanted)
    again = parse_cluster_objects(config.files()[SIGSTORE_LOOKUPS], "sigstore-registries.yaml")
    assert again.lookups == tuple(wanted)


# The cases of the operator's own TestGenerateSigstoreRegistriesConfig: what comes besides the scopes themselves.
SCOPES = (
    "a.com/a1/a2",
    f"a.com/a1/a2@sha256:{'0' * 64}",
    "*.example.com",
    "foo.example.com/ns/repo",
    "policy.scope",
)
BESIDES = {
    "no mirrors": ([], []),
    "mirrors of other sources": (
        [
            icsp(("x.com/x1/x2", ["x-x1-x2.mirror/x1/x2"])),
            idms(("y.com/y1/y2", ["y-y1-y2.mirror/y1/y2"])),
            itms(("z.com/z1/z2", ["z-z1-z2.mirror/z1/z2"])),
        ],
        [],
    ),
    "sources inside a scope": (
        [
            idms(
                ("a.com/a1/a2", ["a-a1-a2.mirror/a1/a2"]),
                ("a.com/a1/a2/a3", ["a-a1-a2-a3.mirror/m1/m2/m3"]),
                ("a.com/a1/a2/a3-1", ["a-a1-a2-a3-1.mirror/m1/m2/m3"]),
                ("x.com/x1/x2", ["x-x1-x2.mirror/m1/m2"]),
            )
        ],
        [
            "a-a1-a2-a3-1.mirror/m1/m2/m3",
            "a-a1-a2-a3.mirror/m1/m2/m3",
            "a-a1-a2.mirror/a1/a2",
            "a.com/a1/a2/a3",
            "a.com/a1/a2/a3-1",
        ],
    ),
    "a scope inside sources": (
        [idms(("a.com", ["a.mirror"]), ("a.com/a1", ["a-a1.mirror/a1"]), ("x.com/x1/x2", ["x-x1-x2.mirror/x1/x2"]))],
        ["a-a1.mirror/a1/a2"],
    ),
    "a wildcard that is mirrored": (
        [idms(("*.example.com", ["our.mirror/example"]))],
        ["our.mirror/example", "our.mirror/example/ns/repo"],
    ),
    "wildcards that match": (
        [
            idms(
                ("a.example.com", ["a-example.mirror"]),
                ("*.x.example.com", ["matched.example.mirror", "star-x.example.mirror"]),
                ("*.scope", ["start-scope.mirror"]),
                ("x/x1/x2", ["x-x1-x2.mirror/x1/x2"]),
            )
        ],
        ["a-example.mirror", "a.example.com", "matched.example.mirror", "star-x.example.mirror", "start-scope.mirror"],
    ),
}


@pytest.mark.parametrize("namespace", [None, "team"])
@pytest.mark.parametrize("case", BESIDES)
def test_where_signatures_are_looked_for_as_on_nodes(case: str, namespace: str | None) -> None:
    sets, besides = BESIDES[case]
    assert made(*sets, policies=(signed(*SCOPES, namespace=namespace),)).lookups == tuple(sorted([*SCOPES, *besides]))


def test_a_namespaces_policy_has_a_file_of_its_own_on_top_of_the_clusters() -> None:
    config = made(policies=(signed("q.io/a"), signed("q.io/b", "q.io/a/x", namespace="team")))
    files = config.files()
    assert set(json.loads(files[POLICY_JSON])["transports"]["docker"]) == {"q.io/a"}
    assert set(json.loads(files["etc/crio/policies/team.json"])["transports"]["docker"]) == {"q.io/a", "q.io/b"}
    assert config.lookups == ("q.io/a", "q.io/b")


def test_search_registries_are_a_file_of_their_own() -> None:
    files = made(search=("a.io",)).files()
    assert files[SEARCH_DROP_IN] == 'unqualified-search-registries = ["a.io"]\nshort-name-mode = ""\n'
    assert (
        'unqualified-search-registries = ["registry.access.redhat.com", "docker.io"]\n'
        in files["etc/containers/registries.conf"]
    )
    assert SEARCH_DROP_IN not in made().files()
    assert SEARCH_DROP_IN in made(search=()).files()


def read(name: str) -> ClusterObjects:
    return parse_cluster_objects((FILES / name).read_text(), name)


def test_the_operators_own_files_together() -> None:
    names = ["cluster-image-config.yaml", "cluster-image-policy.yaml"]
    names += ["image-content-source-policy-0.yaml", "image-content-source-policy-1.yaml"]
    objects = join_objects(map(read, names))
    release = "release-registry.product.example.org/ocp/release"
    config = node_config(objects, release_repository=release)
    source, mirror = "registry.product.example.org/ocp/", "registry.mirror.example.com/ocp"
    assert shape(config.rules) == {
        f"{source}4.2-date-version": [mirror],
        f"{source}release": [mirror],
        "blocked-reg.io!": [],
        "insecure-reg-1.io~": [],
        "insecure-reg-2.io~": [],
    }
    # The release comes from there and has no mirror, so the operator does not block it.
    assert config.not_blocked == ("release-registry.product.example.org",)
    assert scopes(config) == {"blocked-reg.io": ["reject"], RELEASE_REPOSITORY: ["sigstoreSigned"]}
    assert config.lookups == (RELEASE_REPOSITORY,)
    assert made(*objects.mirror_sets, blocked=objects.image_config.blocked).not_blocked == ()  # type: ignore[union-attr]


def test_templates_are_refused_with_the_command_that_fills_them_in() -> None:
    for name in ("add-image-digest-mirror-set.yaml", "add-image-tag-mirror-set.yaml"):
        with pytest.raises(UnsupportedError) as caught:
            read(name)
        assert "oc process --local" in (caught.value.hint or "")


def test_the_file_that_nodes_are_installed_with_is_where_we_begin() -> None:
    text = (FILES / "container-registries.yaml").read_text()
    assert f"unqualified-search-registries = {list(SEARCH_REGISTRIES)}" in text
    assert list(SEARCH_REGISTRIES) == ["registry.access.redhat.com", "docker.io"]
    assert "registry" not in print_registries_conf(made().rules).replace("registry.access", "").replace(
        "registries", ""
    )


def test_install_config_counts_as_what_it_becomes() -> None:
    config = node_config(read("upi-none-mirror.yaml"))
    assert all(rule.mirrors for rule in config.rules.rules) and config.rules.rules


def test_objects_of_other_kinds_are_passed_over_by_name() -> None:
    text = "{kind: List, apiVersion: v1, items: [{kind: ConfigMap, apiVersion: v1, metadata: {name: x}}]}"
    assert parse_cluster_objects(text, "f").passed_over == ("f, document 1, items[0]: ConfigMap x",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1", "neither a cluster object"),
        ("[]", "is not an object but list"),
        ("", "holds nothing"),
        (
            "{kind: Image, apiVersion: config.openshift.io/v1, spec: {registrySources: {blockedRegistries: x}}}",
            "blocked",
        ),
        ("{kind: Image, apiVersion: config.openshift.io/v1, spec: []}", "spec is not a map"),
        ("{kind: ClusterImagePolicy, spec: {scopes: []}}", "not a list of scopes"),
        (
            "{kind: ClusterImagePolicy, spec: {scopes: [a.io], policy: {rootOfTrust: {policyType: X}}}}",
            "'X' is not known",
        ),
        ("{kind: List, items: [1]}", "is not an object with a kind"),
    ],
)
def test_what_is_not_written_as_it_must_be(text: str, says: str) -> None:
    with pytest.raises(MalformedError, match=says.replace("[", r"\[")):
        parse_cluster_objects(text, "f")


def test_two_image_configs_are_of_two_clusters() -> None:
    with pytest.raises(MalformedError, match="second Image object"):
        join_objects([read("cluster-image-config.yaml")] * 2)


ROOTS = {
    "a key with a log": (
        "{policyType: PublicKey, publicKey: {keyData: a, rekorKeyData: b}}",
        {"type": "sigstoreSigned", "keyData": "a", "rekorPublicKeyData": "b"},
    ),
    "a person's certificate": (
        "{policyType: FulcioCAWithRekor, fulcioCAWithRekor: {fulcioCAData: a, rekorKeyData: b, "
        "fulcioSubject: {oidcIssuer: i, signedEmail: e}}}",
        {
            "type": "sigstoreSigned",
            "fulcio": {"caData": "a", "oidcIssuer": "i", "subjectEmail": "e"},
            "rekorPublicKeyData": "b",
        },
    ),
    "an own PKI": (
        "{policyType: PKI, pki: {caRootsData: a, pkiCertificateSubject: {hostname: h}}}",
        {"type": "sigstoreSigned", "pki": {"caRootsData": "a", "subjectHostname": "h"}},
    ),
}


@pytest.mark.parametrize("case", ROOTS)
def test_roots_of_trust_become_requirements(case: str) -> None:
    root, wanted = ROOTS[case]
    text = f"{{kind: ClusterImagePolicy, spec: {{scopes: [q.io], policy: {{rootOfTrust: {root}}}}}}}"
    (policy,) = parse_cluster_objects(text, "f").policies
    assert policy.requirement == {**wanted, "signedIdentity": {"type": "matchRepoDigestOrExact"}}


@pytest.mark.parametrize(
    ("identity", "wanted"),
    [
        ("{matchPolicy: MatchRepository}", {"type": "matchRepository"}),
        (
            "{matchPolicy: ExactRepository, exactRepository: {repository: q.io/a}}",
            {"type": "exactRepository", "dockerRepository": "q.io/a"},
        ),
        (
            "{matchPolicy: RemapIdentity, remapIdentity: {prefix: a.io, signedPrefix: b.io}}",
            {"type": "remapIdentity", "prefix": "a.io", "signedPrefix": "b.io"},
        ),
    ],
)
def test_identities_become_requirements(identity: str, wanted: dict[str, str]) -> None:
    policy = f"{{rootOfTrust: {{policyType: PublicKey, publicKey: {{keyData: a}}}}, signedIdentity: {identity}}}"
    text = f"{{kind: ImagePolicy, metadata: {{namespace: n}}, spec: {{scopes: [q.io], policy: {policy}}}}}"
    (found,) = parse_cluster_objects(text, "f").policies
    assert found.requirement["signedIdentity"] == wanted and found.namespace == "n"


KEY = "rootOfTrust: {policyType: PublicKey, publicKey: {keyData: %s}}"
DOCUMENTS = [
    "{kind: ImageDigestMirrorSet, apiVersion: config.openshift.io/v1, metadata: {name: a}, spec: {imageDigestMirrors: "
    "[{source: q.io/a, mirrors: [n.io, m.io]}, {source: q.io, mirrors: [m.io/q]}]}}",
    "{kind: ImageDigestMirrorSet, apiVersion: config.openshift.io/v1, metadata: {name: b}, spec: {imageDigestMirrors: "
    "[{source: q.io/a, mirrors: [k.io, n.io]}]}}",
    "{kind: ImageTagMirrorSet, apiVersion: config.openshift.io/v1, metadata: {name: c}, spec: {imageTagMirrors: "
    "[{source: q.io/a, mirrors: [t.io]}]}}",
    "{kind: ImageContentSourcePolicy, apiVersion: operator.openshift.io/v1alpha1, metadata: {name: d}, spec: "
    "{repositoryDigestMirrors: [{source: q.io/a, mirrors: [z.io, k.io]}]}}",
    "{kind: Image, apiVersion: config.openshift.io/v1, metadata: {name: cluster}, spec: {registrySources: "
    "{insecureRegistries: [m.io], blockedRegistries: [bad.io, q.io/a/b]}}}",
    f"{{kind: ClusterImagePolicy, metadata: {{name: e}}, spec: {{scopes: [q.io/s], policy: {{{KEY % 'a'}}}}}}}",
    f"{{kind: ClusterImagePolicy, metadata: {{name: f}}, spec: {{scopes: [q.io/s], policy: {{{KEY % 'b'}}}}}}}",
    f"{{kind: ImagePolicy, metadata: {{name: g, namespace: n}}, spec: {{scopes: [r.io], policy: {{{KEY % 'c'}}}}}}}",
    f"{{kind: ImagePolicy, metadata: {{name: h, namespace: n}}, spec: {{scopes: [r.io], policy: {{{KEY % 'd'}}}}}}}",
]


@settings(deadline=None, max_examples=30)
@given(st.permutations(DOCUMENTS))
def test_the_order_of_objects_changes_no_byte(documents: list[str]) -> None:
    files = node_config(parse_cluster_objects("\n---\n".join(documents), "f")).files()
    assert files == node_config(parse_cluster_objects("\n---\n".join(DOCUMENTS), "f")).files()
    assert len(files) == 4  # all but a search list


def test_the_closest_scope_of_policy_json_counts_alone() -> None:
    names = ["q.io/a/b:1", "q.io/a/b", "q.io/a", "q.io", "*.io"]
    assert list(policy_scopes(Reference.parse("q.io/a/b:1"))) == names
    assert list(policy_scopes(Reference.parse("r.q.io:5000/a"))) == [
        "r.q.io:5000/a:latest", "r.q.io:5000/a", "r.q.io:5000", "*.q.io", "*.io",
    ]  # fmt: skip
    document = {"default": [REJECT], "transports": {"docker": {"q.io": [ACCEPT], "q.io/a": [SIGNED]}}}
    assert demands_on(Reference.parse("q.io/a/b:1"), document) == ("q.io/a", [SIGNED])
    assert demands_on(Reference.parse("q.io/ab:1"), document) == ("q.io", [ACCEPT])
    assert demands_on(Reference.parse("r.io/ab:1"), document) == ("", [REJECT])
