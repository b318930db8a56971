"""What goes wrong, where and how often: rules as data, and the small engine that matches them to requests."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from airferry.lab.calls import Call, Endpoint


class Length(StrEnum):
    """What a spoiled answer says about its length: the length that is sent, that of the true content, or nothing."""

    SENT = "sent"
    TRUE = "true"
    UNSAID = "unsaid"


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer with this status instead. Without a ``body`` it is an error as the distribution API has them."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class BreakOff:
    """Close the connection after this many bytes of the body."""

    after_bytes: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection before the first byte of an answer."""


@dataclass(frozen=True, slots=True)
class FlipByte:
    """Send one wrong byte, at this position of the body."""

    at: int = 0


@dataclass(frozen=True, slots=True)
class TooMany:
    """Send more bytes than there are."""

    extra_bytes: int
    length: Length = Length.SENT


@dataclass(frozen=True, slots=True)
class TooFew:
    """Leave out the last bytes; with ``Length.TRUE`` the connection ends early."""

    missing_bytes: int
    length: Length = Length.SENT


@dataclass(frozen=True, slots=True)
class Stall:
    """Fall silent after this many bytes of the body (None: before the answer) until :meth:`Faults.release`."""

    after_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ExpireTokens:
    """Make all tokens worthless, then treat the request as usual."""


Effect = Answer | BreakOff | Reset | FlipByte | TooMany | TooFew | Stall | ExpireTokens

NOT_JSON_404 = Answer(404, body=b"<html><body><h1>Not Found</h1></body></html>", content_type="text/html")
"""A 404 as proxies write it, without an error code."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``effect`` befalls ``times`` requests (None: all) to ``endpoint``, after ``skip`` that match and go well.

    ``containing`` must be part of the path, the digest or the tag; ``method`` None is any.
    """

    endpoint: Endpoint
    effect: Effect
    containing: str = ""
    method: str | None = None
    skip: int = 0
    times: int | None = 1

    def matches(self, call: Call) -> bool:
        """Whether the rule is about such a request at all."""
        return (
            call.endpoint is self.endpoint
            and (self.method is None or call.method == self.method)
            and (self.containing in call.path or self.containing in call.target)
        )


class Faults:
    """A script of rules. Rules may be added while the upstream runs; the first one that applies has its way."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = list(rules)
        self._seen = [0] * len(self._rules)
        self._released = asyncio.Event()
        self._stalled = asyncio.Event()

    def add(self, rule: Rule) -> None:
        """Put ``rule`` behind the others."""
        self._rules.append(rule)
        self._seen.append(0)

    def clear(self) -> None:
        """Drop every rule and let go what is stalled."""
        self._rules.clear()
        self._seen.clear()
        self.release()

    def fired(self, rule: Rule) -> int:
        """How many requests ``rule`` has befallen."""
        seen = self._seen[self._rules.index(rule)] - rule.skip
        return max(0, seen if rule.times is None else min(seen, rule.times))

    def take(self, call: Call) -> Effect | None:
        """Return what befalls ``call``, and count it."""
        for index, rule in enumerate(self._rules):
            if not rule.matches(call):
                continue
            self._seen[index] += 1
            position = self._seen[index] - rule.skip
            if position >= 1 and (rule.times is None or position <= rule.times):
                return rule.effect
        return None

    def release(self) -> None:
        """Let everything go on that is stalled, and stall nothing from now on."""
        self._released.set()

    async def wait_until_stalled(self) -> None:
        """Return when a request has fallen silent."""
        await self._stalled.wait()

    async def hold(self) -> None:
        """Be silent until :meth:`release`; for the upstream."""
        self._stalled.set()
        await self._released.wait()
