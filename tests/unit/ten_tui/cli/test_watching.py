"""ten_tui.cli.watching: a rollout in a few lines, drawn in one place."""

import io

from ten_tui.cli.watching import Watch, can_redraw, watch_lines
from tests.tui.demo import T0
from tests.tui.fake_rollouts import canary, counters


def test_where_it_is_what_comes_and_its_gate() -> None:
    assert watch_lines(canary(new=counters(400, 40, 18.0)), T0) == [
        "api: canary, step 2 of 4, observing",
        "  ✔ 5% ── ● 25% ── ○ 50% ── ○ 100% ── ○ window ── ○ done",
        "  step 3 in 23s",
        "  requests       400 new     1,205 old   limit judged from 20",
        "  failed      10.00% new     0.33% old   limit 1.33%  over it",
        "  p95           24ms new      24ms old   limit 36ms",
        "  restarts         0 new         0 old   limit 0",
        "  weights  api:alice 50, api:bob 25, api:carol 25",
    ]
    back = canary(state="rolled back", reason="it \x1b[2Jfailed", new=None, old=None)
    assert watch_lines(back, T0, is_plain=True) == [
        "api: canary, rolled back",
        "  + 5% -- x 25% -- - 50% -- - 100% -- - window -- - done",
        "  for 37s",
        "  weights  api:alice 50, api:bob 25, api:carol 25",
        "  it failed",
    ]


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_it_is_drawn_over_what_was_there() -> None:
    out = Screen()
    watch = Watch(out)
    watch.draw(canary(), T0)
    watch.draw(canary(state="promoted", new=None, old=None), T0 + 1)
    assert out.getvalue().count("\x1b[8A\r") == 1
    assert out.getvalue().endswith("\x1b[K\n\x1b[J")
    assert can_redraw(out, {"TERM": "xterm"})
    assert not can_redraw(out, {"TERM": "dumb"})
    assert not can_redraw(io.StringIO(), {"TERM": "xterm"})
