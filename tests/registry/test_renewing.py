"""A new certificate before the old one runs out: what is kept, what is new, who is warned when."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from airferry.errors import UsageError
from airferry.registry import (
    OwnCertificate,
    Settings,
    expiry_warnings,
    init,
    install_certificate,
    make_ca,
    make_leaf,
    renew,
    server_context,
)
from airferry.registry.certificates import CA_DAYS, LEAF_DAYS, Pair, renew_ca

NOW = datetime.now(UTC).replace(microsecond=0)
HOSTS = ("mirror.example.com", "127.0.0.1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    init(tmp_path / "registry", HOSTS, password="irrelevant")
    return tmp_path / "registry"


def certificates(root: Path) -> tuple[x509.Certificate, x509.Certificate]:
    leaf, ca = x509.load_pem_x509_certificates((root / "server.crt").read_bytes())
    assert ca == x509.load_pem_x509_certificate((root / "ca.crt").read_bytes())
    return leaf, ca


def shakes_hands(root: Path, trusted: bytes) -> bool:
    """Whether a client that trusts ``trusted`` takes what the registry shows."""
    files = Settings.read(root).tls
    assert files is not None
    server_side, client_side = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context(files).wrap_bio(client_side, server_side, server_side=True)
    context = ssl.create_default_context(cadata=trusted.decode())
    client = context.wrap_bio(server_side, client_side, server_hostname="mirror.example.com")
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return True


def test_the_certificate_is_new_for_the_same_key_names_and_ca(root: Path) -> None:
    before, ca = certificates(root)
    kept = {name: (root / name).read_bytes() for name in ("server.key", "ca.crt", "ca.key", "registry.toml")}
    renewed = renew(root, now=NOW + timedelta(days=700))
    after, _ = certificates(root)
    assert after.serial_number != before.serial_number
    assert after.not_valid_after_utc == NOW + timedelta(days=700 + LEAF_DAYS)
    assert renewed.certificate.expires == after.not_valid_after_utc
    assert renewed.certificate.hosts == HOSTS and not renewed.is_new_ca
    assert kept == {name: (root / name).read_bytes() for name in kept}
    after.verify_directly_issued_by(ca)


def test_names_can_be_added_on_the_way(root: Path) -> None:
    assert renew(root, ["new.example.com", "MIRROR.example.com"]).certificate.hosts == (*HOSTS, "new.example.com")


def test_a_ca_that_would_not_outlive_what_it_issues_is_renewed_and_old_clients_go_on(root: Path) -> None:
    trusted = (root / "ca.crt").read_bytes()
    _, old = certificates(root)
    just_enough = old.not_valid_after_utc - timedelta(days=LEAF_DAYS)
    assert not renew(root, now=just_enough).is_new_ca
    # Issued today by the new CA, so that it can be tried today.
    ca_key = (root / "ca.key").read_bytes()
    renewed = renew(root, now=just_enough + timedelta(seconds=1))
    assert renewed.is_new_ca and renewed.ca is not None
    assert renewed.ca.expires == just_enough + timedelta(seconds=1, days=CA_DAYS)
    leaf, ca = certificates(root)
    assert (ca.subject, ca.public_key()) == (old.subject, old.public_key()) and ca.serial_number != old.serial_number
    assert (root / "ca.key").read_bytes() == ca_key
    leaf.verify_directly_issued_by(old)
    assert trusted != (root / "ca.crt").read_bytes()


def test_clients_of_either_ca_take_what_either_issued(root: Path) -> None:
    from airferry.registry.host_names import our_pair

    files = Settings.read(root).tls
    assert files is not None
    old, key = our_pair(root, files)
    new = renew_ca(old, NOW)
    for issuer in (old, new):
        leaf = make_leaf(issuer, HOSTS, NOW, key=key)
        files.certificate.write_bytes(leaf.certificate_pem + issuer.certificate_pem)
        assert shakes_hands(root, old.certificate_pem) and shakes_hands(root, new.certificate_pem)
    assert not shakes_hands(root, make_ca("another", NOW).certificate_pem)


@pytest.mark.parametrize("missing", ["ca.key", "ca.crt"])
def test_what_was_made_elsewhere_is_not_renewed_and_nothing_changes(root: Path, missing: str) -> None:
    (root / missing).unlink()
    before = {file.name: file.read_bytes() for file in root.iterdir()}
    with pytest.raises(UsageError) as refused:
        renew(root)
    assert "--certificate" in (refused.value.hint or "")
    assert before == {file.name: file.read_bytes() for file in root.iterdir()}


def own(folder: Path, ca: Pair, days: int = 0) -> OwnCertificate:
    leaf = make_leaf(ca, HOSTS, NOW - timedelta(days=days))
    folder.mkdir(exist_ok=True)
    (folder / "c").write_bytes(leaf.certificate_pem + ca.certificate_pem)
    (folder / "k").write_bytes(leaf.key_pem)
    return OwnCertificate.read(folder / "c", folder / "k", None)


def test_a_certificate_of_ones_own_takes_the_place_of_the_one_that_is_there(root: Path, tmp_path: Path) -> None:
    corporate = make_ca("corporate", NOW)
    renewed = install_certificate(root, own(tmp_path / "own", corporate))
    assert renewed.is_new_ca and renewed.certificate.issuer == "CN=corporate"
    assert shakes_hands(root, corporate.certificate_pem)
    assert (root / "ca.crt").read_bytes() == corporate.certificate_pem
    assert not (root / "ca.key").exists()
    assert (root / "server.key").stat().st_mode & 0o777 == 0o600
    assert not install_certificate(root, own(tmp_path / "own", corporate)).is_new_ca


def test_a_registry_is_made_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    corporate = make_ca("corporate", NOW)
    given = own(tmp_path / "own", corporate)
    made = init(tmp_path / "r", given.hosts, password="irrelevant", own=given)
    assert made.hosts == HOSTS and made.ca_certificate == tmp_path / "r" / "ca.crt"
    assert not (tmp_path / "r" / "ca.key").exists()
    assert shakes_hands(tmp_path / "r", corporate.certificate_pem)


def test_warnings_begin_thirty_days_before_and_say_what_to_do(root: Path, tmp_path: Path) -> None:
    settings = Settings.read(root)
    leaf, ca = certificates(root)
    end = leaf.not_valid_after_utc
    assert expiry_warnings(settings, end - timedelta(days=30, seconds=1)) == ()
    [warning] = expiry_warnings(settings, end - timedelta(days=30))
    assert f"runs out on {end:%Y-%m-%d}, in 30 days" in warning and f"init --renew --root {root}`" in warning
    [warning] = expiry_warnings(settings, end + timedelta(days=1))
    assert f"ran out on {end:%Y-%m-%d}" in warning
    assert len(expiry_warnings(settings, ca.not_valid_after_utc)) == 2
    install_certificate(root, own(tmp_path / "own", make_ca("corporate", NOW), days=LEAF_DAYS - 20))
    [warning] = expiry_warnings(settings, NOW)
    assert "in 20 days" in warning and "--renew --root" in warning and "--certificate FILE --key FILE" in warning
