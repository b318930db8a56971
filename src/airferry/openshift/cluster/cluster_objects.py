"""Everything in files that decides what a cluster's nodes will have: mirror sets, image config, policies.

What ``oc get -o yaml`` prints is read, and install-config.yaml, and a node's own registries.d file. Objects of
other kinds are passed over, and named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from airferry.errors import MalformedError, UnsupportedError
from airferry.openshift.cluster.image_config import ImageConfig, SignaturePolicy
from airferry.openshift.cluster.image_policies import read_policy
from airferry.openshift.cluster.mirror_files import read_mirror_set, read_sections
from airferry.openshift.cluster.mirror_sets import API_VERSIONS, MirrorKind, MirrorSet
from airferry.openshift.documents import read_documents

_MIRROR_KINDS: Final = {kind.value for kind in API_VERSIONS}
_SECTIONS: Final = (MirrorKind.DIGEST_SOURCES.value, MirrorKind.CONTENT_SOURCES.value)
_INSTALL_CONFIG: Final = {"baseDomain", "controlPlane", "platform", "pullSecret"}
LOOKED_FOR: Final = (
    "looked for mirror sets (ImageDigestMirrorSet, ImageTagMirrorSet, ImageContentSourcePolicy), "
    "Image cluster, ClusterImagePolicy, ImagePolicy, install-config.yaml, registries.conf and registries.d"
)
"""Hint for a file that says nothing about pulls."""

_LOOKUPS: Final = {"docker", "default-docker"}


@dataclass(frozen=True, slots=True)
class ClusterObjects:
    """What files said, in their order.

    ``lookups`` are the scopes of a registries.d file with ``use-sigstore-attachments``, None when there was no
    such file. ``has_install_config`` is true where one was among them, with mirrors or without. ``passed_over``
    names, with its place, each object that decides nothing here.
    """

    mirror_sets: tuple[MirrorSet, ...] = ()
    image_config: ImageConfig | None = None
    policies: tuple[SignaturePolicy, ...] = ()
    lookups: tuple[str, ...] | None = None
    passed_over: tuple[str, ...] = ()
    has_install_config: bool = False

    @property
    def decides_nothing(self) -> bool:
        """Whether nothing was read that says anything about pulls."""
        says = (self.mirror_sets, self.image_config, self.policies, self.lookups, self.has_install_config)
        return not any(says)


def parse_cluster_objects(text: str, file: str) -> ClusterObjects:
    """Return what YAML or JSON says; ``file`` names it in errors.

    Raises MalformedError, and UnsupportedError for templates.
    """
    documents = list(read_documents(text, file))
    if not documents:
        raise MalformedError(f"{file} holds nothing", hint=LOOKED_FOR)
    # An empty list is what `oc get` prints of a cluster that has no such object yet.
    return join_objects(part for where, document in documents for part in _read_document(document, where))


def join_objects(parts: Iterable[ClusterObjects]) -> ClusterObjects:
    """Return the objects of several files as those of one cluster. Raises MalformedError for two Image objects."""
    sets: list[MirrorSet] = []
    policies: list[SignaturePolicy] = []
    passed_over: list[str] = []
    lookups: list[str] | None = None
    config: ImageConfig | None = None
    has_install_config = False
    for part in parts:
        has_install_config = has_install_config or part.has_install_config
        if part.image_config is not None:
            if config is not None:
                raise MalformedError(
                    f"{part.image_config.origin} is a second Image object, besides {config.origin}",
                    hint="a cluster has one, named cluster",
                )
            config = part.image_config
        if part.lookups is not None:
            lookups = [*(lookups or ()), *part.lookups]
        sets += part.mirror_sets
        policies += part.policies
        passed_over += part.passed_over
    ordered = None if lookups is None else tuple(sorted(set(lookups)))
    return ClusterObjects(tuple(sets), config, tuple(policies), ordered, tuple(passed_over), has_install_config)


def _read_document(document: Any, where: str) -> list[ClusterObjects]:
    if not isinstance(document, dict):
        raise MalformedError(f"{where} is not an object but {type(document).__name__}")
    kind = document.get("kind")
    if kind is None:
        return [_read_without_kind(document, where)]
    if isinstance(kind, str) and kind.endswith("List") and isinstance(document.get("items"), list):
        return [_read_object(item, f"{where}, items[{index}]") for index, item in enumerate(document["items"])]
    return [_read_object(document, where)]


def _read_without_kind(document: Mapping[str, Any], where: str) -> ClusterObjects:
    is_install_config = bool(document.keys() & _INSTALL_CONFIG)
    if any(name in document for name in _SECTIONS):
        return ClusterObjects(tuple(read_sections(document, where)), has_install_config=is_install_config)
    if is_install_config:
        return ClusterObjects(has_install_config=True)
    if document and document.keys() <= _LOOKUPS:
        return ClusterObjects(lookups=_read_lookups(document, where))
    raise MalformedError(
        f"{where} is neither a cluster object, nor install-config.yaml, nor a file of registries.d",
        hint="print objects with: oc get imagedigestmirrorsets,imagetagmirrorsets,images.config -o yaml",
    )


def _read_object(document: Any, where: str) -> ClusterObjects:
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(kind, str):
        raise MalformedError(f"{where} is not an object with a kind")
    version = document.get("apiVersion")
    if kind in _MIRROR_KINDS:
        return ClusterObjects((read_mirror_set(document, where),))
    if kind == "Image" and version == "config.openshift.io/v1":
        return ClusterObjects(image_config=_read_image_config(document, where))
    if kind in ("ClusterImagePolicy", "ImagePolicy"):
        return ClusterObjects(policies=(read_policy(document, where),))
    if kind == "Template":
        raise UnsupportedError(
            f"{where} is a Template, whose objects are not complete",
            hint="fill it in first: oc process --local -f FILE -o yaml",
        )
    return ClusterObjects(passed_over=(f"{where}: {kind} {name_of(document)}".rstrip(),))


def name_of(document: Mapping[str, Any]) -> str:
    """Return an object's name, "" without one."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _read_image_config(document: Mapping[str, Any], where: str) -> ImageConfig:
    spec = _map(document, "spec", where)
    sources = _map(spec, "registrySources", where)
    imports = spec.get("allowedRegistriesForImport") or []
    if not isinstance(imports, list) or not all(isinstance(item, dict) for item in imports):
        raise MalformedError(f"{where}: spec.allowedRegistriesForImport is not a list of maps")
    named = _map(spec, "additionalTrustedCA", where).get("name")
    search = sources.get("containerRuntimeSearchRegistries")
    return ImageConfig(
        insecure=_texts(sources, "insecureRegistries", where),
        blocked=_texts(sources, "blockedRegistries", where),
        allowed=_texts(sources, "allowedRegistries", where),
        search=None if search is None else _texts(sources, "containerRuntimeSearchRegistries", where),
        trusted_ca=named if isinstance(named, str) and named else None,
        import_registries=tuple(str(item.get("domainName", "")) for item in imports),
        origin=where,
    )


def _read_lookups(document: Mapping[str, Any], where: str) -> tuple[str, ...]:
    scopes = _map(document, "docker", where)
    return tuple(
        sorted(
            str(scope)
            for scope, fields in scopes.items()
            if isinstance(fields, dict) and fields.get("use-sigstore-attachments") is True
        )
    )


def _map(fields: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedError(f"{where}: {name} is not a map")
    return value


def _texts(fields: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = fields.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise MalformedError(f"{where}: {name} is not a list of text")
    return tuple(value)
