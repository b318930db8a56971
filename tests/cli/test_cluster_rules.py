"""``airferry cluster``: registries-conf, lint, drain, explain."""

import base64
import io
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from airferry.content.registries_conf import read_registries_conf
from failures.stage import Run, airferry

from .world import OurRegistry, World, as_json, error_of, nothing_listens

RELEASE = "quay.io/openshift-release-dev/ocp-release"
DIGEST = "sha256:" + "1" * 64
MIRRORS = """
kind: ImageDigestMirrorSet
apiVersion: config.openshift.io/v1
metadata: {name: d}
spec: {imageDigestMirrors: [{source: q.io/a, mirrors: [m.io/a]}]}
---
kind: ImageTagMirrorSet
apiVersion: config.openshift.io/v1
metadata: {name: t}
spec: {imageTagMirrors: [{source: q.io/a, mirrors: [m.io/a]}]}
"""
IMAGE = """
kind: Image
apiVersion: config.openshift.io/v1
metadata: {name: cluster}
spec: {registrySources: {blockedRegistries: [bad.io], containerRuntimeSearchRegistries: [q.io]}}
"""


@pytest.fixture
def mirrors(tmp_path: Path) -> Path:
    file = tmp_path / "mirrors.yaml"
    file.write_text(MIRRORS)
    return file


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "image.yaml"
    file.write_text(IMAGE)
    return file


def test_registries_conf_is_printed_as_nodes_get_it(mirrors: Path) -> None:
    said = airferry("cluster", "registries-conf", mirrors).done()
    assert (
        said.out
        == """\
unqualified-search-registries = ["registry.access.redhat.com", "docker.io"]
short-name-mode = ""

[[registry]]
  prefix = ""
  location = "q.io/a"

  [[registry.mirror]]
    location = "m.io/a"
    pull-from-mirror = "digest-only"

  [[registry.mirror]]
    location = "m.io/a"
    pull-from-mirror = "tag-only"
"""
    )
    assert said.err == ""


def test_all_files_of_a_node_are_written_and_read_back(mirrors: Path, image: Path, tmp_path: Path) -> None:
    to = tmp_path / "node"
    airferry("cluster", "registries-conf", mirrors, image, "--to-dir", to).done()
    written = sorted(str(path.relative_to(to)) for path in to.rglob("*") if path.is_file())
    assert written == [
        "etc/containers/policy.json",
        "etc/containers/registries.conf",
        "etc/containers/registries.conf.d/01-image-searchRegistries.conf",
    ]
    assert json.loads((to / written[0]).read_text())["transports"]["docker"] == {"bad.io": [{"type": "reject"}]}
    found = as_json(airferry("cluster", "registries-conf", to / written[1], "-o", "json").done())
    assert [table["prefix"] for table in found["tables"]] == ["bad.io", "q.io/a"]
    assert found["unqualifiedSearchRegistries"] == ["q.io"]
    same = airferry("cluster", "drain", "--before", to / written[1], "--after", mirrors, "--after", image).done()
    assert "policy.json: read again" in same.out


def test_objects_come_in_by_a_pipe_and_others_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"kind": "List", "apiVersion": "v1", "items": [{"kind": "Secret", "metadata": {"name": "s"}}]}'
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    said = airferry("cluster", "registries-conf", "-").done()
    assert "stdin, document 1, items[0]: Secret s says nothing about pulls" in said.err
    assert "[[registry]]" not in said.out


def test_warnings_go_to_stderr_and_into_json(tmp_path: Path) -> None:
    file = tmp_path / "idms.yaml"
    file.write_text(MIRRORS.partition("---")[0])
    said = airferry("cluster", "registries-conf", file, "-o", "json").done()
    assert [warning["code"] for warning in as_json(said)["warnings"]] == ["tag-pulls-unserved"]
    assert "warning: [[registry]] q.io/a: its mirrors serve digests only" in said.err


