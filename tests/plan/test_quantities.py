"""Sizes and durations as ``oc`` prints them. The values come from transcripts of oc 4.2x."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airferry.quantities import print_binary_size, print_decimal_size, print_duration

BINARY = {
    0: "0B",
    1: "1B",
    325: "325B",
    433: "433B",
    1016: "1016B",
    1023: "1023B",
    1024: "1KiB",
    30_232: "29.52KiB",
    20_230: "19.76KiB",
    30_569: "29.85KiB",
    150_323: "146.8KiB",
    1_048_575: "1024KiB",
    1_065_536: "1.016MiB",
    2_314_210: "2.207MiB",
    10 * 1024**3: "10GiB",
    1024**4: "1TiB",
    5000 * 1024**4: "5000TiB",
}

DECIMAL = {
    0: "0B",
    467.8: "467.8B",
    999: "999B",
    1000: "1kB",
    3210: "3.21kB",
    10_370: "10.37kB",
    52_840: "52.84kB",
    224_400: "224.4kB",
    1_056_000: "1.056MB",
    2_500_000_000: "2.5GB",
}

DURATIONS = {
    0: "0s",
    0.001: "0s",
    0.011: "10ms",
    0.03: "30ms",
    0.17: "170ms",
    0.99: "990ms",
    0.995: "1s",
    0.9999: "1s",
    1: "1s",
    1.5: "1.5s",
    1.61: "1.61s",
    4.74: "4.74s",
    8.134: "8.13s",
    10: "10s",
    20.1: "20.1s",
    59.99: "59.99s",
    59.996: "1m0s",
    60: "1m0s",
    123: "2m3s",
    123.4: "2m3s",
    3599.7: "1h0m0s",
    3605: "1h0m5s",
    90_000: "25h0m0s",
}


@pytest.mark.parametrize("size_bytes", BINARY)
def test_a_size_in_binary_units(size_bytes: int) -> None:
    assert print_binary_size(size_bytes) == BINARY[size_bytes]


@pytest.mark.parametrize("size_bytes", DECIMAL)
def test_a_size_in_decimal_units(size_bytes: float) -> None:
    assert print_decimal_size(size_bytes) == DECIMAL[size_bytes]


@pytest.mark.parametrize("seconds", DURATIONS)
def test_a_duration(seconds: float) -> None:
    assert print_duration(seconds) == DURATIONS[seconds]


@given(st.integers(0, 2**60))
def test_a_size_is_never_printed_in_powers_of_ten(size_bytes: int) -> None:
    for printed in (print_binary_size(size_bytes), print_decimal_size(size_bytes)):
        assert "e" not in printed
        assert len(printed) <= 8 or printed.endswith(("TiB", "TB"))


@given(st.floats(0, 10**9), st.floats(0, 10**9))
def test_a_longer_duration_never_prints_shorter(one: float, other: float) -> None:
    def parse(printed: str) -> float:
        units = {"ms": 0.001, "h": 3600, "m": 60, "s": 1}
        total, number = 0.0, ""
        text = printed.replace("ms", "µ")
        for character in text:
            if character in "µhms":
                total += float(number) * units["ms" if character == "µ" else character]
                number = ""
            else:
                number += character
        return total

    shorter, longer = sorted((one, other))
    assert parse(print_duration(shorter)) <= parse(print_duration(longer))
    assert abs(parse(print_duration(one)) - one) <= (0.0051 if one < 59.99 else 0.51)
