"""What an OpenShift release is: its payload, its trust, the names it gets, its tools, and how it is described.

Pure: bytes and values in, values out. Nothing here fetches, reads a tar or knows a mirror rule.
"""

from airferry.openshift.release.errors import ComponentMissingError, ToolMissingError, UntrustedReleaseError
from airferry.openshift.release.keys import SHIPPED_KEYS
from airferry.openshift.release.naming import Target, arch_word, release_copies, version_reference
from airferry.openshift.release.payload import Component, ReleasePayload, parse_payload
from airferry.openshift.release.signature import (
    DEFAULT_STORES,
    Candidate,
    Trust,
    Verdict,
    judge_release,
    signature_paths,
    verify_signature,
)

__all__ = [
    "DEFAULT_STORES",
    "SHIPPED_KEYS",
    "Candidate",
    "Component",
    "ComponentMissingError",
    "ReleasePayload",
    "Target",
    "ToolMissingError",
    "Trust",
    "UntrustedReleaseError",
    "Verdict",
    "arch_word",
    "judge_release",
    "parse_payload",
    "release_copies",
    "signature_paths",
    "verify_signature",
    "version_reference",
]
