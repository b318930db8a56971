"""The objects by which a running cluster trusts a mirror: CA ConfigMap, image config, OperatorHub.

Sources: openshift-docs on image registry CAs and on OperatorHub in restricted networks; the update service
operator's documentation for its key.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from airferry.errors import MalformedError
from airferry.oci.reference import is_host
from airferry.openshift.cluster.trust_bundle import PemCertificate

NAMESPACE: Final = "openshift-config"
UPDATE_SERVICE_KEY: Final = "updateservice-registry"
_MOST_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TrustObject:
    """One object: its file name, its YAML, and the ``oc`` command that does the same by hand."""

    file: str
    yaml: str
    command: str

    def __str__(self) -> str:
        """As one document, the command above it as a comment."""
        return f"---\n# {self.command}\n{self.yaml}"


def config_map_key(host: str) -> str:
    """Return the key for ``host[:port]``: two dots stand for the colon. Raises MalformedError for what is none."""
    if not is_host(host) or "[" in host:
        raise MalformedError(
            f"{host!r} is not HOST[:PORT]", hint="an IPv6 address cannot be a key of a ConfigMap; use a name"
        )
    return host.replace(":", "..")


def trust_objects(
    certificates: Sequence[PemCertificate],
    hosts: Sequence[str],
    *,
    name: str,
    update_service: bool = False,
    without_default_sources: bool = False,
    ca_file: str = "ca.crt",
) -> tuple[TrustObject, ...]:
    """Return the objects, in the order of applying them; the same input gives the same bytes.

    ``hosts`` are host[:port] as images name the mirror. Raises MalformedError.
    """
    found: list[TrustObject] = []
    if certificates:
        keys = sorted({config_map_key(host) for host in hosts} | ({UPDATE_SERVICE_KEY} if update_service else set()))
        found = [_config_map(certificates, keys, name, ca_file), _image_config(name)]
    if without_default_sources:
        found.append(_operator_hub())
    return tuple(found)


def _config_map(certificates: Sequence[PemCertificate], keys: Sequence[str], name: str, ca_file: str) -> TrustObject:
    lines = ["apiVersion: v1", "kind: ConfigMap", "metadata:", f"  name: {name}", f"  namespace: {NAMESPACE}", "data:"]
    for key in keys:
        lines.append(f"  {_key(key)}: |")
        lines += [f"    {line}" for certificate in certificates for line in certificate.lines]
    yaml = "".join(f"{line}\n" for line in lines)
    if len(yaml) > _MOST_BYTES:
        raise MalformedError(f"the ConfigMap has {len(yaml)} bytes, and clusters take {_MOST_BYTES}", hint="fewer CAs")
    files = " ".join(f"--from-file={key}={ca_file}" for key in keys)
    return TrustObject(f"configmap-{name}.yaml", yaml, f"oc create configmap {name} -n {NAMESPACE} {files}")


def _image_config(name: str) -> TrustObject:
    patch = json.dumps({"spec": {"additionalTrustedCA": {"name": name}}}, separators=(",", ":"))
    yaml = (
        "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata:\n  name: cluster\n"
        f"spec:\n  additionalTrustedCA:\n    name: {name}\n"
    )
    return TrustObject(
        "image-config.yaml", yaml, f"oc patch image.config.openshift.io/cluster --type=merge --patch '{patch}'"
    )


def _operator_hub() -> TrustObject:
    patch = json.dumps({"spec": {"disableAllDefaultSources": True}}, separators=(",", ":"))
    yaml = (
        "apiVersion: config.openshift.io/v1\nkind: OperatorHub\nmetadata:\n  name: cluster\n"
        "spec:\n  disableAllDefaultSources: true\n"
    )
    return TrustObject(
        "operatorhub.yaml", yaml, f"oc patch operatorhub.config.openshift.io/cluster --type=merge --patch '{patch}'"
    )


def _key(key: str) -> str:
    """Return ``key`` in quotes where YAML would take it for a number."""
    return f"'{key}'" if key.replace(".", "").isdecimal() else key
