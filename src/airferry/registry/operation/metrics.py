"""What was counted since the processes that serve a registry began, in the words of Prometheus.

Source: Prometheus text exposition format 0.0.4. Labels have few values: no names of repositories or accounts, and
methods and routes only that we know.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from airferry.registry.answered import Answered

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_PREFIX: Final = "airferry_registry_"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value that has no labels, or one label."""

    name: str
    kind: str
    text: str
    value: float
    label: tuple[str, str] | None = None


class _Histogram:
    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.total_s = 0.0


class Counted(msgspec.Struct, rename="camel", frozen=True):
    """What one process counted, as it tells the others of its registry."""

    process: str
    requests: list[tuple[str, str, int, int]]
    durations: list[tuple[str, str, list[int], float]]
    received_bytes: int
    sent_bytes: int
    under_way: int
    lost_lines: int
    began_s: float


class Metrics:
    """Counts requests. Used from one event loop."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = defaultdict(int)
        self._durations: dict[tuple[str, str], _Histogram] = defaultdict(_Histogram)
        self._received_bytes = 0
        self._sent_bytes = 0

    def __call__(self, answered: Answered) -> None:
        """Count a request."""
        method = answered.method if answered.method in _METHODS else "other"
        self._requests[answered.route, method, answered.status] += 1
        histogram = self._durations[answered.route, method]
        histogram.counts[bisect_left(BUCKETS_S, answered.duration_s)] += 1
        histogram.total_s += answered.duration_s
        self._received_bytes += answered.received_bytes
        self._sent_bytes += answered.sent_bytes

    def tell(self, process: str, *, under_way: int, lost_lines: int, began_s: float) -> Counted:
        """Return what was counted here, by the process of this name."""
        return Counted(
            process,
            [(*key, count) for key, count in self._requests.items()],
            [(*key, list(histogram.counts), histogram.total_s) for key, histogram in self._durations.items()],
            self._received_bytes,
            self._sent_bytes,
            under_way,
            lost_lines,
            began_s,
        )

    def add(self, counted: Counted) -> None:
        """Count what another process counted, too."""
        for route, method, status, count in counted.requests:
            self._requests[route, method, status] += count
        for route, method, counts, total_s in counted.durations:
            histogram = self._durations[route, method]
            histogram.counts = [own + more for own, more in zip(histogram.counts, counts, strict=True)]
            histogram.total_s += total_s
        self._received_bytes += counted.received_bytes
        self._sent_bytes += counted.sent_bytes

    def print(self, samples: Sequence[Sample]) -> str:
        """Return everything that was counted, and ``samples``, as a scraper wants it."""
        return "".join(f"{line}\n" for line in (*self._lines(), *_sample_lines(samples)))

    def _lines(self) -> Iterator[str]:
        yield from _head("requests_total", "counter", "Requests that were answered.")
        for (route, method, status), count in sorted(self._requests.items()):
            yield f'{_PREFIX}requests_total{{route="{route}",method="{method}",status="{status}"}} {count}'
        yield from _head("received_bytes_total", "counter", "Bytes of request bodies.")
        yield f"{_PREFIX}received_bytes_total {self._received_bytes}"
        yield from _head("sent_bytes_total", "counter", "Bytes of answers' bodies.")
        yield f"{_PREFIX}sent_bytes_total {self._sent_bytes}"
        name = "request_duration_seconds"
        yield from _head(name, "histogram", "Time from a request's headers to the end of its answer.")
        for (route, method), histogram in sorted(self._durations.items()):
            labels, below = f'route="{route}",method="{method}"', 0
            for bound, count in zip((*map(repr, BUCKETS_S), "+Inf"), histogram.counts, strict=True):
                below += count
                yield f'{_PREFIX}{name}_bucket{{{labels},le="{bound}"}} {below}'
            yield f"{_PREFIX}{name}_sum{{{labels}}} {histogram.total_s:.6f}"
            yield f"{_PREFIX}{name}_count{{{labels}}} {below}"


def _sample_lines(samples: Sequence[Sample]) -> Iterator[str]:
    said: set[str] = set()
    for sample in samples:
        if sample.name not in said:
            said.add(sample.name)
            yield from _head(sample.name, sample.kind, sample.text)
        label = f'{{{sample.label[0]}="{sample.label[1]}"}}' if sample.label else ""
        value = int(sample.value) if float(sample.value).is_integer() else sample.value
        yield f"{_PREFIX}{sample.name}{label} {value}"


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {_PREFIX}{name} {text}", f"# TYPE {_PREFIX}{name} {kind}"
