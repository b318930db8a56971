"""policy.json and registries.d as we write them, read by skopeo: who may be pulled, by which name."""

from pathlib import Path

import pytest

from airferry.oci import Reference
from airferry.openshift.cluster.cluster_objects import ClusterObjects
from airferry.openshift.cluster.image_config import ImageConfig, SignaturePolicy
from airferry.openshift.cluster.image_policies import demands_on, print_lookups, print_policy
from airferry.openshift.cluster.mirror_sets import MirrorEntry, MirrorKind, MirrorSet
from airferry.openshift.cluster.node_config import NodeConfig, node_config
from cli.world import OurRegistry
from failures.stage import airferry

from .conftest import BUSYBOX
from .strangers import skopeo

pytestmark = pytest.mark.outsider

RELEASE = "quay.invalid/ocp/release"
KEY = (
    "LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemowREFRY0RRZ0FFTGlnQ25sTE5LZ09nbFJUeDFEN0po"
    "STdlUnc5OQpRb2xFOUpvNFFVeG5iTXk1blV1QkwrVVpGOXFxZm0vRGcxQk5lSFJUaEh6V2gya2k5dkFFZ1dFRE93PT0KLS0tLS1FTkQgUFVCTElD"
    "IEtFWS0tLS0tCg=="
)
SIGNED = {"type": "sigstoreSigned", "keyData": KEY, "signedIdentity": {"type": "matchRepoDigestOrExact"}}


def nodes(policies: tuple[SignaturePolicy, ...] = (), **sources: tuple[str, ...]) -> NodeConfig:
    mirrors = MirrorSet(MirrorKind.IDMS, (MirrorEntry(RELEASE, ("mirror.invalid/ocp",)),))
    objects = ClusterObjects((mirrors,), ImageConfig(**sources), policies)
    return node_config(objects, release_repository=RELEASE)


CASES = {
    "a blocked registry": (nodes(blocked=("q.invalid",)), "q.invalid/a/b:1"),
    "a blocked path and its neighbour": (nodes(blocked=("q.invalid/a",)), "q.invalid/ab:1"),
    "inside a blocked path": (nodes(blocked=("q.invalid/a",)), "q.invalid/a/b:1"),
    "a blocked wildcard": (nodes(blocked=("*.lan",)), "q.lan/a:1"),
    "a wildcard does not hold its own domain": (nodes(blocked=("*.q.lan",)), "q.lan/a:1"),
    "a blocked release with a mirror, by its name": (nodes(blocked=("quay.invalid",)), f"{RELEASE}:1"),
    "another image of the release's registry": (nodes(blocked=("quay.invalid",)), "quay.invalid/other:1"),
    "an allowed registry": (nodes(allowed=("q.invalid",)), "q.invalid/a:1"),
    "what is not allowed": (nodes(allowed=("q.invalid",)), "r.invalid/a:1"),
    "an allowed path": (nodes(allowed=("q.invalid/a/b/c/d",)), "q.invalid/a/b/c/d/e:1"),
}


@pytest.mark.parametrize("case", CASES)
def test_skopeo_rejects_what_we_say_is_rejected(case: str, open_registry: OurRegistry, tmp_path: Path) -> None:
    config, name = CASES[case]
    airferry("image", "copy", BUSYBOX, f"{open_registry.host}/any:1", "--insecure").done()
    said = pulled(config, name, f"{open_registry.host}/any", tmp_path)
    assert config.policy is not None
    _, demands = demands_on(Reference.parse(name), config.policy)
    if "reject" in [demand["type"] for demand in demands]:
        assert said.code != 0 and "rejected by policy" in said.err
    else:
        assert said.code == 0, said.err


def pulled(config: NodeConfig, name: str, place: str, folder: Path):
    """Copy an image by its name, which leads to ``place``, under the policy of ``config``."""
    assert config.policy is not None
    (folder / "policy.json").write_text(print_policy(config.policy))
    repository = name.rpartition(":")[0]
    (folder / "node.conf").write_text(f'[[registry]]\nprefix = "{repository}"\nlocation = "{place}"\ninsecure = true\n')
    (folder / "registries.d").mkdir()
    if config.lookups:
        (folder / "registries.d/sigstore-registries.yaml").write_text(print_lookups(config.lookups))
    flags = ("--policy", folder / "policy.json", "--registries.d", folder / "registries.d")
    return skopeo(
        *flags, "--registries-conf", folder / "node.conf", "copy", f"docker://{name}", f"dir:{folder / 'copied'}"
    )


def test_skopeo_demands_a_signature_where_a_policy_does(open_registry: OurRegistry, tmp_path: Path) -> None:
    airferry("image", "copy", BUSYBOX, f"{open_registry.host}/any:1", "--insecure").done()
    config = nodes((SignaturePolicy("openshift", ("q.invalid/a",), SIGNED),))
    said = pulled(config, "q.invalid/a/b:1", f"{open_registry.host}/any", tmp_path)
    assert said.code != 0 and "signature" in said.err, said.err
    (tmp_path / "other").mkdir()
    free = pulled(config, "q.invalid/free:1", f"{open_registry.host}/any", tmp_path / "other")
    assert free.code == 0, free.err
