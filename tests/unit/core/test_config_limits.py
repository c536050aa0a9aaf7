"""Limits in the file: read, or refused in their place."""

import pytest

from engine.core.config import parse_config
from engine.core.errors import SpecError
from engine.core.limits import CpuMax, IoLimit, LimitsSpec

API = '[service.api]\ncommand = "./app"\n'


def refused(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_config(API + text, path="/srv/tenement.toml")
    return caught.value


def test_every_key() -> None:
    config = parse_config(
        """
[settings]
require_limits = true
[service.api]
command = "./app"
memory_max = "1G"
memory_high = 900000000
memory_swap_max = "max"
memory_oom_group = false
cpu_weight = 200
cpu_max = "50%"
pids_max = 100
io_weight = 50
io_max = ["/dev/vda rbps=10M"]
cpuset = "1,0"
[service.box]
command = "./box"
memory_limit_mb = 64
cpu_shares = 20000
pids_max = "max"
""",
        path="/srv/tenement.toml",
        is_strict=True,
    )
    assert config.settings.require_limits is True
    assert config.services["api"].all_limits == LimitsSpec(
        memory_max=2**30,
        memory_high=900_000_000,
        memory_swap_max=-1,
        memory_oom_group=False,
        cpu_weight=200,
        cpu_max=CpuMax(50_000),
        pids_max=100,
        io_weight=50,
        io_max=(IoLimit(device="/dev/vda", rbps=10 << 20),),
        cpuset="0-1",
    )
    box = config.services["box"]
    assert box.limits == LimitsSpec(pids_max=-1)
    assert box.all_limits == LimitsSpec(memory_max=64 << 20, cpu_weight=10_000, pids_max=-1)


@pytest.mark.parametrize(
    ("line", "key", "column"),
    [
        ('memory_max = "64X"', "memory_max", 14),
        ("cpu_max = true", "cpu_max", 11),
        ("io_max = [3]", "io_max", 10),
        ('memory_oom_group = "perhaps"', "memory_oom_group", 20),
    ],
)
def test_a_wrong_value_is_refused_in_its_place(line: str, key: str, column: int) -> None:
    error = refused(line + "\n")
    assert (error.key, error.line, error.column) == (f"service.api.{key}", 3, column)
    assert "expected" in str(error)


@pytest.mark.parametrize(
    ("peer", "own"),
    [("memory_limit_mb = 64", 'memory_max = "64M"'), ("cpu_shares = 10", "cpu_weight = 10")],
)
def test_the_same_limit_twice_is_refused(peer: str, own: str) -> None:
    error = refused(f"{own}\n{peer}\n")
    assert "are the same limit" in str(error)
    assert error.line == 4


def test_a_throttle_above_the_limit_is_warned_about() -> None:
    config = parse_config(API + 'memory_max = "1G"\nmemory_high = "2G"\n', path="/t")
    assert config.warnings == ("line 4: memory_high is above memory_max and never counts",)
