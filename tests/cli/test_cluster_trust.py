"""``cluster trust``: objects that a cluster takes, and certificates as its nodes would see them."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from airferry.lab import Flaw, make_certificates
from failures.stage import airferry

from .world import World, as_json, nothing_listens


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

    def test_the_hub_alone(self) -> None:
        assert YAML(typ="safe").load(trust("--disable-default-sources").done().out)["kind"] == "OperatorHub"

    def test_a_host_that_looks_like_a_number_stays_text(self, authority: Path) -> None:
        config_map, _ = YAML(typ="safe").load_all(trust("--ca", authority, "--host", "10.5").done().out)
        assert list(config_map["data"]) == ["10.5"]

    def test_what_is_missing_is_named(self, authority: Path, tmp_path: Path) -> None:
        trust().refused("usage", "--ca FILE is missing")
        trust("--ca", authority).refused("usage", "--host HOST[:PORT] is missing")
        trust("--ca", authority, "--host", "[::1]:5000").refused("malformed", "not HOST[:PORT]", hint="IPv6")
        trust("--ca", authority, "--host", "https://m.lan").refused("malformed", "not HOST[:PORT]")
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
        assert run.code == 1 and "chain:" in run.out and "hint:" in run.out

    def test_a_server_by_another_name(self, world: World) -> None:
        flags = ("--ca", world.mirror.authority, "--host", "mirror.example.com:8443")
        run = trust("--check", world.mirror.host, *flags)
        assert run.code == 1 and "is not for mirror.example.com; it is for localhost" in run.out

    def test_nobody_there(self, authority: Path) -> None:
        with nothing_listens() as nobody:
            trust("--check", nobody, "--ca", authority).refused("unreachable", nobody)
        trust("--check", "no such file").refused("usage", "neither a file nor HOST")

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
