"""Registries are told apart by what they answer to anybody, whatever they are called."""

import json
from pathlib import Path
from typing import Any

import pytest

from airferry.content.http import Proof, Questions
from airferry.plan.destination import Can, RegistryKind
from airferry.survey.namespaces import asks_for_sparse_lists, look_for_namespaces
from airferry.survey.registry_kind import tell_kind
from content.http.scripted import ALICE, HOST, Exchange, Reply, ScriptedTransport, client, on

ROWS = json.loads((Path(__file__).parents[1] / "data" / "registries" / "exchanges.json").read_text())
TARGETS = ("/v2/", "/", "/health/instance", "/api/v2.0/systeminfo", "/v2/_oci/ext/discover")
NOTHING = {"status": 404, "headers": {}, "body": "<html>not here</html>"}
ORGANIZATION, USER = "/api/v1/organization/team", "/api/v1/users/team"
API_404 = b'{"status": 404, "error_type": "not_found", "detail": "Not Found", "title": "not_found"}'


def recorded(row: dict[str, Any]) -> list[Exchange]:
    answers = row["answers"]
    return [on("GET", target, reply(answers.get(target, answers.get("*", NOTHING)))) for target in TARGETS]


def reply(answer: dict[str, Any]) -> Reply:
    return Reply(answer["status"], answer["body"].encode(), answer["headers"])


def questions(*exchanges: Exchange) -> tuple[Questions, ScriptedTransport]:
    content, transport = client(*exchanges, credential=ALICE)
    return content.registry(HOST).questions(), transport


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
async def test_a_registry_is_what_it_answers(row: dict[str, Any]) -> None:
    asking, transport = questions(*recorded(row))
    sighting = await tell_kind(asking)
    assert sighting.kind == row["kind"], sighting
    assert len(transport.requests()) == row["questions"], transport.requests()
    assert all("Authorization" not in sent.headers for sent in transport.sent), "nobody proves anything to a stranger"
    assert all(sent.url.startswith(f"https://{HOST}/") for sent in transport.sent), "no redirect is followed"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
async def test_no_kind_is_told_by_the_name_of_the_host(row: dict[str, Any]) -> None:
    for host in ("quay.io", "harbor.example.com", "nexus.example.com"):
        exchanges = [Exchange(one.method, f"https://{host}{one.url}", one.replies) for one in recorded(row)]
        content, _ = client(*exchanges)
        assert (await tell_kind(content.registry(host).questions())).kind == row["kind"]


async def test_an_answer_that_never_ends_is_not_read_to_its_end() -> None:
    endless = Reply(200, b'{"auth_mode": "' + b"x" * 1_000_000, piece=64 * 1024)
    asking, _ = questions(*(on("GET", target, endless) for target in TARGETS[1:]))
    sighting = await tell_kind(asking)
    assert (sighting.kind, sighting.complete) == (RegistryKind.UNKNOWN, False)


async def test_what_could_not_be_asked_is_not_remembered_as_unknown() -> None:
    asking, _ = questions(*(on("GET", target, Reply(503)) for target in TARGETS[1:]))
    assert not (await tell_kind(asking)).complete


class TestNamespacesOfQuay:
    @pytest.mark.parametrize(
        ("exchanges", "expected"),
        [
            pytest.param([on("GET", ORGANIZATION, Reply(200, b'{"name": "team"}'))], Can.YES, id="an organization"),
            pytest.param(
                [on("GET", ORGANIZATION, Reply(404, API_404)), on("GET", USER, Reply(200, b'{"username": "team"}'))],
                Can.YES,
                id="a user",
            ),
            pytest.param(
                [on("GET", ORGANIZATION, Reply(404, API_404)), on("GET", USER, Reply(404, API_404))],
                Can.NO,
                id="neither",
            ),
            pytest.param(
                [on("GET", ORGANIZATION, Reply(404, API_404)), on("GET", USER, Reply(401, b"{}"))],
                Can.NO,
                id="no organization, and of users nobody is told",
            ),
            pytest.param([on("GET", ORGANIZATION, Reply(401, b"{}"))], Can.UNKNOWN, id="the API wants a token"),
            pytest.param([on("GET", ORGANIZATION, Reply(200, b"<html>"))], Can.UNKNOWN, id="a page for people"),
            pytest.param([on("GET", ORGANIZATION, Reply(200, b'{"name": "x"}'))], Can.UNKNOWN, id="about another"),
            pytest.param([on("GET", ORGANIZATION, Reply(404, b"<html>"))], Can.UNKNOWN, id="a 404 of a web server"),
            pytest.param(
                [on("GET", ORGANIZATION, Reply(302, headers={"Location": "https://elsewhere.example.net/"}))],
                Can.UNKNOWN,
                id="a redirect elsewhere",
            ),
            pytest.param([on("GET", ORGANIZATION, Reply(500))], Can.UNKNOWN, id="out of order"),
        ],
    )
    async def test_are_believed_to_be_missing_only_when_the_api_says_so(
        self, exchanges: list[Exchange], expected: Can
    ) -> None:
        asking, transport = questions(*exchanges)
        token = Proof.bearer("sesame", "the token file")
        found = await look_for_namespaces(RegistryKind.QUAY, ("team",), asking, token)
        told = {Can.YES: found.present, Can.NO: found.missing, Can.UNKNOWN: found.untold}
        assert told[expected] == ["team"]
        assert all(sent.url.startswith(f"https://{HOST}/") for sent in transport.sent)

    async def test_who_pushes_as_a_user_has_the_namespace_of_that_name(self) -> None:
        asking, transport = questions()
        found = await look_for_namespaces(RegistryKind.QUAY, ("alice",), asking, None)
        assert found.present == ["alice"]
        assert transport.requests() == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"sparse_manifests": {"supported": true, "required_architectures": []}}', Can.YES),
        (b'{"sparse_manifests": {"supported": true, "required_architectures": ["amd64"]}}', Can.UNKNOWN),
        (b'{"sparse_manifests": {"supported": false}}', Can.NO),
        (b'{"sparse_manifests": {"supported": "yes"}}', Can.UNKNOWN),
        (b'{"sparse_manifests": true}', Can.UNKNOWN),
        (b"<html>", Can.UNKNOWN),
    ],
)
async def test_quay_says_itself_whether_it_takes_sparse_lists(body: bytes, expected: Can) -> None:
    asking, _ = questions(on("GET", "/api/v1/registry/capabilities", Reply(200, body)))
    assert await asks_for_sparse_lists(asking) is expected


async def test_a_proof_never_shows_itself() -> None:
    proof = Proof.bearer("sesame", "the token file")
    assert "sesame" not in f"{proof!r} {proof}"
