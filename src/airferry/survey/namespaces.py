"""Which organizations of Quay and projects of Harbor exist, asked at their APIs. Only reads.

Sources: Quay's API ``GET /api/v1/organization/NAME`` and ``/api/v1/users/NAME``; ``GET /api/v1/registry/capabilities``;
Harbor's API v2.0 ``HEAD /projects?project_name=NAME``.
"""

from dataclasses import dataclass, field
from urllib.parse import quote

from airferry.content.http import Proof, Questions
from airferry.plan.destination import Can, RegistryKind


@dataclass(slots=True)
class Namespaces:
    """Which namespaces are there, which are not, and of which the API does not tell."""

    present: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)


async def look_for_namespaces(
    kind: RegistryKind, names: tuple[str, ...], questions: Questions, proof: Proof | None
) -> Namespaces:
    """Ask for each of ``names``, one or two questions each; ``proof`` is what the API takes, None for nobody.

    Registries without such an API tell of none.
    """
    found = Namespaces()
    for name in names:
        match kind:
            case RegistryKind.QUAY:
                answer = await _in_quay(name, questions, proof)
            case RegistryKind.HARBOR:
                answer = await _in_harbor(name, questions, proof)
            case _:
                answer = Can.UNKNOWN
        row = {Can.YES: found.present, Can.NO: found.missing, Can.UNKNOWN: found.untold}[answer]
        row.append(name)
    return found


async def asks_for_sparse_lists(questions: Questions) -> Can:
    """Return whether Quay says that it takes lists that lack images (its FEATURE_SPARSE_INDEX)."""
    heard = await questions.ask("/api/v1/registry/capabilities")
    described = heard.fields.get("sparse_manifests") if heard is not None and heard.status == 200 else None
    if not isinstance(described, dict) or not isinstance(described.get("supported"), bool):
        return Can.UNKNOWN
    # Some architectures may still be required; then only trying tells.
    if described["supported"] and described.get("required_architectures"):
        return Can.UNKNOWN
    return Can.YES if described["supported"] else Can.NO


async def _in_quay(name: str, questions: Questions, proof: Proof | None) -> Can:
    """A namespace is an organization or a user: the one who pushes, or the one whose robot NAME+SHORT pushes."""
    user = await questions.credential_user()
    if user is not None and name == user.partition("+")[0]:
        return Can.YES
    word = quote(name, safe="")
    heard = await questions.ask(f"/api/v1/organization/{word}", proof=proof)
    if heard is None:
        return Can.UNKNOWN
    if heard.status == 200:
        return Can.YES if heard.fields.get("name") == name else Can.UNKNOWN
    if heard.status != 404 or "status" not in heard.fields:
        return Can.UNKNOWN  # a 404 that is not of the API's own shape may be any web server's
    person = await questions.ask(f"/api/v1/users/{word}", proof=proof)
    is_person = person is not None and person.status == 200 and person.fields.get("username") == name
    return Can.YES if is_person else Can.NO


async def _in_harbor(name: str, questions: Questions, proof: Proof | None) -> Can:
    heard = await questions.ask(f"/api/v2.0/projects?project_name={quote(name, safe='')}", method="HEAD", proof=proof)
    if heard is None or heard.status not in (200, 404):
        return Can.UNKNOWN
    return Can.YES if heard.status == 200 else Can.NO
