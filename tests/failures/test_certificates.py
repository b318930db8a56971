"""Certificates that cannot be trusted: the error names registry, subject, reason, and the flag that fixes it."""

import re
from pathlib import Path

import pytest

from airferry.lab import Flaw, PublishedRelease, make_certificates

from .stage import Entry, Mirror, Quay, airferry, look_at

CASES: dict[str, tuple[Flaw, bool, tuple[str, ...], str]] = {
    "a CA that nobody knows": (
        Flaw.NONE,
        False,
        ("is signed by an unknown CA: airferry lab authority",),
        "--certificate-authority FILE",
    ),
    "a certificate signed by itself": (
        Flaw.SELF_SIGNED,
        False,
        ("is signed by an unknown CA: it is self-signed",),
        "--certificate-authority FILE",
    ),
    "no SAN": (Flaw.NO_SAN, True, ("has no subject alternative name (SAN)",), "--insecure"),
    "another host": (
        Flaw.WRONG_HOST,
        True,
        ("is for another host than 127.0.0.1", "it is for registry.example.invalid"),
        "--insecure",
    ),
    "expired": (Flaw.EXPIRED, True, ("expired on 20", "this machine's clock says 20"), "--insecure"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_source_whose_certificate_is_refused(
    tmp_path: Path, small: PublishedRelease, disk: Path, undisturbed: dict[str, Entry], case: str
) -> None:
    flaw, ca_is_given, words, flag = CASES[case]
    certificates = make_certificates(tmp_path / "tls", flaw)
    given = ("--certificate-authority", certificates.authority_file) if ca_is_given else ()
    with Quay(tmp_path, small, certificates=certificates) as quay:
        run = quay.mirror(disk, *given).refused("certificate", *words, hint=flag)
        assert re.search(rf"the certificate of {quay.host} \(subject CN=localhost\) ", run.err)
        assert look_at(disk) == {}
        trust = ("--certificate-authority", certificates.authority_file) if not ca_is_given else ("--insecure",)
        quay.mirror(disk, *trust).done()
    assert look_at(disk) == undisturbed


@pytest.mark.parametrize("case", CASES)
def test_a_destination_whose_certificate_is_refused(
    tmp_path: Path, loaded_disk: Path, undisturbed: dict[str, Entry], case: str
) -> None:
    flaw, ca_is_given, words, flag = CASES[case]
    certificates = make_certificates(tmp_path / "tls", flaw)
    given = ("--dest-certificate-authority", certificates.authority_file) if ca_is_given else ()
    with Mirror(tmp_path / "registry", certificates) as mirror:
        run = mirror.load(loaded_disk, *given).refused("certificate", *words, hint=flag)
        assert mirror.host in run.err
        assert mirror.blobs() == {}
        trust = ("--dest-certificate-authority", certificates.authority_file)
        mirror.load(loaded_disk, *(trust if not ca_is_given else ("--dest-insecure",))).done()
        assert mirror.is_sound()
        assert mirror.blobs()
    assert look_at(loaded_disk) == undisturbed


@pytest.mark.parametrize("command", [("image", "info"), ("release", "info"), ("release", "extract")])
def test_every_command_that_reads_says_so(tmp_path: Path, small: PublishedRelease, command: tuple[str, str]) -> None:
    with Quay(tmp_path, small, certificates=make_certificates(tmp_path / "tls", Flaw.EXPIRED)) as quay:
        authority = ("--certificate-authority", tmp_path / "tls" / "ca.pem")
        airferry(*command, small.pullspec, *quay.flags(trusted=False), *authority).refused(
            "certificate", quay.host, "CN=localhost", "expired on", hint="--insecure"
        )


def test_a_registry_without_tls_is_told_from_one_with_a_bad_certificate(quay: Quay, disk: Path) -> None:
    name = f"{quay.host}/openshift-release-dev/ocp-release:4.12.0-x86_64"
    airferry("release", "mirror", name, "--to-dir", disk).refused(
        "unreachable", f"{quay.host} does not speak TLS", hint="--insecure"
    )
    assert look_at(disk) == {}


FILES = {
    "a CA file that is not there": (None, "not-found", "does not exist"),
    "a CA file that holds no certificate": ("-----BEGIN NOTHING-----", "malformed", "no certificate that can be read"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_ca_file_of_no_use_is_named_before_anything_is_asked(quay: Quay, disk: Path, case: str) -> None:
    content, code, words = FILES[case]
    file = disk.parent / "ca.crt"
    if content is not None:
        file.write_text(content)
    quay.mirror(disk, "--certificate-authority", file).refused(code, str(file), words)
    assert quay.server.requests == []
    assert look_at(disk) == {}
