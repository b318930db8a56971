"""A Quay as facts of its API and of its token service tell: organizations, OAuth tokens with scopes, repositories that
are made when a token is given out.
"""

import json
import secrets
from dataclasses import dataclass, field
from typing import ClassVar

from aiohttp import web

from .simulated import Limits, Repository, Simulated, basic_user


@dataclass
class OAuth:
    """An OAuth token: whose it is, and its scopes."""

    user: str
    scopes: frozenset[str]


@dataclass
class Settings:
    """The settings of its config.yaml that a copy meets."""

    create_namespace_on_push: bool = False
    sparse_index: bool = False
    extended_names: bool = True
    open_api: bool = True
    mailing: bool = False
    hides_organizations: bool = False


@dataclass
class Organization:
    members: set[str] = field(default_factory=set)


def problem(status: int, kind: str, detail: str) -> web.Response:
    """An error of its API: the shape of problem+json, and more keys with the same text."""
    document = {
        "detail": detail,
        "error_message": detail,
        "error_type": kind,
        "title": kind,
        "type": f"/api/v1/error/{kind}",
        "status": status,
    }
    return web.json_response(document, status=status)


class SimulatedQuay(Simulated):
    """Users with passwords, organizations, OAuth tokens."""

    headers: ClassVar[dict[str, str]] = {"Server": "nginx/1.22.1"}

    def __init__(self, settings: Settings | None = None, **users: str) -> None:
        self.settings = settings or Settings()
        super().__init__(Limits(sparse=self.settings.sparse_index, deletes=True))
        if not self.settings.extended_names:
            self.limits.most_parts = 2
        self.users = users
        self.organizations: dict[str, Organization] = {}
        self.oauth: dict[str, OAuth] = {}
        self.tokens: dict[str, dict[str, set[str]]] = {}

    def give_token(self, user: str, *scopes: str) -> str:
        """Return a new OAuth token, as the page "Generate Token" does."""
        secret = secrets.token_hex(20)
        self.oauth[secret] = OAuth(user, frozenset(scopes))
        return secret

    def ping(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") in self.tokens:
            return web.Response(text="true", content_type="application/json")
        return self._unauthorized(None)

    def may(self, request: web.BaseRequest, path: str, action: str) -> web.Response | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if action in self.tokens.get(token, {}).get(path, set()):
            return None
        return self._unauthorized(f"repository:{path}:pull,push")

    def _unauthorized(self, scope: str | None) -> web.Response:
        more = f',scope="{scope}"' if scope else ""
        headers = {
            "WWW-Authenticate": f'Bearer realm="http://{self.host}/v2/auth",service="{self.host}"{more}',
            "Docker-Distribution-API-Version": "registry/2.0",
        }
        document = {"errors": [{"code": "UNAUTHORIZED", "detail": {}, "message": "access is not authorized"}]}
        return web.json_response(document, status=401, headers=headers)

    async def route(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/v2/auth":
            return self._auth(request)
        return await super().route(request)

    def _auth(self, request: web.BaseRequest) -> web.Response:
        """Give out a token whose actions are cut down silently; a repository that may be pushed to is made here."""
        found = basic_user(request)
        user = None
        if found is not None:
            user, password = found
            if user == "$oauthtoken" and password in self.oauth:
                user = self.oauth[password].user
            elif self.users.get(user) != password:
                return web.json_response({"error": "Invalid username or password"}, status=401)
        access: dict[str, set[str]] = {}
        for scope in request.query.getall("scope", []):
            if not scope.startswith("repository:"):
                return web.json_response({"errors": [{"code": "INVALID_REQUEST", "message": scope}]}, status=400)
            _, path, actions = scope.split(":")
            access[path] = self._grant(user, path, set(actions.split(",")))
        secret = secrets.token_hex(16)
        self.tokens[secret] = access
        return web.json_response({"token": secret})

    def _grant(self, user: str | None, path: str, actions: set[str]) -> set[str]:
        namespace, _, name = path.partition("/")
        if user is None or not name or len(path.split("/")) > self.limits.most_parts:
            return set()
        is_new = namespace not in self.organizations and namespace != user
        if is_new and self.settings.create_namespace_on_push and "push" in actions:
            self.organizations[namespace] = Organization({user})
        allowed = namespace == user or user in self.organizations.get(namespace, Organization()).members
        if allowed and "push" in actions:
            self.repositories.setdefault(path, Repository())
        return actions if allowed else set()

    async def beside(self, request: web.BaseRequest) -> web.StreamResponse:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["health", "instance"]:
                services = ("auth", "database", "disk_space", "registry_gunicorn", "service_key", "web_gunicorn")
                return web.json_response({"data": {"services": dict.fromkeys(services, True)}, "status_code": 200})
            case "GET", ["api", "v1", "registry", "capabilities"]:
                described = {
                    "supported": self.settings.sparse_index,
                    "required_architectures": [],
                    "optional_architectures_allowed": self.settings.sparse_index,
                }
                return web.json_response({"sparse_manifests": described, "mirror_architectures": ["amd64"]})
            case "GET", ["api", "v1", "organization", name]:
                return self._organization(request, name)
            case "GET", ["api", "v1", "users", name]:
                if name in self.users:
                    return web.json_response({"anonymous": False, "username": name, "avatar": {}})
                return problem(404, "not_found", "Not Found")
            case "POST", ["api", "v1", "organization"]:
                return await self._new_organization(request)
        # Its web application answers every other address with its one page.
        return web.Response(text="<!doctype html><title>Quay</title>", content_type="text/html")

    def _organization(self, request: web.BaseRequest, name: str) -> web.Response:
        if not self.settings.open_api and self._oauth(request) is None:
            return problem(401, "invalid_token", "Requires authentication")
        if name not in self.organizations or self.settings.hides_organizations:
            self.settings.hides_organizations = False
            return problem(404, "not_found", "Not Found")
        return web.json_response({"name": name, "email": "", "avatar": {}, "is_admin": False, "is_member": False})

    async def _new_organization(self, request: web.BaseRequest) -> web.Response:
        token = self._oauth(request)
        if token is None:
            return problem(401, "invalid_token", "Requires authentication")
        if "user:admin" not in token.scopes:
            return problem(403, "insufficient_scope", "Unauthorized")
        name = json.loads(await request.read()).get("name", "")
        if self.settings.mailing:
            return problem(400, "invalid_request", "Email address is required")
        if name in self.organizations or name in self.users:
            return problem(400, "invalid_request", "A user or organization with this name already exists")
        self.organizations[name] = Organization({token.user})
        return web.json_response("Created", status=201)

    def _oauth(self, request: web.BaseRequest) -> OAuth | None:
        return self.oauth.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
