"""Resource limits of an instance: the kernel's names and units, said once and shown again.

One reading for the configuration file and for `ten set`. A limit that is not said leaves the
kernel's own default, but for `pids_max` and `memory_oom_group`, which have safer ones here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from engine.core.config_table import short
from engine.core.limit_values import (
    DEFAULT_PERIOD_USEC,
    IO_KEYS,
    MAX,
    UNITS,
    BadLimit,
    CpuMax,
    IoLimit,
    read_cpu_max,
    read_cpus,
    read_flag,
    read_io_max,
    read_memory,
    read_pids,
    read_size,
    read_weight,
)
from engine.core.nearest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "IO_KEYS",
    "KEYS",
    "MAX",
    "PEER_KEYS",
    "BadLimit",
    "CpuMax",
    "IoLimit",
    "LimitsSpec",
    "asked",
    "changed",
    "file_texts",
    "read_limit",
    "read_pairs",
    "shown",
    "size_text",
    "with_peer_keys",
    "with_texts",
]

DEFAULT_PIDS_MAX = 4096
"""Far above any sane program, far below what exhausts a host: a fork bomb ends here."""

PEER_KEYS = {"memory_limit_mb": "memory_max", "cpu_shares": "cpu_weight"}
"""The peer's keys and the kernel's for the same."""

_MAX_WEIGHT = 10_000
_MIB = 1024 * 1024


class LimitsSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The limits said of a service or an instance; None: not said.

    Attributes:
        memory_max, memory_high, memory_swap_max: Bytes or MAX.
        memory_oom_group: Out of memory, the kernel ends all of it and not just one process.
        cpu_weight, io_weight: Share under contention, 1 to 10,000; the kernel's default is 100.
        pids_max: Processes and threads, or MAX.
        cpuset: CPUs as the kernel lists them, "0-1,4".
    """

    memory_max: int | None = None
    memory_high: int | None = None
    memory_swap_max: int | None = None
    memory_oom_group: bool | None = None
    cpu_weight: int | None = None
    cpu_max: CpuMax | None = None
    pids_max: int | None = None
    io_weight: int | None = None
    io_max: tuple[IoLimit, ...] | None = None
    cpuset: str | None = None


class Key(NamedTuple):
    """What belongs to one key.

    Attributes:
        controller: Which has to be there.
        file: In the cgroup.
        default: What the file says where the key does not.
        expected: What a value looks like, for errors and help.
    """

    controller: str
    file: str
    default: str
    expected: str
    read: Callable[[object, str], Any]


_SIZE_TEXT = '"256M", "1G", a number of bytes (1M or more) or "max"'
_WEIGHT_TEXT = "1 to 10000"

KEYS: dict[str, Key] = {
    "memory_max": Key("memory", "memory.max", "max", _SIZE_TEXT, read_memory),
    "memory_high": Key("memory", "memory.high", "max", _SIZE_TEXT, read_memory),
    "memory_swap_max": Key(
        "memory",
        "memory.swap.max",
        "max",
        '"256M", "1G", a number of bytes or "max"',
        read_size,
    ),
    "memory_oom_group": Key("memory", "memory.oom.group", "1", "true or false", read_flag),
    "cpu_weight": Key("cpu", "cpu.weight", "100", _WEIGHT_TEXT, read_weight),
    "cpu_max": Key(
        "cpu",
        "cpu.max",
        f"max {DEFAULT_PERIOD_USEC}",
        '"150%" (of one core), "50000 100000" (microseconds, of each period) or "max"',
        read_cpu_max,
    ),
    "pids_max": Key("pids", "pids.max", str(DEFAULT_PIDS_MAX), '1 to 4194304 or "max"', read_pids),
    "io_weight": Key("io", "io.weight", "default 100", _WEIGHT_TEXT, read_weight),
    "io_max": Key(
        "io",
        "io.max",
        "",
        '["/dev/vda rbps=10M wiops=100"], with any of rbps, wbps, riops, wiops',
        read_io_max,
    ),
    "cpuset": Key("cpuset", "cpuset.cpus", "", 'CPUs like "0-1,4"', read_cpus),
}
"""Every key, in the order in which they are shown."""


def read_limit(key: str, value: object) -> Any:  # noqa: ANN401 - of the key's own type
    """Read a value of a key.

    Raises:
        BadLimit: It is none.
    """
    it = KEYS[key]
    return it.read(value, it.expected)


