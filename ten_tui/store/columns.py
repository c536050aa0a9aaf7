"""Which columns the instance table has at a width, and what stands in them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from engine.core.wire import State
from ten_tui import format as fmt
from ten_tui.store.spark import BINS
from ten_tui.theme import Ink

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.core.wire import InstanceView, Sample
    from ten_tui.store.spark import Spark


class Field(Enum):
    """A column of the instance table; the value is its title."""

    NAME = "instance"
    STATE = "state"
    CPU = "cpu"
    MEMORY = "memory"
    LIMIT = "limit"
    REQUESTS = "req/s"
    P95 = "p95"
    WAKE = "wake"
    ERRORS = "err/s"
    LOGS = "log/min"
    UPTIME = "up"
    RESTARTS = "↻"
    WEIGHT = "wt"
    ISOLATION = "isolation"
    THROTTLED = "thr"
    VERSION = "version"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        width: In cells, without the gap before it.
        rank: The higher, the sooner it is dropped; 0 never is.
        is_left: Text is set to the left; figures are set to the right.
    """

    field: Field
    width: int
    rank: int
    is_left: bool = False


GAP = 1
_UNITS = "BKMGTPms"
NAME_LEAST, NAME_MOST = 14, 40
COLUMNS: tuple[Column, ...] = (
    Column(Field.NAME, NAME_LEAST, 0, is_left=True),
    Column(Field.STATE, 14, 1, is_left=True),
    Column(Field.ISOLATION, 9, 11, is_left=True),
    Column(Field.VERSION, 8, 13, is_left=True),
    Column(Field.WEIGHT, 3, 10),
    Column(Field.CPU, 5, 2),
    Column(Field.THROTTLED, 4, 12),
    Column(Field.MEMORY, 6, 3),
    Column(Field.LIMIT, 5, 9),
    Column(Field.REQUESTS, 6, 4),
    Column(Field.P95, 6, 5),
    Column(Field.WAKE, 6, 14),
    Column(Field.ERRORS, 5, 6),
    Column(Field.LOGS, BINS, 7, is_left=True),
    Column(Field.UPTIME, 4, 8),
    Column(Field.RESTARTS, 3, 8),
)


@dataclass(frozen=True)
class Cell:
    """What stands in one place of the table: pieces of text with their ink, and its emphasis."""

    parts: tuple[tuple[str, Ink], ...]
    is_bold: bool = False

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(part for part, _ in self.parts)


def columns_for(width: int, longest_name: int) -> tuple[Column, ...]:
    """Choose columns for a width: by rank, in their order; the name takes what it needs."""
    name = max(NAME_LEAST, min(NAME_MOST, longest_name))
    chosen = [COLUMNS[0]]
    used = NAME_LEAST if width < 60 else name
    for column in sorted(COLUMNS[1:], key=lambda c: c.rank):
        if used + GAP + column.width > width:
            break
        used += GAP + column.width
        chosen.append(column)
    spare = width - used
    first = max(1, min(width, (NAME_LEAST if width < 60 else name) + max(0, min(spare, 6))))
    kept = {column.field for column in chosen}
    rest = tuple(column for column in COLUMNS[1:] if column.field in kept)
    return (Column(Field.NAME, first, 0, is_left=True), *rest)


def state_cell(instance: InstanceView, now: float, *, is_plain: bool = False) -> Cell:
    """Draw the state: glyph and word, with the seconds left where it ends by itself."""
    mark = fmt.MARKS[instance.state]
    glyph = mark.stand_in if is_plain else mark.glyph
    word = instance.state.value
    left = instance.until - now
    if instance.state in {State.BACKOFF, State.DRAINING} and 0 < left < 99.5:
        word = f"{word} {left:.0f}s"
    ink = Ink.DIM if instance.state is State.HEALTHY else mark.ink
    return Cell(((f"{glyph} ", mark.ink), (word, ink)), is_bold=mark.ink is Ink.BAD)


@dataclass(frozen=True)
class Facts:
    """All there is to draw of one instance at one moment."""

    instance: InstanceView
    sample: Sample
    spark: Spark | None
    now: float


def _throttled(facts: Facts) -> Cell:
    share = facts.sample.throttled
    return _one(fmt.percent(share) if share > 0.005 else fmt.NOTHING, Ink.WARN)


def _weight(facts: Facts) -> Cell:
    weight = facts.instance.weight
    return _one(str(weight), Ink.DIM if weight == 100 else Ink.INFO)


