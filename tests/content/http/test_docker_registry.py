"""Against Debian's docker-registry: the whole contract, in plain HTTP, and with TLS and a user."""

from collections.abc import AsyncIterator
from pathlib import Path

import bcrypt
import pytest

from airferry.content.errors import UnauthorizedError
from airferry.content.http import Credential, FixedCredential, HttpContent, HttpSettings, LoginOutcome

from .. import test_contract
from ..places import AnyPlace, Opened
from .servers import docker_registry, make_pair

pytestmark = pytest.mark.outsider

USER = Credential("carrier", "pigeon", origin="the test")


@pytest.fixture(params=["plain", "with TLS and a user"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    if request.param == "plain":
        async with docker_registry(tmp_path) as host:
            content = HttpContent(HttpSettings(insecure=True))
            yield Opened(content.registry(host))
            await content.close()
        return
    pair, htpasswd = make_pair(tmp_path, "registry", is_ca=True), tmp_path / "htpasswd"
    htpasswd.write_text(f"carrier:{bcrypt.hashpw(b'pigeon', bcrypt.gensalt(4)).decode()}\n")
    async with docker_registry(tmp_path, pair, htpasswd) as host:
        content = HttpContent(HttpSettings(FixedCredential(USER), ca_file=pair.crt))
        assert await content.registry(host).prove_login() is LoginOutcome.ACCEPTED
        yield Opened(content.registry(host))
        await content.close()
        for credentials in (FixedCredential(Credential("carrier", "crow", origin="the test")), None):
            settings = HttpSettings(credentials, ca_file=pair.crt) if credentials else HttpSettings(ca_file=pair.crt)
            stranger = HttpContent(settings)
            with pytest.raises(UnauthorizedError):
                await stranger.registry(host).list_tags("team/app")
            await stranger.close()


@pytest.fixture
def place(opened: Opened) -> AnyPlace:
    return opened.place


globals().update({name: test for name, test in vars(test_contract).items() if name.startswith("test_")})
