"""Organizations of Quay and projects of Harbor, made through their APIs, and the same as commands for people.

Sources: Quay's API ``POST /api/v1/organization/`` (scope user:admin;
201, and 400 for one that exists); Harbor's API v2.0
``POST /projects`` (201, and 409 for one that exists). Both are private until somebody makes them public.
"""

import logging
import re
import shlex
from dataclasses import dataclass
from typing import Final

from airferry.content.http import Heard, Proof, Questions
from airferry.plan.destination import RegistryKind

logger = logging.getLogger(__name__)

_QUAY_NAME: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_MAX_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one namespace: ``reason`` is None when it is there now, by us or by somebody else."""

    name: str
    reason: str | None = None
    is_new: bool = False


async def make_namespace(kind: RegistryKind, name: str, questions: Questions, proof: Proof) -> Made:
    """Make one namespace. One that exists already is fine; whatever else comes back is the reason why not."""
    if kind is RegistryKind.QUAY:
        if not _QUAY_NAME.fullmatch(name) or not 2 <= len(name) <= 255:
            return Made(name, "Quay takes no organization of that name: 2 to 255 of a-z, 0-9 and single . _ - between")
        heard = await questions.ask("/api/v1/organization/", method="POST", document={"name": name}, proof=proof)
    else:
        document = {"project_name": name, "metadata": {"public": "false"}}
        heard = await questions.ask("/api/v2.0/projects", method="POST", document=document, proof=proof)
    if heard is not None and heard.status == 201:
        logger.info("namespace made", extra={"kind": kind.value, "namespace": name})
        return Made(name, is_new=True)
    if heard is not None and (heard.status == 409 or await _is_there(kind, name, heard, questions, proof)):
        return Made(name)
    return Made(name, _reason(heard, proof))


async def _is_there(kind: RegistryKind, name: str, heard: Heard, questions: Questions, proof: Proof) -> bool:
    """Whether Quay's 400 was about an organization that somebody else made meanwhile."""
    if kind is not RegistryKind.QUAY or heard.status != 400:
        return False
    again = await questions.ask(f"/api/v1/organization/{name}", proof=proof)
    return again is not None and again.status == 200 and again.fields.get("name") == name


def commands(kind: RegistryKind, base: str, names: tuple[str, ...]) -> list[str]:
    """Return a command of curl for each namespace, that takes its secret from the environment, not from a list."""
    if kind is RegistryKind.QUAY:
        return [
            f'curl -fsS -X POST -H "Authorization: Bearer $QUAY_TOKEN" -H "Content-Type: application/json" '
            f"-d {shlex.quote(_name_document('name', name))} {base}/api/v1/organization/"
            for name in names
        ]
    if kind is RegistryKind.HARBOR:
        return [
            f'curl -fsS -X POST -u "$HARBOR_USER:$HARBOR_PASSWORD" -H "Content-Type: application/json" '
            f"-d {shlex.quote(_name_document('project_name', name))} {base}/api/v2.0/projects"
            for name in names
        ]
    if kind is RegistryKind.OPENSHIFT:
        return [f"oc new-project {shlex.quote(name)}" for name in names]
    return []


def _name_document(field: str, name: str) -> str:
    return f'{{"{field}": "{name}"}}'


def _reason(heard: Heard | None, proof: Proof) -> str:
    if heard is None:
        return "its API gave no answer of use"
    if heard.status in (401, 403):
        return f"its API does not let {proof.origin} make it ({heard.status})"
    said = heard.fields.get("error_message") or heard.fields.get("message") or heard.fields.get("detail")
    words = "".join(letter for letter in said if letter.isprintable())[:_MAX_SHOWN] if isinstance(said, str) else ""
    return f"its API answered {heard.status}" + (f": {words}" if words else "")
