"""Plans with real bytes behind them, and a place whose calls are let through in a drawn order."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from random import Random

from hypothesis import strategies as st

from airferry.content.memory import MemoryPlace
from airferry.content.protocol import BlobFetch
from airferry.oci import Descriptor, Digest, Manifest, Place, Reference, Repository
from airferry.plan import CopyRequest, Plan, Step, Survey, plan_copies
from airferry.transfer import Outcome, carry_out


class Turnstile:
    """Lets calls through one at a time: the next is picked only when nobody can go on without being let through."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._waiting: list[asyncio.Future[None]] = []
        self.most_waiting = 0

    async def wait(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.most_waiting = max(self.most_waiting, len(self._waiting))
        await turn

    async def keep_turning(self) -> None:
        while True:
            await settled()
            self._waiting = [turn for turn in self._waiting if not turn.done()]
            if self._waiting:
                self._waiting.pop(self._random.randrange(len(self._waiting))).set_result(None)


async def settled() -> None:
    """Let every task run until it waits for something that does not come by itself."""
    for _ in range(12):
        await asyncio.sleep(0)


class DrawnPlace(MemoryPlace):
    """A sink that writes when the turnstile lets it, and notes what begins and ends."""

    def __init__(self, address: str, turnstile: Turnstile, *, mounts: bool = True) -> None:
        super().__init__(address, mounts=mounts)
        self._turnstile = turnstile
        self.begun: list[tuple[str, str, str]] = []
        self.ended: list[tuple[str, str, str]] = []
        self.order: list[tuple[str, tuple[str, str, str]]] = []
        self.at_work = 0
        self.most_at_work = 0

    async def write_blob(self, path: str, blob: Descriptor, fetch: BlobFetch) -> None:
        async with self._noted("blob", path, blob.digest):
            await super().write_blob(path, blob, fetch)

    async def mount_blob(self, path: str, blob: Descriptor, from_path: str) -> bool:
        async with self._noted("mount", path, blob.digest):
            return await super().mount_blob(path, blob, from_path)

    async def write_manifest(self, path: str, manifest: Manifest) -> None:
        async with self._noted("manifest", path, manifest.digest):
            await super().write_manifest(path, manifest)

    async def write_tag(self, path: str, tag: str, manifest: Manifest) -> None:
        async with self._noted("tag", path, tag):
            await super().write_tag(path, tag, manifest)

    @asynccontextmanager
    async def _noted(self, kind: str, path: str, what: str) -> AsyncIterator[None]:
        self.order.append(("begin", (kind, path, what)))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await self._turnstile.wait()
            yield
            await self._turnstile.wait()
        finally:
            self.at_work -= 1
        self.order.append(("end", (kind, path, what)))


def run_drawn(
    plan: Plan, source: MemoryPlace, sink: MemoryPlace, turnstile: Turnstile, *, workers: int = 4
) -> tuple[Outcome, int]:
    """Carry out ``plan`` in a loop of its own; return the outcome and how many tasks it left behind."""

    async def run() -> tuple[Outcome, int]:
        turning = asyncio.create_task(turnstile.keep_turning())
        before = asyncio.all_tasks()
        try:
            outcome = await carry_out(plan, lambda place: source, lambda place: sink, workers=workers)
        finally:
            left = asyncio.all_tasks() - before
            turning.cancel()
            await asyncio.gather(turning, return_exceptions=True)
        return outcome, len(left)

    return asyncio.run(run())


async def carried_out(plan: Plan, source: MemoryPlace, sink: MemoryPlace, **options: object) -> Outcome:
    return await carry_out(plan, lambda place: source, lambda place: sink, **options)  # type: ignore[arg-type]


class Freight:
    """A source with images in it and requests to copy them."""

    def __init__(self, sink_place: Place) -> None:
        self.source = MemoryPlace("source.test")
        self.sink_place = sink_place
        self.requests: list[CopyRequest] = []
        self.manifests: dict[Digest, Manifest] = {}

    def image(self, *layers: str, path: str = "up/stream") -> Manifest:
        """Hold an image with layers of these contents; equal layers are shared."""
        return self._known(self.source.add_image(path, [layer.encode() for layer in layers]))

    def index(self, *children: Manifest, path: str = "up/stream") -> Manifest:
        numbered = {f"linux/arch{number}": child for number, child in enumerate(children)}
        return self._known(self.source.add_index(path, numbered))

    def ask(self, root: Manifest, destination: str, *tags: str, path: str = "up/stream") -> CopyRequest:
        """Ask for ``root`` in the repository ``destination`` of the sink."""
        asked = CopyRequest(
            Reference(Repository(self.source.place, path), None, root.digest),
            Repository(self.sink_place, destination),
            tags,
            f"image {len(self.requests)}",
        )
        self.requests.append(asked)
        return asked

    @property
    def survey(self) -> Survey:
        roots = {asked: asked.source.digest for asked in self.requests if asked.source.digest is not None}
        return Survey(roots, self.manifests)

    def plan(self, *, mount: bool = True) -> Plan:
        return plan_copies(self.requests, self.survey, can_mount={self.sink_place} if mount else set())

    def _known(self, manifest: Manifest) -> Manifest:
        self.manifests[manifest.digest] = manifest
        return manifest


@st.composite
def freights(draw: st.DrawFn, sink_place: Place) -> Freight:
    """Images that share layers, lists that share images, into up to three repositories."""
    freight = Freight(sink_place)
    layers = st.lists(st.sampled_from("abcdef"), max_size=3)
    roots = [freight.image(*draw(layers)) for _ in range(draw(st.integers(1, 4)))]
    for _ in range(draw(st.integers(0, 2))):
        roots.append(freight.index(*draw(st.lists(st.sampled_from(roots), min_size=1, max_size=3))))
    for number in range(draw(st.integers(1, 5))):
        tags = [f"t{number}"] if draw(st.booleans()) else []
        freight.ask(draw(st.sampled_from(roots)), draw(st.sampled_from(["x", "y", "z"])), *tags)
    return freight


def plan_of(steps: Sequence[Step], needs: Sequence[Iterable[int]] | None = None) -> Plan:
    return Plan(tuple(steps), tuple(tuple(need) for need in needs) if needs else tuple(() for _ in steps))
