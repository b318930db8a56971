"""Clock, sleep and chance as values, so that waiting can be tested without waiting."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """What the client knows of time and chance.

    ``clock_s`` is monotonic seconds, ``wall_clock_s`` seconds since the epoch, ``chance`` a number in [0, 1).
    """

    clock_s: Callable[[], float] = time.monotonic
    wall_clock_s: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
