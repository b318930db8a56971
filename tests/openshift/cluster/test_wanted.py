"""What a cluster will pull: each image once, with what the release's own policies demand."""

import pytest

from airferry.errors import MalformedError
from airferry.oci import Digest, Reference
from airferry.oci.pull_rules import Mirror, PullFrom, PullRule, PullRules
from airferry.openshift.cluster.wanted import (
    WantedKind,
    is_served_by_tag,
    parse_images,
    parse_policies,
    wanted_images,
)

RELEASE = Reference.parse(f"quay.io/ocp/release@{Digest.of(b'release')}")
BY_TAG = Reference.parse("quay.io/ocp/release:4.12.0-x86_64")
ETCD = Reference.parse(f"quay.io/ocp/art@{Digest.of(b'etcd')}")

POLICY = b"""---
apiVersion: config.openshift.io/v1
kind: ClusterImagePolicy
metadata:
  name: openshift
spec:
  policy:
    rootOfTrust:
      policyType: PublicKey
      publicKey:
        keyData: LS0tLS1CRUdJTg==
  scopes:
  - quay.io/ocp/release
---
apiVersion: config.openshift.io/v1
kind: ClusterImagePolicy
metadata:
  name: wide
spec:
  policy:
    rootOfTrust:
      policyType: FulcioCAWithRekor
  scopes:
  - quay.io/ocp
"""


def test_every_image_is_wanted_once() -> None:
    found = wanted_images([RELEASE, BY_TAG], [("etcd", ETCD), ("etcd-again", ETCD)], [ETCD, BY_TAG, RELEASE])
    assert [(item.name, item.kind) for item in found] == [
        ("release image", WantedKind.RELEASE),
        ("release image by tag", WantedKind.RELEASE),
        ("etcd", WantedKind.COMPONENT),
    ]


def test_the_narrowest_policy_demands_the_signature() -> None:
    policies, unread = parse_policies({"0000_policy.yaml": POLICY, "other.yaml": b"kind: Namespace\n"})
    assert unread == () and [policy.scopes for policy in policies] == [("quay.io/ocp/release",), ("quay.io/ocp",)]
    release, etcd, elsewhere = wanted_images(
        [RELEASE], [("etcd", ETCD)], [Reference.parse("quay.io/ocpx/app:1")], policies
    )
    assert release.demand is not None and release.demand.key_pem == b"-----BEGIN"
    assert etcd.demand is not None and (etcd.demand.policy, etcd.demand.key_pem) == ("wide", None)
    assert elsewhere.demand is None


@pytest.mark.parametrize(
    "content",
    [
        b"kind: ClusterImagePolicy\n",
        b"kind: ClusterImagePolicy\nspec: [\n",
        b"kind: ClusterImagePolicy\nmetadata: {name: a}\nspec: {scopes: [a], policy: {rootOfTrust: "
        b"{publicKey: {keyData: '!'}}}}\n",
    ],
)
def test_a_policy_that_cannot_be_read_is_told(content: bytes) -> None:
    policies, unread = parse_policies({"policy.yaml": content})
    assert policies == () and len(unread) == 1 and "policy.yaml" in unread[0]


def test_a_list_has_an_image_on_a_line() -> None:
    text = f"# ours\n\n  {ETCD}  # pinned\nquay.io/ocp/app:1\n"
    assert parse_images(text, "images.txt") == (ETCD, Reference.parse("quay.io/ocp/app:1"))
    for line in ("ubi9", "quay.io/ocp/app", "quay.io/ocp/app:1 quay.io/ocp/app:2"):
        with pytest.raises(MalformedError, match=r"images.txt, line 2"):
            parse_images(f"#\n{line}\n", "images.txt")


def test_a_tag_is_meant_to_be_served_where_any_rule_over_it_has_a_mirror_for_tags() -> None:
    def rules(*prefixes: tuple[str, PullFrom]) -> PullRules:
        return PullRules(tuple(PullRule(name, name, (Mirror("m.lan/x", pull_from=kind),)) for name, kind in prefixes))

    narrow = ("quay.io/ocp/release", PullFrom.DIGEST_ONLY)
    assert not is_served_by_tag(BY_TAG, rules(narrow))
    assert is_served_by_tag(BY_TAG, rules(narrow, ("quay.io", PullFrom.TAG_ONLY))), "hidden, and meant all the same"
    assert not is_served_by_tag(BY_TAG, rules(narrow, ("quay.io/ocp/rel", PullFrom.ALL)))
