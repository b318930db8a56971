"""URLs of one registry: what its paths mean, and what is still this registry. Pure.

``base`` is always scheme and host of a registry's API, without a path: ``https://quay.io``.
"""

from typing import Final
from urllib.parse import urljoin, urlsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def absolute(target: str, base: str) -> str:
    """Return ``target``, a path or a URL that the registry at ``base`` named, as a URL to ask.

    Behind a proxy that ends TLS many registries name themselves with http; our own scheme is kept then.
    """
    if target.startswith("/v2/"):
        return base + target  # what nearly all are; taking URLs apart costs more than the rest of a small request
    url = urljoin(f"{base}/", target)
    parts, own = urlsplit(url), urlsplit(base)
    if parts.hostname == own.hostname and (parts.scheme, own.scheme) == ("http", "https"):
        return parts._replace(scheme=own.scheme, netloc=own.netloc).geturl()
    return url


def same_host(url: str, base: str) -> bool:
    """Whether both name the same scheme, host and port: only then credentials go there."""
    if url.startswith(f"{base}/"):
        return True
    left, right = urlsplit(url), urlsplit(base)
    return (
        left.scheme == right.scheme
        and left.hostname == right.hostname
        and (left.port or _DEFAULT_PORTS.get(left.scheme)) == (right.port or _DEFAULT_PORTS.get(right.scheme))
    )
