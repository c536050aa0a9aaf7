"""Pictures of the console, compared with those kept: three sizes; dark, light and 16 colours.

The clock stands still, nothing is animated, the data is the small host of `tests.tui.fake`.
Look at the SVG before accepting a new one: `pytest tests/tui/test_snapshots.py --snapshot-update`.
"""

import pytest

from ten_tui.app import TenApp
from ten_tui.client.bundle import gather
from ten_tui.client.recording import Recording
from ten_tui.messages import LinkMeasured
from ten_tui.store import charts
from ten_tui.store.arrange import PaneId
from ten_tui.store.view import LinkState
from tests.tui.fake import FakeEngine, demo_engine, rolling_engine

SIZES = [(80, 24), (120, 40), (200, 60)]
VIEWS: dict[str, tuple[str, ...]] = {
    "start": (),
    "why": ("j", "j", "j", "j"),
    "log": ("l", "k", "k"),
    "config": ("5",),
    "help": ("question_mark",),
    "menu": ("x",),
    "past": ("left_square_bracket", "left_square_bracket"),
    "zoom": ("2", "minus", "minus", "minus", "z"),
    "group": ("g",),
    "fold": ("l", "F"),
    "events": ("4",),
}
THEMES = ["dusk", "paper", "ansi"]


class StillApp(TenApp):
    """Every round trip takes as long as every other."""

    def on_link_measured(self, message: LinkMeasured) -> None:
        message.trip_ms = 2.0
        super().on_link_measured(message)


def app(theme: str, engine: FakeEngine | None = None) -> TenApp:
    make = (engine or demo_engine()).connect
    return StillApp(make, theme_name=theme, clock=lambda: 1000.0)


def has_past(console: TenApp) -> bool:
    """Whether graphs, sparklines and a time that is looked at are filled."""
    ui = console.ui
    columns, rows = console.graph_room()
    layout = charts.layout(rows)
    spark = ui.view.sparks.get("api:alice")
    is_filled = spark is not None and max(spark.lines[:-1]) > 0
    if columns and layout.charts and ui.table.shown:
        window = charts.window_of(ui.timeline, ui.rendering, ui.view.now, columns)
        is_filled &= ui.view.past.has(ui.table.shown, layout.metrics, window, 0.0)
    then = ui.view.then
    return is_filled and (ui.timeline.is_now or (then is not None and then.at == ui.timeline.at))


def settle(keys: tuple[str, ...]):
    async def run_before(pilot) -> None:
        console: TenApp = pilot.app
        ui = console.ui

        async def still() -> None:
            for _ in range(500):
                await pilot.pause(0.01)
                logs = ui.logs
                wanted = min(logs.end - logs.oldest, console.body_height(PaneId.LOG))
                is_filled = logs.is_known and len(logs.held) >= wanted
                is_read = is_filled and ui.view.history_of == ui.table.shown
                is_read &= has_past(console)
                is_read &= ui.focus is not PaneId.DEPLOYS or ui.deploys.compared is not None
                if is_read and ui.view.link.round_trip_ms:
                    break
            await pilot.pause(0.1)

        await still()
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await still()
        console.repaint()
        await pilot.pause()

    return run_before


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_start(snap_compare, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(app(theme), terminal_size=size, run_before=settle(()))


@pytest.mark.parametrize("view", [view for view in VIEWS if view != "start"])
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_view(snap_compare, size: tuple[int, int], theme: str, view: str) -> None:
    assert snap_compare(app(theme), terminal_size=size, run_before=settle(VIEWS[view]))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_deploys(snap_compare, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(
        app(theme, rolling_engine()), terminal_size=size, run_before=settle(("D", "j"))
    )


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_hosts(snap_compare, size: tuple[int, int], theme: str) -> None:
    away = demo_engine()
    away.die()
    makes = {"berlin": demo_engine().connect, "tokyo": demo_engine().connect, "oslo": away.connect}
    console = StillApp(makes, theme_name=theme, clock=lambda: 1000.0)

    async def run_before(pilot) -> None:
        seats = console.hosts.seats
        for _ in range(500):
            await pilot.pause(0.01)
            states = [seat.ui.view.link.state for seat in seats]
            if states == [LinkState.LIVE, LinkState.LIVE, LinkState.LOST]:
                break
        await settle(())(pilot)

    assert snap_compare(console, terminal_size=size, run_before=run_before)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_replay(snap_compare, size: tuple[int, int], theme: str) -> None:
    recording = Recording(gather(demo_engine().connect(), "0.0"))
    console = StillApp(recording.connect, theme_name=theme, clock=lambda: 1000.0)
    assert snap_compare(console, terminal_size=size, run_before=settle(()))
