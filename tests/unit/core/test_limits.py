"""Limits as users write them, as the kernel reads them, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.limits import (
    KEYS,
    MAX,
    BadLimit,
    CpuMax,
    IoLimit,
    LimitsSpec,
    asked,
    changed,
    file_texts,
    read_limit,
    read_pairs,
    shown,
    with_peer_keys,
    with_texts,
)


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("memory_max", "256M", 256 * 2**20),
        ("memory_max", "256MiB", 256 * 2**20),
        ("memory_max", " 1 G", 2**30),
        ("memory_max", 2**20, 2**20),
        ("memory_max", "1048576", 2**20),
        ("memory_max", "max", MAX),
        ("memory_swap_max", 0, 0),
        ("memory_oom_group", False, False),
        ("memory_oom_group", "true", True),
        ("cpu_weight", "300", 300),
        ("cpu_weight", 10_000, 10_000),
        ("cpu_max", "150%", CpuMax(150_000)),
        ("cpu_max", "12.5%", CpuMax(12_500)),
        ("cpu_max", "20000 50000", CpuMax(20_000, 50_000)),
        ("cpu_max", "max", CpuMax(MAX)),
        ("pids_max", "64", 64),
        ("pids_max", "max", MAX),
        ("io_weight", 1, 1),
        (
            "io_max",
            ["/dev/vda rbps=10M wiops=100"],
            (IoLimit(device="/dev/vda", rbps=10 << 20, wiops=100),),
        ),
        ("io_max", {"8:0": {"wbps": "1K"}}, (IoLimit(device="8:0", wbps=1024),)),
        (
            "io_max",
            "/dev/a rbps=1, /dev/b riops=2",
            (IoLimit(device="/dev/a", rbps=1), IoLimit(device="/dev/b", riops=2)),
        ),
        ("io_max", "/dev/a rbps=max", ()),
        ("io_max", "max", ()),
        ("cpuset", "3,0-1, 2,5", "0-3,5"),
        ("cpuset", "7", "7"),
        ("cpuset", "0-1,4-5", "0-1,4-5"),
        ("cpuset", "all", ""),
    ],
)
def test_values_are_read(key: str, value: object, read: object) -> None:
    assert read_limit(key, value) == read
    assert read_limit(key, shown(key, read)) == read


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("memory_max", "lots", "invalid value 'lots', expected \"256M\""),
        ("memory_max", "1K", "1M or more"),
        ("memory_max", True, "invalid value true"),
        ("memory_max", -1, "invalid value -1"),
        ("memory_max", 2**63, "expected"),
        ("memory_max", "٣M", "expected"),
        ("memory_max", "1.5G", "expected"),
        ("memory_max", ["1G"], "expected"),
        ("memory_oom_group", "yes", "true or false"),
        ("memory_oom_group", 1, "true or false"),
        ("cpu_weight", 0, "1 to 10000"),
        ("cpu_weight", "10001", "1 to 10000"),
        ("cpu_weight", "1.5", "1 to 10000"),
        ("cpu_max", 150, "150%"),
        ("cpu_max", "50000", "150%"),
        ("cpu_max", "0.9%", "900 µs are too little"),
        ("cpu_max", "5000 999", "a period of 999 µs"),
        ("cpu_max", "5000 1000001", "a period of 1000001 µs"),
        ("cpu_max", "1 2 3", "150%"),
        ("pids_max", 0, "1 to 4194304"),
        ("pids_max", -1, "1 to 4194304"),
        ("io_max", "/dev/vda", "expected"),
        ("io_max", "vda rbps=1", "'vda' is no path of a device"),
        ("io_max", ["/dev/vda speed=1"], "unknown limit 'speed'"),
        ("io_max", ["/dev/vda rbps=1 rbps=2"], "twice"),
        ("io_max", ["/dev/vda rbps=1", "/dev/vda wbps=1"], "named twice"),
        ("io_max", ["/dev/vda rbps=0"], "numbers like 10M"),
        ("io_max", [1], "expected"),
        ("io_max", 3, "expected"),
        ("io_max", {"/dev/vda": 3}, "expected"),
        ("cpuset", "", "expected"),
        ("cpuset", "3-1", "expected"),
        ("cpuset", "0-99999", "expected"),
        ("cpuset", "0-8192", "expected"),
        ("cpuset", 1, "expected"),
    ],
)
def test_what_is_no_limit_is_refused(key: str, value: object, reason: str) -> None:
    with pytest.raises(BadLimit) as caught:
        read_limit(key, value)
    assert reason in str(caught.value)


@given(st.sampled_from(list(KEYS)), st.text(max_size=40) | st.integers() | st.booleans())
def test_any_value_is_read_or_refused(key: str, value: object) -> None:
    try:
        read = read_limit(key, value)
    except BadLimit:
        return
    assert read_limit(key, shown(key, read)) == read
    assert "\n" not in "".join(file_texts(LimitsSpec(**{key: read})).values())


def test_defaults_are_the_kernels_but_for_two() -> None:
    assert file_texts(LimitsSpec()) == {
        "memory.max": "max",
        "memory.high": "max",
        "memory.swap.max": "max",
        "memory.oom.group": "1",
        "cpu.weight": "100",
        "cpu.max": "max 100000",
        "pids.max": "4096",
        "io.weight": "default 100",
        "cpuset.cpus": "",
    }
    assert asked(LimitsSpec()) == ()


def test_every_key_reaches_its_file() -> None:
    limits = LimitsSpec(
        memory_max=2**20,
        memory_high=MAX,
        memory_swap_max=0,
        memory_oom_group=False,
        cpu_weight=5,
        cpu_max=CpuMax(MAX),
        pids_max=MAX,
        io_weight=7,
        cpuset="0",
    )
    assert file_texts(limits) == {
        "memory.max": "1048576",
        "memory.high": "max",
        "memory.swap.max": "0",
        "memory.oom.group": "0",
        "cpu.weight": "5",
        "cpu.max": "max 100000",
        "pids.max": "max",
        "io.weight": "default 7",
        "cpuset.cpus": "0",
    }
    # What says "no limit" asks the host for nothing.
    assert asked(limits) == ("memory_max", "memory_swap_max", "cpu_weight", "io_weight", "cpuset")


def test_the_defaults_are_shown_as_they_can_be_written() -> None:
    for key in KEYS:
        read_limit(key, shown(key, None))


def test_the_peers_keys_are_the_kernels() -> None:
    limits = with_peer_keys(LimitsSpec(pids_max=3), 64, 20_000)
    assert limits == LimitsSpec(pids_max=3, memory_max=64 << 20, cpu_weight=10_000)
    assert with_peer_keys(limits, 0, 0) is not limits
    assert with_peer_keys(limits, 0, 0) == limits


def test_what_is_set_goes_over_what_is_configured() -> None:
    limits = LimitsSpec(memory_max=2**30, pids_max=10)
    new = with_texts(limits, {"memory_max": "max", "cpu_max": "50%"})
    assert new == LimitsSpec(memory_max=MAX, pids_max=10, cpu_max=CpuMax(50_000))
    assert changed(limits, new) == "memory_max 1G → max, cpu_max max → 50%"
    assert changed(new, new) == ""
    with pytest.raises(BadLimit, match=r"^cpu_weight: invalid value"):
        with_texts(limits, {"cpu_weight": "x"})


def test_words_become_pairs_without_quotes() -> None:
    assert read_pairs(["memory_max=1G", "cpu_max=50000", "100000", "pids_max="]) == {
        "memory_max": "1G",
        "cpu_max": "50000 100000",
        "pids_max": "",
    }
    assert read_pairs(["io_max=/dev/vda", "rbps=10M", "wiops=1"]) == {
        "io_max": "/dev/vda rbps=10M wiops=1"
    }
    assert read_pairs([]) == {}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["memory_max"], "'memory_max' is not KEY=VALUE"),
        (["=1"], "'=1' is not KEY=VALUE"),
        (["a=1", "a=2"], "a is there twice"),
    ],
)
def test_words_that_are_no_pairs(words: list[str], reason: str) -> None:
    with pytest.raises(BadLimit) as caught:
        read_pairs(words)
    assert reason in str(caught.value)


def test_unknown_keys_are_named_with_the_nearest() -> None:
    with pytest.raises(BadLimit, match=r"^unknown limit 'memory_mx'; did you mean memory_max\?"):
        with_texts(LimitsSpec(), {"memory_mx": "1G"})
    with pytest.raises(BadLimit, match="there are memory_max"):
        with_texts(LimitsSpec(), {"\x1b": "1G"})


def test_cores() -> None:
    assert (CpuMax(150_000).cores, CpuMax(MAX).cores) == (1.5, 0.0)