def with_texts(limits: LimitsSpec, texts: Mapping[str, str]) -> LimitsSpec:
    """Put what was set for one instance over what is configured.

    Raises:
        BadLimit: A key is none, or a text is no value of it; the error names the key.
    """
    found = {}
    for key, text in texts.items():
        if key not in KEYS:
            advice = did_you_mean(key, KEYS) or f"there are {', '.join(KEYS)}"
            raise BadLimit(f"unknown limit {short(key)!r}; {advice}")
        try:
            found[key] = read_limit(key, text)
        except BadLimit as error:
            raise BadLimit(f"{key}: {error}") from error
    return msgspec.structs.replace(limits, **found)


def read_pairs(words: Iterable[str]) -> dict[str, str]:
    """Read KEY=VALUE words; what cannot begin a pair goes on with the one before.

    So `cpu_max=50000 100000` and `io_max=/dev/vda rbps=10M` need no quotes.

    Raises:
        BadLimit: The first is no pair, or a key is there twice.
    """
    texts: dict[str, str] = {}
    last = ""
    for word in words:
        key, sign, text = word.partition("=")
        if last and (not sign or key in IO_KEYS):
            texts[last] += f" {word}"
            continue
        if not sign or not key:
            raise BadLimit(f"{short(word)!r} is not KEY=VALUE, like memory_max=512M")
        if key in texts:
            raise BadLimit(f"{short(key)} is there twice")
        texts[key], last = text, key
    return texts


def with_peer_keys(limits: LimitsSpec, memory_limit_mb: int, cpu_shares: int) -> LimitsSpec:
    """Put the peer's keys, 0 where they are not said, into the kernel's."""
    found: dict[str, int] = {}
    if memory_limit_mb:
        found["memory_max"] = memory_limit_mb * _MIB
    if cpu_shares:
        found["cpu_weight"] = min(cpu_shares, _MAX_WEIGHT)
    return msgspec.structs.replace(limits, **found)


def asked(limits: LimitsSpec) -> tuple[str, ...]:
    """Name the keys that really limit something: not said and "max" do not."""
    return tuple(key for key in KEYS if _is_asked(getattr(limits, key)))


def _is_asked(value: object) -> bool:
    match value:
        case None | False | () | "":
            return False
        case CpuMax():
            return value.quota_usec != MAX
        case _:
            return value != MAX


def file_texts(limits: LimitsSpec) -> dict[str, str]:
    """Give what each file of the cgroup is to say; io.max is not among them: it has devices."""
    return {
        it.file: it.default if value is None else _kernel_text(key, value)
        for key, it in KEYS.items()
        if key != "io_max"
        for value in (getattr(limits, key),)
    }


def _kernel_text(key: str, value: object) -> str:
    match value:
        case bool():
            return str(int(value))
        case CpuMax():
            return f"{_number(value.quota_usec)} {value.period_usec}"
        case int():
            return f"default {value}" if key == "io_weight" else _number(value)
        case _:
            return str(value)


def _number(value: int) -> str:
    return "max" if value == MAX else str(value)


_NOT_SAID = {
    "memory_oom_group": "true",
    "cpu_max": "max",
    "io_weight": "100",
    "io_max": "max",
    "cpuset": "all",
}


def shown(key: str, value: object) -> str:
    """Write a value as a user would; what `read_limit` reads back. None: the default."""
    match value:
        case None:
            return _NOT_SAID.get(key, KEYS[key].default)
        case bool():
            return str(value).lower()
        case CpuMax():
            if value.quota_usec == MAX:
                return "max"
            if value.period_usec == DEFAULT_PERIOD_USEC:
                return f"{value.quota_usec * 100 / DEFAULT_PERIOD_USEC:g}%"
            return f"{value.quota_usec} {value.period_usec}"
        case int():
            return size_text(value) if key.startswith("memory_") else _number(value)
        case "":
            return "all"
        case ():
            return "max"
        case tuple():
            return ", ".join(_io_text(limit) for limit in value)
        case _:
            return str(value)


def changed(old: LimitsSpec, new: LimitsSpec) -> str:
    """Say what differs: "memory_max 256M → 512M, cpu_max max → 50%"; "" where nothing does."""
    pairs = [(key, shown(key, getattr(old, key)), shown(key, getattr(new, key))) for key in KEYS]
    return ", ".join(f"{key} {was} → {now}" for key, was, now in pairs if was != now)


def _io_text(limit: IoLimit) -> str:
    pairs = ((key, getattr(limit, key)) for key in IO_KEYS)
    return " ".join(
        [
            limit.device,
            *(f"{key}={size_text(each)}" for key, each in pairs if each != MAX),
        ]
    )


def size_text(size: int) -> str:
    """Write a size exactly, with the largest unit that divides it: "256M"."""
    if size == MAX:
        return "max"
    for unit in ("T", "G", "M", "K"):
        if size and size % UNITS[unit] == 0:
            return f"{size // UNITS[unit]}{unit}"
    return str(size)
