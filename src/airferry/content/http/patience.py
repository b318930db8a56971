"""One small request, asked until there is an answer that settles it: for tokens and documents."""

import logging
from urllib.parse import urlsplit

from airferry.content.http.retry import RetryPolicy, Tries, Verdict, parse_retry_after, verdict
from airferry.content.http.timing import Timing
from airferry.content.http.transport import Answer, FailureKind, Request, Transport, TransportError, read_body

logger = logging.getLogger(__name__)


async def ask_patiently(
    transport: Transport, request: Request, policy: RetryPolicy, timing: Timing, limit_bytes: int
) -> Answer:
    """Return the first answer that settles it, or the last one when patience ends: then a 429 or 5xx.

    Raises TransportError when there was none, RegistryFailedError for a body of more than ``limit_bytes``.
    """
    tries = Tries(policy)
    connecting = Tries(policy, policy.first_contact_attempts)
    while True:
        chance = timing.chance()
        try:
            answer = await _ask(transport, request, limit_bytes)
        except TransportError as error:
            wait_s = None
            if error.kind in (FailureKind.BROKEN, FailureKind.IDLE):
                wait_s = tries.wait_after_failure(chance)
            elif error.kind is FailureKind.CONNECT:
                wait_s = connecting.wait_after_failure(chance)
            if wait_s is None:
                raise
            reason = error.text
        else:
            retry_after_s = parse_retry_after(answer.headers.get("Retry-After"), timing.wall_clock_s())
            match verdict(answer.status):
                case Verdict.ANSWERED:
                    return answer
                case Verdict.THROTTLED:
                    wait_s = tries.wait_after_throttling(chance, retry_after_s)
                case Verdict.FAILING:
                    wait_s = tries.wait_after_failure(chance, retry_after_s)
            if wait_s is None:
                return answer
            reason = str(answer.status)
        host = urlsplit(request.url).hostname
        logger.info("request failed, trying again", extra={"host": host, "reason": reason, "wait_s": wait_s})
        await timing.sleep(wait_s)


async def _ask(transport: Transport, request: Request, limit_bytes: int) -> Answer:
    response = await transport.send(request)
    try:
        body = await read_body(response, limit_bytes)
        return Answer(response.status, response.headers, body)
    finally:
        await response.close()
