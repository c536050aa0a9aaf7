"""The last minutes of an instance's samples, small enough for hundreds of instances.

A figure takes two bytes: a float of 6 bits exponent and 10 bits fraction, exact for whole
numbers to 2,048 and within 0.05% from 0.000001 to 8.7e12, which no graph can tell from the
true value. A figure that never changed takes no room at all.
"""

from __future__ import annotations

import math
from array import array
from typing import Any

from engine.core.wire import Sample

_FIELDS = Sample.__struct_fields__[1:]
_INTEGERS = frozenset(
    {"memory_bytes", "memory_limit_bytes", "inflight", "pids", "swap_bytes", "restarts"}
)
_IS_INTEGER = tuple(field in _INTEGERS for field in _FIELDS)

_FRACTION_BITS = 10
_BIAS = 20
_TOP_CODE = (1 << 16) - 1
_TOP_EXPONENT = (1 << 6) - 1
_MS_WRAP = 1 << 32


def encode(value: float) -> int:
    """Pack a figure into 16 bits; below 0.000001, negative and NaN become 0, the top is held."""
    if not value > 0.0:
        return 0
    mantissa, exponent = math.frexp(value)
    exponent += _BIAS
    if exponent < 1:
        return 0
    if exponent > _TOP_EXPONENT or math.isinf(value):
        return _TOP_CODE
    # 0.5 <= mantissa < 1: its leading bit is implied. Rounding up may carry into the exponent,
    # which is the next larger number, as it should be.
    fraction = int(mantissa * (2 << _FRACTION_BITS) + 0.5) - (1 << _FRACTION_BITS)
    return min((exponent << _FRACTION_BITS) + fraction, _TOP_CODE)


def decode(code: int) -> float:
    """Give the figure of 16 bits."""
    if code == 0:
        return 0.0
    exponent = (code >> _FRACTION_BITS) - _BIAS
    fraction = code & ((1 << _FRACTION_BITS) - 1)
    return math.ldexp((fraction + (1 << _FRACTION_BITS)) / (2 << _FRACTION_BITS), exponent)


class _Column:
    """One field over time: a constant until it first changes, an array of codes from then on."""

    __slots__ = ("codes", "constant")

    def __init__(self) -> None:
        self.constant = 0
        self.codes: array[int] | None = None

    def put(self, index: int, count: int, code: int) -> None:
        """Write place `index`; `count` places are in use before."""
        if self.codes is None:
            if count == 0:
                self.constant = code
            if code == self.constant:
                return
            self.codes = array("H", [self.constant]) * count
        if index == len(self.codes):
            self.codes.append(code)
        else:
            self.codes[index] = code

    def get(self, index: int) -> int:
        return self.constant if self.codes is None else self.codes[index]


class Series:
    """A ring of the newest samples of one instance.

    Capacity: `capacity` samples; one more overwrites the oldest. `append` and `latest` are
    O(1). At 900 samples it takes 4 kB and 1.8 kB for each figure that ever changed, 30 kB at
    most. The newest sample is kept exactly, older ones to the precision of `encode`, times to
    the millisecond.
    """

    __slots__ = ("_columns", "_count", "_next", "_times", "capacity", "latest")

    def __init__(self, capacity: int = 900) -> None:
        """Make an empty ring.

        Raises:
            ValueError: capacity is less than 1.
        """
        if capacity < 1:
            message = f"a series needs a capacity of at least 1, not {capacity}"
            raise ValueError(message)
        self.capacity = capacity
        self.latest: Sample | None = None
        self._times = array("I")
        self._columns = tuple(_Column() for _ in _FIELDS)
        self._count = 0
        self._next = 0

    def __len__(self) -> int:
        """Count the samples kept."""
        return self._count

    def append(self, sample: Sample) -> None:
        """Take the next sample, at the cost of the oldest where the ring is full."""
        index = self._next
        stamp = round(sample.time * 1000) % _MS_WRAP
        if index == len(self._times):
            self._times.append(stamp)
        else:
            self._times[index] = stamp
        for field, column in zip(_FIELDS, self._columns, strict=True):
            value = getattr(sample, field)
            column.put(index, self._count, encode(value) if value else 0)
        self._count = min(self._count + 1, self.capacity)
        self._next = (index + 1) % self.capacity
        self.latest = sample

    def newest(self, count: int) -> list[Sample]:
        """Give the newest `count` samples, or as many as there are, oldest first."""
        latest = self.latest
        if latest is None or count < 1:
            return []
        count = min(count, self._count)
        start = self._next - count
        older = [self._at((start + step) % self.capacity) for step in range(count - 1)]
        return [*older, latest]

    def since(self, time: float) -> list[Sample]:
        """Give the samples at or after a time, oldest first."""
        return [sample for sample in self.newest(self._count) if sample.time >= time]

    def _at(self, index: int) -> Sample:
        values: list[Any] = [  # of a field's own type: mypy cannot follow a loop over fields
            round(decode(code)) if is_integer else decode(code)
            for code, is_integer in zip(
                (column.get(index) for column in self._columns), _IS_INTEGER, strict=True
            )
        ]
        return Sample(self._time_of(index), *values)

    def _time_of(self, index: int) -> float:
        # Only the low 32 bits of the milliseconds are kept: the rest is the latest's, to the
        # nearest 24 days either way, so that a clock set back does no harm.
        newest_ms = round(self.latest.time * 1000) if self.latest else 0
        distance = (self._times[index] - newest_ms + _MS_WRAP // 2) % _MS_WRAP - _MS_WRAP // 2
        return (newest_ms + distance) / 1000
