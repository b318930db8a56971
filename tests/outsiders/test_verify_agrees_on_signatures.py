"""Under a policy that demands Sigstore signatures, ``verify``'s own steps say yes where podman pulls.

Debian built its podman 4 without Sigstore, and it says so; what is expected here is then containers/image's source
alone (signature/policy_eval_sigstore.go, copy/single.go), and podman's answer counts where it can give one.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from airferry.app.cluster.node_access import NodeFiles, read_node_access
from airferry.lab import Authentication, LabStore, Policy, Upstream
from airferry.lab.images import BuiltImage, ImageParts, put_image, put_list
from airferry.lab.layer import File
from airferry.oci import Digest, Platform, Reference
from airferry.oci.pull_findings import PullFindings
from airferry.oci.pull_sources import PullSource
from airferry.openshift.cluster import MirrorEntry, MirrorKind, MirrorSet, print_registries_conf, pull_rules
from airferry.openshift.cluster.verdict import Verdict, judge
from airferry.openshift.cluster.wanted import SignatureDemand, Wanted, WantedKind
from airferry.survey.pull_blobs import PullPlace
from airferry.survey.pull_probe import ProbeSettings, PullProbe
from cli.world import OurRegistry
from failures.stage import Served, airferry

from .strangers import Podman

pytestmark = pytest.mark.outsider

PATH = "org/app"
NAME = f"source.example.invalid/{PATH}"
KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sign(store: LabStore, digest: str, key: ec.EllipticCurvePrivateKey, name: str, signed: str | None = None) -> None:
    """Put what cosign puts beside an image."""
    critical = {
        "identity": {"docker-reference": name},
        "image": {"docker-manifest-digest": signed or digest},
        "type": "cosign container image signature",
    }
    claim = json.dumps({"critical": critical, "optional": None}).encode()
    config = json.dumps({"architecture": "", "os": "", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    signature = base64.b64encode(key.sign(claim, ec.ECDSA(hashes.SHA256()))).decode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": str(store.put_blob(PATH, config)),
            "size": len(config),
        },
        "layers": [
            {
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "digest": str(store.put_blob(PATH, claim)),
                "size": len(claim),
                "annotations": {"dev.cosignproject.cosign/signature": signature},
            }
        ],
    }
    media_type = "application/vnd.oci.image.manifest.v1+json"
    store.put_manifest(PATH, json.dumps(manifest).encode(), media_type, f"sha256-{digest.removeprefix('sha256:')}.sig")


def publish(folder: Path) -> tuple[LabStore, dict[str, str]]:
    """Make one image for each way of signing; return their digests by tag."""
    store = LabStore(folder)

    def image(word: str, *tags: str) -> BuiltImage:
        layer = store.put_layer(PATH, [File("etc/word", word.encode())])
        return put_image(store, PATH, ImageParts((layer,), {"word": word}), *tags)

    digests: dict[str, str] = {}
    for word in ("good", "tagged", "other-key", "unsigned", "another-digest", "mirror-name"):
        digests[word] = str(image(word, word).digest)
    sign(store, digests["good"], KEY, NAME)
    sign(store, digests["tagged"], KEY, f"{NAME}:tagged")
    sign(store, digests["other-key"], OTHER, NAME)
    sign(store, digests["another-digest"], KEY, NAME, digests["good"])
    sign(store, digests["mirror-name"], KEY, "mirror.example.invalid/org/app")
    for word, is_child in (("signed-child", True), ("signed-list", False)):
        child = image(word)
        digests[word] = str(put_list(store, PATH, [child], word))
        sign(store, str(child.digest) if is_child else digests[word], KEY, NAME)
    store.save()
    return store, digests


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OurRegistry, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("signed")
    store, digests = publish(folder / "store")
    with OurRegistry(folder / "registry") as registry, pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
            patch.setenv(name, str(folder))
        policy = Policy(authentication=Authentication.NONE, redirects=False)
        upstream: Served[Upstream] = Served(partial(Upstream, store, policy))
        with upstream:
            for tag in digests:
                to = (f"{upstream.server.host}/{PATH}:{tag}", f"{registry.host}/ocp/app:{tag}")
                flags = ("--insecure", "--dest-registry-config", registry.auth_file)
                airferry("image", "copy", *to, *flags).done()
        patch.undo()
        yield registry, digests


async def probed(files: NodeFiles, image: Reference) -> Verdict:
    nodes = read_node_access(files)
    content = nodes.content()

    def open_place(source: PullSource) -> PullPlace:
        return content.registry(source.reference.repository.place.address)

    demand = SignatureDemand("openshift", PEM)
    try:
        settings = ProbeSettings((Platform("linux", "amd64"),))
        found: PullFindings = await PullProbe(open_place, nodes.rules, content.settings.credentials, settings).probe(
            image, demand
        )
    finally:
        await content.close()
    return judge(Wanted("image", image, WantedKind.EXTRA, demand), found, nodes.rules).verdict


CASES = {
    "signed, by digest": ("good", "digest", True),
    "signed without a tag, by tag": ("good", "tag", False),
    "signed with its tag, by tag": ("tagged", "tag", True),
    "signed with its tag, by digest": ("tagged", "digest", True),
    "signed by another key": ("other-key", "digest", False),
    "not signed": ("unsigned", "digest", False),
    "the signature of another image": ("another-digest", "digest", False),
    "signed under the mirror's name": ("mirror-name", "digest", False),
    "a list whose image is signed": ("signed-child", "digest", True),
    "a list that alone is signed": ("signed-list", "digest", False),
}


@pytest.mark.parametrize("name", CASES)
def test_a_policy_is_applied_as_podman_applies_it(
    name: str,
    mirror: tuple[OurRegistry, dict[str, str]],
    tmp_path: Path,
    home: Path,
    new_node: Callable[[Path], Podman],
) -> None:
    tag, way, expected = CASES[name]
    registry, digests = mirror
    image = f"{NAME}:{tag}" if way == "tag" else f"{NAME}@{Digest(digests[tag])}"
    conf, certs = tmp_path / "registries.conf", tmp_path / "certs"
    entries = (MirrorEntry(NAME, (f"{registry.host}/ocp/app",)),)
    sets = [MirrorSet(kind, entries, "all") for kind in (MirrorKind.IDMS, MirrorKind.ITMS)]
    conf.write_text(print_registries_conf(pull_rules(sets)))
    certs.mkdir()
    (certs / "ca.crt").write_bytes(registry.authority.read_bytes())
    (tmp_path / "key.pem").write_bytes(PEM)
    demand = [{"type": "sigstoreSigned", "keyPath": str(tmp_path / "key.pem")}]
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"default": [{"type": "reject"}], "transports": {"docker": {NAME: demand}}}))
    for folder in (home / ".config/containers/registries.d", home / "containers/registries.d"):
        folder.mkdir(parents=True)
        lookup = {"docker": {host: {"use-sigstore-attachments": True} for host in (NAME, f"{registry.host}/ocp/app")}}
        (folder / "sigstore.yaml").write_text(json.dumps(lookup))
    flags = ("--authfile", registry.auth_file, "--cert-dir", certs, "--signature-policy", policy)
    pulled = new_node(conf)("pull", *flags, "--arch", "amd64", image)
    assert (pulled.code == 0) is expected or "sigstore disabled" in pulled.err, pulled.err
    files = NodeFiles(registries_conf=conf, pull_secret=registry.auth_file, ca=certs / "ca.crt")
    verdict = asyncio.run(probed(files, Reference.parse(image)))
    assert verdict is (Verdict.YES if expected else Verdict.NO), pulled.err


def cluster_objects(kind: str, host: str) -> str:
    """Return mirror sets and a policy as a cluster has them, in YAML (JSON is YAML)."""
    entries = [{"source": NAME, "mirrors": [f"{host}/ocp/app"]}]
    sets = [
        {"kind": f"Image{way}MirrorSet", "spec": {f"image{way}Mirrors": entries}, "metadata": {"name": "all"}}
        for way in ("Digest", "Tag")
    ]
    key = {"policyType": "PublicKey", "publicKey": {"keyData": base64.b64encode(PEM).decode()}}
    spec = {"scopes": [NAME], "policy": {"rootOfTrust": key}}
    policy = {"kind": kind, "metadata": {"name": "ours", "namespace": "default"}, "spec": spec}
    return "\n---\n".join(json.dumps({"apiVersion": "config.openshift.io/v1", **item}) for item in (*sets, policy))


@pytest.mark.parametrize("kind", ["ClusterImagePolicy", "policy.json"])
def test_a_policy_among_the_files_of_a_cluster_is_demanded(
    kind: str, mirror: tuple[OurRegistry, dict[str, str]], tmp_path: Path
) -> None:
    """What the objects of a cluster, or the policy.json beside a node's registries.conf, demand counts as above."""
    registry, digests = mirror
    objects, node, images = tmp_path / "objects.yaml", tmp_path / "node", tmp_path / "images.txt"
    objects.write_text(cluster_objects("ClusterImagePolicy", registry.host))
    rules = ("--mirror-sets", objects)
    if kind == "policy.json":
        airferry("cluster", "registries-conf", objects, "--to-dir", node).done()
        rules = ("--registries-conf", node / "etc/containers/registries.conf")
        assert "sigstoreSigned" in (node / "etc/containers/policy.json").read_text()
    expected = {
        f"{NAME}:{tag}" if way == "tag" else f"{NAME}@{digests[tag]}": is_signed
        for tag, way, is_signed in CASES.values()
    }
    images.write_text("".join(f"{image}\n" for image in expected))
    trust = ("--pull-secret", registry.auth_file, "--ca", registry.authority)
    run = airferry("verify", "--images", images, *rules, *trust, "--platform", "linux/amd64", "-o", "json")
    answers = {item["image"]: item for item in json.loads(run.out)["images"]}
    assert {image: answer["answer"] == "yes" for image, answer in answers.items()} == expected, run.out
    refused = {answer["code"] for answer in answers.values() if answer["answer"] != "yes"}
    assert refused == {"no-signature", "bad-signature"} and run.code == 1, run.out


def test_a_policy_of_one_namespace_is_not_demanded_of_what_no_namespace_is_known_of(
    mirror: tuple[OurRegistry, dict[str, str]], tmp_path: Path
) -> None:
    """Nodes keep an ImagePolicy in a file for the pods of its namespace; policy.json says nothing of it."""
    registry, digests = mirror
    objects, images = tmp_path / "objects.yaml", tmp_path / "images.txt"
    objects.write_text(cluster_objects("ImagePolicy", registry.host))
    images.write_text(f"{NAME}@{digests['unsigned']}\n")
    given = ("--mirror-sets", objects, "--pull-secret", registry.auth_file, "--ca", registry.authority)
    airferry("verify", "--images", images, *given, "--platform", "linux/amd64").done()
