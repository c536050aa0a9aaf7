"""Values of resource limits: from what a user writes to numbers in the kernel's units.

Source: Documentation/admin-guide/cgroup-v2.rst, "Interface Files" of each controller.
"""

from __future__ import annotations

import re

import msgspec

from engine.core.config_table import short

MAX = -1
"""In place of a number: without a limit, the kernel's "max"."""

DEFAULT_PERIOD_USEC = 100_000

MIN_MEMORY_BYTES = 1024 * 1024
"""Less holds no program, and would only have it killed over and over."""

_MIN_PERIOD_USEC, _MAX_PERIOD_USEC = 1_000, 1_000_000
_MIN_QUOTA_USEC = 1_000
_MAX_WEIGHT = 10_000
_MAX_CPU = 8191
_MAX_PIDS = 2**22
_U63 = 2**63 - 1

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"(\d{1,19})\s*([KMGT]?)(?:i?B)?\Z", re.ASCII)
_PERCENT = re.compile(r"(\d{1,7}(?:\.\d{1,3})?)\s*%\Z", re.ASCII)
_CPUS = re.compile(r"\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*\Z", re.ASCII)
_DEVICE_NUMBER = re.compile(r"\d+:\d+\Z", re.ASCII)

IO_KEYS = ("rbps", "wbps", "riops", "wiops")


class BadLimit(ValueError):  # noqa: N818 - named by situation
    """A value is no limit of its key; the text says why, without the key."""


class IoLimit(msgspec.Struct, frozen=True, kw_only=True):
    """What may be moved to and from one block device; MAX: without a limit.

    Attributes:
        device: Path of a block device, or "MAJOR:MINOR".
        rbps, wbps: Bytes a second.
        riops, wiops: Operations a second.
    """

    device: str
    rbps: int = MAX
    wbps: int = MAX
    riops: int = MAX
    wiops: int = MAX


class CpuMax(msgspec.Struct, frozen=True):
    """CPU time within each period, both in microseconds; `quota_usec` may be MAX."""

    quota_usec: int
    period_usec: int = DEFAULT_PERIOD_USEC

    @property
    def cores(self) -> float:
        """The limit in cores, 0 where there is none."""
        return 0.0 if self.quota_usec == MAX else self.quota_usec / self.period_usec


def _fail(expected: str, value: object) -> BadLimit:
    return BadLimit(f"invalid value {_shown(value)}, expected {expected}")


