"""What ``airferry verify`` says holds for the host it is asked on, and podman on that host agrees.

An upstream, a mirror and a node that was never able to reach the upstream, each a host of its own where the machine
makes network namespaces.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from airferry.app.pull_secrets import merge_secret
from failures.stage import airferry

from .conftest import BUSYBOX, BUSYBOX_DIGEST
from .hosts import Host, Network, loopback, makes_namespaces, mirror_on, namespaces, upstream_on
from .strangers import Podman

pytestmark = pytest.mark.outsider("podman", "docker-registry")

ALLOWED, NEVER = "AllowContactingSource", "NeverContactSource"

MIRRORED = {"app:1": "", f"app@{BUSYBOX_DIGEST}": ""}
"""The images that the mirror has, with the code that explains the answer: there is nothing to explain."""

LEFT_OUT = ("app:2", "other:1")
"""Images that the upstream alone has: of a repository with a mirror, and of one without."""


@dataclass(frozen=True)
class NodeFiles:
    """What nodes are given, rendered by our own commands, and the images that are asked for."""

    folder: Path
    upstream: str
    authority: Path
    secret: Path

    def registries_conf(self, policy: str) -> Path:
        return self.folder / policy / "registries.conf"

    def name(self, image: str) -> str:
        return f"{self.upstream}/org/{image}"


@pytest.fixture(params=["as far apart as possible", "on one loopback"])
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    """The hosts; the second kind is tried wherever the first one is, so that it is known to work where it is needed."""
    apart = request.param == "as far apart as possible" and makes_namespaces()
    made_by: AbstractContextManager[Network] = namespaces() if apart else loopback()
    with made_by as made:
        request.node.user_properties.append(("hosts", "namespaces" if made.is_cut else "loopback"))  # for reports
        yield made


def render(folder: Path, upstream: str, mirror: str) -> None:
    """Make both kinds of rules for what was mirrored, and registries.conf of each, as nodes get it."""
    mapping, settings = folder / "mapping.txt", folder / "image.yaml"
    mapping.write_text(f"{upstream}/org/app:1={mirror}/ocp/app:1\n")
    settings.write_text(
        "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata: {name: cluster}\n"
        f'spec: {{registrySources: {{insecureRegistries: ["{upstream}"]}}}}\n'
    )
    for policy in (ALLOWED, NEVER):
        sets = folder / policy / "sets"
        airferry("cluster", "mirror-sets", "-f", mapping, "--mirror-source-policy", policy, "--to-dir", sets).done()
        rendered = airferry("cluster", "registries-conf", *sorted(sets.glob("*.yaml")), settings).done()
        (folder / policy / "registries.conf").write_text(rendered.out)


def verify(host: Host, files: NodeFiles, policy: str) -> dict[str, str]:
    """Ask on ``host``: of each image the code that explains a no, empty for a yes."""
    images = files.folder / "images.txt"
    images.write_text("".join(f"{files.name(image)}\n" for image in (*MIRRORED, *LEFT_OUT)))
    rules = ("--registries-conf", files.registries_conf(policy), "--pull-secret", files.secret)
    said = host.airferry(
        *("verify", "--images", images, *rules, "--ca", files.authority, "--platform", "linux/amd64", "-o", "json")
    )
    found = json.loads(said.out)["images"]
    answers = {image["answer"] for image in found}
    assert answers <= {"yes", "no"} and said.code == (1 if "no" in answers else 0), said
    assert all((image["answer"] == "yes") is (image["code"] == "") for image in found), said.out
    codes = {image["image"]: image["code"] for image in found}
    return {image: codes[files.name(image)] for image in (*MIRRORED, *LEFT_OUT)}


def pulls(host: Host, files: NodeFiles, policy: str, new_node: Callable[[Path | None], Podman]) -> dict[str, bool]:
    """Let podman pull each on ``host``, at once: it waits a second before it tries again what it does not reach."""
    flags = ("--authfile", files.secret, "--cert-dir", files.authority.parent, "--arch", "amd64", "--os", "linux")
    conf = files.registries_conf(policy)

    def pull(image: str) -> bool:
        return host.podman(new_node(conf).folder, conf)("pull", *flags, files.name(image)).code == 0

    images = (*MIRRORED, *LEFT_OUT)
    with ThreadPoolExecutor(len(images)) as pool:
        return dict(zip(images, pool.map(pull, images), strict=True))


def test_each_host_is_told_what_it_can_pull(
    network: Network, tmp_path: Path, new_node: Callable[[Path | None], Podman]
) -> None:
    with upstream_on(network, tmp_path) as (upstream, cut), mirror_on(network, tmp_path / "mirror") as mirror:
        for image in ("app:1", "app:2", "other:1"):
            name = f"{upstream.host}/org/{image}"
            network.upstream.airferry("image", "copy", BUSYBOX, name, "--insecure").done()
        root = tmp_path / "mirror"
        (tmp_path / "certs").mkdir()
        authority = (tmp_path / "certs" / "ca.crt").absolute()
        authority.write_bytes((root / "ca.crt").read_bytes())
        password, secret = (root / "admin-password").read_text().strip(), tmp_path / "auth.json"
        asyncio.run(merge_secret(None, mirror, "admin", password, secret))
        render(tmp_path, upstream.host, mirror)
        trust = ("-a", secret, "--dest-certificate-authority", authority, "--src-insecure")
        network.mirror.airferry("image", "mirror", "-f", tmp_path / "mapping.txt", *trust).done()
        files = NodeFiles(tmp_path, upstream.host, authority, secret)

        def agreed(host: Host, policy: str) -> dict[str, str]:
            said = verify(host, files, policy)
            assert pulls(host, files, policy, new_node) == {image: code == "" for image, code in said.items()}
            return said

        # The connected side asks the source, unless the rules forbid it; they say nothing of the other repository.
        assert agreed(network.mirror, ALLOWED) == MIRRORED | {"app:2": "", "other:1": ""}
        assert agreed(network.mirror, NEVER) == MIRRORED | {"app:2": "no-manifest", "other:1": ""}
        cut()
        # insecureRegistries alone makes a rule for the source, and it names no mirror.
        assert agreed(network.node, ALLOWED) == MIRRORED | {"app:2": "no-manifest", "other:1": "no-mirror-rule"}
        if network.is_cut:  # and not because the upstream is gone
            assert verify(network.mirror, files, ALLOWED) == MIRRORED | {"app:2": "", "other:1": ""}
