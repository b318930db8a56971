"""The objects by which the samples operator imports from a mirror: its Config, and the list of what is imported.

Source: samples.operator.openshift.io/v1 (openshift/api) and openshift/cluster-samples-operator. The same input gives
the same bytes.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from airferry.errors import MalformedError
from airferry.openshift.documents import read_documents
from airferry.openshift.samples.reading import CONFIG_MAP

API_VERSION: Final = "samples.operator.openshift.io/v1"
NAMESPACE: Final = "openshift-cluster-samples-operator"

_ARCHITECTURES: Final = {"amd64": "x86_64", "aarch64": "arm64"}
_KNOWN_ARCHITECTURES: Final = ("x86_64", "arm64", "ppc64le", "s390x")
"""The words of the field ``architectures``: arm64 there, aarch64 in the operator's folders."""

_STATES: Final = ("Managed", "Unmanaged", "Removed")
_MOST_BYTES: Final = 1024 * 1024
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")
_PLAIN: Final = re.compile(r"[a-z][a-z0-9._/-]*\Z")
_WORDS: Final = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


@dataclass(frozen=True, slots=True)
class OperatorConfig:
    """The operator's Config. ``architecture`` is "" where none is given; a cluster has one, and never changes it."""

    samples_registry: str
    skipped: tuple[str, ...] = ()
    state: str = "Managed"
    architecture: str = ""


def operator_architecture(architecture: str) -> str:
    """Return the word of the field ``architectures`` for amd64, arm64, x86_64, aarch64, … Raises MalformedError."""
    word = _ARCHITECTURES.get(architecture, architecture)
    if word not in _KNOWN_ARCHITECTURES:
        raise MalformedError(
            f"the samples operator has no architecture {architecture!r}", hint=f"{', '.join(_KNOWN_ARCHITECTURES)}"
        )
    return word


def print_config(config: OperatorConfig) -> str:
    """Return the Config as YAML."""
    lines = [f"apiVersion: {API_VERSION}", "kind: Config", "metadata:", "  name: cluster", "spec:"]
    if config.architecture:
        lines += ["  architectures:", f"  - {config.architecture}"]
    lines += [f"  managementState: {config.state}", f"  samplesRegistry: {_scalar(config.samples_registry)}"]
    if config.skipped:
        lines += ["  skippedImagestreams:", *(f"  - {_scalar(name)}" for name in sorted(config.skipped))]
    else:
        lines.append("  skippedImagestreams: []")
    return "".join(f"{line}\n" for line in lines)


def config_patch(config: OperatorConfig) -> str:
    """Return the ``oc`` command that changes the Config of a running cluster to this one.

    It leaves out the architectures: the operator refuses to change them.
    """
    spec = {
        "managementState": config.state,
        "samplesRegistry": config.samples_registry,
        "skippedImagestreams": sorted(config.skipped),
    }
    patch = json.dumps({"spec": spec}, separators=(",", ":"))
    return f"oc patch configs.samples.operator.openshift.io/cluster --type=merge --patch '{patch}'"


def print_tag_list(images: Mapping[tuple[str, str], str], version: str | None) -> str:
    """Return the ConfigMap ``imagestreamtag-to-image`` for images by stream and tag. Raises MalformedError."""
    lines = ["apiVersion: v1", "kind: ConfigMap", "metadata:"]
    if version is not None:
        lines += ["  annotations:", f"    samples.operator.openshift.io/version: {_quoted(version)}"]
    lines += [f"  name: {CONFIG_MAP}", f"  namespace: {NAMESPACE}", "data:" if images else "data: {}"]
    for (stream, tag), image in sorted(images.items()):
        key = f"{stream}_{tag}"
        if _KEY.match(key) is None:
            raise MalformedError(f"{key!r} cannot be a key of a ConfigMap", hint=f"leave the stream {stream} out")
        lines.append(f"  {_scalar(key)}: {_scalar(image)}")
    text = "".join(f"{line}\n" for line in lines)
    if len(text) > _MOST_BYTES:
        raise MalformedError(f"the ConfigMap has {len(text)} bytes, and clusters take {_MOST_BYTES}", hint="fewer tags")
    return text


def parse_config(text: str, file: str) -> OperatorConfig:
    """Return the operator's Config in a file, which may hold other objects besides. Raises MalformedError."""
    for where, document in read_documents(text, file):
        items = document.get("items") if isinstance(document, dict) and document.get("kind") == "List" else [document]
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and item.get("kind") == "Config" and item.get("apiVersion") == API_VERSION:
                return _config(item.get("spec") or {}, where)
    raise MalformedError(
        f"{file} holds no Config of {API_VERSION}",
        hint="`airferry samples config` makes one; oc get configs.samples.operator.openshift.io/cluster -o yaml",
    )


def _config(spec: Any, where: str) -> OperatorConfig:
    if not isinstance(spec, dict):
        raise MalformedError(f"{where}: spec is not a map of fields")
    state = spec.get("managementState", "Managed")
    if state not in _STATES:
        raise MalformedError(f"{where}: managementState is {state!r}", hint=f"one of {', '.join(_STATES)}")
    registry = spec.get("samplesRegistry", "")
    if not isinstance(registry, str):
        raise MalformedError(f"{where}: samplesRegistry is not text")
    architectures = _words(spec, "architectures", where)
    architecture = operator_architecture(architectures[0]) if architectures else ""
    return OperatorConfig(registry, _words(spec, "skippedImagestreams", where), state, architecture)


def _words(spec: Mapping[str, Any], field: str, where: str) -> tuple[str, ...]:
    value: Sequence[Any] = spec.get(field) or ()
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise MalformedError(f"{where}: {field} is not a list of names")
    return tuple(value)


def _scalar(text: str) -> str:
    """Return ``text`` as YAML takes it for text."""
    return text if _PLAIN.match(text) and text not in _WORDS else _quoted(text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
