"""The top layer of a release image: ``release-manifests/`` with image-references, metadata and manifests."""

import json
from collections.abc import Mapping
from typing import Any, Final

from airferry.lab.components import Component
from airferry.lab.images import CREATED
from airferry.lab.layer import Entry, File
from airferry.lab.shape import Shape
from airferry.oci import Digest

COMPONENT_REPOSITORY: Final = "openshift-release-dev/ocp-v4.0-art-dev"
RELEASE_REPOSITORY: Final = "openshift-release-dev/ocp-release"

_PREVIOUS: Final = (
    *(f"4.11.{patch}" for patch in (11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 22, 23)),
    *(f"4.12.0-rc.{number}" for number in range(9)),
)


def image_references(shape: Shape, components: Mapping[Component, Digest]) -> bytes:
    """Return the ImageStream that names each component by digest, with the fields and the print of the real one."""
    tags = [
        {
            "name": component.name,
            "annotations": dict(component.annotations),
            "from": {"kind": "DockerImage", "name": f"{shape.source_host}/{COMPONENT_REPOSITORY}@{digest}"},
            "generation": None,
            "importPolicy": {},
            "referencePolicy": {"type": ""},
        }
        for component, digest in components.items()
    ]
    stream = f"{shape.version.rpartition('.')[0]}-art-latest-2023-01-09-095104"
    return _print(
        {
            "kind": "ImageStream",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {
                "name": shape.version,
                "creationTimestamp": CREATED,
                "annotations": {
                    "release.openshift.io/from-image-stream": f"ocp/{stream}",
                    "release.openshift.io/from-release": f"registry.ci.openshift.org/ocp/release:{shape.version}-lab",
                },
            },
            "spec": {"lookupPolicy": {"local": False}, "tags": tags},
            "status": {"dockerImageRepository": ""},
        }
    )


def release_metadata(shape: Shape) -> bytes:
    """Return the release's metadata: version, what can be upgraded from, the erratum's address."""
    metadata = {"url": "https://access.redhat.com/errata/RHSA-2022:7399"}
    if shape.multi:
        metadata["release.openshift.io/architecture"] = "multi"
    fields = {
        "kind": "cincinnati-metadata-v0",
        "version": shape.version,
        "previous": list(_PREVIOUS),
        "metadata": metadata,
    }
    return _print(fields)


def payload_entries(
    shape: Shape, components: Mapping[Component, Digest], public_key: str | None, replaced: Mapping[str, bytes]
) -> tuple[Entry, ...]:
    """Return the layer's entries; ``replaced`` overrides or adds files of release-manifests by name."""
    contents = {"image-references": image_references(shape, components), "release-metadata": release_metadata(shape)}
    for component in components:
        if component.name.endswith("operator"):
            contents[f"0000_50_{component.name}_00_namespace.yaml"] = _namespace(component.name)
    if public_key is not None:
        contents["0000_90_cluster-update-keys_configmap.yaml"] = _verification_config_map(public_key)
    contents.update(replaced)
    folder = "release-manifests/"
    return (
        File(folder, mode=0o777),
        *(File(f"{folder}{name}", content, 0o444) for name, content in sorted(contents.items())),
    )


def _namespace(name: str) -> bytes:
    return f"""---
apiVersion: v1
kind: Namespace
metadata:
  name: openshift-{name}
  annotations:
    include.release.openshift.io/self-managed-high-availability: "true"
    openshift.io/node-selector: ""
  labels:
    openshift.io/cluster-monitoring: "true"
""".encode()


def _verification_config_map(public_key: str) -> bytes:
    key = "".join(f"    {line}".rstrip() + "\n" for line in public_key.splitlines())
    return f"""# Release verification against the key of the airferry lab
apiVersion: v1
data:
  store-lab-release: https://signatures.lab.invalid/release
  verifier-public-key-lab: |
{key}kind: ConfigMap
metadata:
  annotations:
    include.release.openshift.io/self-managed-high-availability: "true"
    release.openshift.io/verification-config-map: ""
  name: release-verification
  namespace: openshift-config-managed
""".encode()


def _print(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, indent=2).encode() + b"\n"
