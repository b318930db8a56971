"""aiohttp, imported without the TLS contexts that it makes for itself and that we never use.

Those read the system's CAs, which costs 35 ms of CPU in every run, also of those that speak plain HTTP. Ours are made
when a host is first asked over TLS (tls.py). Should one of aiohttp's be used by mistake, it trusts nobody.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _no_system_cas() -> Iterator[None]:
    def load_nothing(_: ssl.SSLContext) -> None:
        pass

    # A class attribute hides the method of the C class below it, until it is taken away again.
    setattr(ssl.SSLContext, "set_default_verify_paths", load_nothing)  # noqa: B010
    try:
        yield
    finally:
        delattr(ssl.SSLContext, "set_default_verify_paths")


with _no_system_cas():
    import aiohttp

__all__ = ["aiohttp"]