def test_lint_ends_with_1_only_for_what_is_not_ignored(mirrors: Path, tmp_path: Path) -> None:
    assert airferry("cluster", "lint", mirrors).done().out == "No traps found\n"
    file = tmp_path / "idms.yaml"
    file.write_text(MIRRORS.partition("---")[0])
    said = airferry("cluster", "lint", file)
    assert said.code == 1 and "tag-pulls-unserved: its mirrors serve digests only" in said.out and "fix:" in said.out
    assert airferry("cluster", "lint", file, "--ignore", "tag-pulls-unserved").code == 0
    assert error_of(airferry("cluster", "lint", file, "--ignore", "x", "-o", "json"))["code"] == "usage"


@pytest.mark.parametrize(
    "text",
    ["kind: Secret\napiVersion: v1\nmetadata: {name: s}\n", "kind: List\napiVersion: v1\nitems: []\n"],
    ids=["an object of another kind", "an empty list"],
)
def test_lint_of_nothing_that_could_have_traps_is_an_error(tmp_path: Path, text: str, mirrors: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(text)
    said = airferry("cluster", "lint", file)
    said.refused("malformed", str(file), "nothing here says anything about pulls", hint="ImageDigestMirrorSet")
    assert "No traps" not in said.out
    file.write_text("# nothing\n")
    airferry("cluster", "lint", file).refused("malformed", f"{file} holds nothing", hint="ImageDigestMirrorSet")
    file.write_text(text)
    # Beside something of ours it is passed over; and these have no mirrors and are ours.
    airferry("cluster", "lint", file, mirrors).done()
    config = tmp_path / "install-config.yaml"
    config.write_text("baseDomain: example.com\npullSecret: '{}'\n")
    conf = tmp_path / "registries.conf"
    conf.write_text("")
    for ours in (config, conf):
        airferry("cluster", "lint", ours).done()


def test_what_release_mirror_writes_has_no_traps(world: World) -> None:
    files = [world.files / name for name in ("imageDigestMirrorSet.yaml", "imageTagMirrorSet.yaml")]
    said = airferry("cluster", "lint", *files)
    assert said.code == 0, said.out
    printed = airferry("cluster", "registries-conf", *files).done().out
    assert printed == (world.files / "registries.conf").read_text()


def test_drain_names_the_line_that_drains(mirrors: Path, tmp_path: Path) -> None:
    digests = tmp_path / "idms.yaml"
    digests.write_text(MIRRORS.partition("---")[0])
    said = airferry("cluster", "drain", "--before", digests, "--after", mirrors)
    assert said.code == 1
    assert said.out.startswith("Drain: each node in turn is drained")
    assert "[[registry]] q.io/a: the mirror m.io/a is added a second time, tag-only beside digest-only" in said.out
    found = as_json(airferry("cluster", "drain", "--before", digests, "--after", digests, "-o", "json"))
    assert (found["disruption"], found["drains"], found["causes"]) == ("none", False, [])
    assert airferry("cluster", "drain", "--before", digests).code == 1


def test_drain_warns_of_the_traps_that_a_change_brings(tmp_path: Path) -> None:
    now, then = tmp_path / "now.yaml", tmp_path / "then.yaml"
    now.write_text(MIRRORS.partition("---")[0])
    then.write_text(now.read_text().replace("q.io/a", "q.io/b"))
    assert airferry("cluster", "drain", "--before", now, "--after", now).done().err == ""
    said = airferry("cluster", "drain", "--before", now, "--after", now, "--after", then).done()
    assert said.err.count("tag-pulls-unserved") == 1 and "q.io/b" in said.err


def test_a_cluster_without_mirror_sets_is_an_empty_list(mirrors: Path, tmp_path: Path) -> None:
    """`oc get imagedigestmirrorsets -o yaml` prints it."""
    now = tmp_path / "now.yaml"
    now.write_text("apiVersion: v1\nkind: List\nitems: []\nmetadata: {resourceVersion: ''}\n")
    said = airferry("cluster", "drain", "--before", now, "--after", mirrors)
    assert said.code == 1 and "a new table whose mirror m.io/a is tag-only" in said.out


def broken_configs() -> dict[str, str]:
    secret = 'pullSecret: \'{"auths":{"m.lan":{"auth":"U0VDUkVU"}}}\'\n'
    return {
        "a second pullSecret": "baseDomain: a.lan\n" + secret + secret,
        "a secret without quotes": "baseDomain: a.lan\npullSecret: *U0VDUkVU\n",
        "a tag": "pullSecret: !U0VDUkVU x\n",
        "a tab": "pullSecret:\n\tU0VDUkVU: x\n",
    }


@pytest.mark.parametrize("text", broken_configs().values(), ids=broken_configs().keys())
def test_what_is_not_yaml_is_located_and_never_quoted(tmp_path: Path, text: str) -> None:
    """An install-config holds the pull secret, and the words of YAML's parser repeat what stands in the file."""
    file = tmp_path / "install-config.yaml"
    file.write_text(text)
    for asked in (
        ("lint", file),
        ("registries-conf", file),
        ("explain", "q.io/a:1", file),
        ("drain", "--before", file, "--after", file),
        ("mirror-sets", "--accumulate", file),
        ("install-config", file),
    ):
        said = airferry("cluster", *asked, "--log-level", "debug").refused("malformed", f"{file}, line ")
        assert "U0VDUkVU" not in said.out + said.err and "auths" not in said.err


def test_a_new_search_list_reboots(image: Path, mirrors: Path) -> None:
    said = airferry("cluster", "drain", "--before", mirrors, "--after", mirrors, "--after", image, "-o", "json")
    assert (said.code, json.loads(said.out)["disruption"]) == (1, "reboot")


def test_explain_shows_table_places_bars_credentials_and_trust(mirrors: Path, image: Path, tmp_path: Path) -> None:
    secret = base64.b64encode(b"ann:very-secret").decode()
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"auths": {"m.io": {"auth": secret}, "m.io/a": {"auth": secret}}}))
    said = airferry("cluster", "explain", f"q.io/a/b@{DIGEST}", mirrors, image, "-a", auth).done()
    assert said.out.splitlines() == [
        f"q.io/a/b@{DIGEST}",
        "Table: [[registry]] q.io/a",
        "policy.json demands nothing",
        f"1. m.io/a/b@{DIGEST} (mirror)",
        f"   credential: m.io/a in {auth}",
        "   trusts: the system's CAs",
        f"2. q.io/a/b@{DIGEST} (source)",
        "   credential: none, so it is asked anonymously",
        "   trusts: the system's CAs",
        "A node asks first 1",
    ]
    assert secret not in said.out + said.err and "very-secret" not in said.out + said.err
    barred = airferry("cluster", "explain", "bad.io/x:1", mirrors, image)
    assert barred.code == 1
    assert "barred: bad.io/x is blocked by the registries.conf rule for 'bad.io'" in barred.out
    assert "A node pulls from nowhere: policy.json rejects the image by scope bad.io" in barred.out


