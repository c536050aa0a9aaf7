"""The keys that say what becomes of idle instances."""

import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError

API = '[service.api]\ncommand = "./app"\n'


def read(text: str):
    return parse_config(API + text, path="/srv/app/tenement.toml")


def test_left_out_nothing_is_frozen_and_cpu_time_does_not_count():
    spec = read("").services["api"]
    assert (spec.freeze_after_seconds, spec.idle_cpu_percent) == (0, 0)


def test_both_are_read():
    config = read("freeze_after = 1.5\nidle_timeout = 2\nidle_cpu = 10\n")
    spec = config.services["api"]
    assert (spec.freeze_after_seconds, spec.idle_timeout_seconds) == (1.5, 2)
    assert spec.idle_cpu_percent == 10
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("freeze_after = 0\n", "freeze_after must be more than 0 seconds", 16),
        ("freeze_after = -1\n", "invalid value: -1, expected 0 to 86400 seconds", 16),
        ("freeze_after = nan\n", "invalid value: nan", 16),
        ('freeze_after = "5m"\n', "expected a number of seconds", 16),
        ("freeze_after = 60\nidle_timeout = 60\n", "60 is not less than idle_timeout = 60", 16),
        ("idle_cpu = 0\n", "expected a percentage of one core above 0", 12),
        ("idle_cpu = nan\n", "expected a percentage", 12),
        ("idle_cpu = true\n", "expected a percentage", 12),
        ('idle_cpu = "10%"\n', "expected a percentage", 12),
    ],
)
def test_what_cannot_be_is_refused_in_its_place(text: str, message: str, column: int):
    with pytest.raises(SpecError) as caught:
        read(text)
    assert message in str(caught.value)
    assert (caught.value.line, caught.value.column) == (3, column)


def test_cpu_time_that_cannot_count_is_warned_about():
    (warning,) = read("idle_cpu = 10\n").warnings
    assert "idle_cpu has no effect without idle_timeout or freeze_after" in warning
