"""Real clients log in, push and pull: by Basic and by Bearer, as user, as robot and as nobody."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from airferry.registry import RegistryStore, init, serve_store, server_context
from airferry.registry.access import Scheme
from airferry.registry.settings import Settings

from .guarded import Guarded, robot, user
from .test_outsiders import oci_layout

OFFERS = {
    "basic": (Scheme.BASIC,),
    "bearer": (Scheme.BEARER,),
    "both": (Scheme.BEARER, Scheme.BASIC),
}


@dataclass
class World:
    """A registry with TLS, and a folder for a client on another machine."""

    host: str
    guarded: Guarded
    robots_secret: str
    certs: Path
    folder: Path
    short: Path

    async def run(self, *command: str, stdin: str = "") -> tuple[int, str]:
        if shutil.which(command[0]) is None:
            if "CI" in os.environ:
                pytest.fail(f"{command[0]} is not installed")
            pytest.skip(f"{command[0]} is not installed")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return process.returncode, said.decode()

    async def done(self, *command: str, stdin: str = "") -> str:
        code, said = await self.run(*command, stdin=stdin)
        assert code == 0, said
        return said

    def logins(self) -> set[str]:
        return {line["by"] for line in self.guarded.audited() if line["event"] == "login"}


class Skopeo:
    """How skopeo is told to do it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._auth = f"--authfile={world.folder}/auth.json"
        self._certs = f"cert-dir={world.certs}"

    async def login(self, name: str, secret: str) -> None:
        await self._world.done(
            *("skopeo", "login", self._auth, f"--{self._certs}", "-u", name, "--password-stdin", self._world.host),
            stdin=secret,
        )

    def push(self, image: str) -> list[str]:
        source = f"oci:{self._world.folder}/in"
        where = [f"--dest-{self._certs}", source, f"docker://{self._world.host}/{image}"]
        return ["skopeo", "--insecure-policy", "copy", "--all", self._auth, *where]

    def pull(self, image: str) -> list[str]:
        where = [f"--src-{self._certs}", f"docker://{self._world.host}/{image}", f"dir:{self._world.folder}/out"]
        return ["skopeo", "--insecure-policy", "copy", self._auth, *where]

    def delete(self, image: str) -> list[str]:
        return ["skopeo", "delete", self._auth, f"--{self._certs}", f"docker://{self._world.host}/{image}"]


class Podman(Skopeo):
    """How podman is told to do it; it pushes what it has pulled."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        (world.folder / "policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
        self._access = [self._auth, f"--{self._certs}", f"--signature-policy={world.folder}/policy.json"]
        self._podman = ["podman", f"--root={world.short}/r", f"--runroot={world.short}/rr", "--storage-driver=vfs"]

    async def login(self, name: str, secret: str) -> None:
        where = [self._auth, f"--{self._certs}", "-u", name, "--password-stdin", self._world.host]
        await self._world.done(*self._podman, "login", *where, stdin=secret)
        await self._world.done(*self._podman, "pull", "-q", f"oci:{self._world.folder}/in")
        ids = await self._world.done(*self._podman, "images", "-q", "--no-trunc")
        self._image = ids.split()[0]

    def push(self, image: str) -> list[str]:
        return [*self._podman, "push", "-q", *self._access, self._image, f"docker://{self._world.host}/{image}"]

    def pull(self, image: str) -> list[str]:
        return [*self._podman, "pull", "-q", *self._access, f"{self._world.host}/{image}"]


class Airferry(Skopeo):
    """How our own client is told to do it."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._command = [sys.executable, "-m", "airferry"]
        self._trust = ["-a", f"{world.folder}/auth.json", "--certificate-authority", f"{world.certs}/ca.crt"]

    async def login(self, name: str, secret: str) -> None:
        where = ["-u", name, "--password-stdin", self._world.host]
        await self._world.done(*self._command, "login", *self._trust, *where, stdin=secret)

    def push(self, image: str) -> list[str]:
        source = f"{self._world.host}/seed/app:t"
        return [*self._command, "image", "mirror", *self._trust, source, f"{self._world.host}/{image}"]

    def pull(self, image: str) -> list[str]:
        to = ["file://pulled", "--dir", f"{self._world.folder}/tree"]
        return [*self._command, "image", "mirror", *self._trust, f"{self._world.host}/{image}", *to]


