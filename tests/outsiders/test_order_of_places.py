"""Which places real pullers ask, and in which order, under rules of ours: what ``cluster explain`` says."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airferry.content.registries_conf import read_registries_conf
from airferry.errors import MalformedError
from airferry.lab import Certificates
from airferry.oci import Reference
from airferry.oci.pull_rules import PullRules
from airferry.oci.pull_sources import pull_sources
from airferry.openshift.cluster.plain_kubernetes import containerd_form
from cli.world import OurRegistry
from failures.stage import airferry
from machine import program

from .conftest import BUSYBOX
from .recording import several
from .strangers import run, skopeo

pytestmark = pytest.mark.outsider

DIGEST = "sha256:" + "1" * 64


def mirror(location: str, kind: str = "", *, insecure: bool = True) -> str:
    lines = [f'[[registry.mirror]]\nlocation = "{location}"', f"insecure = {str(insecure).lower()}"]
    return "\n".join([*lines, f'pull-from-mirror = "{kind}"' if kind else "", ""])


def table(location: str, *mirrors: str, more: str = "insecure = true") -> str:
    return f'[[registry]]\nlocation = "{location}"\n{more}\n' + "".join(mirrors)


# S is the registry of the name that is pulled, M and T are mirrors.
CASES = {
    "mirrors in order, the source last": (table("S/a", mirror("M/x"), mirror("T/y")), "S/a/b:1"),
    "a digest mirror ignores tags": (table("S/a", mirror("M/x", "digest-only"), mirror("T/y")), "S/a:1"),
    "a tag mirror ignores digests": (table("S/a", mirror("M/x", "tag-only"), mirror("T/y")), f"S/a@{DIGEST}"),
    "digest mirrors serve digests": (table("S/a", mirror("M/x", "digest-only")), f"S/a@{DIGEST}"),
    "the older flag for digests": (
        table("S/a", mirror("M/x"), more="insecure = true\nmirror-by-digest-only = true"),
        "S/a:1",
    ),
    "only the closest table counts": (table("S", mirror("M/wide")) + table("S/a", mirror("T/close")), "S/a/b:1"),
    "a table without mirrors hides the wider one": (table("S", mirror("M/wide")) + table("S/a"), "S/a/b:1"),
    "a path is no prefix of a longer word": (table("S", mirror("M/wide")) + table("S/a", mirror("T")), "S/ab:1"),
    "a blocked source is not asked": (table("S", mirror("M/x"), more="insecure = true\nblocked = true"), "S/a:1"),
    "a blocked mirror is passed over": (
        table("S", mirror("M/x"), mirror("T/y")) + table("M/x", more="blocked = true"),
        "S/a:1",
    ),
    "a mirror inside its own blocked source": (
        table("S", mirror("S/cache"), more="blocked = true\ninsecure = true"),
        "S/a:1",
    ),
    "a mirror that is not insecure speaks no plain HTTP": (table("S", mirror("M/x", insecure=False)), "S/a:1"),
    "the source before its mirrors": (table("S/a", mirror("S/a"), mirror("M/a")), f"S/a@{DIGEST}"),
    "a prefix leads elsewhere": (table("M/z", more='insecure = true\nprefix = "q.invalid/a"'), "q.invalid/a/b:1"),
    "a wildcard": ('[[registry]]\nprefix = "*.invalid"\nblocked = true\n' + mirror("M/w"), "q.invalid/a:1"),
    "an upper-case mirror spoils the pull": (table("S", mirror("M/UP"), mirror("T/y")), "S/a:1"),
    "a mirror of one word spoils the pull": (table("S", mirror("word"), mirror("T/y")), "S/a:1"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_skopeo_asks_the_places_that_we_name_in_the_same_order(case: str, tmp_path: Path) -> None:
    with several(3) as (asked, hosts):
        rules, reference = (filled(text, hosts) for text in CASES[case])
        conf = tmp_path / "registries.conf"
        conf.write_text(rules)
        said = skopeo("--registries-conf", conf, "inspect", "--no-tags", "--raw", f"docker://{reference}")
        assert said.code != 0
        assert asked.places == expected(reference, read_registries_conf(conf))
        explained = airferry("cluster", "explain", reference, conf)
        assert (explained.code == 0) == any_left(reference, read_registries_conf(conf)), explained.err


def test_probe_takes_the_place_that_skopeo_takes(open_registry: OurRegistry, tmp_path: Path) -> None:
    airferry("image", "copy", BUSYBOX, f"{open_registry.host}/has/it:1", "--insecure").done()
    with several(3) as (asked, (source, first, last)):
        mirrors = (mirror(f"{first}/x"), mirror(f"{open_registry.host}/has"), mirror(f"{last}/y"))
        conf = tmp_path / "registries.conf"
        conf.write_text(table(source, *mirrors))
        skopeo("--registries-conf", conf, "inspect", "--no-tags", f"docker://{source}/it:1").done()
        assert asked.places == [f"{first}/x/it"]
        found = json.loads(airferry("cluster", "explain", f"{source}/it:1", conf, "--probe", "-o", "json").done().out)
        assert found["taken"] == 2
        assert [place["answer"]["has"] for place in found["places"]] == [False, True, False, False]
        gone = airferry("cluster", "explain", f"{source}/no:1", conf, "--probe")
        assert gone.code == 1 and "A node pulls from nowhere: none has it" in gone.out


def filled(text: str, hosts: list[str]) -> str:
    """Put hosts in the places of their letters."""
    return re.sub(r'(?<![\w/.])[SMT](?=["/])', lambda found: hosts["SMT".index(found[0])], text)


def expected(reference: str, rules: PullRules) -> list[str]:
    try:
        sources = pull_sources(Reference.parse(reference), rules)
    except MalformedError:
        return []
    return [str(item.reference.repository) for item in sources if item.barred is None and item.insecure]


def any_left(reference: str, rules: PullRules) -> bool:
    try:
        return any(item.barred is None for item in pull_sources(Reference.parse(reference), rules))
    except MalformedError:
        return False


@pytest.fixture
def containerd() -> Iterator[Path]:
    """A containerd of its own; yields its socket. It keeps content only, and starts no plugin that mounts."""
    with tempfile.TemporaryDirectory(prefix="ctr-", dir="/tmp") as name:
        folder = Path(name)
        config = folder / "config.toml"
        config.write_text(
            f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n'
            f'[grpc]\naddress = "{folder}/sock"\n[ttrpc]\naddress = "{folder}/ttrpc"\n'
        )
        command = [program("containerd"), "--config", str(config)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if b"containerd successfully booted" in line:
                    break
            else:
                pytest.skip("containerd does not start here; it wants to be root")
            try:
                yield folder / "sock"
            finally:
                process.terminate()
                process.stderr.read()


WHOLE = {
    "by tag, mirrors in order, the source last": (table("S", mirror("M/x"), mirror("T")), "S/a:1", "MTS"),
    "a digest mirror ignores tags": (table("S", mirror("M/x", "digest-only"), mirror("T")), "S/a:1", "TS"),
    "a digest mirror serves digests": (table("S", mirror("M/x", "digest-only")), f"S/a@{DIGEST}", "MS"),
    "a blocked source is not asked": (table("S", mirror("M/x"), mirror("T"), more="blocked = true"), "S/a:1", "MT"),
    "the image's own path behind the mirror's": (table("S/a", mirror("M/x/a")), "S/a/b:1", "MS"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_containerd_asks_by_our_hosts_toml_what_a_node_asks(
    case: str, tmp_path: Path, containerd: Path, certificates: Certificates
) -> None:
    with several(3, certificates) as (asked, hosts):
        text, name, letters = WHOLE[case]
        conf = tmp_path / "registries.conf"
        conf.write_text(filled(text.replace("insecure = true", ""), hosts))
        reference = filled(name, hosts)
        rules = read_registries_conf(conf)
        form = containerd_form(rules, ca=certificates.authority_file.read_text())
        for path, content in form.files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(content)
        hosts_dir = tmp_path / "etc/containerd/certs.d"
        # The source itself is no mirror and gets no CA of ours; the machine's CAs stand for it.
        environment = {"SSL_CERT_FILE": str(certificates.authority_file)}
        said = run("ctr", "-a", containerd, "content", "fetch", "--hosts-dir", hosts_dir, reference, **environment)
        assert said.code != 0
        assert [place.partition("/")[0] for place in asked.places] == [hosts["SMT".index(item)] for item in letters]
        assert asked.places == [
            str(item.reference.repository)
            for item in pull_sources(Reference.parse(reference), rules)
            if not item.barred
        ], said.err
