"""How many requests one host gets at once. It adapts: no fixed rate, halved when throttled, regained slowly."""

import asyncio
from collections import deque
from contextlib import suppress

from airferry.content.http.timing import Timing


class Slot:
    """The right to one request; give it back with :meth:`release`."""

    __slots__ = ("_budget", "_released", "round")

    def __init__(self, budget: "Budget", nth_round: int) -> None:
        self._budget = budget
        self._released = False
        self.round = nth_round

    def release(self) -> None:
        """Give the slot back. Twice is fine."""
        if not self._released:
            self._released = True
            self._budget._release()


class Budget:
    """Additive increase, multiplicative decrease over the number of concurrent requests (as TCP does).

    A 429 or 503 halves the limit once for all requests that were under way together; each full round of
    successes adds one again, up to ``most``. A host that names a time to wait is left alone until then.
    """

    def __init__(self, most: int, timing: Timing) -> None:
        self.limit = float(most)
        self._most = most
        self._timing = timing
        self._taken = 0
        self._round = 0
        self._closed_until_s = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> Slot:
        """Wait for a slot, first come first served, and out of the time the host asked us to stay away."""
        if self._taken >= int(self.limit) or self._waiting:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():
                    self._release()  # the slot was given to us in the moment we were stopped
                else:
                    with suppress(ValueError):
                        self._waiting.remove(turn)
                raise
        else:
            self._taken += 1
        slot = Slot(self, self._round)
        try:
            while (pause_s := self._closed_until_s - self._timing.clock_s()) > 0:
                await self._timing.sleep(pause_s)
        except BaseException:
            slot.release()
            raise
        slot.round = self._round
        return slot

    def succeeded(self) -> None:
        """Note an answer that was not throttled."""
        self.limit = min(float(self._most), self.limit + 1.0 / self.limit)
        self._wake()

    def throttled(self, slot: Slot, pause_s: float | None = None) -> None:
        """Note a 429 or 503 answer to the request of ``slot``; ``pause_s`` is what the host asked us to wait."""
        if slot.round == self._round:
            self._round += 1
            self.limit = max(1.0, self.limit / 2)
        if pause_s is not None:
            self._closed_until_s = max(self._closed_until_s, self._timing.clock_s() + pause_s)

    def _release(self) -> None:
        self._taken -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._taken < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)
