"""Two CAs of one name in a bundle, as after one was made again: the one that signed is found, and nothing more."""

import asyncio
from pathlib import Path

import pytest

from airferry.content.errors import CertificateError, CertificateNameError, UnknownCaError
from airferry.content.http import HttpContent, HttpSettings, RetryPolicy

from .servers import Pair, always_ok, make_pair, serve


def again(folder: Path, number: int) -> Pair:
    """Make a CA with the name that all of them have."""
    (folder / str(number)).mkdir()
    return make_pair(folder / str(number), "Lab CA", sans=(), is_ca=True)


@pytest.fixture
def cas(tmp_path: Path) -> tuple[Pair, ...]:
    return tuple(again(tmp_path, number) for number in range(4))


def bundle(*cas: Pair) -> str:
    return "".join(ca.crt.read_text() for ca in cas)


async def ask(server: Pair, ca_pem: str, times: int = 1) -> None:
    content = HttpContent(
        HttpSettings(retry=RetryPolicy(first_wait_s=0.01), ca_pem=ca_pem, system_cas=False, as_nodes=True)
    )
    try:
        async with serve(always_ok, server.server_context()) as host:
            # Registries at one host may be met by several at once: of one and the same CA.
            places = [content.registry(host) for _ in range(times)]
            assert await asyncio.gather(*(place.list_tags("team/app") for place in places)) == [("v1",)] * times
    finally:
        await content.close()


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_whichever_of_them_signed_is_found(number: int, cas: tuple[Pair, ...], tmp_path: Path) -> None:
    await ask(make_pair(tmp_path, "registry", issuer=cas[number]), bundle(*cas[:3]), times=5)


async def test_one_that_was_not_given_stays_unknown(cas: tuple[Pair, ...], tmp_path: Path) -> None:
    with pytest.raises(UnknownCaError):
        await ask(make_pair(tmp_path, "registry", issuer=cas[3]), bundle(*cas[:3]))


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_another_host_stays_refused(number: int, cas: tuple[Pair, ...], tmp_path: Path) -> None:
    with pytest.raises(CertificateNameError):
        await ask(make_pair(tmp_path, "registry", issuer=cas[number], sans=("other.lan",)), bundle(*cas[:3]))


async def test_a_certificate_that_signs_itself_under_the_name_of_a_ca_stays_refused(
    cas: tuple[Pair, ...], tmp_path: Path
) -> None:
    with pytest.raises(CertificateError):
        await ask(cas[3], bundle(*cas[:3]))
