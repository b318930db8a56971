"""Small damage to good inputs, the same for the same seed: what a fuzzer does, without one."""

import random
from collections.abc import Iterator

from .target import Target

_ODD = (
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"%",
    b"-",
    b"0",
    b"9" * 30,
    b" ",
    b"\n",
    b"'",
    b'"',
    b"\\",
    b"/",
    b":",
    b"=",
    b"\x85",
)


def mutated(target: Target, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield ``count`` inputs, each a seed of ``target`` changed in one to four places."""
    chance = random.Random(f"{target.name} {seed}")
    inputs = target.inputs()
    pieces = (*_ODD, *target.words)
    for _ in range(count):
        data = chance.choice(inputs)
        for _ in range(chance.randint(1, 4)):
            data = _changed(data, chance, pieces, inputs)
        yield data


def _changed(data: bytes, chance: random.Random, pieces: tuple[bytes, ...], inputs: tuple[bytes, ...]) -> bytes:
    at, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
    match chance.randrange(6):
        case 0:
            return data[:at] + data[at + 1 :]
        case 1:
            return data[:at] + chance.choice(pieces) + data[at:]
        case 2:
            return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        case 3:
            return data[:at] + data[end:]
        case 4:
            return data[:end] + data[at:end] + data[end:]
        case _:
            return data[:at] + chance.choice(inputs)[at:]
