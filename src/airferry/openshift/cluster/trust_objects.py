"""The objects by which a running cluster trusts a mirror: CA ConfigMap, image config, OperatorHub.

Sources: openshift-docs on image registry CAs and on OperatorHub in restricted networks; the update service
operator's documentation for its key.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from airferry.errors import MalformedError
from airferry.oci.reference import is_host
from airferry.openshift.cluster.object_names import MOST_CHARACTERS, check_object_name, quoted
from airferry.openshift.cluster.trust_bundle import PemCertificate, read_certificates
from airferry.openshift.documents import read_documents

NAMESPACE: Final = "openshift-config"
UPDATE_SERVICE_KEY: Final = "updateservice-registry"
_MOST_BYTES: Final = 1024 * 1024
_MOST_OF_FILE_NAME: Final = 200
"""File systems take 255 bytes."""


@dataclass(frozen=True, slots=True)
class TrustObject:
    """One object: its file name, its YAML, and the ``oc`` command that does the same by hand."""

    file: str
    yaml: str
    command: str

    def __str__(self) -> str:
        """As one document, the command above it as a comment."""
        return f"---\n# {self.command}\n{self.yaml}"


@dataclass(frozen=True, slots=True)
class TrustWishes:
    """What a cluster is to trust. ``hosts`` are host[:port] as images name the mirror; ``ca_file`` is what people have.

    ``update_service`` adds the key that the update service reads.
    """

    certificates: Sequence[PemCertificate]
    hosts: Sequence[str]
    name: str
    update_service: bool = False
    without_default_sources: bool = False
    ca_file: str = "ca.crt"


def config_map_file(name: str) -> str:
    """Return what the ConfigMap's file is called. Raises MalformedError for what is no name of an object."""
    check_object_name(name)
    return f"configmap-{name[:_MOST_OF_FILE_NAME]}.yaml"


def spellings(host: str) -> tuple[str, ...]:
    """Return the keys for ``host[:port]``: two dots stand for the colon.

    Nodes look the host up as images spell it, letter by letter (containers/image, docker/docker_client), so one with
    capitals has two keys. Raises MalformedError for what is no host, or too long.
    """
    if not is_host(host) or "[" in host:
        raise MalformedError(f"{host!r} is not HOST[:PORT]", hint=_host_hint(host))
    key = host.replace(":", "..")
    if len(key) > MOST_CHARACTERS:
        raise MalformedError(
            f"a host of {len(host)} characters is too long for a key of a ConfigMap: clusters take {MOST_CHARACTERS}",
            hint="give the mirror a shorter name",
        )
    return tuple(dict.fromkeys((key, key.lower())))


def _host_hint(host: str) -> str:
    if "://" in host or "/" in host:
        return "write the host alone, without https:// and without a path, such as mirror.example.com:8443"
    if host.count(":") > 1:
        return "an IPv6 address cannot be a key of a ConfigMap; use a name"
    return "write it as images name it, such as mirror.example.com:8443"


def trust_objects(
    wishes: TrustWishes, earlier: Mapping[str, Sequence[PemCertificate]] | None = None
) -> tuple[TrustObject, ...]:
    """Return the objects, in the order of applying them; the same input gives the same bytes.

    Keys of an ``earlier`` ConfigMap, and their certificates, are kept. Raises MalformedError.
    """
    found: list[TrustObject] = []
    if wishes.certificates:
        keys = {key for host in wishes.hosts for key in spellings(host)}
        keys |= {UPDATE_SERVICE_KEY} if wishes.update_service else set()
        known = dict(earlier or {})
        trusted = known | {key: [*dict.fromkeys((*known.get(key, ()), *wishes.certificates))] for key in keys}
        found = [_config_map(trusted, wishes, is_more=bool(known)), _image_config(wishes.name)]
    if wishes.without_default_sources:
        found.append(_operator_hub())
    return tuple(found)


def read_config_map(text: str, file: str, name: str) -> dict[str, tuple[PemCertificate, ...]]:
    """Return the certificates of a ConfigMap by key; ``file`` names it in errors.

    Raises MalformedError for what is not the ConfigMap ``name`` alone, or holds something else than certificates.
    """
    documents = [document for _, document in read_documents(text, file)]
    found = documents[0] if len(documents) == 1 and isinstance(documents[0], dict) else {}
    metadata, data = found.get("metadata"), found.get("data") or {}
    known = metadata.get("name") if isinstance(metadata, dict) else None
    if found.get("kind") != "ConfigMap" or known != name or not isinstance(data, dict) or found.get("binaryData"):
        raise MalformedError(f"{file} is not the ConfigMap {name} with certificates in PEM, and nothing else")
    if not all(isinstance(one, str) for pair in data.items() for one in pair):
        raise MalformedError(f"{file}: data is not a map of text")
    return {key: read_certificates(value, f"{file}, {key}") for key, value in data.items()}


def _config_map(trusted: Mapping[str, Sequence[PemCertificate]], wishes: TrustWishes, *, is_more: bool) -> TrustObject:
    name = wishes.name
    file = config_map_file(name)
    lines = ["apiVersion: v1", "kind: ConfigMap", "metadata:", f"  name: {quoted(name)}"]
    lines += [f"  namespace: {NAMESPACE}", "data:"]
    for key, certificates in sorted(trusted.items()):
        lines.append(f"  {_key(key)}: |")
        lines += [f"    {line}" for certificate in certificates for line in certificate.lines]
    yaml = "".join(f"{line}\n" for line in lines)
    if len(yaml) > _MOST_BYTES:
        raise MalformedError(
            f"the ConfigMap has {len(yaml)} bytes, and clusters take {_MOST_BYTES}",
            hint="each key holds every certificate of --ca: give the CAs of the mirror alone",
        )
    files = " ".join(f"--from-file={key}={wishes.ca_file}" for key in sorted(trusted))
    command = f"oc apply -f {file}" if is_more else f"oc create configmap {name} -n {NAMESPACE} {files}"
    return TrustObject(file, yaml, command)


def _image_config(name: str) -> TrustObject:
    patch = json.dumps({"spec": {"additionalTrustedCA": {"name": name}}}, separators=(",", ":"))
    yaml = (
        "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata:\n  name: cluster\n"
        f"spec:\n  additionalTrustedCA:\n    name: {quoted(name)}\n"
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
    """Return ``key`` in quotes where YAML would take it for something else than text."""
    return f"'{key}'" if key.replace(".", "").isdecimal() else quoted(key)