def test_explain_reads_a_nodes_own_file(tmp_path: Path) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text('[[registry]]\nprefix = "*.ex.com"\n[[registry.mirror]]\nlocation = "m.io/ex"\ninsecure = true\n')
    found = as_json(airferry("cluster", "explain", "a.ex.com/b", "--registries-conf", conf, "-o", "json").done())
    assert [(place["reference"], place["mirror"]) for place in found["places"]] == [
        ("m.io/ex/b:latest", True),
        ("a.ex.com/b:latest", False),
    ]
    assert found["places"][0]["trusts"].startswith("any certificate, and plain HTTP")
    assert found["table"] == "*.ex.com" and found["taken"] == 1


def test_explain_warns_of_what_concerns_the_image_alone(tmp_path: Path) -> None:
    conf = tmp_path / "registries.conf"
    tables = (f'[[registry]]\nlocation = "{name}"\n[[registry.mirror]]\nlocation = "m.io/UP"\n' for name in "ab")
    conf.write_text("".join(tables).replace('= "a"', '= "a.io"').replace('= "b"', '= "b.io"'))
    said = airferry("cluster", "explain", "a.io/x:1", conf)
    assert said.code == 1 and "nodes fail the whole pull because of it" in said.err
    assert "[[registry]] a.io: m.io/UP has upper-case letters" in said.err and "b.io" not in said.err


