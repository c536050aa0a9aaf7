"""ten_tui.store.deploys: what is said of a rollout."""

import pytest

from engine.core.wire import Desired, InstanceView, State
from engine.core.wire_rollout import RolloutView
from ten_tui.store import deploys
from ten_tui.store.view import View
from tests.tui.demo import T0
from tests.tui.fake_rollouts import canary, counters


def instance(name: str, weight: int = 100, **more: object) -> InstanceView:
    service, _, ident = name.partition(":")
    fields = {"state": State.HEALTHY, "desired": Desired.RUNNING, "isolation": "process", **more}
    return InstanceView(name=name, service=service, id=ident, weight=weight, **fields)  # type: ignore[arg-type]


def view_of(*instances: InstanceView, rollout: RolloutView | None = None) -> View:
    view = View(now=T0, instances={one.name: one for one in instances})
    if rollout is not None:
        view.rollouts[rollout.service] = rollout
    return view


def places(rollout: RolloutView) -> list[str]:
    return [f"{step.label} {step.place}" for step in deploys.steps(rollout)]


@pytest.mark.parametrize(
    ("rollout", "wanted"),
    [
        (canary(step=1, shares=(5, 100), steps=2), ["5% now", "100% next", "window next"]),
        (canary(step=2, shares=(5, 100), steps=2), ["5% done", "100% now", "window next"]),
        (canary(state="promoted", step=1, steps=1, shares=(100,)), ["100% done", "window now"]),
        (canary(state="done", step=1, steps=1, shares=(100,)), ["100% done", "window done"]),
        (canary(state="rolled back", step=1, shares=(5,)), ["5% failed", "window next"]),
        (canary(strategy="rolling", shares=(), step=2, steps=2), ["1 done", "2 now"]),
        (canary(strategy="blue-green", shares=(), step=1, steps=1), ["all now", "window next"]),
    ],
)
def test_the_stations_say_where_it_is(rollout: RolloutView, wanted: list[str]) -> None:
    assert places(rollout)[: len(wanted)] == wanted


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"state": "starting"}, "waits until api:carol is healthy"),
        ({}, "step 3 in 23s"),
        ({"step": 4}, "its window opens in 23s"),
        ({"until": T0 - 1}, "the gate is looked at"),
        ({"state": "paused"}, "stays here until it is resumed; the gate goes on"),
        ({"state": "promoted"}, "api:alice and 1 more stopped in 23s; until then back at once"),
        ({"state": "closing"}, "api:alice and 1 more drained and stopped"),
        ({"state": "returning"}, "waits until api:alice and 1 more can take the traffic back"),
        ({"state": "rolling back"}, "api:carol drained and stopped"),
        ({"state": "rolled back"}, "for 37s"),
    ],
)
def test_the_outlook_says_what_comes_and_when(changes: dict[str, object], wanted: str) -> None:
    assert deploys.outlook(canary(**changes), T0) == wanted


def test_the_gate_stands_beside_its_limits_and_says_what_is_over() -> None:
    rows = {row.label: row for row in deploys.gate(canary())}
    assert rows["failed"][1:] == ("0.73%", "0.33%", "1.33%", True)
    assert rows["p95"].is_good
    bad = canary(new=counters(400, 40, 90.0))
    rows = {row.label: row for row in deploys.gate(bad)}
    assert (rows["failed"].is_good, rows["p95"].is_good) == (False, False)
    few = canary(new=counters(5, 5, 90.0))
    rows = {row.label: row for row in deploys.gate(few)}
    assert rows["failed"].is_good  # with so few the engine does not judge
    assert rows["p95"].limit == "judged from 100"
    assert {row.label: row.limit for row in deploys.gate(canary(max_p95=0.0))}["p95"] == "none"
    assert deploys.gate(canary(new=None, old=None)) == []


def test_versions_of_the_rollout_come_first_then_those_with_traffic() -> None:
    view = view_of(
        instance("api:a", 0, desired=Desired.STOPPED, state=State.STOPPED),
        instance("api:carol", 25),
        instance("api:alice", 75),
        instance("api:z", 100),
        instance("web:x"),
        rollout=canary(),
    )
    rows = deploys.versions(view, "api")
    assert [(row.instance.id, row.side, row.share) for row in rows] == [
        ("alice", "old", 0.375),
        ("carol", "new", 0.125),
        ("z", "", 0.5),
        ("a", "", 0.0),
    ]
    assert deploys.shares_after(rows, "api:z", "0")["api:alice"] == 0.75
    assert deploys.shares_after(rows, "api:z", "101") == {}
    nobody = deploys.versions(view_of(instance("api:a", 0)), "api")
    assert deploys.shares_after(nobody, "api:a", "0") == {"api:a": 0.0}


def test_whose_rollout_it_is_is_said_unless_it_is_one_s_own() -> None:
    rollout = canary()
    view = view_of(rollout=rollout)
    said = "root is bringing api:carol to api: canary, step 2 of 4, observing"
    assert deploys.lock_of(view, ["api:alice"], set()) == said
    assert deploys.lock_of(view, ["api:alice"], {("api", rollout.begun_at)}) == ""
    assert deploys.lock_of(view, ["web:x"], set()) == ""
    over = view_of(rollout=canary(is_over=True))
    assert deploys.lock_of(over, ["api:alice"], set()) == ""


def test_an_instance_says_what_rollout_it_is_in() -> None:
    view = view_of(rollout=canary())
    where = "canary, step 2 of 4, observing; step 3 in 23s"
    assert deploys.summary(view, "api:carol") == f"the new side of {where}"
    assert deploys.summary(view, "api:") == where
    assert deploys.summary(view, "api:zed") == ""
    assert deploys.summary(view, "web:") == ""
    back = view_of(rollout=canary(state="rolled back", reason="it failed", is_over=True))
    assert deploys.summary(back, "api:alice") == "canary, rolled back: it failed"
    back.now += deploys.NEWS_SECONDS
    assert deploys.summary(back, "api:alice") == ""
    assert deploys.summary(view_of(rollout=canary(state="done", is_over=True)), "api:alice") == ""


def test_an_order_says_what_it_moves() -> None:
    view = view_of()
    assert "starts it again first" in deploys.radius_of(view, canary(state="promoted"), "promote")
    assert deploys.radius_of(view, canary(), "promote").startswith("all of api (the traffic)")
    assert "goes back to api:alice and 1 more" in deploys.radius_of(view, canary(), "abort")
    done = canary(state="done", is_over=True)
    assert "is started and gets" in deploys.radius_of(view, done, "rollback")
    assert deploys.radius_of(view, canary(), "pause") == ""


def test_what_is_looked_at_is_the_cursor_s_service_or_one_that_moves() -> None:
    view = view_of(rollout=canary())
    assert deploys.service_of(view, "web:x") == "web"
    assert deploys.service_of(view, "") == "api"
    assert deploys.service_of(View(), "") == ""
