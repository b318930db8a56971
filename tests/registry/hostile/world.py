"""What the hostile cases share: a registry that is still well after each of them."""

from pathlib import Path
from typing import Any

from airferry.oci import Digest

from ..conftest import Answer, Client

CONTENT = bytes(range(256)) * 8


async def is_well(registry: Client) -> None:
    """Nothing that was sent before keeps the registry from serving."""
    assert (await registry("GET", "/v2/")).status == 200
    await registry.push_blob("is/well", CONTENT)
    assert (await registry("GET", f"/v2/is/well/blobs/{Digest.of(CONTENT)}")).body == CONTENT


async def absent(registry: Client, path: str, *contents: bytes) -> None:
    for content in contents:
        for algorithm in ("sha256", "sha512"):
            assert (await registry("HEAD", f"/v2/{path}/blobs/{Digest.of(content, algorithm)}")).status == 404


def refused(answer: Answer, *expected: tuple[int, str]) -> None:
    assert (answer.status, answer.code) in expected, (answer.status, answer.body[:300])


def in_and_around(root: Path) -> list[Path]:
    """Every file of a registry, and what lies beside its root."""
    return [*sorted(root.rglob("*")), *sorted(root.parent.iterdir())]


class Door:
    """A door that lets everybody in, who may then do anything but pull from ``secret``."""

    name = "half"
    challenge = "Basic"

    async def admit(self, *asked: Any) -> "Door":
        return self

    async def challenges(self, *asked: Any) -> tuple[str, ...]:
        return ()

    def may(self, verb: Any, path: str | None) -> bool:
        return path != "secret" or str(verb) != "pull"

    def sees(self, path: str) -> bool:
        return path != "secret"
