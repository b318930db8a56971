"""What a node's policy.json says of one image, before any place is asked: nothing, a signature, or never. Pure.

Source: containers-policy.json(5); containers/image, copy: the policy is asked for the name that is pulled, wherever the
image comes from.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from airferry.errors import MalformedError, parser_words
from airferry.oci.pull_findings import PullFindings
from airferry.oci.pull_sources import normalized
from airferry.oci.reference import Reference
from airferry.openshift.cluster.image_policies import demands_on
from airferry.openshift.cluster.verdict import Judgement, Verdict
from airferry.openshift.cluster.wanted import SignatureDemand, Wanted

REJECTED: Final = "rejected-by-policy"

_USUAL_IDENTITY: Final = "matchRepoDigestOrExact"


def parse_policy(text: str) -> Mapping[str, Any]:
    """Return a node's own policy.json. Raises MalformedError for what is none, without which nodes pull nothing."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"it is not JSON: {parser_words(error)}") from error
    transports = document.get("transports", {}) if isinstance(document, dict) else None
    scopes = transports.get("docker", {}) if isinstance(transports, dict) else None
    if not isinstance(scopes, dict) or not all(map(_is_demands, (document.get("default"), *scopes.values()))):
        raise MalformedError("it is not a policy.json", hint="see containers-policy.json(5)")
    found: Mapping[str, Any] = document
    return found


def _is_demands(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def rejection(reference: Reference, policy: Mapping[str, Any] | None) -> str | None:
    """Return why no place would do, whatever it answers, as words; None where the policy lets ``reference`` in."""
    if policy is None:
        return None
    scope, demands = demands_on(reference, policy)
    if not any(demand.get("type") == "reject" for demand in demands):
        return None
    return f"policy.json rejects the image by {_by(scope)}, before any place is asked"


def demand_in_words(reference: Reference, policy: Mapping[str, Any] | None) -> str:
    """Return what the policy demands of ``reference``, and by which of its scopes, for people."""
    if policy is None:
        return "nothing"
    scope, demands = demands_on(reference, policy)
    kinds = [demand.get("type") for demand in demands]
    if "reject" in kinds:
        return f"reject by {_by(scope)}"
    return f"a sigstore signature by {_by(scope)}" if "sigstoreSigned" in kinds else "nothing"


def signature_demand(reference: Reference, policy: Mapping[str, Any] | None) -> SignatureDemand | None:
    """Return the signature that the policy demands of ``reference``, None for none.

    The key is known where the policy has a plain one and lets the image be signed under its own name.
    """
    if policy is None:
        return None
    scope, demands = demands_on(reference, policy)
    signed = [demand for demand in demands if demand.get("type") == "sigstoreSigned"]
    if not signed:
        return None
    # Of several each must be met; one can be checked, and which keys the others have is not asked.
    key = _key(signed[0]) if len(signed) == 1 else None
    return SignatureDemand(f"of policy.json for {scope}" if scope else "of policy.json", key)


def rejected(wanted: Wanted, findings: PullFindings, policy: Mapping[str, Any] | None) -> Judgement | None:
    """Return the no for an image that the policy never lets in; None where it does."""
    reason = rejection(wanted.reference, policy)
    if reason is None or policy is None:
        return None
    name = str(normalized(wanted.reference.repository))
    scope, _ = demands_on(wanted.reference, policy)
    fix = (
        f"take {scope} out of the blockedRegistries of the Image config"
        if scope
        else (f"add {name} to the allowedRegistries of the Image config")
    )
    return Judgement(wanted, Verdict.NO, findings, name, REJECTED, reason, fix)


def _by(scope: str) -> str:
    return f"scope {scope}" if scope else "its default"


def _key(demand: Mapping[str, Any]) -> bytes | None:
    identity = demand.get("signedIdentity")
    if isinstance(identity, dict) and identity.get("type", _USUAL_IDENTITY) != _USUAL_IDENTITY:
        return None
    text = demand.get("keyData")
    try:
        return base64.b64decode("".join(text.split()), validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        return None
