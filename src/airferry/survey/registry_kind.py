"""Which software a registry is: told by what it answers to anybody, never by its name.

Sources: the Server and X-… headers that Nexus, Artifactory and OpenShift's registry send with every answer; Harbor's
``systeminfo``, which anybody may read; Quay's ``/health/instance``; zot's list of extensions (OCI distribution-spec
"extensions"); the root page of distribution, which is empty. tests/data/registries holds an exchange of each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from airferry.content.http import Heard, Questions
from airferry.plan.destination import RegistryKind

_MAX_SHOWN: Final = 80
_Tell = Callable[[Heard, Heard], "Sighting | None"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """Which kind a registry is, and what shows it in words; ``complete`` when every question was answered."""

    kind: RegistryKind
    evidence: str
    complete: bool = True


async def tell_kind(questions: Questions) -> Sighting:
    """Return which software answers: from the first contact alone, or by up to four questions without credentials.

    Raises what the first contact does. A kind is only told by what others do not answer; the rest is unknown.
    """
    greeting = await questions.greeting()
    found = _by_headers(greeting)
    if found is not None:
        return found
    complete = True
    for target, tell in _in_order(greeting):
        heard = await questions.ask(target)
        complete = complete and heard is not None and heard.status < 500
        found = tell(greeting, heard) if heard is not None else None
        if found is not None:
            return found
    return Sighting(RegistryKind.UNKNOWN, "nothing that it answers tells it apart", complete)


def _by_headers(greeting: Heard) -> Sighting | None:
    server = greeting.headers.get("server", "")
    if server == "airferry":
        return _seen(RegistryKind.AIRFERRY, "Server", server)
    if server.startswith("Nexus/"):
        return _seen(RegistryKind.NEXUS, "Server", server)
    for name in ("x-jfrog-version", "x-artifactory-id"):
        if name in greeting.headers:
            return _seen(RegistryKind.ARTIFACTORY, name, greeting.headers[name])
    if server.startswith("Artifactory/"):
        return _seen(RegistryKind.ARTIFACTORY, "Server", server)
    if greeting.headers.get("x-registry-supports-signatures") == "1":
        return _seen(RegistryKind.OPENSHIFT, "x-registry-supports-signatures", "1")
    return None


def _seen(kind: RegistryKind, header: str, value: str) -> Sighting:
    shown = "".join(letter for letter in value if letter.isprintable())[:_MAX_SHOWN]
    return Sighting(kind, f"its header {header}: {shown}")


def _harbor(greeting: Heard, heard: Heard) -> Sighting | None:
    known = {"auth_mode", "harbor_version", "registry_url", "external_url", "self_registration", "has_ca_root"}
    fields = heard.fields
    if heard.status != 200 or "auth_mode" not in fields or len(known & fields.keys()) < 2:
        return None
    return Sighting(RegistryKind.HARBOR, "/api/v2.0/systeminfo answers as Harbor's")


def _quay(greeting: Heard, heard: Heard) -> Sighting | None:
    health = heard.fields.get("data")
    services = health.get("services") if isinstance(health, dict) else None
    # 503 is what it answers with one service out of order: the shape is the same.
    if heard.status not in (200, 503) or not isinstance(services, dict):
        return None
    if not {"registry_gunicorn", "web_gunicorn", "service_key"} & services.keys():
        return None
    return Sighting(RegistryKind.QUAY, "/health/instance answers as Quay's")


def _zot(greeting: Heard, heard: Heard) -> Sighting | None:
    extensions = heard.fields.get("extensions")
    if heard.status != 200 or not isinstance(extensions, list):
        return None
    if not any(isinstance(item, dict) and item.get("name") == "_zot" for item in extensions):
        return None
    return Sighting(RegistryKind.ZOT, "/v2/_oci/ext/discover lists the extension _zot")


def _distribution(greeting: Heard, heard: Heard) -> Sighting | None:
    """Its root answers 200 with nothing in it, for load balancers; its API says its version. Harbor hides the root."""
    speaks = greeting.headers.get("docker-distribution-api-version") == "registry/2.0"
    bare = heard.status == 200 and not heard.body and heard.headers.get("cache-control") == "no-cache"
    if not speaks or not bare:
        return None
    return Sighting(RegistryKind.DISTRIBUTION, "/ is empty, as distribution's is")


_QUESTIONS: Final = {
    RegistryKind.QUAY: ("/health/instance", _quay),
    RegistryKind.HARBOR: ("/api/v2.0/systeminfo", _harbor),
    RegistryKind.ZOT: ("/v2/_oci/ext/discover", _zot),
    RegistryKind.DISTRIBUTION: ("/", _distribution),
}


def _in_order(greeting: Heard) -> list[tuple[str, _Tell]]:
    """Return the questions, the likeliest first: where tokens are given out is a hint, and no more than that."""
    challenge = greeting.headers.get("www-authenticate", "")
    realm = challenge.partition('realm="')[2].partition('"')[0]
    try:
        path = urlsplit(realm).path
    except ValueError:
        path = ""
    order = list(_QUESTIONS)
    if path.endswith("/service/token"):
        order.sort(key=lambda kind: kind is not RegistryKind.HARBOR)
    elif not path.endswith("/v2/auth"):
        order.reverse()
    return [_QUESTIONS[kind] for kind in order]
