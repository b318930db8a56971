"""URLs of one registry: what its paths mean, and what is still this registry. Pure.

``base`` is always scheme and host of a registry's API, without a path: ``https://quay.io``.
"""

from typing import Final
from urllib.parse import urljoin, urlsplit

from yarl import URL

from airferry.content.errors import RegistryFailedError

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_SHOWN: Final = 200


def named_url(target: str, near: str, host: str, asked: object) -> str:
    """Return the URL that ``target`` means, as ``host`` named it in its answer from the URL ``near``.

    Neither taking it apart nor asking it raises ValueError any more. Raises RegistryFailedError, with what was
    ``asked`` ("pull blob …"), for what is no http or https URL with a host and a port that can be.
    """
    try:
        url = urljoin(near, target)
        parts = urlsplit(url)
        # Each refuses what the other takes, when it is looked at; it is yarl that the HTTP library asks.
        hosts, port = (parts.hostname, URL(url, encoded=True).host), parts.port
        askable = parts.scheme in _DEFAULT_PORTS and all(hosts) and port != 0
        reason = None
    except ValueError as error:
        askable, reason = False, error
    if askable:
        return url
    shown = target.partition("?")[0][:_MAX_SHOWN]  # behind it stands what URLs are signed with
    raise RegistryFailedError(
        f"{host} names what is no URL when asked to {asked}: {shown!r}",
        hint=f"whoever runs {host} has to set right the address that it, or a proxy before it, gives out",
    ) from reason


def absolute(target: str, base: str, asked: object) -> str:
    """Return ``target``, a path or a URL that the registry at ``base`` named, as a URL to ask.

    Behind a proxy that ends TLS many registries name themselves with http; our own scheme is kept then.
    Raises RegistryFailedError as :func:`named_url` does.
    """
    if target.startswith("/v2/"):
        return base + target  # what nearly all are; taking URLs apart costs more than the rest of a small request
    if target.startswith(f"{base}/v2/"):
        return target
    own = urlsplit(base)
    url = named_url(target, f"{base}/", own.netloc, asked)
    parts = urlsplit(url)
    if parts.hostname == own.hostname and (parts.scheme, own.scheme) == ("http", "https"):
        return parts._replace(scheme=own.scheme, netloc=own.netloc).geturl()
    return url


def same_host(url: str, base: str) -> bool:
    """Whether both name the same scheme, host and port: only then credentials go there.

    ``url`` is what :func:`absolute` or :func:`named_url` gave, or what was asked.
    """
    if url.startswith(f"{base}/"):
        return True
    left, right = urlsplit(url), urlsplit(base)
    return (
        left.scheme == right.scheme
        and left.hostname == right.hostname
        and (left.port or _DEFAULT_PORTS.get(left.scheme)) == (right.port or _DEFAULT_PORTS.get(right.scheme))
    )
