"""The objects by which a cluster takes a catalog: CatalogSource (OLM), ClusterCatalog (OLM v1).

Sources: operators.coreos.com/v1alpha1 CatalogSource; olm.operatorframework.io/v1 ClusterCatalog.
"""

import re
from typing import Final

_NOT_A_LABEL: Final = re.compile(r"[^a-z0-9]+")
_LONGEST: Final = 63
_NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")


def is_object_name(text: str) -> bool:
    """Whether ``text`` is fit to name a CatalogSource, whose service has the same name: an RFC 1035 label."""
    return _NAME.match(text) is not None


def object_name(prefix: str, repository_path: str) -> str:
    """Return a name for an object, after the last part of the repository: the same whatever the tag.

    An RFC 1035 label of at most 63 characters. Subscriptions name the catalog, so the name must not change.
    """
    last = repository_path.rpartition("/")[2].lower()
    return f"{prefix}-{_NOT_A_LABEL.sub('-', last).strip('-')}"[:_LONGEST].rstrip("-")


def catalog_source(name: str, image: str, *, extract_content: bool, catalog_dir: str = "/configs") -> str:
    """Return a CatalogSource for ``image``, in YAML.

    With ``extract_content`` the cluster's own opm serves the folder ``catalog_dir`` of the image, without a cache.
    """
    lines = [
        "apiVersion: operators.coreos.com/v1alpha1",
        "kind: CatalogSource",
        "metadata:",
        f"  name: {name}",
        "  namespace: openshift-marketplace",
        "spec:",
        "  sourceType: grpc",
        f"  image: {image}",
    ]
    if extract_content:
        lines += ["  grpcPodConfig:", "    extractContent:", f"      catalogDir: {catalog_dir}"]
    return "".join(f"{line}\n" for line in lines)


def cluster_catalog(name: str, image: str) -> str:
    """Return a ClusterCatalog for ``image``, in YAML."""
    lines = [
        "apiVersion: olm.operatorframework.io/v1",
        "kind: ClusterCatalog",
        "metadata:",
        f"  name: {name}",
        "spec:",
        "  source:",
        "    type: Image",
        "    image:",
        f"      ref: {image}",
    ]
    return "".join(f"{line}\n" for line in lines)
