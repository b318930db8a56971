"""The objects by which a cluster finds a catalog: CatalogSource for OLM, ClusterCatalog for OLM v1.

Subscriptions name their CatalogSource, so that its name must not change from one mirroring to the next: it holds no
tag and no date. OLM makes a Service of the same name, which must be a label of the DNS (RFC 1035).
Sources: operators.coreos.com/v1alpha1 CatalogSource; olm.operatorframework.io/v1 ClusterCatalog.
"""

import json
import re
from typing import Final

from airferry.errors import UsageError
from airferry.oci import Reference

_CATALOG_SOURCE_FILE: Final = "catalogSource.yaml"
_CLUSTER_CATALOG_FILE: Final = "clusterCatalog.yaml"

_LABEL: Final = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?\Z")
_LONGEST: Final = 63


def object_name(path: str) -> str:
    """Return the name that a catalog at ``path`` has: the last part of the path, made a label of the DNS."""
    words = re.sub(r"[^a-z0-9]+", "-", path.rpartition("/")[2].lower()).strip("-")
    if not words[:1].isalpha():
        words = f"catalog-{words}".rstrip("-")
    return words[:_LONGEST].rstrip("-")


def _scalar(path: str) -> str:
    """The folder is what the image says, and may say anything; JSON is YAML."""
    return path if re.fullmatch(r"/[A-Za-z0-9/._-]*", path) else json.dumps(path)


def check_object_name(name: str) -> str:
    """Return ``name`` if a CatalogSource may have it. Raises UsageError."""
    if not _LABEL.match(name):
        raise UsageError(
            f"--name={name} cannot be the name of a CatalogSource",
            hint="at most 63 lower-case letters, digits and dashes, beginning with a letter and not ending in a dash",
        )
    return name


def catalog_objects(name: str, image: Reference, *, extracted_from: str | None) -> dict[str, str]:
    """Return the objects by which a cluster finds the catalog at ``image``, by file name.

    ``extracted_from`` is as in :func:`print_catalog_source`.
    """
    return {
        _CATALOG_SOURCE_FILE: print_catalog_source(name, image, extracted_from=extracted_from),
        _CLUSTER_CATALOG_FILE: print_cluster_catalog(name, image),
    }


def print_catalog_source(name: str, image: Reference, *, extracted_from: str | None = None) -> str:
    """Return the CatalogSource as YAML, in the shape that ``oc`` writes.

    ``extracted_from`` is the folder of documents in the image, for a catalog image without a program, which cannot
    serve itself: OLM then serves it with its own.
    """
    lines = [
        "apiVersion: operators.coreos.com/v1alpha1",
        "kind: CatalogSource",
        "metadata:",
        f"  name: {name}",
        "  namespace: openshift-marketplace",
        "spec:",
    ]
    if extracted_from is not None:
        lines += ["  grpcPodConfig:", "    extractContent:", f"      catalogDir: {_scalar(extracted_from)}"]
    return "\n".join([*lines, f"  image: {image}", "  sourceType: grpc", ""])


def print_cluster_catalog(name: str, image: Reference) -> str:
    """Return the ClusterCatalog as YAML."""
    lines = [
        "apiVersion: olm.operatorframework.io/v1",
        "kind: ClusterCatalog",
        "metadata:",
        f"  name: {name}",
        "spec:",
        "  source:",
        "    image:",
        f"      ref: {image}",
        "    type: Image",
        "",
    ]
    return "\n".join(lines)