def test_probe_asks_each_place_and_says_which_a_node_takes(world: World, tmp_path: Path) -> None:
    mirror = world.mirror
    with nothing_listens() as nowhere:
        conf = tmp_path / "registries.conf"
        places = (f"{nowhere}/x", f"{mirror.host}/no/such", mirror.repository)
        tables = "".join(f'[[registry.mirror]]\nlocation = "{place}"\n' for place in places)
        conf.write_text(f'[[registry]]\nlocation = "{RELEASE}"\nblocked = true\n{tables}')
        reference = f"{RELEASE}@{world.release.digest}"
        flags = ("--certificate-authority", mirror.authority, "-o", "json", "--probe")
        found = as_json(airferry("cluster", "explain", reference, conf, "-a", mirror.auth_file, *flags).done())
        answers = [place["answer"] and place["answer"]["code"] for place in found["places"]]
        assert answers == ["unreachable", "no-manifest", None, None]
        assert found["places"][2]["answer"]["has"] and found["taken"] == 3
        assert found["verdict"]["answer"] == "yes"
        # Nobody trusts that CA without being told, and nobody gets in without the pull secret.
        blind = airferry("cluster", "explain", reference, conf, "-a", mirror.auth_file, "--probe", "-o", "json")
        assert blind.code == 1
        assert json.loads(blind.out)["places"][2]["answer"]["code"] == "unknown-ca"
        stranger = airferry("cluster", "explain", reference, conf, *flags)
        assert stranger.code == 1
        assert json.loads(stranger.out)["places"][2]["answer"]["code"] == "no-credential"


def test_probe_of_an_install_config_takes_its_secret_and_bundle(world: World, tmp_path: Path) -> None:
    config = tmp_path / "install-config.yaml"
    config.write_text("baseDomain: example.com\npullSecret: '{\"auths\":{}}'\n")
    flags = ("--mirror-sets", world.files / "imageDigestMirrorSet.yaml", "--release-version", "4.18", "--write")
    mirror = world.mirror
    edit = ("cluster", "install-config", config, *flags, "-a", mirror.auth_file)
    airferry(*edit).done()
    reference = f"{world.release.pullspec.rpartition(':')[0]}@{world.release.digest}"
    asked = ("cluster", "explain", reference, config)
    blind = as_json_of(airferry(*asked, "--probe", "-o", "json"), 1)
    assert blind["places"][0]["answer"]["code"] == "unknown-ca" and "CA" in blind["verdict"]["fix"]
    airferry(*edit, "--ca", mirror.authority).done()
    said = airferry(*asked, "--probe").done()
    assert f"credential: {mirror.host} in pullSecret of {config}" in said.out
    assert f"trusts: additionalTrustBundle of {config}, the system's CAs" in said.out
    assert said.out.endswith("A node takes it from 1\n") and mirror.password not in said.out + said.err
    # What is named on the command line takes the place of the secret, and comes to the bundle.
    other = tmp_path / "auth.json"
    other.write_text('{"auths":{}}')
    assert as_json_of(airferry(*asked, "-a", other, "-o", "json"), 0)["places"][0]["credential"] is None
    airferry(*asked, config).refused("usage", "two install-configs")


