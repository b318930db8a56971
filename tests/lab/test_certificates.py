import ssl
from pathlib import Path

import aiohttp
import pytest

from airferry.lab import Flaw, Upstream, make_certificates

from .reading import layers, token


def trusting(file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(file))


@pytest.mark.parametrize("flaw", [Flaw.NONE, Flaw.SELF_SIGNED])
async def test_a_client_that_trusts_the_authority_pulls_over_tls(client, small, store, tmp_path, flaw):
    certificates = make_certificates(tmp_path, flaw)
    layer = layers(store, small.digest)[-1]
    async with Upstream(store, certificates=certificates) as upstream:
        assert upstream.url.startswith("https://")
        trust = {"ssl": trusting(certificates.authority_file)}
        allowed = await token(client, upstream.url, small.release_repository, **trust)
        url = f"{upstream.url}/v2/{small.release_repository}/blobs/{layer}"
        async with client.get(url, headers=allowed, **trust) as answer:
            assert await answer.read() == store.read(layer)
            assert answer.url.scheme == "https"


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        (Flaw.EXPIRED, "certificate has expired"),
        (Flaw.WRONG_HOST, "IP address mismatch"),
        (Flaw.NO_SAN, "IP address mismatch"),
    ],
)
async def test_a_flawed_certificate_is_refused_for_its_flaw(client, store, tmp_path, flaw, reason):
    certificates = make_certificates(tmp_path, flaw)
    async with Upstream(store, certificates=certificates) as upstream:
        with pytest.raises(aiohttp.ClientConnectorCertificateError, match=reason):
            await client.get(f"{upstream.url}/v2/", ssl=trusting(certificates.authority_file))


async def test_a_stranger_does_not_trust_the_lab(client, store, tmp_path):
    other = make_certificates(tmp_path / "other")
    async with Upstream(store, certificates=make_certificates(tmp_path / "lab")) as upstream:
        with pytest.raises(aiohttp.ClientConnectorCertificateError, match="unable to get local issuer"):
            await client.get(f"{upstream.url}/v2/", ssl=trusting(other.authority_file))


def test_the_key_is_for_its_owner_only(tmp_path):
    assert make_certificates(tmp_path).key_file.stat().st_mode & 0o077 == 0
