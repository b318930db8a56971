"""Whom we trust, and what we say when we do not."""

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from airferry.content.errors import CertificateError, NotFoundError, UnreachableError
from airferry.content.http import HttpContent, HttpSettings, RetryPolicy
from airferry.errors import MalformedError

from .servers import Pair, always_ok, answer, make_pair, serve


async def tags(host: str, **settings: object) -> tuple[str, ...]:
    content = HttpContent(HttpSettings(retry=RetryPolicy(first_wait_s=0.01), **settings))  # type: ignore[arg-type]
    try:
        return await content.registry(host).list_tags("team/app")
    finally:
        await content.close()


@pytest.fixture
def ca(tmp_path: Path) -> Pair:
    return make_pair(tmp_path, "Lab CA", sans=(), is_ca=True)


@pytest.fixture
def signed(tmp_path: Path, ca: Pair) -> Pair:
    return make_pair(tmp_path, "registry", issuer=ca)


async def refused(pair: Pair, **settings: object) -> CertificateError:
    async with serve(always_ok, pair.server_context()) as host:
        with pytest.raises(CertificateError) as caught:
            await tags(host, **settings)
        assert host in caught.value.message
        return caught.value


async def test_a_ca_that_was_given_is_trusted(ca: Pair, signed: Pair) -> None:
    async with serve(always_ok, signed.server_context()) as host:
        assert await tags(host, ca_file=ca.crt) == ("v1",)


@pytest.mark.parametrize("is_ca", [True, False])
async def test_a_self_signed_server_certificate_given_as_ca_is_trusted(tmp_path: Path, is_ca: bool) -> None:
    pair = make_pair(tmp_path, "self", is_ca=is_ca)
    async with serve(always_ok, pair.server_context()) as host:
        assert await tags(host, ca_file=pair.crt) == ("v1",)


async def test_a_server_certificate_given_as_trust_anchor_is_enough(signed: Pair) -> None:
    async with serve(always_ok, signed.server_context()) as host:
        assert await tags(host, ca_file=signed.crt) == ("v1",)


async def test_a_ca_in_certs_d_is_trusted_for_that_host_only(tmp_path: Path, ca: Pair, signed: Pair) -> None:
    certs = tmp_path / "certs.d"
    async with serve(always_ok, signed.server_context()) as host, serve(always_ok, signed.server_context()) as other:
        (certs / host).mkdir(parents=True)
        (certs / host / "ca.crt").write_bytes(ca.crt.read_bytes())
        assert await tags(host, certs_dirs=(certs,)) == ("v1",)
        with pytest.raises(CertificateError):
            await tags(other, certs_dirs=(certs,))


async def test_a_client_certificate_in_certs_d_is_shown(tmp_path: Path, ca: Pair, signed: Pair) -> None:
    context = signed.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ca.crt)
    client = make_pair(tmp_path, "client", issuer=ca, sans=())
    async with serve(always_ok, context) as host:
        folder = tmp_path / "certs.d" / host
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_bytes(ca.crt.read_bytes())
        with pytest.raises(Exception, match=host):
            await tags(host, certs_dirs=(tmp_path / "certs.d",))
        (folder / "client.cert").write_bytes(client.crt.read_bytes())
        (folder / "client.key").write_bytes(client.pem_key.read_bytes())
        assert await tags(host, certs_dirs=(tmp_path / "certs.d",)) == ("v1",)


async def test_an_unknown_ca_is_named_with_the_flag_that_helps(signed: Pair) -> None:
    error = await refused(signed)
    assert "subject CN=registry" in error.message and "signed by an unknown CA: Lab CA" in error.message
    assert "--certificate-authority" in (error.hint or "")


async def test_a_self_signed_certificate_is_called_so(tmp_path: Path) -> None:
    error = await refused(make_pair(tmp_path, "self"))
    assert "unknown CA: it is self-signed" in error.message