def test_probe_says_what_verify_says(world: World, tmp_path: Path) -> None:
    """A mirror that has the manifest and not all layers is kept, and fails the pull, whatever the next one has."""
    flags = ("--certificate-authority", world.mirror.authority, "-a", world.mirror.auth_file, "-o", "json", "--probe")
    with OurRegistry(tmp_path / "other") as other:
        on_disk = f"file://openshift/release:{world.release.tag}"
        target = f"{other.repository}:{world.release.tag}"
        airferry("image", "copy", on_disk, target, "--dir", world.disk, *other.flags).done()
        layers = sorted(
            (file for file in other.root.rglob("*") if file.is_file() and "blobs" in file.parts),
            key=lambda file: file.stat().st_size,
        )
        assert layers, "the registry keeps blobs in files"
        for layer in layers[-1:]:
            layer.unlink()
        both = tmp_path / "ca.crt"
        both.write_text(world.mirror.authority.read_text() + other.authority.read_text())
        auth = tmp_path / "auth.json"
        auths = [json.loads(file.read_text())["auths"] for file in (world.mirror.auth_file, other.auth_file)]
        auth.write_text(json.dumps({"auths": auths[0] | auths[1]}))
        conf = tmp_path / "registries.conf"
        tables = "".join(f'[[registry.mirror]]\nlocation = "{one.repository}"\n' for one in (other, world.mirror))
        conf.write_text(f'[[registry]]\nlocation = "{RELEASE}"\nblocked = true\n{tables}')
        flags = ("--certificate-authority", both, "-a", auth, "--probe")
        reference = f"{RELEASE}@{world.release.digest}"
        found = as_json_of(airferry("cluster", "explain", reference, conf, *flags, "-o", "json"), 1)
        assert found["taken"] == 1 and found["places"][1]["answer"]["code"] is None
        images = tmp_path / "images.txt"
        images.write_text(reference + "\n")
        nodes = ("--registries-conf", conf, "--pull-secret", auth, "--ca", both)
        proof = as_json_of(airferry("verify", "--images", images, *nodes, "-o", "json"), 1)
        same = {name: proof["images"][0][name] for name in ("answer", "code", "reason")}
        assert {**found["verdict"], **same} == found["verdict"] and same["code"] == "no-blob"
        assert (
            "A node asks 1, and does not get it\n  no-blob: "
            in airferry("cluster", "explain", reference, conf, *flags).out
        )


def as_json_of(said: Run, code: int) -> dict[str, Any]:
    """Return the answer of a command that ends with ``code``."""
    assert said.code == code, said.end
    document: dict[str, Any] = json.loads(said.out)
    return document


def test_explain_warns_of_tags_only_where_a_tag_is_pulled(tmp_path: Path) -> None:
    file = tmp_path / "idms.yaml"
    file.write_text(MIRRORS.partition("---")[0])
    assert airferry("cluster", "explain", f"q.io/a@{DIGEST}", file).done().err == ""
    assert "tag-pulls-unserved" in airferry("cluster", "explain", "q.io/a:1", file).done().err


def test_plain_kubernetes_is_warned_of_its_own_traps_alone(tmp_path: Path) -> None:
    """K3s cannot say digest-only, so its mirrors serve tags as well."""
    file = tmp_path / "idms.yaml"
    file.write_text(MIRRORS.partition("---")[0])
    asked = ("cluster", "registries-conf", file, "--form")
    assert "tag-pulls-unserved" not in airferry(*asked, "k3s").done().err
    assert "tag-pulls-unserved" in airferry(*asked, "containerd").done().err


def test_a_blocked_mirror_is_warned_of_once(mirrors: Path, tmp_path: Path) -> None:
    """It stands in the table twice, for digests and for tags."""
    image = tmp_path / "blocked.yaml"
    image.write_text(IMAGE.replace("bad.io", "m.io"))
    said = airferry("cluster", "explain", "q.io/a:1", mirrors, image).done()
    assert said.err.count("the mirror m.io/a is blocked") == 1
    assert airferry("cluster", "lint", mirrors, image).out.count("the mirror m.io/a is blocked") == 1


