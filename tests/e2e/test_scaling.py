"""Replicas by load: added, taken away, asleep; the engine is killed, and nothing fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.e2e.engine_run import TENANT, EngineRun, wait_until
from tests.e2e.test_rollouts import roll, wait_rollout

Make = Callable[[str], EngineRun]

CONFIG = f"""
[service.api]
command = "{TENANT}"
isolation = "process"
health = "/health"
drain = 0.5
stop_grace = 1

[service.api.scale]
min = MIN
max = 3
target_inflight = 2
up_after = 1
down_after = 2

[instances]
api = ["web"]
"""
THREE = {"api:web", "api:web-2", "api:web-3"}


@contextmanager
def asking(run: EngineRun, clients: int = 6) -> Iterator[list[int]]:
    """Have clients ask all the time, each again when it is answered; gives the statuses."""
    statuses: list[int] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            statuses.append(run.visit("api", "/slow?0.3")[0])

    with ThreadPoolExecutor(clients) as pool:
        tasks = [pool.submit(ask) for _ in range(clients)]
        try:
            yield statuses
        finally:
            is_over.set()
    for task in tasks:
        task.result()


def up(run: EngineRun) -> set[str]:
    """Name who takes requests."""
    found = run.instances().values()
    return {each["name"] for each in found if each["state"] == "healthy" and weight_of(each)}


def weight_of(view: dict[str, object]) -> object:
    return view.get("weight", 100)


def texts(run: EngineRun) -> list[str]:
    return [each["text"] for each in run.events() if each.get("actor") == "scale"]


@pytest.mark.timeout(90)
def test_replicas_come_and_go_with_the_load_and_no_request_fails(make_engine: Make) -> None:
    run = make_engine(CONFIG.replace("MIN", "1"))
    run.start()
    run.wait_state("api:web", "healthy")
    with ThreadPoolExecutor(1) as pool:
        with asking(run) as statuses:
            wait_until(lambda: up(run) == THREE, "there are three", 20)
            run.kill_engine()
            wait_until(lambda: up(run) == THREE, "the next engine knows them", 20)
            # Longer than `drain`: it is waited for.
            long = pool.submit(run.visit, "web-3.api", "/slow?8")
            wait_until(lambda: len(statuses) > 60, "all go on", 20)
        wait_until(lambda: up(run) == {"api:web"}, "two have no traffic", 20)
        wait_until(lambda: run.state("api:web-2") == "stopped", "one is stopped")
        assert run.state("api:web-3") == "healthy", "something is in flight there"
        assert long.result()[0] == 200
    wait_until(lambda: run.state("api:web-3") == "stopped", "the other is stopped")
    assert set(statuses) == {200}
    told = texts(run)
    assert told[0].startswith("api: 1 → 3 instances: ")
    assert told[0].endswith(" in flight in all, 2 wanted for each (1 to 3)")
    assert "→ 1 instances: 1 in flight in all" in told[-1]
    assert len(told) <= 3, told


@pytest.mark.timeout(90)
def test_none_runs_while_nobody_asks_and_what_a_user_stopped_stays_so(make_engine: Make) -> None:
    run = make_engine(CONFIG.replace("MIN", "0"))
    run.start()
    run.wait_state("api:web", "healthy")
    with asking(run) as statuses:
        wait_until(lambda: up(run) == THREE, "there are three", 20)
        assert run.stop_instance("api:web-2") == 204
        others = {"api:web", "api:web-3", "api:web-4"}
        wait_until(lambda: up(run) == others, "another takes its place", 20)
    run.wait_state("api:web", "asleep")
    wait_until(lambda: up(run) == set(), "none runs")
    assert run.visit("api")[0] == 200
    assert up(run) == {"api:web"}, "a request wakes the one that is no replica"
    assert set(statuses) == {200}
    assert run.state("api:web-2") == "stopped"


@pytest.mark.timeout(90)
def test_a_new_version_comes_with_as_many_and_replicas_go_with_their_base(
    make_engine: Make,
) -> None:
    run = make_engine(CONFIG.replace("MIN", "2"))
    run.start()
    wait_until(lambda: up(run) == {"api:web", "api:web-2"}, "the least number is up", 20)
    roll(run, "v2", "blue-green", pause="0s", window="0s")
    wait_rollout(run, "done")
    assert up(run) == {"api:v2", "api:v2-2"}
    assert run.request("PUT", "/api/instances/api:v2/weight", {"weight": 0})[0] == 200
    wait_until(lambda: run.state("api:v2-2") == "stopped", "it goes with its base")
    with asking(run) as statuses:
        assert run.request("PUT", "/api/instances/api:v2/weight", {"weight": 50})[0] == 200
        three = {"api:v2", "api:v2-2", "api:v2-3"}
        wait_until(lambda: up(run) == three, "load adds to what serves", 20)
        found = run.instances()
        assert {weight_of(found[each]) for each in three} == {50}
    assert 200 in statuses
