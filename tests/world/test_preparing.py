"""Copies to other people's registries: prepared, or refused before the first byte, with what to do."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from aiohttp import web

from airferry.lab import PublishedRelease
from failures.stage import Quay, Run, airferry

from .harbor import SimulatedHarbor
from .quay import Organization, Settings, SimulatedQuay
from .simulated import Limits, Simulated, error

IMAGES = Path(__file__).parents[1] / "data" / "images"
LIST = f"oci://{IMAGES}/multi-platform@sha256:0de0e983a4980f32b1aad2d7f7f387cea2d4e9517b47f336cef27f63735911fa"
ONE_PLATFORM = ("--filter-by-os", "linux/amd64")

Serve = Callable[[Simulated], Simulated]


def mirror(*arguments: object) -> Run:
    return airferry("image", "mirror", *arguments, "--insecure", "--retry-times", "1", "--retry-delay", "0.01")


def auth(folder: Path, host: str, user: str, password: str) -> tuple[str, Path]:
    file = folder / "auth.json"
    value = b64encode(f"{user}:{password}".encode()).decode()
    file.write_text(json.dumps({"auths": {host: {"auth": value}}}))
    return "-a", file


class TestQuay:
    @pytest.fixture
    def quay(self, serve: Callable[[SimulatedQuay], SimulatedQuay]) -> SimulatedQuay:
        return serve(SimulatedQuay(ann="secret"))

    @pytest.fixture
    def ann(self, tmp_path: Path, quay: SimulatedQuay) -> tuple[str, Path]:
        return auth(tmp_path, quay.host, "ann", "secret")

    @pytest.fixture
    def token(self, tmp_path: Path, quay: SimulatedQuay) -> tuple[str, Path]:
        file = tmp_path / "token"
        file.write_text(quay.give_token("ann", "user:admin") + "\n")
        return "--quay-token-file", file

    @pytest.fixture
    def upstream(self, tmp_path: Path, small: PublishedRelease) -> Iterator[Quay]:
        with Quay(tmp_path, small) as quay:
            yield quay

    def test_organizations_are_made_with_the_token_and_a_second_run_makes_none(
        self, quay: SimulatedQuay, ann: tuple[str, Path], token: tuple[str, Path]
    ) -> None:
        targets = [f"{LIST}={quay.host}/{name}/app:1" for name in ("ocp4", "olm", "rhel8")]
        run = mirror(*targets, *ann, *token).done()
        assert sorted(quay.organizations) == ["ocp4", "olm", "rhel8"]
        assert "organization ocp4: made" in run.err
        assert quay.repositories["ocp4/app"].tags.keys() == {"1"}
        quay.asked.clear()
        mirror(*targets, *ann, *token).done()
        mirror(*targets, *ann, *token, "--refresh").done()
        assert [line for line in quay.writes if "organization" in line] == []

    def test_without_a_token_the_copy_refuses_before_it_begins_and_says_what_to_make(
        self, quay: SimulatedQuay, ann: tuple[str, Path], home: Path
    ) -> None:
        targets = [f"{LIST}={quay.host}/{name}/app:1" for name in ("ocp4", "olm")]
        run = mirror(*targets, *ann).refused("unfit-registry", "ocp4, olm", hint="--quay-token-file")
        assert "nothing was copied" in run.err
        (file,) = home.rglob("*.sh")
        assert str(file) in run.err
        lines = file.read_text().splitlines()
        assert [line for line in lines if "/api/v1/organization/" in line] == lines[1:]
        assert '{"name": "ocp4"}' in lines[1]
        assert f"http://{quay.host}/api/v1/organization/" in lines[1]
        assert '{"name": "olm"}' in lines[2]
        assert "secret" not in file.read_text()
        assert quay.lines("PUT", "PATCH") == []

    def test_a_dry_run_lists_what_is_missing_and_makes_nothing(
        self, quay: SimulatedQuay, ann: tuple[str, Path], token: tuple[str, Path]
    ) -> None:
        run = mirror(LIST, f"{quay.host}/ocp4/app:1", *ann, "--dry-run", "-o", "json").done()
        (found,) = json.loads(run.out)["destinations"]
        assert found["kind"] == "quay"
        assert [item["name"] for item in found["namespaces"]["absent"]] == ["ocp4"]
        assert len(found["commands"]) == 1
        with_token = mirror(LIST, f"{quay.host}/ocp4/app:1", *ann, *token, "--dry-run", "-o", "json").done()
        (found,) = json.loads(with_token.out)["destinations"]
        assert (found["namespaces"]["toMake"], found["namespaces"]["absent"]) == (["ocp4"], [])
        assert quay.writes == []
        assert quay.organizations == {}

    def test_it_goes_on_where_the_first_push_makes_the_organization(
        self, quay: SimulatedQuay, ann: tuple[str, Path]
    ) -> None:
        quay.settings.create_namespace_on_push = True
        run = mirror(LIST, f"{quay.host}/ocp4/app:1", *ann).done()
        assert "organization ocp4: made" in run.err

    def test_the_namespace_of_the_user_who_pushes_is_there(self, quay: SimulatedQuay, ann: tuple[str, Path]) -> None:
        mirror(LIST, f"{quay.host}/ann/app:1", *ann).done()
        assert quay.lines("POST")[0].startswith("POST /v2/"), "no organization is asked for"

    def test_a_stored_oauth_token_makes_them_too(self, quay: SimulatedQuay, tmp_path: Path) -> None:
        stored = auth(tmp_path, quay.host, "$oauthtoken", quay.give_token("ann", "user:admin"))
        mirror(LIST, f"{quay.host}/ocp4/app:1", *stored).done()
        assert "ocp4" in quay.organizations

    def test_a_token_without_the_scope_is_named_and_never_shown(
        self, quay: SimulatedQuay, ann: tuple[str, Path], tmp_path: Path
    ) -> None:
        secret = quay.give_token("ann", "repo:write")
        file = tmp_path / "weak"
        file.write_text(secret)
        more = ("--quay-token-file", file, "--log-level", "debug", "--log-format", "json")
        run = mirror(LIST, f"{quay.host}/ocp4/app:1", *ann, *more).refused("unfit-registry", str(file), "403")
        assert secret not in run.err + run.out

    def test_one_that_wants_an_address_for_each_organization_says_so(
        self, quay: SimulatedQuay, ann: tuple[str, Path], token: tuple[str, Path]
    ) -> None:
        quay.settings.mailing = True
        mirror(LIST, f"{quay.host}/ocp4/app:1", *ann, *token).refused("unfit-registry", "Email address is required")

    def test_an_organization_that_somebody_made_meanwhile_is_fine(
        self, quay: SimulatedQuay, ann: tuple[str, Path], token: tuple[str, Path]
    ) -> None:
        quay.organizations["ocp4"] = Organization({"ann"})
        quay.settings.hides_organizations = True
        mirror(LIST, f"{quay.host}/ocp4/app:1", *ann, *token).done()
        assert [line for line in quay.writes if "/api/" in line] == ["POST /api/v1/organization/"]

    def test_without_an_open_api_a_push_tells(self, quay: SimulatedQuay, ann: tuple[str, Path]) -> None:
        quay.settings.open_api = False
        quay.organizations["ocp4"] = Organization({"ann"})
        mirror(LIST, f"{quay.host}/ocp4/app:1", *ann).done()
        run = mirror(LIST, f"{quay.host}/olm/app:1", *ann).refused("unfit-registry", "olm")
        assert "nothing was copied" in run.err

    def test_the_organization_of_a_robot_is_there(self, quay: SimulatedQuay, tmp_path: Path) -> None:
        quay.users["ocp4+mirror"] = "robots"
        quay.organizations["ocp4"] = Organization({"ocp4+mirror"})
        mirror(LIST, f"{quay.host}/ocp4/app:1", *auth(tmp_path, quay.host, "ocp4+mirror", "robots")).done()
        assert [line for line in quay.lines() if "organization" in line] == []

    def test_an_organization_of_somebody_else_is_no_place_to_push_to(
        self, quay: SimulatedQuay, ann: tuple[str, Path]
    ) -> None:
        quay.organizations["theirs"] = Organization({"bob"})
        run = mirror(LIST, f"{quay.host}/theirs/app:1", *ann)
        assert run.code == 1, run.err
        assert quay.lines("PUT", "PATCH") == []

    def test_deep_names_are_refused_where_it_is_set_to_take_none(
        self, serve: Callable[[SimulatedQuay], SimulatedQuay], tmp_path: Path
    ) -> None:
        quay = serve(SimulatedQuay(Settings(extended_names=False), ann="secret"))
        quay.organizations["ocp4"] = Organization({"ann"})
        ann = auth(tmp_path, quay.host, "ann", "secret")
        deep = f"{quay.host}/ocp4/team/app:1"
        mirror(LIST, deep, *ann).refused("unfit-registry", "as deep as these", hint="--max-nested-paths 2")
        mirror(LIST, deep, *ann, "--max-nested-paths", "2").done()
        assert quay.repositories["ocp4/team-app"].tags.keys() == {"1"}

    def test_sparse_lists_are_refused_by_its_own_word(self, quay: SimulatedQuay, ann: tuple[str, Path]) -> None:
        quay.organizations["ocp4"] = Organization({"ann"})
        sparse = ("--keep-manifest-list", *ONE_PLATFORM)
        run = mirror(LIST, f"{quay.host}/ocp4/app:1", *ann, *sparse)
        run.refused("unfit-registry", "lacks some of its images", hint="FEATURE_SPARSE_INDEX")
        rehearsal = mirror(LIST, f"{quay.host}/ocp4/app:1", *ann, *sparse, "--dry-run")
        assert rehearsal.code == 1
        assert "lacks some of its images" in rehearsal.err

    def test_going_on_past_failures_leaves_out_what_has_no_organization(
        self, quay: SimulatedQuay, ann: tuple[str, Path], serve: Serve
    ) -> None:
        other = serve(Simulated())
        pairs = (f"{LIST}={quay.host}/ocp4/app:1", f"{LIST}={other.host}/ocp4/app:1")
        mirror(*pairs, *ann, "--continue-on-error").left_gaps("ocp4", "1 of 2 images")
        assert other.repositories["ocp4/app"].tags.keys() == {"1"}

    def test_a_release_makes_its_organization_first(
        self, quay: SimulatedQuay, ann: tuple[str, Path], token: tuple[str, Path], upstream: Quay, tmp_path: Path
    ) -> None:
        flags = (*upstream.flags(), "--dest-registry-config", ann[1], "--dest-insecure", "--manifests-dir", tmp_path)
        release = ("release", "mirror", upstream.release.version, "--to", f"{quay.host}/ocp4/openshift4", *flags)
        rehearsal = airferry(*release, *token, "--dry-run").done()
        assert "organization ocp4: will be made" in rehearsal.err
        assert quay.writes == []
        airferry(*release).refused("unfit-registry", "ocp4")
        airferry(*release, *token).done()
        assert upstream.release.tag in quay.repositories["ocp4/openshift4"].tags

    def test_the_token_is_for_one_registry(self, quay: SimulatedQuay, serve: Serve, token: tuple[str, Path]) -> None:
        other = serve(Simulated())
        run = mirror(f"{LIST}={quay.host}/a/b:1", f"{LIST}={other.host}/a/b:1", *token)
        run.refused("usage", "--quay-token-file is for one Quay")
        assert all("Bearer" not in (item.authorization or "") for item in other.asked)

    def test_the_token_goes_to_nothing_that_is_no_quay(self, serve: Serve, token: tuple[str, Path]) -> None:
        other = serve(Simulated())
        mirror(LIST, f"{other.host}/a/b:1", *token).done()
        assert all(item.authorization is None for item in other.asked)


class TestHarbor:
    @pytest.fixture
    def harbor(self, serve: Callable[[SimulatedHarbor], SimulatedHarbor]) -> SimulatedHarbor:
        return serve(SimulatedHarbor(admin="pw", ann="secret"))

    def test_projects_are_made_with_the_credentials_of_the_push_and_once(
        self, harbor: SimulatedHarbor, tmp_path: Path
    ) -> None:
        admin = auth(tmp_path, harbor.host, "admin", "pw")
        mirror(LIST, f"{harbor.host}/ocp4/team/app:1", *admin).done()
        assert "ocp4" in harbor.projects
        harbor.asked.clear()
        mirror(LIST, f"{harbor.host}/ocp4/other:1", *admin).done()
        mirror(LIST, f"{harbor.host}/ocp4/other:1", *admin, "--refresh").done()
        assert [line for line in harbor.writes if "projects" in line] == []

    def test_a_project_that_somebody_made_meanwhile_is_fine(self, harbor: SimulatedHarbor, tmp_path: Path) -> None:
        harbor.projects["ocp4"] = {"admin"}
        harbor.hides_projects = True
        admin = auth(tmp_path, harbor.host, "admin", "pw")
        run = mirror(LIST, f"{harbor.host}/ocp4/app:1", *admin).done()
        assert "made" not in run.err
        assert [line for line in harbor.writes if "projects" in line] == ["POST /api/v2.0/projects"]

    def test_who_may_not_make_them_is_told_the_commands(self, harbor: SimulatedHarbor, tmp_path: Path) -> None:
        ann = auth(tmp_path, harbor.host, "ann", "secret")
        run = mirror(LIST, f"{harbor.host}/ocp4/app:1", *ann).refused("unfit-registry", "projects ocp4", "403")
        assert "/api/v2.0/projects" in run.err
        assert harbor.lines("PUT", "PATCH") == []

    def test_a_dry_run_asks_and_makes_nothing(self, harbor: SimulatedHarbor, tmp_path: Path) -> None:
        admin = auth(tmp_path, harbor.host, "admin", "pw")
        run = mirror(LIST, f"{harbor.host}/ocp4/app:1", *admin, "--dry-run").done()
        assert "project ocp4: will be made" in run.err
        assert harbor.writes == []


class OpenShift(Simulated):
    """The registry inside a cluster: two parts, projects that must be there, no push without a tag."""

    headers: ClassVar[dict[str, str]] = {**Simulated.headers, "X-Registry-Supports-Signatures": "1"}

    def __init__(self, *projects: str) -> None:
        super().__init__(Limits(tagless=False, most_parts=2))
        self.projects = projects

    def may(self, request: web.BaseRequest, path: str, action: str) -> web.Response | None:
        if path.split("/")[0] in self.projects:
            return None
        return error(403, "DENIED", "requested access to the resource is denied")


class Airferry(Simulated):
    """It says that it is one of ours."""

    headers: ClassVar[dict[str, str]] = {**Simulated.headers, "Server": "airferry"}


class TestOpenShiftsOwnRegistry:
    def test_a_missing_project_is_told_with_the_command_that_makes_it(self, serve: Serve, home: Path) -> None:
        registry = serve(OpenShift("mirror"))
        pairs = [f"{LIST}={registry.host}/{name}/app:1" for name in ("mirror", "ocp4")]
        run = mirror(*pairs, *ONE_PLATFORM).refused("unfit-registry", "projects ocp4", "DENIED")
        assert "oc new-project ocp4" in run.err
        (file,) = home.rglob("*.sh")
        assert file.read_text().splitlines()[1:] == ["oc new-project ocp4"]

    def test_it_takes_images_under_their_tags_and_no_lists(self, serve: Serve) -> None:
        registry = serve(OpenShift("mirror"))
        mirror(LIST, f"{registry.host}/mirror/app:1", *ONE_PLATFORM).done()
        mirror(LIST, f"{registry.host}/mirror/other:1").refused("unfit-registry", "without a tag")
        mirror(LIST, f"{registry.host}/mirror/deep/app:1", *ONE_PLATFORM).refused("unfit-registry", "as deep as these")


class TestCapabilities:
    def test_our_own_registry_is_asked_nothing(self, serve: Serve) -> None:
        ours = serve(Airferry())
        mirror(LIST, f"{ours.host}/a/b/c:1", "--keep-manifest-list", *ONE_PLATFORM, "--no-attachments").done()
        assert [line for line in ours.lines("GET", "DELETE") if line != "GET /v2/"] == []
        assert len(ours.lines("PUT")) == 2 + 3, "two blobs; an image, its list and the tag of that"

    def test_a_registry_that_takes_no_push_without_a_tag_gets_no_list(self, serve: Serve) -> None:
        shy = serve(Simulated(Limits(tagless=False)))
        run = mirror(LIST, f"{shy.host}/a/app:1").refused("unfit-registry", "without a tag", hint="--filter-by-os")
        assert "nothing was copied" in run.err
        assert shy.repositories["a/app"].manifests == {}

    def test_and_gets_an_image_under_its_tag(self, serve: Serve) -> None:
        shy = serve(Simulated(Limits(tagless=False)))
        mirror(LIST, f"{shy.host}/a/app:1", *ONE_PLATFORM).done()
        (digest,) = shy.repositories["a/app"].manifests
        assert shy.repositories["a/app"].tags == {"1": digest}

    def test_one_that_takes_oci_only_is_not_taken_for_shy(self, serve: Serve) -> None:
        registry = serve(Simulated(Limits(docker_form=False)))
        mirror(LIST, f"{registry.host}/a/app:1").done()

    def test_deep_names_are_tried_before_the_copy(self, serve: Serve) -> None:
        shallow = serve(Simulated(Limits(most_parts=2)))
        run = mirror(LIST, f"{shallow.host}/a/b/c:1").refused("unfit-registry", "as deep as these", "a/b/c")
        assert "--max-nested-paths 2" in run.err
        mirror(LIST, f"{shallow.host}/a/b/c:1", "--max-nested-paths", "2").done()
        assert shallow.repositories["a/b-c"].tags.keys() == {"1"}

    def test_sparse_lists_are_tried_before_the_copy(self, serve: Serve) -> None:
        strict = serve(Simulated(Limits(sparse=False)))
        mirror(LIST, f"{strict.host}/a/b:1", "--keep-manifest-list", *ONE_PLATFORM).refused(
            "unfit-registry", "lacks some of its images", hint="--keep-manifest-list"
        )
        mirror(LIST, f"{strict.host}/a/b:1").done()

    def test_only_what_the_plan_needs_is_tried_and_nothing_is_left(self, serve: Serve) -> None:
        registry = serve(Simulated())
        mirror(LIST, f"{registry.host}/a/b:1", "--keep-manifest-list", *ONE_PLATFORM, "--no-attachments").done()
        first = len(registry.asked)
        held = registry.repositories["a/b"]
        assert (len(held.manifests), len(held.blobs)) == (2, 2)
        assert registry.uploads == {}
        registry.asked.clear()
        mirror(LIST, f"{registry.host}/a/c:1", "--keep-manifest-list", *ONE_PLATFORM, "--no-attachments").done()
        assert first - len(registry.asked) == 14, "four questions, then two blobs, two manifests, pushed and deleted"
        assert registry.lines("DELETE") == []

    def test_a_second_run_asks_nothing_about_the_registry(self, serve: Serve) -> None:
        registry = serve(Simulated())
        mirror(LIST, f"{registry.host}/a/b/c:1").done()
        registry.asked.clear()
        mirror(LIST, f"{registry.host}/a/b/c:1").done()
        assert registry.lines() == ["GET /v2/", "HEAD /v2/a/b/c/manifests/1"]

    def test_a_deeper_name_than_any_before_is_tried_again(self, serve: Serve) -> None:
        registry = serve(Simulated(Limits(most_parts=3)))
        mirror(LIST, f"{registry.host}/a/b/c:1").done()
        mirror(LIST, f"{registry.host}/a/b/d:1").done()
        mirror(LIST, f"{registry.host}/a/b/c/d:1").refused("unfit-registry", "as deep as these", "a/b/c/d")
        mirror(LIST, f"{registry.host}/a/b/c/d:1", "--max-nested-paths", "3").done()

    def test_what_was_refused_is_asked_again(self, serve: Serve) -> None:
        registry = serve(Simulated(Limits(tagless=False)))
        mirror(LIST, f"{registry.host}/a/app:1").refused("unfit-registry")
        registry.limits.tagless = True
        mirror(LIST, f"{registry.host}/a/app:1").done()

    def test_what_cannot_be_deleted_is_named(self, serve: Serve) -> None:
        registry = serve(Simulated(Limits(deletes=False)))
        run = mirror(LIST, f"{registry.host}/a/app:1").done()
        assert run.err.count("left behind: a/app@sha256:") == 3

    def test_a_dry_run_writes_nothing(self, serve: Serve) -> None:
        registry = serve(Simulated())
        mirror(LIST, f"{registry.host}/a/b/c:1", "--dry-run").done()
        assert registry.writes == []

    def test_going_on_past_failures_copies_what_can_be_copied(self, serve: Serve) -> None:
        shallow, good = serve(Simulated(Limits(most_parts=2))), serve(Simulated())
        pairs = [f"{LIST}={registry.host}/a/b/c:1" for registry in (shallow, good)]
        run = mirror(*pairs, "--continue-on-error").left_gaps("as deep as these")
        assert good.repositories["a/b/c"].tags.keys() == {"1"}
        assert "1 of 2 images" in run.err


class TestProbing:
    def test_a_host_is_asked_by_questions_alone(self, serve: Serve) -> None:
        registry = serve(Simulated())
        run = airferry("registry", "probe", registry.host, "--insecure", "-o", "json").done()
        assert json.loads(run.out)["kind"] == "unknown"
        assert set(json.loads(run.out)["can"].values()) == {"unknown"}
        assert registry.writes == []

    @pytest.mark.parametrize(
        ("limits", "noes"),
        [
            pytest.param(Limits(), set(), id="all"),
            pytest.param(Limits(tagless=False), {"tagless"}, id="no push without a tag"),
            pytest.param(Limits(sparse=False), {"sparse"}, id="no sparse lists"),
            pytest.param(Limits(mounts=False), {"mount"}, id="no mount"),
            pytest.param(Limits(chunks=False), {"chunked"}, id="no chunks"),
            pytest.param(Limits(deletes=False), {"delete"}, id="no delete"),
            pytest.param(Limits(most_parts=2), {"nested"}, id="shallow names"),
        ],
    )
    def test_with_a_path_all_is_tried_out(self, serve: Serve, limits: Limits, noes: set[str]) -> None:
        registry = serve(Simulated(limits))
        run = airferry("registry", "probe", f"{registry.host}/a/b/c", "--insecure", "-o", "json").done()
        answers = json.loads(run.out)["can"]
        assert {name for name, can in answers.items() if can == "no"} == noes
        assert len(registry.asked) <= 26
        if limits.deletes:
            assert json.loads(run.out)["leftBehind"] == []
            assert all(not held.blobs and not held.manifests for held in registry.repositories.values())

    def test_quay_is_told_and_what_it_says_of_itself(self, serve: Callable[[SimulatedQuay], SimulatedQuay]) -> None:
        quay = serve(SimulatedQuay(Settings(sparse_index=True)))
        run = airferry("registry", "probe", quay.host, "--insecure").done()
        assert "is Quay" in run.out
        assert "lists that lack images: yes" in run.out

    def test_a_missing_organization_is_a_no(
        self, serve: Callable[[SimulatedQuay], SimulatedQuay], tmp_path: Path
    ) -> None:
        quay = serve(SimulatedQuay(ann="secret"))
        ann = auth(tmp_path, quay.host, "ann", "secret")
        run = airferry("registry", "probe", f"{quay.host}/ocp4/app", "--insecure", *ann)
        assert run.code == 1
        assert "organization ocp4: missing" in run.out
        assert "make it with: curl" in run.out

    @pytest.mark.parametrize("target", ["", "/", "ubi9", "https://", "h/UPPER", "h:port/x"])
    def test_what_names_no_registry_is_refused(self, target: str) -> None:
        run = airferry("registry", "probe", target, "--insecure", "--retry-times", "0")
        assert run.code == 1
        assert "Traceback" not in run.err