def test_plain_kubernetes_gets_its_files_and_stdout_no_secret(mirrors: Path, tmp_path: Path) -> None:
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"auths": {"m.io": {"auth": base64.b64encode(b"ann:very-secret").decode()}}}))
    asked = ("cluster", "registries-conf", mirrors, "--form", "k3s", "-a", auth)
    said = airferry(*asked).done()
    assert 'password: "***"' in said.out and "very-secret" not in said.out + said.err
    assert "digest-only cannot be said" in said.err
    assert "very-secret" in airferry(*asked, "--show-secrets").done().out
    to = tmp_path / "node"
    written = airferry(*asked, "--to-dir", to, "-o", "json").done()
    assert "very-secret" not in written.out
    file = to / "etc/rancher/k3s/registries.yaml"
    assert "very-secret" in file.read_text() and file.stat().st_mode & 0o777 == 0o600
    airferry("cluster", "registries-conf", mirrors, "--form", "containerd", "--to-dir", to).done()
    assert tomllib.loads((to / "etc/containerd/certs.d/q.io/hosts.toml").read_text())["server"] == "https://q.io"
    assert error_of(airferry("cluster", "registries-conf", mirrors, "-a", auth, "-o", "json"))["code"] == "usage"
    refused = airferry("cluster", "registries-conf", mirrors, "-a", auth, "--form", "containerd", "-o", "json")
    assert "hosts.toml holds no credentials" in error_of(refused)["message"]


def test_plain_kubernetes_without_a_mirror_left_is_refused_with_the_reasons(tmp_path: Path) -> None:
    conf = tmp_path / "registries.conf"

    def table(prefix: str, mirror: str) -> str:
        return f'[[registry]]\nprefix = "{prefix}"\nlocation = "{prefix}"\n[[registry.mirror]]\nlocation = "{mirror}"\n'

    def form(name: str, *tables: str) -> Run:
        conf.write_text("".join(tables))
        return airferry("cluster", "registries-conf", conf, "--form", name, "--to-dir", tmp_path / "node")

    wildcard = table("*.q.io", "m.io/q").replace('location = "*.q.io"\n', "")
    lost = table("q.io/a", "m.io/other")
    form("containerd", lost, wildcard).refused("unsupported", "m.io/other", "wildcard", hint="end in the source's path")
    form("k3s", wildcard).refused("unsupported", "*.q.io: a wildcard cannot be said")
    for name in ("containerd", "k3s"):
        form(name).refused("malformed", "no mirror is named", hint="mirror sets")
    assert not (tmp_path / "node").exists()
    # With some left it is done with gaps, and JSON names what is lost.
    assert form("containerd", lost, table("q.io/b", "m.io/b")).code == 3
    assert form("k3s", table("q.io", "m.io"), table("q.io/a", "n.io/a")).code == 3
    said = airferry("cluster", "registries-conf", conf, "--form", "k3s", "-o", "json")
    assert [line.partition(":")[0] for line in json.loads(said.out)["lost"]] == ["q.io/a"]
    # What loses only a detail is done, and a registry without mirrors can be told to be insecure.
    form("containerd", table("q.io/b", "m.io/b")).done()
    form("k3s", '[[registry]]\nlocation = "q.io"\ninsecure = true\n').done()
    form("containerd", '[[registry]]\nlocation = "q.io"\ninsecure = true\n').done()


def test_the_printed_file_is_taken_by_our_other_commands(mirrors: Path, tmp_path: Path) -> None:
    conf = tmp_path / "node.conf"
    conf.write_text(airferry("cluster", "registries-conf", mirrors).done().out)
    assert [rule.prefix for rule in read_registries_conf(conf).rules] == ["q.io/a"]
    assert airferry("cluster", "registries-conf", conf).done().out == conf.read_text()
