"""``cluster trust``: objects that a cluster takes, and certificates as its nodes would see them."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from airferry.lab import Flaw, make_certificates
from failures.stage import airferry

from .world import OurRegistry, World, as_json, nothing_listens


def trust(*arguments: object):
    return airferry("cluster", "trust", *arguments)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return make_certificates(tmp_path / "tls").authority_file


class TestObjects:
    def test_the_config_map_the_image_config_and_the_hub(self, authority: Path) -> None:
        flags = ("--ca", authority, "--host", "m.lan:8443", "--host", "10.0.0.7:5000", "--host", "plain.lan")
        text = trust(*flags, "--update-service", "--disable-default-sources").done().out
        config_map, image, hub = YAML(typ="safe").load_all(text)
        assert config_map == {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "registry-config", "namespace": "openshift-config"},
            "data": dict.fromkeys(
                ["10.0.0.7..5000", "m.lan..8443", "plain.lan", "updateservice-registry"], authority.read_text()
            ),
        }
        assert image == {
            "apiVersion": "config.openshift.io/v1",
            "kind": "Image",
            "metadata": {"name": "cluster"},
            "spec": {"additionalTrustedCA": {"name": "registry-config"}},
        }
        assert (hub["kind"], hub["spec"]) == ("OperatorHub", {"disableAllDefaultSources": True})
        commands = [line for line in text.splitlines() if line.startswith("# oc ")]
        assert f"--from-file=m.lan..8443={authority}" in commands[0]
        assert '\'{"spec":{"additionalTrustedCA":{"name":"registry-config"}}}\'' in commands[1]
        assert trust(*flags[:4], *flags[6:], *flags[4:6], "--update-service", "--disable-default-sources").out == text

    def test_they_are_written_one_to_a_file(self, authority: Path, out: Path) -> None:
        flags = ("--ca", authority, "--host", "m.lan", "--name", "mirror-ca", "--to-dir", out)
        document = as_json(trust(*flags, "-o", "json"))
        assert document["files"] == [str(out / name) for name in ("configmap-mirror-ca.yaml", "image-config.yaml")]
        written = YAML(typ="safe").load((out / "configmap-mirror-ca.yaml").read_text())
        assert written["metadata"]["name"] == "mirror-ca"

    def test_other_hosts_and_other_cas_are_kept_over_runs(self, authority: Path, tmp_path: Path, out: Path) -> None:
        other = make_certificates(tmp_path / "other").authority_file
        file = out / "configmap-registry-config.yaml"
        to = ("--to-dir", out)
        trust("--ca", authority, "--host", "a.lan:8443", *to).done()
        trust("--ca", other, "--host", "b.lan", "--update-service", *to).done()
        trust("--ca", other, "--host", "a.lan:8443", *to).done()
        data = YAML(typ="safe").load(file.read_text())["data"]
        both = authority.read_text() + other.read_text()
        assert data == {"a.lan..8443": both, "b.lan": other.read_text(), "updateservice-registry": other.read_text()}
        assert f"# oc apply -f {file.name}" in file.read_text()
        content = file.read_bytes()
        trust("--ca", authority, "--host", "a.lan:8443", *to).done()
        assert file.read_bytes() == content
        # What the cluster has, as oc prints it, is a beginning as well.
        file.write_text(file.read_text().replace("metadata:\n", "metadata:\n  resourceVersion: '1'\n"))
        trust("--ca", authority, "--host", "c.lan", *to).done()
        assert "b.lan" in file.read_text() and "c.lan" in file.read_text()

    @pytest.mark.parametrize("text", ["kind: Secret\n", "x: [", "kind: ConfigMap\nmetadata: {name: other}\n", ""])
    def test_another_file_in_its_place_is_not_written_over(self, authority: Path, out: Path, text: str) -> None:
        out.mkdir(exist_ok=True)
        file = out / "configmap-registry-config.yaml"
        file.write_text(text)
        run = trust("--ca", authority, "--host", "a.lan", "--to-dir", out)
        run.refused("malformed", str(file), hint="move it away to begin anew")
        assert file.read_text() == text

    def test_a_host_with_capitals_has_a_key_for_each_spelling(self, authority: Path) -> None:
        """Nodes look for the folder of a host as images spell it, letter by letter."""
        run = trust("--ca", authority, "--host", "Mirror.Lan:8443").done()
        config_map, _ = YAML(typ="safe").load_all(run.out)
        assert sorted(config_map["data"]) == ["Mirror.Lan..8443", "mirror.lan..8443"]
        assert "warning: images are looked up by the host as they spell it" in run.err

    @pytest.mark.parametrize("name", ["Mirror-CA", "mirror_ca", "-ca", "ca-", "a..b", "a b", "../x", "x" * 254, ""])
    def test_a_name_that_kubernetes_refuses_is_refused(self, authority: Path, out: Path, name: str) -> None:
        trust("--ca", authority, "--host", "m.lan", "--name", name, "--to-dir", out).refused("malformed", "name")
        assert not list(out.glob("*"))

    @pytest.mark.parametrize("name", ["x" * 253, "10.5", "null", "1e5", "0x1f", "2026-01-02"])
    def test_any_other_name_is_read_back_as_it_is(self, authority: Path, out: Path, name: str) -> None:
        document = as_json(trust("--ca", authority, "--host", "m.lan", "--name", name, "--to-dir", out, "-o", "json"))
        config_map, image = (YAML(typ="safe").load(Path(file).read_text()) for file in document["files"])
        assert config_map["metadata"]["name"] == name == image["spec"]["additionalTrustedCA"]["name"]

    def test_what_is_larger_than_a_cluster_takes_is_refused(self, authority: Path) -> None:
        label = "x" * 63
        long = ".".join([label, label, label, "y" * 61])  # 253, the longest in the DNS
        trust("--ca", authority, "--host", long).done()
        trust("--ca", authority, "--host", f"{long}:8443").refused("malformed", "too long for a key")
        many = [word for number in range(1800) for word in ("--host", f"h{number}.lan")]
        trust("--ca", authority, *many).refused("malformed", "clusters take 1048576", hint="CAs of the mirror alone")

    def test_the_hub_alone(self) -> None:
        assert YAML(typ="safe").load(trust("--disable-default-sources").done().out)["kind"] == "OperatorHub"

    def test_a_host_that_looks_like_a_number_stays_text(self, authority: Path) -> None:
        config_map, _ = YAML(typ="safe").load_all(trust("--ca", authority, "--host", "10.5").done().out)
        assert list(config_map["data"]) == ["10.5"]

    def test_what_is_missing_is_named(self, authority: Path, tmp_path: Path) -> None:
        trust().refused("usage", "--ca FILE is missing")
        trust("--ca", authority).refused("usage", "--host HOST[:PORT] is missing")
        trust("--ca", authority, "--host", "[::1]:5000").refused("malformed", "not HOST[:PORT]", hint="IPv6")
        for host in ("https://m.lan", "m.lan/ocp4"):
            trust("--ca", authority, "--host", host).refused("malformed", "not HOST[:PORT]", hint="the host alone")
        trust("--ca", authority, "--host", "m_lan").refused("malformed", "not HOST[:PORT]", hint="as images name it")
        trust("--ca", tmp_path / "none", "--host", "m.lan").refused("usage", "cannot be read")
        trust("--check", authority, "--update-service").refused("usage", "--check makes no objects")


FLAWS = {
    Flaw.EXPIRED: "expired",
    Flaw.WRONG_HOST: "other-host",
    Flaw.NO_SAN: "no-san",
}


class TestChecks:
    def test_a_good_server(self, world: World) -> None:
        answer = as_json(trust("--check", world.mirror.host, "--ca", world.mirror.authority, "-o", "json"))
        (found,) = answer["certificates"]
        assert found["good"] and found["faults"] == [] and "localhost" in found["names"] and found["leadsTo"]

    def test_a_server_whose_ca_is_another(self, world: World, authority: Path) -> None:
        run = trust("--check", world.mirror.host, "--ca", authority)
        assert run.code == 1 and "chain:" in run.out
        assert "hint: --ca FILE must hold the certificate of " in run.out and "give the CA" not in run.out

    def test_a_server_by_another_name(self, world: World) -> None:
        flags = ("--ca", world.mirror.authority, "--host", "mirror.example.com:8443")
        run = trust("--check", world.mirror.host, *flags)
        assert run.code == 1 and "is not for mirror.example.com; it is for localhost" in run.out

    def test_nobody_there(self, authority: Path) -> None:
        with nothing_listens() as nobody:
            run = trust("--check", nobody, "--ca", authority, "--check", authority)
            assert run.code == 3 and f"{nobody}: cannot tell: cannot connect to {nobody}" in run.out
            assert f"{authority}: yes" in run.out
            found = json.loads(trust("--check", nobody, "-o", "json").out)["certificates"][0]
            assert (found["good"], found["error"]["code"]) == (None, "unreachable")
        trust("--check", "no such file").refused("usage", "neither a file nor HOST")

    def test_a_no_counts_more_than_what_cannot_be_told(self, tmp_path: Path) -> None:
        made = make_certificates(tmp_path / "tls", Flaw.EXPIRED)
        with nothing_listens() as nobody:
            assert trust("--check", nobody, "--check", made.certificate_file, "--ca", made.authority_file).code == 1

    def test_a_server_without_tls_is_a_no(self, tmp_path: Path) -> None:
        with OurRegistry(tmp_path / "plain", use_tls=False) as plain:
            run = trust("--check", plain.host)
            assert run.code == 1 and f"{plain.host}: no: " in run.out and "does not speak TLS" in run.out

    @pytest.mark.parametrize("name", ["nofile.crt", "nofile.pem", "Nofile.CER"])
    def test_a_file_that_is_not_there_is_no_server(self, name: str) -> None:
        trust("--check", name).refused("usage", f"{name} is neither a file nor HOST", hint="there is no file")

    def test_a_url_is_told_apart_from_a_file(self) -> None:
        trust("--check", "https://m.lan:8443").refused("usage", "neither a file", hint="without https://")

    @pytest.mark.parametrize("flaw", FLAWS, ids=str)
    def test_each_flaw_in_a_file(self, tmp_path: Path, flaw: Flaw) -> None:
        made = make_certificates(tmp_path / "tls", flaw)
        flags = ("--ca", made.authority_file, "--host", "localhost", "-o", "json")
        run = trust("--check", made.certificate_file, *flags)
        (found,) = json.loads(run.out)["certificates"]
        assert run.code == 1 and [fault["kind"] for fault in found["faults"]] == [FLAWS[flaw]]

    def test_a_good_file_and_its_ca(self, tmp_path: Path) -> None:
        for flaw in (Flaw.NONE, Flaw.SELF_SIGNED):
            made = make_certificates(tmp_path / flaw, flaw)
            trust("--check", made.certificate_file, "--ca", made.authority_file, "--host", "127.0.0.1").done()
        run = trust("--check", make_certificates(tmp_path / "ca").authority_file).done()
        assert "yes" in run.out and "CA without SAN" in run.out

    def test_a_server_that_no_ca_of_this_system_signed(self, tmp_path: Path) -> None:
        run = trust("--check", make_certificates(tmp_path / "tls").certificate_file, "--host", "localhost")
        assert run.code == 1 and "neither sent nor given" in run.out

    def test_a_file_without_a_certificate(self, tmp_path: Path) -> None:
        file = tmp_path / "x.crt"
        file.write_bytes(b"\x30\x82\xff")
        trust("--check", file).refused("malformed", "no certificate in PEM", hint="openssl x509 -inform der")
