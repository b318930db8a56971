"""Each trap is found where it is, said in one sentence with a fix, and nowhere else."""

from pathlib import Path

import pytest

from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules
from airferry.openshift.cluster.cluster_objects import ClusterObjects
from airferry.openshift.cluster.image_config import ImageConfig, SignaturePolicy
from airferry.openshift.cluster.mirror_sets import MirrorKind, MirrorSet
from airferry.openshift.cluster.node_config import RELEASE_REPOSITORY, NodeConfig, node_config
from airferry.openshift.cluster.traps import TRAP_CODES, Trap, find_traps

from .test_registries_conf import icsp, idms, itms

COMPONENTS = "quay.io/openshift-release-dev/ocp-v4.0-art-dev"
SIGNED = {"type": "sigstoreSigned", "keyData": "eA=="}


def traps(*sets: MirrorSet, **more: object) -> list[Trap]:
    lookups = more.pop("lookups", None)
    policies = more.pop("policies", ())
    objects = ClusterObjects(sets, ImageConfig(**more), tuple(policies), lookups)  # type: ignore[arg-type]
    return list(find_traps(node_config(objects), sets))


def codes(found: list[Trap]) -> list[tuple[str, str]]:
    return [(trap.code, trap.where.removeprefix("[[registry]] ")) for trap in found]


def own(*rules: PullRule) -> list[Trap]:
    """Of a node's own registries.conf."""
    return list(find_traps(NodeConfig(PullRules(rules))))


def test_a_the_release_by_tag_never_uses_digest_mirrors() -> None:
    mirrors = idms((RELEASE_REPOSITORY, ["m:8443/ocp/release"]), (COMPONENTS, ["m:8443/ocp/release"]))
    (trap,) = traps(mirrors)
    assert (trap.code, trap.where) == ("tag-pulls-unserved", f"[[registry]] {RELEASE_REPOSITORY}")
    assert f"a pull of {RELEASE_REPOSITORY} by tag asks only the source" in trap.sentence
    assert "ImageTagMirrorSet" in trap.fix
    assert traps(mirrors, itms((RELEASE_REPOSITORY, ["m:8443/ocp/release"]))) == []


def test_an_install_config_is_told_where_tag_mirrors_go() -> None:
    """It has no field for them; the manifests of the installer are the place before there is a cluster."""
    section = MirrorSet(MirrorKind.DIGEST_SOURCES, idms((RELEASE_REPOSITORY, ["m:8443/ocp"])).entries)
    (trap,) = traps(section)
    assert trap.code == "tag-pulls-unserved"
    assert "install-config.yaml has no field" in trap.fix and "DIR/openshift/" in trap.fix
    nested = MirrorSet(MirrorKind.DIGEST_SOURCES, idms((f"{RELEASE_REPOSITORY}/x", ["m:8443/x"])).entries)
    hidden = {trap.code: trap.fix for trap in traps(nested, itms((RELEASE_REPOSITORY, ["m:8443/ocp"])))}
    assert "DIR/openshift/" in hidden["hidden-tag-mirror"]
    # Put there, it is no trap any more.
    assert traps(section, itms((RELEASE_REPOSITORY, ["m:8443/ocp"]))) == []
    assert "install-config" not in traps(idms((RELEASE_REPOSITORY, ["m:8443/ocp"])))[0].fix


def test_c_a_scope_inside_two_sources_gets_the_wider_ones_mirrors() -> None:
    sets = (idms(("q.io", ["m:5000/q"]), ("q.io/a", ["m:5000/special"])), itms(("q.io", ["m:5000/q"])))
    found = traps(*sets, itms(("q.io/a", ["m:5000/special"])), blocked=("q.io/a/b/c",))
    assert codes(found) == [("wider-mirrors", "q.io/a/b/c")]
    assert "(m:5000/q/a/b/c, m:5000/q/a/b/c), not those of q.io/a" in found[0].sentence
    named = idms(("q.io/a/b/c", ["m:5000/special/b/c"]))
    assert "wider-mirrors" not in dict(codes(traps(*sets, named, blocked=("q.io/a/b/c",))))


def test_d_a_narrow_digest_mirror_hides_a_wider_tag_mirror() -> None:
    found = traps(idms(("q.io/a/b", ["m.io/dig"])), itms(("q.io/a", ["m.io/tag"])))
    assert codes(found) == [("hidden-tag-mirror", "q.io/a/b")]
    assert "pulls of q.io/a/b by tag never use the mirrors of q.io/a" in found[0].sentence
    named = itms(("q.io/a", ["m.io/tag"]), ("q.io/a/b", ["m.io/tag/b"]))
    assert traps(idms(("q.io/a/b", ["m.io/dig"])), named) == []


def test_a_narrow_tag_mirror_hides_a_wider_digest_mirror() -> None:
    found = traps(idms(("q.io/a", ["m.io/d"])), itms(("q.io/a", ["m.io/d"]), ("q.io/a/b", ["m.io/t"])))
    assert codes(found) == [("hidden-digest-mirror", "q.io/a/b")]


