"""What is kept, joined to what comes by the stream."""

from engine.core.metrics import KeptMetric, Point
from engine.core.wire import Sample
from ten_tui.store.past import Bin, Past, Window, bin_samples, combine, join, window_to


def kept(name: str, step: int, *points: Point) -> KeptMetric:
    return KeptMetric(
        instance="a:b", name=name, unit="", since=0, until=0, step=step, points=list(points)
    )


def point(time: int, mean: float, high: float = 0.0) -> Point:
    return Point(time, 0.0, high or mean, mean, mean)


def test_windows_stand_still_between_two_steps() -> None:
    assert window_to(119.0, 4, 6) == window_to(117.0, 4, 6)
    window = window_to(120.0, 4, 6)
    assert (window.since, window.until) == (100, 124)
    assert [window.place(time) for time in (99.9, 100, 123, 124)] == [-1, 0, 5, 6]


def test_points_are_brought_to_columns_finer_and_coarser() -> None:
    past, window = Past(), Window(last=11, step=10, bins=4)  # 80 to 120
    fine = [point(80, 1.0), point(85, 3.0, 9.0), point(110, 5.0)]
    past.take("a:b", ("cpu", "memory"), window, [kept("cpu", 5, *fine)])
    assert past.bins("cpu", window) == [Bin(2.0, 9.0), None, None, Bin(5.0, 5.0)]
    assert past.bins("memory", window) == [None] * 4
    past.take("a:b", ("cpu",), window, [kept("cpu", 30, point(60, 2.0), point(90, 4.0))])
    assert past.bins("cpu", window) == [Bin(2.0, 2.0), *[Bin(4.0, 4.0)] * 3]


def test_what_was_asked_for_is_not_asked_again_until_it_lacks_something() -> None:
    past, window = Past(), Window(last=100, step=10, bins=30)
    assert not past.has("a:b", ("cpu",), window, 600)
    past.take("a:b", ("cpu", "io"), window, [])
    assert past.has("a:b", ("cpu",), window, 0)
    assert past.has("a:b", ("cpu",), Window(last=150, step=10, bins=30), 600)
    assert not past.has("a:b", ("cpu",), Window(last=170, step=10, bins=30), 600)
    assert not past.has("a:b", ("cpu",), Window(last=150, step=10, bins=30), 0)
    assert not past.has("a:b", ("cpu",), Window(last=90, step=10, bins=30), 0)
    assert not past.has("a:b", ("cpu", "p95"), window, 0)
    assert not past.has("a:c", ("cpu",), window, 0)
    assert not past.has("a:b", ("cpu",), Window(last=50, step=20, bins=30), 600)
    past.forget()
    assert not past.has("a:b", ("cpu",), window, 0)


def test_the_stream_is_believed_where_it_has_a_column_whole() -> None:
    window = Window(last=5, step=10, bins=4)  # 20 to 60
    samples = [Sample(float(second), cpu_cores=1.0) for second in range(35, 55)]
    live = bin_samples(samples, lambda sample: sample.cpu_cores, window)
    assert live == [None, *[Bin(1.0, 1.0)] * 3]
    old = Bin(7.0, 7.0)
    assert join([old, old, old, old], live, 35.0, window) == [old, old, *[Bin(1.0, 1.0)] * 2]
    assert join([None] * 4, live, 35.0, window) == live


def test_several_metrics_become_one() -> None:
    one, other = [Bin(1.0, 2.0), None], [Bin(3.0, 5.0), None]
    assert combine([one, other], sum) == [Bin(4.0, 7.0), None]
    assert combine([one, other], max) == [Bin(3.0, 5.0), None]
