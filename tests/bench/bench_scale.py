"""How replicas follow a ramp of load, recorded second by second.

Run as `python -m tests.bench.bench_scale [docs/scale.svg]`; takes 100 s. Clients ask by the door,
each again as soon as it is answered; their number rises, swings, falls and rests. The recorded
load and instances are printed, and drawn as an SVG where a file is named.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.engine_run import TENANT, EngineRun, wait_until

TARGET = 4
CONFIG = f"""
[service.api]
command = "{TENANT}"
health = "/health"

[service.api.scale]
min = 0
max = 6
target_inflight = {TARGET}
up_after = 3
down_after = 8

[instances]
api = ["web"]
"""
RAMP = (2, 2, 6, 10, 14, 18, 22, 18, 22, 18, 22, 14, 10, 6, 2, 0, 0, 0, 3, 3)
"""Clients, for five seconds each."""
STEP_SECONDS = 5.0
WIDTH, HEIGHT, LEFT, TOP, MOST = 720, 260, 44, 30, 24


@dataclass(frozen=True)
class Moment:
    second: float
    clients: int
    up: int


class Crowd:
    """So many clients at a time as are wanted."""

    def __init__(self, run: EngineRun) -> None:
        self._run = run
        self._wanted = 0
        self.statuses: dict[int, int] = {}
        self._threads: list[threading.Thread] = []

    def want(self, number: int) -> None:
        self._wanted = number
        for place in range(len(self._threads), number):
            self._threads.append(threading.Thread(target=self._ask, args=(place,)))
            self._threads[-1].start()

    def _ask(self, place: int) -> None:
        while self._wanted >= 0:
            if place >= self._wanted:
                time.sleep(0.05)
                continue
            status = self._run.visit("api", "/slow?0.25")[0]
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def end(self) -> None:
        self._wanted = -1
        for thread in self._threads:
            thread.join()


def record(run: EngineRun, crowd: Crowd) -> Iterator[Moment]:
    begin = time.monotonic()
    while (second := time.monotonic() - begin) < len(RAMP) * STEP_SECONDS:
        clients = RAMP[int(second / STEP_SECONDS)]
        crowd.want(clients)
        views = [each for each in run.instances().values() if each["service"] == "api"]
        up = sum(each["state"] == "healthy" and each.get("weight", 100) > 0 for each in views)
        yield Moment(second, clients, up)
        time.sleep(0.5)


def draw(moments: list[Moment]) -> str:
    """Draw load and what the instances are for, in colours that are read on light and dark."""
    span = moments[-1].second
    across = (WIDTH - LEFT - 10) / span
    down = (HEIGHT - TOP - 30) / MOST

    def line(values: list[int], colour: str, style: str = "") -> str:
        last, points = None, []
        for moment, value in zip(moments, values, strict=True):
            x = LEFT + moment.second * across
            if last is not None:
                points.append(f"{x:.1f},{HEIGHT - 30 - last * down:.1f}")
            points.append(f"{x:.1f},{HEIGHT - 30 - value * down:.1f}")
            last = value
        joined = " ".join(points)
        return f'<polyline points="{joined}" fill="none" stroke="{colour}" {style}/>'

    def text(x: float, y: float, words: str, more: str = "") -> str:
        return f'<text x="{x:.0f}" y="{y:.0f}" fill="#888" {more}>{words}</text>'

    grid = [
        f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#888" '
        f'stroke-opacity="0.25"/>{text(LEFT - 8, y + 4, f"{count} × {TARGET}", end)}'
        for count in range(7)
        for y in (HEIGHT - 30 - count * TARGET * down,)
        for end in ('text-anchor="end"',)
    ]
    marks = [
        text(LEFT + second * across, HEIGHT - 10, f"{second} s", 'text-anchor="middle"')
        for second in range(0, int(span) + 1, 20)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
            'font-family="sans-serif" font-size="12">',
            *grid,
            *marks,
            line([each.clients for each in moments], "#c2762d", 'stroke-width="1.5"'),
            line([each.up * TARGET for each in moments], "#2f80c2", 'stroke-width="2.5"'),
            text(LEFT + 10, 16, "requests in flight", 'style="fill:#c2762d"'),
            text(LEFT + 140, 16, f"instances up × {TARGET}", 'style="fill:#2f80c2"'),
            "</svg>\n",
        ]
    )


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = EngineRun(Path(folder), CONFIG)
        run.start()
        crowd = Crowd(run)
        try:
            wait_until(lambda: run.state("api:web") == "healthy", "it is up")
            moments = list(record(run, crowd))
            crowd.end()
            changes = [each for each in run.events() if each.get("actor") == "scale"]
        finally:
            crowd.end()
            run.end()
    for each in changes:
        print(each["text"])
    print("answers by status:", dict(sorted(crowd.statuses.items())))
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(draw(moments))


if __name__ == "__main__":
    main()
