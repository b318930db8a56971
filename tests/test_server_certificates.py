"""What clients refuse: each fault of a certificate has a name, whoever asks."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from airferry.server_certificates import (
    FaultKind,
    build_chain,
    ca_faults,
    chain_faults,
    name_faults,
    own_faults,
)

NOW = datetime(2030, 6, 1, tzinfo=UTC)
KEYS: dict[str, Any] = {
    "ca": ec.generate_private_key(ec.SECP256R1()),
    "leaf": ec.generate_private_key(ec.SECP256R1()),
    "small": rsa.generate_private_key(65537, 1024),
}


def issue(
    name: str, issuer: str, *extensions: x509.ExtensionType, key: str = "leaf", signed_by: str = "ca"
) -> x509.Certificate:
    builder = x509.CertificateBuilder(
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        public_key=KEYS[key].public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=NOW - timedelta(days=1),
        not_valid_after=NOW + timedelta(days=9),
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEYS[signed_by], hashes.SHA256())


def usage(**signs: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    names = (*names, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: signs.get(name, False) for name in names})


CA = x509.BasicConstraints(ca=True, path_length=None)
SIGNERS: dict[str, tuple[tuple[x509.ExtensionType, ...], int, str | None]] = {
    "a CA": ((CA, usage(key_cert_sign=True)), 0, None),
    "a CA without a key usage": ((CA,), 0, None),
    "CA:FALSE": ((x509.BasicConstraints(ca=False, path_length=None),), 0, "CA:FALSE"),
    "nothing said": ((), 0, "no basic constraints"),
    "a key for other things": ((CA, usage(digital_signature=True)), 0, "lacks keyCertSign"),
    "one CA too many": ((x509.BasicConstraints(ca=True, path_length=0),), 1, "path length allows 0"),
    "just as many CAs": ((x509.BasicConstraints(ca=True, path_length=1),), 1, None),
}


@pytest.mark.parametrize("case", SIGNERS)
def test_who_may_sign(case: str) -> None:
    extensions, below, problem = SIGNERS[case]
    faults = ca_faults(issue("root", "root", *extensions, key="ca"), "ca.crt", below=below)
    assert [fault.kind for fault in faults] == ([FaultKind.NOT_A_CA] if problem else [])
    assert problem is None or problem in faults[0].message


def test_the_common_name_is_named_as_what_does_not_count() -> None:
    (fault,) = name_faults(issue("m.lan", "root"), "tls.crt", ["m.lan"])
    assert fault.kind is FaultKind.NO_SAN
    assert "its common name m.lan does not count" in fault.message and "Go clients refuse" in fault.hint


@pytest.mark.parametrize(
    ("host", "fits"),
    [
        ("m.lan", True),
        ("M.LAN", True),
        ("x.apps.lan", True),
        ("apps.lan", False),
        ("10.0.0.7", True),
        ("10.0.0.8", False),
    ],
)
def test_names_and_addresses(host: str, fits: bool) -> None:
    own = [x509.DNSName("m.lan"), x509.DNSName("*.apps.lan"), x509.IPAddress(IPv4Address("10.0.0.7"))]
    names = x509.SubjectAlternativeName(own)
    faults = name_faults(issue("m.lan", "root", names), "tls.crt", [host])
    assert [fault.kind for fault in faults] == ([] if fits else [FaultKind.OTHER_HOST])


@pytest.mark.parametrize(
    ("days", "kind"), [(0, None), (10, FaultKind.EXPIRED), (-2, FaultKind.NOT_YET_VALID)], ids=["now", "late", "early"]
)
def test_dates(days: int, kind: FaultKind | None) -> None:
    faults = own_faults(issue("m", "root"), "tls.crt", NOW + timedelta(days=days), is_root=False)
    assert [fault.kind for fault in faults] == ([kind] if kind else [])
    assert kind is not FaultKind.NOT_YET_VALID or "clock" in faults[0].hint


def test_a_small_key_is_named() -> None:
    (fault,) = own_faults(issue("m", "root", key="small"), "tls.crt", NOW, is_root=False)
    assert fault.kind is FaultKind.WEAK_KEY and "1024 bits" in fault.message


def test_a_chain_through_one_that_may_not_sign_is_told() -> None:
    root = issue("root", "root", usage(digital_signature=True), CA, key="ca")
    leaf = issue("m", "root")
    chain = build_chain(leaf, [leaf, root], [root])
    assert (chain.root, chain.sent) == (root, (leaf,))
    assert [fault.kind for fault in chain_faults(chain, "tls.crt")] == [FaultKind.NOT_A_CA]


def test_one_that_signed_itself_and_is_trusted_needs_to_be_no_ca() -> None:
    alone = issue("m", "m", key="ca")
    chain = build_chain(alone, [alone], [alone])
    assert chain.root == alone and chain_faults(chain, "tls.crt") == ()
