"""ten_tui.cli.metrics: figures as they are written for people."""

import pytest

from engine.core.metrics import KeptMetric, Point
from ten_tui.cli.metrics import plot
from ten_tui.format import figure


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "/s", "0/s"),
        (0.9995, "/s", "1/s"),
        (45.97, "/s", "46/s"),
        (999.7, "/s", "1000/s"),
        (123456.7, "/s", "123457/s"),
        (12.345, "%", "12.3%"),
        (12.345, "ms", "12.3 ms"),
        (7, "", "7"),
        (0.12345, "cores", "0.123"),
        (999.7, "bytes", "0.976 KiB"),
        (19.2 * 2**20, "bytes", "19.2 MiB"),
        (5e14, "bytes/s", "455 TiB/s"),
    ],
)
def test_figures_have_three_digits_and_a_unit(value: float, unit: str, text: str) -> None:
    assert figure(value, unit) == text


def test_a_gap_is_drawn_as_a_gap() -> None:
    points = [Point(at, 1.0, 2.0, 2.0, 2.0) for at in (0, 1, 8, 9)]
    found = KeptMetric(
        instance="a:b", name="p95", unit="ms", since=0, until=10, step=1, points=points
    )
    lowest = plot(found, 32, is_plain=True)[-3]
    assert lowest.partition("|")[2].rstrip() == "####" + " " * 12 + "####"
    empty = KeptMetric(instance="a:b", name="p95", unit="ms", since=0, until=9, step=1, points=[])
    assert plot(empty, 80) == ["a:b p95, ms", "nothing is kept of that time"]