async def test_a_certificate_without_san_is_refused_as_nodes_do(tmp_path: Path, ca: Pair) -> None:
    pair = make_pair(tmp_path, "localhost", issuer=ca, sans=())
    async with serve(always_ok, pair.server_context()) as host:
        with pytest.raises(CertificateError) as caught:
            await tags(host.replace("127.0.0.1", "localhost"), ca_file=ca.crt)
    error = caught.value
    assert "has no subject alternative name (SAN)" in error.message and "--insecure" in (error.hint or "")


async def test_a_certificate_for_another_host_says_which(tmp_path: Path, ca: Pair) -> None:
    pair = make_pair(tmp_path, "other", issuer=ca, sans=("mirror.lan", "10.0.0.9"))
    error = await refused(pair, ca_file=ca.crt)
    assert "is for another host than 127.0.0.1; it is for mirror.lan, 10.0.0.9" in error.message


TIMES = {
    "expired": (timedelta(days=-9), timedelta(days=-2), "expired on 20"),
    "not yet valid": (timedelta(days=2), timedelta(days=9), "is not valid before 20"),
}


@pytest.mark.parametrize(("starts", "ends", "message"), TIMES.values(), ids=TIMES)
async def test_a_certificate_out_of_its_time_says_the_date(
    tmp_path: Path, ca: Pair, starts: timedelta, ends: timedelta, message: str
) -> None:
    pair = make_pair(tmp_path, "registry2", issuer=ca, starts=starts, ends=ends)
    error = await refused(pair, ca_file=ca.crt)
    assert message in error.message and "clock" in error.message and "--insecure" in (error.hint or "")


async def test_insecure_connects_without_checking(tmp_path: Path) -> None:
    async with serve(always_ok, make_pair(tmp_path, "x", sans=()).server_context()) as host:
        assert await tags(host, insecure=True) == ("v1",)


@pytest.fixture
async def plain_host():  # type: ignore[no-untyped-def]
    """A server that answers a TLS greeting with HTTP 400, as Go's and most others do."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(3) == b"GET":
            await reader.readuntil(b"\r\n\r\n")
            answer(writer, b'{"tags": ["v1"]}', Connection="close")
        else:
            answer(writer, b"", "400 Bad Request")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()


async def test_plain_http_without_insecure_says_so(plain_host: str) -> None:
    with pytest.raises(UnreachableError, match="does not speak TLS") as caught:
        await tags(plain_host)
    assert "--insecure" in (caught.value.hint or "")
    assert await tags(plain_host, insecure=True) == ("v1",)


async def test_old_tls_is_refused(signed: Pair, ca: Pair) -> None:
    context = signed.server_context()
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with serve(always_ok, context) as host:
        with pytest.raises(UnreachableError, match=f"cannot list tags of {host}"):
            await tags(host, ca_file=ca.crt)


def test_a_ca_file_of_no_use_is_refused_at_once(tmp_path: Path) -> None:
    junk = tmp_path / "ca.pem"
    with pytest.raises(NotFoundError, match=r"ca\.pem does not exist"):
        HttpContent(HttpSettings(ca_file=junk))
    junk.write_text("not a certificate")
    with pytest.raises(MalformedError, match=r"ca\.pem holds no certificate"):
        HttpContent(HttpSettings(ca_file=junk))


PAIRS = {
    "a certificate without its key": ("client.cert", "client.key"),
    "a key without its certificate": ("client.key", "client.cert"),
}


@pytest.mark.parametrize(("present", "missing"), PAIRS.values(), ids=PAIRS)
async def test_half_a_client_pair_is_named(tmp_path: Path, signed: Pair, present: str, missing: str) -> None:
    async with serve(always_ok, signed.server_context()) as host:
        (tmp_path / host).mkdir()
        (tmp_path / host / present).write_bytes(signed.crt.read_bytes())
        with pytest.raises(MalformedError, match=missing):
            await tags(host, certs_dirs=(tmp_path,))


async def test_a_refused_connection_and_an_unknown_name_are_unreachable() -> None:
    async with serve(always_ok) as host:
        pass
    with pytest.raises(UnreachableError, match="refused"):
        await tags(host)
    with pytest.raises(UnreachableError, match="cannot be resolved"):
        await tags("no-such-host.invalid")
