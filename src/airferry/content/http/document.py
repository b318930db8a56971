"""Small public documents over HTTP, such as signatures: no credentials, few tries, bounded size."""

from typing import Final
from urllib.parse import urlsplit

from airferry.content.errors import NotFoundError, RegistryFailedError, UnreachableError
from airferry.content.http.addresses import named_url
from airferry.content.http.retry import RetryPolicy, Tries, Verdict, parse_retry_after, verdict
from airferry.content.http.timing import Timing
from airferry.content.http.transport import Request, Response, Transport, TransportError, read_body

_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ABSENT: Final = frozenset({403, 404, 410})
_TRIES: Final = 4


async def fetch_document(transport: Transport, timing: Timing, url: str, limit_bytes: int, *, insecure: bool) -> bytes:
    """Return the document at ``url``, of at most ``limit_bytes``.

    403 counts as absent, since object stores answer it for what is not there. Raises NotFoundError,
    RegistryFailedError (too long, too), UnreachableError, CertificateError.
    """
    tries = Tries(RetryPolicy(), _TRIES)
    while True:
        wait_s, problem = None, ""
        try:
            response = await _follow(transport, url, insecure=insecure)
        except TransportError as error:
            if error.explained is not None:
                raise error.explained from error
            wait_s, problem = tries.wait_after_failure(timing.chance()), error.text
        else:
            try:
                if verdict(response.status) is Verdict.ANSWERED:
                    return await _content(response, url, limit_bytes)
                retry_after = parse_retry_after(response.headers.get("Retry-After"), timing.wall_clock_s())
                wait_s = tries.wait_after_failure(timing.chance(), retry_after)
                problem = f"it answered {response.status}"
            except TransportError as error:
                wait_s, problem = tries.wait_after_failure(timing.chance()), error.text
            finally:
                await response.close()
        if wait_s is None:
            raise UnreachableError(f"{url} cannot be read: {problem}")
        await timing.sleep(wait_s)


async def _follow(transport: Transport, url: str, *, insecure: bool) -> Response:
    """Return the answer after redirects; one from https to http is not followed."""
    for _ in range(_MAX_REDIRECTS):
        response = await transport.send(Request("GET", url, insecure=insecure))
        target = response.headers.get("Location")
        if response.status not in _REDIRECTS or target is None:
            return response
        await response.close()
        following = named_url(target, url, urlsplit(url).netloc, f"read {url}")
        if url.startswith("https:") and not following.startswith("https:"):
            raise RegistryFailedError(f"{url} redirects to a place without TLS")
        url = following
    raise RegistryFailedError(f"{url} redirects more than {_MAX_REDIRECTS} times")


async def _content(response: Response, url: str, limit_bytes: int) -> bytes:
    if response.status in _ABSENT:
        raise NotFoundError(f"there is nothing at {url}")
    if response.status != 200:
        raise RegistryFailedError(f"{url} answered {response.status}")
    return await read_body(response, limit_bytes)