def _restarts(facts: Facts) -> Cell:
    times = facts.instance.restarts
    return _one(str(min(times, 999)) if times else fmt.NOTHING, Ink.WARN)


_DRAW: dict[Field, Callable[[Facts], Cell]] = {
    Field.NAME: lambda facts: _one(facts.instance.id, Ink.TEXT),
    Field.STATE: lambda facts: state_cell(facts.instance, facts.now),
    Field.ISOLATION: lambda facts: _one(facts.instance.isolation, Ink.DIM),
    Field.VERSION: lambda facts: _one(facts.instance.version, Ink.DIM),
    Field.WEIGHT: _weight,
    Field.CPU: lambda facts: _one(fmt.cores(facts.sample.cpu_cores), _load_ink(facts.sample)),
    Field.THROTTLED: _throttled,
    Field.MEMORY: lambda facts: _unit(fmt.size(facts.sample.memory_bytes)),
    Field.LIMIT: lambda facts: _limit(facts.sample),
    Field.REQUESTS: lambda facts: _one(fmt.rate(facts.sample.requests), Ink.TEXT),
    Field.P95: lambda facts: _unit(fmt.millis(facts.sample.p95_ms)),
    Field.WAKE: lambda facts: _unit(fmt.millis(facts.instance.wake_ms)),
    Field.ERRORS: lambda facts: _one(fmt.rate(facts.sample.errors), Ink.BAD),
    Field.LOGS: lambda facts: spark_cell(facts.spark),
    Field.UPTIME: lambda facts: _one(_uptime(facts.instance, facts.now), Ink.DIM),
    Field.RESTARTS: _restarts,
}


def instance_cell(field: Field, facts: Facts) -> Cell:
    """Draw one field of one instance."""
    return _DRAW[field](facts)


def sum_cell(field: Field, sums: tuple[float, float, float, float, float]) -> Cell | None:
    """Draw one field of a whole group, None where a sum says nothing."""
    cpu, memory, requests, errors, _ = sums
    match field:
        case Field.CPU:
            return _one(fmt.cores(cpu), Ink.DIM)
        case Field.MEMORY:
            return _one(fmt.size(memory), Ink.DIM)
        case Field.REQUESTS:
            return _one(fmt.rate(requests), Ink.DIM)
        case Field.ERRORS:
            return _one(fmt.rate(errors), Ink.BAD)
        case _:
            return None


def spark_cell(spark: Spark | None) -> Cell:
    """Draw the log rate of the last minute; bins with lines on stderr are in the warning ink."""
    if spark is None:
        return Cell(((fmt.NOTHING * BINS, Ink.FAINT),))
    parts: list[tuple[str, Ink]] = []
    for lines, errors in zip(spark.lines, spark.errors, strict=True):
        level = fmt.log_level(lines)
        glyph = fmt.spark((level,))
        ink = Ink.FAINT if not level else Ink.WARN if errors > lines * 0.05 else Ink.INFO
        if parts and parts[-1][1] is ink:
            parts[-1] = (parts[-1][0] + glyph, ink)
        else:
            parts.append((glyph, ink))
    return Cell(tuple(parts))


def _uptime(instance: InstanceView, now: float) -> str:
    if not instance.pid or not instance.started_at:
        return fmt.NOTHING
    return fmt.duration(now - instance.started_at)


def _limit(sample: Sample) -> Cell:
    if not sample.memory_limit_bytes:
        return _one(fmt.NOTHING, Ink.FAINT)
    share = sample.memory_bytes / sample.memory_limit_bytes
    ink = Ink.BAD if share > 0.95 else Ink.WARN if share > 0.85 else Ink.DIM
    return _one(fmt.percent(share), ink)


def _load_ink(sample: Sample) -> Ink:
    quota = sample.cpu_quota_cores
    return Ink.WARN if quota and sample.cpu_cores > 0.9 * quota else Ink.TEXT


def _one(text: str, ink: Ink) -> Cell:
    return Cell(((text, Ink.FAINT if text == fmt.NOTHING else ink),))


def _unit(text: str) -> Cell:
    """Set the unit apart: the digits are plain, the letters faint."""
    digits = text.rstrip(_UNITS)
    if text == fmt.NOTHING:
        return _one(text, Ink.FAINT)
    return Cell(((digits, Ink.TEXT), (text[len(digits) :], Ink.FAINT)))
