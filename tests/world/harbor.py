"""A Harbor as its API v2.0 and its token service tell: projects that must exist before a push."""

import json
import secrets
from typing import ClassVar

from aiohttp import web

from .simulated import Simulated, basic_user, error


class SimulatedHarbor(Simulated):
    """Users with passwords; ``makers`` are those who may make projects (it can be left to administrators)."""

    headers: ClassVar[dict[str, str]] = {"Server": "nginx"}

    def __init__(self, makers: frozenset[str] = frozenset({"admin"}), **users: str) -> None:
        super().__init__()
        self.users = users
        self.makers = makers
        self.projects: dict[str, set[str]] = {"library": {"admin"}}
        self.hides_projects = False
        self.tokens: dict[str, dict[str, set[str]]] = {}

    def ping(self, request: web.BaseRequest) -> web.StreamResponse:
        return self._unauthorized(None)

    def _unauthorized(self, scope: str | None) -> web.Response:
        more = f',scope="{scope}"' if scope else ""
        realm = f'Bearer realm="http://{self.host}/service/token",service="harbor-registry"{more}'
        headers = {"Www-Authenticate": realm, "Docker-Distribution-Api-Version": "registry/2.0"}
        return error(401, "UNAUTHORIZED", "unauthorized: unauthorized", headers)

    def may(self, request: web.BaseRequest, path: str, action: str) -> web.Response | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if action in self.tokens.get(token, {}).get(path, set()):
            return None
        return self._unauthorized(f"repository:{path}:pull,push")

    async def route(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/service/token":
            return self._token(request)
        return await super().route(request)

    def _token(self, request: web.BaseRequest) -> web.Response:
        user = self._user(request)
        if "Authorization" in request.headers and user is None:
            return error(401, "UNAUTHORIZED", "unauthorized")
        access = {}
        for scope in request.query.getall("scope", []):
            _, path, actions = scope.split(":")
            allowed = user in self.projects.get(path.split("/")[0], set())
            access[path] = set(actions.split(",")) if allowed else set()
        secret = secrets.token_hex(16)
        self.tokens[secret] = access
        return web.json_response({"token": secret, "access_token": "", "expires_in": 1800})

    async def beside(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["api", "v2.0", "systeminfo"]:
                document = {"auth_mode": "db_auth", "self_registration": False, "harbor_version": None}
                return web.json_response({**document, "banner_message": "", "primary_auth_mode": False})
            case "HEAD", ["api", "v2.0", "projects"]:
                if self._user(request) is None:
                    return web.Response(status=401)
                is_there = request.query["project_name"] in self.projects and not self.hides_projects
                return web.Response(status=200 if is_there else 404)
            case "POST", ["api", "v2.0", "projects"]:
                return await self._new_project(request)
        # The portal answers every other address with its one page.
        return web.Response(text="<!doctype html><title>Harbor</title>", content_type="text/html")

    async def _new_project(self, request: web.BaseRequest) -> web.Response:
        user = self._user(request)
        if user is None:
            return error(401, "UNAUTHORIZED", "unauthorized")
        if user not in self.makers:
            return error(403, "FORBIDDEN", "forbidden")
        name = json.loads(await request.read())["project_name"]
        if name in self.projects:
            return error(409, "CONFLICT", f"The project named {name} already exists")
        self.projects[name] = {user}
        return web.Response(status=201, headers={"Location": f"/api/v2.0/projects/{len(self.projects)}"})

    def _user(self, request: web.BaseRequest) -> str | None:
        found = basic_user(request)
        return found[0] if found is not None and self.users.get(found[0]) == found[1] else None
