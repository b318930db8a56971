"""Which proxy a request goes through, from the environment. Pure.

Variables as curl and Go know them: HTTPS_PROXY, HTTP_PROXY and NO_PROXY, lower case first. NO_PROXY holds
hosts, domains (with or without a leading dot, subdomains included), host:port, addresses, CIDR ranges, ``*``.
Loopback is never asked for through a proxy, as in Go's httpproxy, which oc uses.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for ``url``, or None when it is reached directly."""
    scheme = url.partition(":")[0].lower()
    proxy = _variable(environ, f"{scheme}_proxy")
    if not proxy:
        return None
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if not host:
        return None
    if host == "localhost" or _is_loopback(host):
        return None
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    if any(_covers(entry.strip(), host, port) for entry in _variable(environ, "no_proxy").split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environ: Mapping[str, str], name: str) -> str:
    """An empty lower-case variable switches the upper-case one off, as curl does."""
    if name in environ:
        return environ[name].strip()
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return ""  # httpoxy: in a CGI program HTTP_PROXY is a header that a visitor sent
    return environ.get(name.upper(), "").strip()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _covers(entry: str, host: str, port: int) -> bool:
    if not entry:
        return False
    if entry == "*":
        return True
    name, entry_port = _split_port(entry.lower())
    if entry_port is not None and entry_port != port:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        domain = name.removeprefix("*").strip(".")
        # A leading dot or "*." means subdomains only; a bare name covers itself too.
        return host.endswith(f".{domain}") or (host == domain and not name.startswith((".", "*")))
    try:
        return address in ipaddress.ip_network(name.strip("[]"), strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, int | None]:
    head, colon, tail = entry.rpartition(":")
    if colon and tail.isdigit() and (":" not in head or head.endswith("]")):
        return head, int(tail)
    return entry, None
