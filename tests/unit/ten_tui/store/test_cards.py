"""The why card and the config pane's rows."""

import msgspec
import pytest

from engine.core.wire import ConfigView, State, Why
from ten_tui.store.configtext import config_rows, error_row
from ten_tui.store.ui import Scroll
from ten_tui.store.why import is_well, next_step, why_facts
from tests.tui.demo import CONFIG, T0, demo_instances

ALL = {one.name: one for one in demo_instances()}


def card(name: str) -> dict[str, str]:
    return {fact.label: fact.text for fact in why_facts(ALL[name], T0)}


def test_a_crash_says_signal_time_and_last_words() -> None:
    facts = why_facts(ALL["flaky:default"], T0)
    assert facts[0].text == "failed for 1m 14s"
    assert card("flaky:default")["why"] == "killed by SIGSEGV"
    assert "r restarts it" in card("flaky:default")["next"]
    assert next(fact.text for fact in facts if fact.label == "│").startswith("panic:")


def test_a_failed_launch_says_its_step() -> None:
    why = Why(summary="cannot start", step="mount proc on /proc", errno="EPERM", path="/srv/app")
    one = msgspec.structs.replace(ALL["flaky:default"], why=why)
    facts = {fact.label: fact.text for fact in why_facts(one, T0)}
    assert facts["step"] == "mount proc on /proc: EPERM"
    assert facts["path"] == "/srv/app"


def test_an_exit_says_its_code_once() -> None:
    facts = card("flaky:second")
    assert facts["why"] == "exited with 2"
    assert "exit" not in facts
    assert facts["next"] == "starts again in 8 s"


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_an_outlook_or_needs_none(state: State) -> None:
    one = msgspec.structs.replace(ALL["api:alice"], state=state)
    assert isinstance(next_step(one, T0), str)
    assert is_well(one) == (state is State.HEALTHY)


def test_undo_and_pending_config_are_told() -> None:
    held = msgspec.structs.replace(
        ALL["api:alice"], state=State.DRAINING, undo="stop", until=T0 + 7
    )
    assert next_step(held, T0) == "u undoes stop for 7 s"
    changed = msgspec.structs.replace(ALL["api:alice"], spec_changed=True)
    assert "new config" in next_step(changed, T0)


def test_a_refused_config_marks_its_line() -> None:
    pending = CONFIG.replace('health = "/health"', 'health = "health"')
    view = ConfigView(
        path="tenement.toml",
        text=CONFIG,
        loaded_at=T0,
        error="must start with /",
        error_line=8,
        error_column=10,
        error_key="service.api.health",
        pending=pending,
        diff="--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n same",
        warnings=("line 3: unknown key",),
    )
    rows = config_rows(view, is_diff=False)
    place = error_row(rows)
    assert rows[place].number == 8
    assert rows[place].text == 'health = "health"'
    assert rows[place + 1].text.index("▲") == 9
    assert any("line 8, column 10" in row.text for row in rows)
    diff = [row.text for row in config_rows(view, is_diff=True)]
    assert "+new" in diff


def test_a_config_without_change_says_so() -> None:
    view = ConfigView(path="p", text="a = 1\n# b\n[c]", loaded_at=T0)
    assert "no change" in config_rows(view, is_diff=True)[0].text
    assert [row.number for row in config_rows(view, is_diff=False)] == [1, 2, 3]
    assert error_row([]) == 0


def test_scrolling_follows_again_at_the_last_row() -> None:
    scroll = Scroll()
    scroll.move(-3, 20, 5)
    assert (scroll.cursor, scroll.is_following) == (16, False)
    scroll.move(99, 20, 5)
    assert scroll.is_following
    scroll.clamp(30, 5)
    assert scroll.cursor == 29
    assert scroll.top == 25
    scroll.clamp(0, 5)
    assert (scroll.cursor, scroll.top) == (0, 0)
