"""The seam between what a registry client says and the HTTP library that says it: one method, :meth:`send`.

Nothing above this seam knows a socket, and nothing below it knows a registry.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from multidict import MultiMapping

from airferry.content.errors import RegistryFailedError
from airferry.errors import AirferryError

DEFAULT_IDLE_TIMEOUT_S = 60.0


class FailureKind(Enum):
    """Why there is no answer, or no whole answer; decides what the session does next."""

    CONNECT = "no connection"
    CERTIFICATE = "certificate refused"
    NOT_TLS = "the server does not speak TLS"
    BROKEN = "connection broken"
    IDLE = "connection fell silent"


class TransportError(Exception):
    """An exchange that got no whole answer. Stays inside content/http: the session turns it into our errors.

    ``explained`` is a ready error when the transport knows more than the kind says.
    """

    def __init__(self, kind: FailureKind, text: str, explained: AirferryError | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.explained = explained


class StreamedBody(Protocol):
    """A request body of known length that can be given again from its start."""

    size_bytes: int

    def chunks(self) -> AsyncGenerator[bytes | bytearray | memoryview, None]:
        """Start over and yield exactly ``size_bytes`` bytes, or raise."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``url`` is absolute and already escaped; redirects are not followed.

    ``insecure`` switches certificate verification off. ``idle_timeout_s`` bounds the time without a byte of
    progress, in either direction; ``answer_timeout_s`` the wait for the answer's head once all was sent.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | StreamedBody | None = field(default=None, repr=False)
    insecure: bool = False
    idle_timeout_s: float = DEFAULT_IDLE_TIMEOUT_S
    answer_timeout_s: float = DEFAULT_IDLE_TIMEOUT_S

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]})"


class Response(Protocol):
    """One HTTP answer whose body is still to be read. Whoever received it closes it."""

    status: int
    headers: MultiMapping[str]
    url: str

    def chunks(self) -> AsyncGenerator[bytes | bytearray, None]:
        """Yield the body as stored, never decompressed. Raises TransportError (BROKEN, IDLE)."""
        ...

    async def close(self) -> None:
        """Give the connection back, or drop it when the body was not read to its end. Twice is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    headers: MultiMapping[str]
    body: bytes


class Transport(Protocol):
    """Something that can carry out a request."""

    async def send(self, request: Request) -> Response:
        """Return the answer once its head is there. Raises TransportError."""
        ...

    async def close(self) -> None:
        """Give back every connection."""
        ...


async def read_body(response: Response, limit_bytes: int) -> bytes:
    """Return the whole body. Raises TransportError, and RegistryFailedError when it is over ``limit_bytes``."""
    parts: list[bytes | bytearray] = []
    size = 0
    async with aclosing(response.chunks()) as chunks:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit_bytes:
                where = response.url.partition("?")[0]
                raise RegistryFailedError(f"the answer of {where} is longer than {limit_bytes} bytes")
            parts.append(chunk)
    return b"".join(parts)
