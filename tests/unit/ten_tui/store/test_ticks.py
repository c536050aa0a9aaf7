"""Marks of what happened, and the states of then."""

import pytest

from engine.core.oom import OomKill
from engine.core.wire import Event, EventKind, State
from ten_tui.store.past import Window
from ten_tui.store.ticks import GLYPHS, WORDS, Tick, state_of, states_at, tick_of, ticks


def event(text: str, time: float = 100.0, **more: object) -> Event:
    base = {"kind": EventKind.STATE, "instance": "api:bob"}
    return Event(id=1, time=time, text=text, **{**base, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("happened", "tick"),
    [
        (event(OomKill(kills=1).event("api:bob"), level="error"), Tick.OOM),
        (event("has weight 50", kind=EventKind.ACTION, command="ten weight a:b 50"), Tick.DEPLOY),
        (event("is restarted", kind=EventKind.ACTION, command="ten restart a:b"), Tick.RESTART),
        (event("api:bob starts again: exited with 2"), Tick.RESTART),
        (event("api:bob is failed: exited with 2", level="error"), Tick.FAILURE),
        (event("api:bob is healthy"), None),
        (event("the file was read", kind=EventKind.CONFIG, instance=""), Tick.CONFIG),
        (event("engine began", kind=EventKind.ENGINE, instance=""), None),
    ],
)
def test_what_is_a_mark(happened: Event, tick: Tick | None) -> None:
    assert tick_of(happened) is tick


def test_marks_stand_at_their_time_the_gravest_in_front() -> None:
    window = Window(last=19, step=10, bins=20)  # 0 to 200
    happened = [
        event("read", 15.0, kind=EventKind.CONFIG, instance=""),
        event("api:bob is failed", 19.0, level="error"),
        event("api:eve is failed", 50.0, level="error", instance="api:eve"),
        event("api:bob starts again: x", 199.0),
        event("api:bob starts again: x", 200.0),
    ]
    assert ticks(happened, "api:bob", window, 10) == {0: Tick.FAILURE, 9: Tick.RESTART}
    assert set(GLYPHS) == set(WORDS) == set(Tick)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("api:bob is woken by a request", State.HEALTHY),
        ("api:bob is starting", State.STARTING),
        ("api:bob starts again: exited", State.STARTING),
        ("api:bob starts again in 2.0 s: exited", State.BACKOFF),
        ("api:bob finishes its requests", State.DRAINING),
        ("api:bob is asleep", State.ASLEEP),
        ("api:bob is degraded: 503", State.DEGRADED),
        ("api:bob is out of sorts", None),
    ],
)
def test_the_state_an_event_tells(text: str, state: State | None) -> None:
    assert state_of(event(text)) is state


def test_the_last_word_before_a_time_counts() -> None:
    happened = [
        event("api:bob is starting", 10.0),
        event("api:bob is healthy", 12.0),
        event("api:bob is failed", 30.0),
    ]
    assert states_at(happened, 11.0) == {"api:bob": State.STARTING}
    assert states_at(happened, 20.0) == {"api:bob": State.HEALTHY}
    assert states_at(happened, 5.0) == {}
