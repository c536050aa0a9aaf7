"""Updates folded into what the console knows."""

from engine.core.wire import (
    ConfigChanged,
    ConfigView,
    Event,
    EventHappened,
    EventKind,
    HostSample,
    InstanceChanged,
    InstanceGone,
    Ping,
    Samples,
    State,
)
from ten_tui.store.view import Change, LinkState, View
from tests.tui.demo import T0, sample_of
from tests.tui.fake import demo_engine


def fresh() -> View:
    view = View()
    view.apply(demo_engine().snapshot())
    return view


def test_a_snapshot_is_everything() -> None:
    view = View()
    assert view.apply(demo_engine().snapshot()) == Change.ALL
    assert view.counts()[State.HEALTHY] == 3
    assert view.now == T0
    assert len(view.events) == 7
    assert view.sample("api:alice").memory_bytes > 0
    assert view.sample("no:such").memory_bytes == 0


def test_a_second_snapshot_drops_what_is_gone() -> None:
    view = fresh()
    engine = demo_engine()
    del engine.instances["api:bob"]
    view.apply(engine.snapshot())
    assert "api:bob" not in view.instances
    assert "api:bob" not in view.sparks
    assert "api:bob" not in view.samples


def test_changes_touch_their_panes_only() -> None:
    view = fresh()
    one = view.instances["api:bob"]
    assert view.apply(InstanceChanged(instance=one)) == Change.INSTANCES
    assert view.apply(InstanceGone(name="api:bob")) == Change.INSTANCES
    assert "api:bob" not in view.instances
    assert view.apply(Ping(time=T0 + 5)) == Change.NOTHING
    assert view.now == T0 + 5
    config = ConfigChanged(config=ConfigView(path="p", text="", loaded_at=0.0), services=[])
    assert Change.CONFIG in view.apply(config)
    assert view.services == {}


def test_an_event_comes_once() -> None:
    view = fresh()
    event = Event(id=8, time=T0, kind=EventKind.ENGINE, text="x")
    view.apply(EventHappened(event=event))
    view.apply(EventHappened(event=event))
    assert [one.id for one in view.events][-2:] == [7, 8]


def test_samples_feed_the_history_of_the_one_in_view() -> None:
    view = fresh()
    view.show_history("api:alice", [sample_of("api:alice", T0 - back) for back in (2, 1)])
    for second in (1, 2):
        at = T0 + second
        view.apply(
            Samples(
                host=HostSample(at),
                instances={"api:alice": sample_of("api:alice", at), "api:bob": sample_of("b", at)},
            )
        )
    assert [sample.time for sample in view.history] == [T0 - 2, T0 - 1, T0 + 1, T0 + 2]
    past = [sample_of("api:alice", T0 - back) for back in (4, 3)]
    view.show_history("api:alice", past)
    assert [sample.time for sample in view.history][-2:] == [T0 + 1, T0 + 2]
    view.show_history("api:bob", [])
    assert list(view.history) == []


def test_what_is_shown_is_of_now_only_while_the_link_lives() -> None:
    view = View()
    assert not view.is_live
    view.link.state = LinkState.LIVE
    assert view.is_live


def test_what_does_not_run_any_more_has_no_figures() -> None:
    view = fresh()
    assert view.sample("api:alice").memory_bytes > 0
    view.apply(Samples(host=HostSample(T0 + 1), instances={}))
    assert view.sample("api:alice").memory_bytes == 0