def test_a_table_without_mirrors_hides_all_of_a_wider_one_unless_it_is_blocked_on_purpose() -> None:
    wide = PullRule("q.io", "q.io", (Mirror("m.io"),))
    narrow = PullRule("q.io/a", "q.io/a", insecure=True)
    assert codes(own(wide, narrow)) == [("hidden-tag-mirror", "q.io/a"), ("hidden-digest-mirror", "q.io/a")]
    assert own(wide, PullRule("q.io/a", "q.io/a", blocked=True)) == []


def test_e_an_entry_with_only_its_own_source_counts_for_nothing() -> None:
    found = traps(icsp(("q.io/b", ["q.io/b"])))
    assert codes(found) == [("own-source-only", "ImageContentSourcePolicy, entry 1")]
    assert "the entry for q.io/b lists only the source itself" in found[0].sentence


def test_e_a_source_before_its_mirror_is_asked_first() -> None:
    found = {trap.code: trap for trap in traps(icsp(("q.io/a", ["q.io/a", "m.io/a"])))}
    assert "q.io/a is asked first, because it is listed among its own mirrors" in found["source-first"].sentence


def test_f_contradicting_lists_put_the_source_first() -> None:
    sets = (idms(("q.io/a", ["x.io", "y.io"])), idms(("q.io/a", ["y.io", "x.io"])))
    found = {trap.code: trap for trap in traps(*sets)}
    assert "q.io/a is asked first, because its lists contradict each other" in found["source-first"].sentence
    assert "source-first" not in dict(codes(traps(sets[0], sets[0])))


def test_h_a_mirror_inside_a_blocked_scope_leaves_no_place() -> None:
    found = [trap for trap in traps(idms(("q.io", ["q.io/cache"])), blocked=("q.io",)) if "blocked" in trap.code]
    assert codes(found) == [("blocked-mirror", "q.io")]
    assert "q.io/cache is blocked by [[registry]] q.io" in found[0].sentence
    assert "no place is left to pull from" in found[0].sentence
    assert "blocked-mirror" not in dict(codes(traps(idms(("q.io", ["m.io/cache"])), blocked=("q.io",))))


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("m.io/Upper", "upper-case letters in its path"),
        ("mirror/ns", "begins with 'mirror', which containers take for a path on Docker Hub"),
        ("mirror", "begins with 'mirror'"),
        ("m.io/a//b", "a path that cannot be"),
    ],
)
def test_names_that_spoil_every_pull(location: str, says: str) -> None:
    found = [trap for trap in own(PullRule("q.io", "q.io", (Mirror(location),))) if trap.code == "invalid-mirror-name"]
    assert len(found) == 1 and says in found[0].sentence and "every pull by this table fails" in found[0].sentence


@pytest.mark.parametrize(
    "location", ["m.io", "m:5000/a/b-c.d_e", "localhost/a", "[::1]:5000/a", "M.io/a", "10.0.0.1/a"]
)
def test_names_that_do_no_harm(location: str) -> None:
    assert own(PullRule("q.io", "q.io", (Mirror(location),))) == []


def policy(*scopes: str, namespace: str | None = None) -> SignaturePolicy:
    return SignaturePolicy("p", scopes, SIGNED, namespace, "p.yaml")


def test_a_mirror_whose_signatures_nobody_looks_for() -> None:
    sets = (idms(("q.io/a", ["m.io/a"])), itms(("q.io/a", ["m.io/a"])))
    assert traps(*sets, policies=[policy("q.io/a")]) == []
    found = traps(*sets, policies=[policy("q.io/a")], lookups=("q.io/a",))
    assert codes(found) == [("signature-lookup-missing", "q.io/a")]
    assert "may come from m.io/a, where no signature is looked for" in found[0].sentence
    assert traps(*sets, policies=[policy("q.io/a")], lookups=("m.io", "q.io")) == []


def test_a_signed_source_that_no_mirror_is_named_for() -> None:
    sets = (idms(("q.io/a", ["m.io/a"])), itms(("q.io/a", ["m.io/a"])))
    found = traps(*sets, policies=[policy("q.io/b")])
    assert codes(found) == [("signature-source-unmirrored", "q.io/b")]


def test_a_blocked_release_is_said_not_to_be_blocked() -> None:
    assert codes(traps(blocked=("quay.io",))) == [("not-blocked", "blockedRegistries quay.io")]


def test_a_namespaces_policy_under_the_clusters_counts_for_nothing() -> None:
    found = traps(policies=[policy("q.io/a"), policy("q.io/a/b", namespace="team")])
    assert codes(found) == [("policy-overridden", "ImagePolicy team/p")]


def test_the_older_flag_counts_as_digest_only() -> None:
    rule = PullRule("q.io", "q.io", (Mirror("m.io"),), mirror_by_digest_only=True)
    assert codes(own(rule)) == [("tag-pulls-unserved", "q.io")]


def test_of_nested_digest_tables_only_the_widest_is_named() -> None:
    digest = PullFrom.DIGEST_ONLY
    rules = [PullRule(name, name, (Mirror("m.io", pull_from=digest),)) for name in ("q.io", "q.io/a")]
    assert codes(own(*rules)) == [("tag-pulls-unserved", "q.io")]


def test_every_code_is_told_about_in_this_file() -> None:
    text = Path(__file__).read_text()
    assert [code for code in TRAP_CODES if f'"{code}"' not in text] == []