CLIENTS: dict[str, Callable[[World], Skopeo]] = {"skopeo": Skopeo, "podman": Podman, "airferry": Airferry}


@pytest.fixture(params=OFFERS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    root = tmp_path / "registry"
    init(root, ["localhost"], password="not used here")
    ci, secret = robot("team+ci", team="pull,push", seed="pull")
    async with AsyncExitStack() as stack:
        guarded = await Guarded.make(
            root, user("ann", team="push,delete", seed="push"), ci, offers=OFFERS[request.param]
        )
        stack.callback(guarded.close)
        files = Settings.read(root).tls
        assert files is not None
        store = RegistryStore.in_memory()
        stack.push_async_callback(store.close)
        running = await stack.enter_async_context(serve_store(store, guarded.door, tls=server_context(files)))
        short = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="af-", ignore_cleanup_errors=True)))
        (tmp_path / "certs").mkdir()
        shutil.copy(root / "ca.crt", tmp_path / "certs" / "ca.crt")
        oci_layout(tmp_path / "in", ("amd64",))
        made = World(f"localhost:{running.port}", guarded, secret, tmp_path / "certs", tmp_path, short)
        seeding = Skopeo(made)
        await seeding.login("ann", "ann's password")
        await made.done(*seeding.push("seed/app:t"))
        (tmp_path / "auth.json").unlink()
        yield made


@pytest.mark.outsider
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_user_and_a_robot_log_in_push_and_pull(world: World, client: str) -> None:
    told = CLIENTS[client](world)
    for name, secret in (("ann", "ann's password"), ("team+ci", world.robots_secret)):
        await told.login(name, secret)
        image = f"team/{name.replace('+', '-')}/app:t"
        await world.done(*told.push(image))
        await world.done(*told.pull(image))
        for command in (told.push("other/app:t"), told.pull("other/app:t")):
            code, said = await world.run(*command)
            assert code != 0, "what is not granted fails"
            assert secret not in said


@pytest.mark.outsider
async def test_who_may_not_delete_cannot_and_who_may_can(world: World) -> None:
    told = Skopeo(world)
    await told.login("team+ci", world.robots_secret)
    await world.done(*told.push("team/app:t"))
    code, _ = await world.run(*told.delete("team/app:t"))
    assert code != 0
    await told.login("ann", "ann's password")
    await world.done(*told.delete("team/app:t"))
    code, _ = await world.run(*told.pull("team/app:t"))
    assert code != 0


@pytest.mark.outsider
@pytest.mark.parametrize("client", CLIENTS)
async def test_wrong_passwords_do_not_log_in(world: World, client: str) -> None:
    with pytest.raises(AssertionError, match=r"(?i)invalid username/password|unauthorized|refused"):
        await CLIENTS[client](world).login("ann", "wrong")


@pytest.mark.outsider
@pytest.mark.parametrize("client", CLIENTS)
async def test_everybody_pulls_where_everybody_may_and_login_still_proves(world: World, client: str) -> None:
    told = CLIENTS[client](world)
    (world.folder / "auth.json").write_text("{}")
    code, _ = await world.run(*told.pull("seed/app:t"))
    assert code != 0
    await world.guarded.allow_everybody("seed")
    offers = [scheme.value for scheme in world.guarded.offers]
    if offers != ["Basic"]:
        await world.done(*told.pull("seed/app:t"))
    with pytest.raises(AssertionError, match=r"(?i)invalid username/password|unauthorized|refused"):
        await told.login("ann", "wrong")
    await told.login("ann", "ann's password")


@pytest.mark.outsider
async def test_bearer_is_what_clients_choose_when_it_comes_first(world: World) -> None:
    told = Skopeo(world)
    await told.login("ann", "ann's password")
    world.guarded.audit.file.unlink()
    await world.done(*told.pull("seed/app:t"))
    assert ("token" in world.logins()) is (world.guarded.offers[0] is Scheme.BEARER)
    assert "wrong" not in json.dumps(world.guarded.audited())
