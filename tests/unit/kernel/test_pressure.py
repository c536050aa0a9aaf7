"""Pressure files."""

from pathlib import Path

import pytest

from engine.kernel.pressure import Pressure, host_pressure, parse_pressure

SOME = "some avg10=1.50 avg60=0.20 avg300=0.00 total=123\n"
FULL = "full avg10=0.75 avg60=0.20 avg300=0.00 total=123\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SOME + FULL, Pressure(1.5, 0.75)),
        (SOME, Pressure(1.5, -1.0)),
        ("", Pressure(-1.0, -1.0)),
        ("some avg10=x\n", Pressure(-1.0, -1.0)),
    ],
)
def test_pressure_files(text: str, found: Pressure) -> None:
    assert parse_pressure(text) == found


def test_the_host_has_pressure_where_its_kernel_does() -> None:
    found = host_pressure("memory")
    assert (found.some >= 0.0) == Path("/proc/pressure/memory").exists()
    assert host_pressure("no-such") == Pressure()
