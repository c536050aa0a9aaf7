"""engine.core.times: how people write when."""

from datetime import UTC, datetime

import pytest

from engine.core.errors import Refused
from engine.core.times import read_time

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6h", NOW - 21600),
        ("90d", NOW - 90 * 86400),
        (" 15m ", NOW - 900),
        ("1700000000", 1_700_000_000.0),
        ("1700000000.5", 1_700_000_000.5),
        ("2026-05-01T12:30:00+00:00", datetime(2026, 5, 1, 12, 30, tzinfo=UTC).timestamp()),
        ("2026-05-01T12:30:00Z", datetime(2026, 5, 1, 12, 30, tzinfo=UTC).timestamp()),
    ],
)
def test_times_are_read(text: str, expected: float) -> None:
    assert read_time(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "h", "six", "6y", "-1h", "2026-13-01", "9" * 40, "٣h"])
def test_others_are_refused_with_examples(text: str) -> None:
    with pytest.raises(Refused) as refused:
        read_time(text, NOW)
    assert "6h" in refused.value.hint
