"""The instance table's own state: order, filter, folds, marks and the place of the cursor."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from engine.core.wire import State
from ten_tui import format as fmt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.core.wire import InstanceView
    from ten_tui.store.view import View

_SEVERITY = {state: place for place, state in enumerate(fmt.SEVERITY)}


class Order(Enum):
    """What the table is sorted by; the value is the word shown."""

    NAME = "name"
    STATE = "state"
    CPU = "cpu"
    MEMORY = "memory"
    REQUESTS = "req/s"
    P95 = "p95"
    ERRORS = "err/s"
    LOGS = "log/min"
    UPTIME = "up"
    RESTARTS = "restarts"


_ORDERS = tuple(Order)
_ROUGH: dict[str, frozenset[State]] = {
    "up": frozenset({State.HEALTHY, State.DEGRADED, State.UNHEALTHY, State.FROZEN}),
    "bad": frozenset({State.FAILED, State.UNHEALTHY, State.BACKOFF, State.DEGRADED}),
    "down": frozenset({State.FAILED, State.BACKOFF, State.STOPPED, State.ASLEEP}),
}


@dataclass(frozen=True)
class GroupRow:
    """The head of one service.

    Attributes:
        key: Place of the cursor on it.
        sums: CPU cores, memory bytes, requests, errors and log lines, all instances together.
    """

    key: str
    service: str
    members: tuple[str, ...]
    states: tuple[tuple[State, int], ...]
    sums: tuple[float, float, float, float, float]
    is_folded: bool


@dataclass(frozen=True)
class InstanceRow:
    """One instance."""

    key: str
    name: str


Row = GroupRow | InstanceRow


@dataclass
class Table:
    """Everything the user set in the table.

    Attributes:
        cursor: Key of the row under it: an instance's name, or "service:" for a group.
        top: First row in view.
        marks: Names of marked instances.
    """

    cursor: str = ""
    top: int = 0
    filter: str = ""
    order: Order = Order.NAME
    is_descending: bool = False
    is_grouped: bool = True
    folds: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    rows: list[Row] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)

    def rebuild(self, view: View) -> None:
        """Make the rows anew; the cursor stays on its key, or next to where that was."""
        place = self.place
        self.marks &= view.instances.keys()
        self.rows = build_rows(view, self)
        self._index = {row.key: index for index, row in enumerate(self.rows)}
        if self.rows and self.cursor not in self._index:
            start = next((i for i, r in enumerate(self.rows) if isinstance(r, InstanceRow)), 0)
            self.cursor = self.rows[min(place or start, len(self.rows) - 1)].key

    @property
    def place(self) -> int:
        """Index of the row under the cursor, 0 where there is none."""
        return self._index.get(self.cursor, 0)

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.place] if self.rows else None

    @property
    def selected(self) -> str:
        """Name of the instance under the cursor, "" on a group."""
        row = self.row
        return row.name if isinstance(row, InstanceRow) else ""

    @property
    def shown(self) -> str:
        """Name what the cursor is on: an instance, or a group, "service:"."""
        return self.row.key if isinstance(self.row, GroupRow) else self.selected

    def targets(self) -> tuple[str, ...]:
        """Name what an act is about: all marked, else the one under the cursor, else its group."""
        if self.marks:
            return tuple(sorted(self.marks))
        row = self.row
        if row is None:
            return ()
        return (row.name,) if isinstance(row, InstanceRow) else row.members

    def move(self, steps: int) -> None:
        """Move the cursor by rows, stopping at the ends."""
        if self.rows:
            self.cursor = self.rows[max(0, min(len(self.rows) - 1, self.place + steps))].key

    def go(self, place: int) -> None:
        """Move the cursor to a row; negative places count from the end."""
        if self.rows:
            place = place + len(self.rows) if place < 0 else place
            self.cursor = self.rows[max(0, min(len(self.rows) - 1, place))].key

    def scroll(self, height: int) -> None:
        """Bring the cursor into view with one row of context where there is room."""
        margin = 1 if height > 4 else 0
        place, last = self.place, max(0, len(self.rows) - height)
        if place - margin < self.top:
            self.top = place - margin
        elif place + margin >= self.top + height:
            self.top = place + margin - height + 1
        self.top = max(0, min(last, self.top))

    def toggle_mark(self) -> None:
        """Mark or unmark what is under the cursor, and go on to the next row."""
        names = set(self._under_cursor())
        if names and names <= self.marks:
            self.marks -= names
        else:
            self.marks |= names
        self.move(1)

    def _under_cursor(self) -> tuple[str, ...]:
        row = self.row
        if row is None:
            return ()
        return (row.name,) if isinstance(row, InstanceRow) else row.members

    def toggle_fold(self) -> None:
        """Fold or unfold the service the cursor is in; the cursor goes to its head."""
        if self.row is None or not self.is_grouped:
            return
        service = self.row.key.partition(":")[0]
        self.folds ^= {service}
        self.cursor = f"{service}:"

    def cycle_order(self) -> None:
        """Sort by the next figure; figures begin with the largest."""
        self.order = _ORDERS[(_ORDERS.index(self.order) + 1) % len(_ORDERS)]
        self.is_descending = self.order not in {Order.NAME, Order.STATE}


def build_rows(view: View, table: Table) -> list[Row]:
    """Filter, group and sort."""
    wanted = parse_filter(table.filter)
    shown = [one for one in view.shown.values() if wanted(one)]
    key = _sort_key(view, table.order)
    if not table.is_grouped:
        shown.sort(key=lambda one: one.name)
        shown.sort(key=key, reverse=table.is_descending)
        return [InstanceRow(one.name, one.name) for one in shown]
    groups: dict[str, list[InstanceView]] = {}
    for one in shown:
        groups.setdefault(one.service, []).append(one)
    rows: list[Row] = []
    for service, members in _sorted_groups(groups, key, table):
        is_folded = service in table.folds and not table.filter
        rows.append(_group_row(view, service, members, is_folded=is_folded))
        if not is_folded:
            rows.extend(InstanceRow(one.name, one.name) for one in members)
    return rows


def _sorted_groups(
    groups: dict[str, list[InstanceView]],
    key: Callable[[InstanceView], float | str],
    table: Table,
) -> list[tuple[str, list[InstanceView]]]:
    """Sort members in their groups, and groups by name so that they keep their place."""
    for members in groups.values():
        members.sort(key=lambda one: one.id)
        members.sort(key=key, reverse=table.is_descending)
    by_name = sorted(groups.items())
    if table.order is Order.NAME and table.is_descending:
        by_name.reverse()
    return by_name


def _group_row(
    view: View, service: str, members: list[InstanceView], *, is_folded: bool
) -> GroupRow:
    samples = [view.sample(one.name) for one in members]
    states = Counter(one.state for one in members)
    return GroupRow(
        key=f"{service}:",
        service=service,
        members=tuple(one.name for one in members),
        states=tuple(sorted(states.items(), key=lambda item: _SEVERITY[item[0]])),
        sums=(
            sum(s.cpu_cores for s in samples),
            sum(s.memory_bytes for s in samples),
            sum(s.requests for s in samples),
            sum(s.errors for s in samples),
            sum(s.log_lines for s in samples),
        ),
        is_folded=is_folded,
    )


def _sort_key(view: View, order: Order) -> Callable[[InstanceView], float | str]:
    sample = view.sample
    keys: dict[Order, Callable[[InstanceView], float | str]] = {
        Order.NAME: lambda one: one.name,
        Order.STATE: lambda one: _SEVERITY[one.state],
        Order.CPU: lambda one: sample(one.name).cpu_cores,
        Order.MEMORY: lambda one: sample(one.name).memory_bytes,
        Order.REQUESTS: lambda one: sample(one.name).requests,
        Order.P95: lambda one: sample(one.name).p95_ms,
        Order.ERRORS: lambda one: sample(one.name).errors,
        Order.LOGS: lambda one: sample(one.name).log_lines,
        Order.UPTIME: lambda one: -one.started_at if one.pid else float("-inf"),
        Order.RESTARTS: lambda one: one.restarts,
    }
    return keys[order]


def parse_filter(text: str) -> Callable[[InstanceView], bool]:
    """Read a filter's words: all must hold. "state:failed", "iso:sandbox", "-word", "word".

    A state may be its beginning ("state:fail"), or "bad", "up", "down". A bare word is looked for
    in the name and in the state's word.
    """
    tests = [_word_test(word) for word in text.lower().split()]
    return lambda one: all(test(one) for test in tests)


def _word_test(word: str) -> Callable[[InstanceView], bool]:
    if word.startswith("-") and len(word) > 1:
        inner = _word_test(word[1:])
        return lambda one: not inner(one)
    label, colon, value = word.partition(":")
    if colon and label in {"state", "is", "s"}:
        states = _ROUGH.get(value, frozenset(s for s in State if s.value.startswith(value)))
        return lambda one: one.state in states
    if colon and label in {"iso", "isolation"}:
        return lambda one: one.isolation.startswith(value)
    if colon and label in {"service", "svc"}:
        return lambda one: one.service.lower().startswith(value)
    if colon and label == "version":
        return lambda one: one.version.lower().startswith(value)
    return lambda one: word in one.name.lower() or one.state.value.startswith(word)


def longest_name(instances: Iterable[InstanceView]) -> int:
    """Measure the widest name of all, with its indent: a filter must not move the columns."""
    return max((len(one.name) + 2 for one in instances), default=0)
