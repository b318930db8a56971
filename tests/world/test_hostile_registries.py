"""Registries that lie, stall or send us elsewhere: no secret leaves, nothing hangs, nothing is believed for long."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from airferry.content.http import Proof
from airferry.content.http.transport import Request
from airferry.plan.destination import RegistryKind
from airferry.survey.registry_kind import tell_kind
from content.http.scripted import HOST, Reply, client, on
from failures.stage import Run, airferry

from .harbor import SimulatedHarbor
from .quay import SimulatedQuay
from .simulated import Simulated

IMAGES = Path(__file__).parents[1] / "data" / "images"
LIST = f"oci://{IMAGES}/multi-platform@sha256:0de0e983a4980f32b1aad2d7f7f387cea2d4e9517b47f336cef27f63735911fa"


class RedirectingQuay(SimulatedQuay):
    """Its API sends every question about organizations to another host, as a stolen DNS name might."""

    def __init__(self, elsewhere: str, status: int) -> None:
        super().__init__(ann="secret")
        self.elsewhere = elsewhere
        self.status = status

    async def beside(self, request: web.BaseRequest) -> web.StreamResponse:
        if "/organization" in request.path:
            target = f"http://{self.elsewhere}{request.path}"
            return web.Response(status=self.status, headers={"Location": target})
        return await super().beside(request)


class LyingQuay(SimulatedQuay):
    """Its API says that it made an organization, and made none."""

    async def beside(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            return web.json_response("Created", status=201)
        return await super().beside(request)


class PageForPeople(SimulatedQuay):
    """Its API is behind a login page that answers everything with status 200."""

    async def beside(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/health/instance":
            return await super().beside(request)
        return web.Response(text="<html>Please sign in</html>", content_type="text/html")


class RedirectingHarbor(SimulatedHarbor):
    """Its projects are said to be on another host."""

    def __init__(self, elsewhere: str) -> None:
        super().__init__(admin="pw")
        self.elsewhere = elsewhere

    async def beside(self, request: web.BaseRequest) -> web.StreamResponse:
        if "projects" in request.path:
            return web.Response(status=307, headers={"Location": f"http://{self.elsewhere}{request.path_qs}"})
        return await super().beside(request)


def copy(host: str, folder: Path, user: str, password: str, *more: object) -> Run:
    auths = {"auths": {host: {"auth": b64encode(f"{user}:{password}".encode()).decode()}}}
    (folder / "auth.json").write_text(json.dumps(auths))
    return airferry("image", "copy", LIST, f"{host}/ocp4/app:1", "--insecure", "-a", folder / "auth.json", *more)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_stays_with_its_host(serve: Callable[[Simulated], Simulated], tmp_path: Path, status: int) -> None:
    thief = serve(Simulated())
    quay = RedirectingQuay(thief.host, status)
    serve(quay)
    secret = quay.give_token("ann", "user:admin")
    (tmp_path / "token").write_text(secret)
    run = copy(quay.host, tmp_path, "ann", "secret", "--quay-token-file", tmp_path / "token", "--log-level", "debug")
    assert run.code == 1, run.err
    assert thief.asked == []
    assert secret not in run.err


def test_the_password_of_a_harbor_stays_with_its_host(serve: Callable[[Simulated], Simulated], tmp_path: Path) -> None:
    thief = serve(Simulated())
    harbor = RedirectingHarbor(thief.host)
    serve(harbor)
    run = copy(harbor.host, tmp_path, "admin", "pw")
    assert run.code == 1, run.err
    assert thief.asked == []


def test_an_organization_that_was_not_made_is_noticed_before_the_copy(
    serve: Callable[[Simulated], Simulated], tmp_path: Path
) -> None:
    quay = LyingQuay(ann="secret")
    serve(quay)
    (tmp_path / "token").write_text(quay.give_token("ann", "user:admin"))
    run = copy(quay.host, tmp_path, "ann", "secret", "--quay-token-file", tmp_path / "token")
    assert run.code == 1, run.err
    assert quay.lines("PUT", "PATCH") == []


def test_a_login_page_before_the_api_makes_nothing_and_stops_nothing(
    serve: Callable[[Simulated], Simulated], tmp_path: Path
) -> None:
    quay = PageForPeople(ann="secret")
    serve(quay)
    quay.settings.create_namespace_on_push = True
    copy(quay.host, tmp_path, "ann", "secret").done()
    assert quay.repositories["ocp4/app"].tags.keys() == {"1"}


async def test_an_answer_that_never_comes_is_not_waited_for() -> None:
    content, transport = client(on("GET", "/slow"), question_timeout_s=0.02)

    async def stall(request: Request) -> None:
        if not request.url.endswith("/v2/"):
            await asyncio.Event().wait()

    transport.during = stall
    questions = content.registry(HOST).questions()
    assert await questions.ask("/slow", proof=Proof.bearer("sesame", "a test")) is None
    assert (await tell_kind(questions)).kind is RegistryKind.UNKNOWN


async def test_an_answer_that_breaks_off_is_none() -> None:
    content, _ = client(on("GET", "/cut", Reply(200, b'{"auth_mode": "db_auth"}', breaks_after=5)))
    assert await content.registry(HOST).questions().ask("/cut") is None


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"two words", b"two\nlines", b"x" * 5000, b"\xff\xfe", "schlüssel".encode(), b"a\x00b"]
)
def test_a_token_file_that_holds_no_token_is_refused(
    serve: Callable[[Simulated], Simulated], tmp_path: Path, content: bytes
) -> None:
    registry = serve(Simulated())
    file = tmp_path / "token"
    file.write_bytes(content)
    run = airferry("image", "copy", LIST, f"{registry.host}/a/b:1", "--insecure", "--quay-token-file", file)
    assert run.code == 1
    assert str(file) in run.err
    assert "Traceback" not in run.err
    assert registry.asked == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1}', '{"version": 1, "can": 1}', "[" * 100_000])
def test_a_record_that_is_none_is_no_record(serve: Callable[[Simulated], Simulated], home: Path, content: str) -> None:
    registry = serve(Simulated())
    target = f"{registry.host}/a/b:1"
    airferry("image", "copy", LIST, target, "--insecure").done()
    (record,) = (home / "airferry" / "registries").glob("*.json")
    record.write_text(content)
    airferry("image", "copy", LIST, target, "--insecure", "--refresh", "--force").done()
    record.write_text(content)
    airferry("image", "copy", LIST, target, "--insecure", "--force").done()
