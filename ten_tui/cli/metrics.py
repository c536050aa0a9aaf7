"""`ten metrics`: the kept past of a figure, as a plot, CSV or JSON."""

from __future__ import annotations

import csv
import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from engine.core.errors import Refused
from engine.core.names import is_label
from ten_tui import format as fmt
from ten_tui.cli.instances import name_of
from ten_tui.cli.main import client_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from engine.core.metrics import KeptMetric, Metric, Point

HEIGHT = 12
_SCALE_WIDTH = 11
_LEAST_COLUMNS = 20
_PIPE_COLUMNS = 80
_SHADE = "░"
_DAY = 86400


def metrics(options: argparse.Namespace) -> int:
    """Show one metric, or list them."""
    name = _name(options)
    with client_of(options) as client:
        if options.purge:
            if options.metric:
                raise Refused("All metrics of an instance go at once: leave the metric out")
            client.purge_kept(name)
            print(f"removed the kept metrics of {name}")
            return 0
        if not options.metric:
            _list(client.kept_metrics(name), is_json=options.json)
            return 0
        found = client.kept(
            name, options.metric, since=options.since, until=options.until, step=options.step
        )
    if options.json:
        print(msgspec.json.encode(found).decode())
    elif options.csv:
        _write_csv(found)
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE_COLUMNS
        is_plain = "utf" not in (sys.stdout.encoding or "").lower()
        print("\n".join(plot(found, width, is_plain=is_plain)))
    return 0


def _name(options: argparse.Namespace) -> str:
    """Give what is meant: an instance, "host", or a service, "api:", whose past no one removes."""
    said: str = options.instance
    if said == "host" or ":" in said or options.purge or not is_label(said):
        return "host" if said == "host" else name_of(said)
    return f"{said}:"


def _list(known: list[Metric], *, is_json: bool) -> None:
    if is_json:
        print(msgspec.json.encode(known).decode())
        return
    for each in known:
        print(f"{each.name:<14}{each.unit}".rstrip())


def _write_csv(found: KeptMetric) -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("time", "min", "max", "mean", "last"))
    for point in found.points:
        stamp = datetime.fromtimestamp(point.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        figures = (point.low, point.high, point.mean, point.last)
        out.writerow((stamp, *(f"{value:.6g}" for value in figures)))


def plot(found: KeptMetric, width: int, *, is_plain: bool = False) -> list[str]:
    """Draw a metric: solid to the mean, shaded to the greatest, empty where nothing is kept.

    Args:
        found: The metric.
        width: Columns there are.
        is_plain: Draw with ASCII only.
    """
    title = f"{found.instance} {found.name}" + (f", {found.unit}" if found.unit else "")
    if not found.points:
        return [title, "nothing is kept of that time"]
    count = max(width - _SCALE_WIDTH - 2, _LEAST_COLUMNS)
    columns = _columns(found, count)
    top = max(point.high for point in found.points) or 1.0
    lines = [f"{title}   {_summary(found)}"]
    for row in range(HEIGHT, 0, -1):
        is_labelled = row in (HEIGHT, HEIGHT // 2)
        label = fmt.figure(top * row / HEIGHT, found.unit) if is_labelled else ""
        cells = "".join(_cell(column, top, row, is_plain=is_plain) for column in columns)
        lines.append(f"{label:>{_SCALE_WIDTH}} {'|' if is_plain else '│'}{cells}".rstrip())
    corner = "+" + "-" * count if is_plain else "└" + "─" * count
    lines.append(f"{fmt.figure(0, found.unit):>{_SCALE_WIDTH}} {corner}")
    lines.append(" " * (_SCALE_WIDTH + 2) + _axis(found, count))
    return lines


def _summary(found: KeptMetric) -> str:
    points, unit = found.points, found.unit
    mean = sum(point.mean for point in points) / len(points)
    return (
        f"min {fmt.figure(min(point.low for point in points), unit)}"
        f"  mean {fmt.figure(mean, unit)}"
        f"  max {fmt.figure(max(point.high for point in points), unit)}"
        f"  last {fmt.figure(points[-1].last, unit)}"
    )


def _columns(found: KeptMetric, count: int) -> list[tuple[float, float] | None]:
    """Give each column the mean and the greatest of the points within it."""
    span = max(found.until - found.since, 1)
    groups: list[list[Point]] = [[] for _ in range(count)]
    for point in found.points:
        # A step wider than a column fills all of its own.
        first = (point.time - found.since) * count // span
        last = (point.time - found.since + found.step) * count // span
        for place in range(first, min(max(last, first + 1), count)):
            groups[place].append(point)
    return [_of(group) for group in groups]


def _of(group: Sequence[Point]) -> tuple[float, float] | None:
    if not group:
        return None
    mean = sum(point.mean for point in group) / len(group)
    return mean, max(point.high for point in group)


def _cell(column: tuple[float, float] | None, top: float, row: int, *, is_plain: bool) -> str:
    if column is None:
        return " "
    mean, high = (value / top * HEIGHT for value in column)
    if is_plain:
        return "#" if mean > row - 0.5 else (":" if high > row - 0.5 else " ")
    part = round((mean - (row - 1)) * 8)
    if part > 0:
        return fmt.BLOCKS[min(part, 8)]
    return _SHADE if high > row - 0.5 else " "


def _axis(found: KeptMetric, count: int) -> str:
    form = "%H:%M" if found.until - found.since <= _DAY else "%m-%d %H:%M"
    begin, end = (
        datetime.fromtimestamp(time, UTC).astimezone().strftime(form)
        for time in (found.since, found.until)
    )
    return f"{begin}{end:>{count - len(begin)}}"
