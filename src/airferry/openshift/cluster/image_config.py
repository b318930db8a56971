"""What a cluster says about registries and signatures besides its mirror sets, as values.

Sources: openshift/api config/v1 ``Image``, ``ClusterImagePolicy`` and ``ImagePolicy``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """``Image cluster``: ``insecure``, ``blocked`` and ``allowed`` are scopes of ``registrySources``.

    ``search`` None means that nothing is said about it, which differs from an empty list. ``trusted_ca`` is the
    name of a ConfigMap in openshift-config; ``import_registries`` are those that image streams may come from.
    """

    insecure: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    search: tuple[str, ...] | None = None
    trusted_ca: str | None = None
    import_registries: tuple[str, ...] = ()
    origin: str = ""


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """A ClusterImagePolicy, or an ImagePolicy, whose ``namespace`` is then not None.

    ``requirement`` is what policy.json says of its scopes (containers-policy.json(5), ``sigstoreSigned``).
    """

    name: str
    scopes: tuple[str, ...]
    requirement: Mapping[str, Any]
    namespace: str | None = None
    origin: str = ""