def _shown(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return repr(short(value))
        case _:
            return short(value)


def read_size(value: object, expected: str, *, minimum: int = 0) -> int:
    """Read "256M", "1G", "1048576", 1048576 or "max"; K, M, G, T are powers of 1024."""
    if value == "max":
        return MAX
    if isinstance(value, str) and (found := _SIZE.match(value.strip())):
        size = int(found[1]) * UNITS[found[2]]
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    else:
        raise _fail(expected, value)
    if not minimum <= size <= _U63:
        raise _fail(expected, value)
    return size


def read_memory(value: object, expected: str) -> int:
    """Read a size that is enough for a program."""
    return read_size(value, expected, minimum=MIN_MEMORY_BYTES)


def read_number(value: object, expected: str) -> int:
    """Read a whole number, also from a text."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value.strip()):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _fail(expected, value)


def read_weight(value: object, expected: str) -> int:
    """Read 1 to 10,000."""
    weight = read_number(value, expected)
    if not 1 <= weight <= _MAX_WEIGHT:
        raise _fail(expected, value)
    return weight


def read_pids(value: object, expected: str) -> int:
    """Read a number of processes and threads, or "max"."""
    if value == "max":
        return MAX
    pids = read_number(value, expected)
    if not 1 <= pids <= _MAX_PIDS:
        raise _fail(expected, value)
    return pids


def read_flag(value: object, expected: str) -> bool:
    """Read a boolean, also from a text."""
    found = {"true": True, "false": False}.get(value) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise _fail(expected, value)
    return found


def read_cpu_max(value: object, expected: str) -> CpuMax:
    """Read "150%", "QUOTA PERIOD" in microseconds, or "max"."""
    if value == "max":
        return CpuMax(MAX)
    words = value.split() if isinstance(value, str) else []
    if len(words) == 1 and (found := _PERCENT.match(words[0])):
        cpu = CpuMax(round(float(found[1]) * DEFAULT_PERIOD_USEC / 100))
    elif len(words) == 2 and all(word.isdecimal() and len(word) < 16 for word in words):
        cpu = CpuMax(int(words[0]), int(words[1]))
    else:
        raise _fail(expected, value)
    if not _MIN_PERIOD_USEC <= cpu.period_usec <= _MAX_PERIOD_USEC:
        message = f"a period of {cpu.period_usec} µs, expected 1000 to 1000000"
        raise BadLimit(message)
    if cpu.quota_usec < _MIN_QUOTA_USEC:
        raise BadLimit(f"{cpu.quota_usec} µs are too little, the kernel wants 1000 or more")
    return cpu


def read_cpus(value: object, expected: str) -> str:
    """Read a list of CPUs as the kernel takes it, "" for "all"; give it in the kernel's order."""
    text = value.replace(" ", "") if isinstance(value, str) else ""
    if text == "all":
        return ""
    if not _CPUS.match(text):
        raise _fail(expected, value)
    cpus: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if len(first) > 4 or len(last) > 4 or not int(first) <= int(last or first) <= _MAX_CPU:
            raise _fail(expected, value)
        cpus.update(range(int(first), int(last or first) + 1))
    return _listed(sorted(cpus))


def _listed(cpus: list[int]) -> str:
    """Write CPUs as the kernel does: "0-1,4"."""
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1][-1:] = [runs[-1][-1], cpu] if len(runs[-1]) == 1 else [cpu]
        else:
            runs.append([cpu])
    return ",".join("-".join(str(cpu) for cpu in run) for run in runs)


def read_io_max(value: object, expected: str) -> tuple[IoLimit, ...]:
    """Read ["DEVICE rbps=10M ..."], a table of tables, or (`ten set`) one text with commas."""
    if value == "max":
        return ()
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if isinstance(value, dict):
        found = tuple(_read_io_table(device, limits, expected) for device, limits in value.items())
    elif isinstance(value, list | tuple):
        found = tuple(_read_io_line(line, expected) for line in value)
    else:
        raise _fail(expected, value)
    devices = [limit.device for limit in found]
    for device in devices:
        if devices.count(device) > 1:
            raise BadLimit(f"{_shown(device)} is named twice")
    return tuple(limit for limit in found if limit != IoLimit(device=limit.device))


def _read_io_line(line: object, expected: str) -> IoLimit:
    words = line.split() if isinstance(line, str) else []
    if len(words) < 2:
        raise _fail(expected, line)
    pairs = [word.partition("=") for word in words[1:]]
    if len({key for key, _, _ in pairs}) < len(pairs):
        raise BadLimit(f"a key is there twice in {_shown(line)}")
    return _read_io_table(words[0], {key: value for key, _, value in pairs}, expected)


def _read_io_table(device: str, limits: object, expected: str) -> IoLimit:
    if not device.startswith("/") and not _DEVICE_NUMBER.match(device):
        raise BadLimit(f"{_shown(device)} is no path of a device, nor MAJOR:MINOR")
    if not isinstance(limits, dict) or not limits:
        raise _fail(expected, limits)
    for key in limits:
        if key not in IO_KEYS:
            known = ", ".join(IO_KEYS)
            raise BadLimit(f"unknown limit {_shown(key)} of {_shown(device)}, expected {known}")
    try:
        sizes = {key: read_size(value, "", minimum=1) for key, value in limits.items()}
    except BadLimit as error:
        raise BadLimit(f"the limits of {_shown(device)} are numbers like 10M, or max") from error
    return IoLimit(device=device, **sizes)
