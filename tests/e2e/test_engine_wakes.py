"""Sleeping, waking, and who may invent instances."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.engine_run import TENANT, EngineRun, wait_until

CONFIG = f"""
[settings]
health_check_interval = 1

[service.lazy]
command = "{TENANT}"
isolation = "process"
health = "/health"
idle_timeout = 1
stop_grace = 1
env = {{ WORD = "{{id}}" }}

[service.few]
command = "{TENANT}"
isolation = "process"
health = "/health"
max_instances = 3

[service.known]
command = "{TENANT}"
isolation = "process"
wake = "known"

[service.never]
command = "{TENANT}"
isolation = "process"
wake = "never"

[service.broken]
command = "/no/such/program"
isolation = "process"

[service.slow]
command = "{TENANT} --start-after 30"
isolation = "process"
health = "/health"
startup_timeout = 1
restart = "never"

[instances]
lazy = ["a"]
"""

Make = Callable[[str], EngineRun]


@pytest.fixture
def engine(make_engine: Make) -> EngineRun:
    run = make_engine(CONFIG)
    run.start()
    return run


def test_idle_instance_sleeps_and_a_request_wakes_it(engine: EngineRun) -> None:
    first = engine.wait_state("lazy:a", "healthy")
    engine.wait_state("lazy:a", "asleep")
    assert engine.instance("lazy:a").get("pid", 0) == 0
    assert engine.visit("a.lazy") == (200, "a")
    assert engine.wait_state("lazy:a", "healthy")["pid"] != first["pid"]
    engine.wait_state("lazy:a", "asleep")
    assert engine.visit("lazy") == (200, "a"), "by weight, too"

    engine.wait_state("lazy:a", "asleep")
    assert engine.stop() == 0
    engine.start()
    time.sleep(0.3)
    assert engine.state("lazy:a") == "asleep", "who slept sleeps on"
    assert engine.visit("a.lazy") == (200, "a")


def test_request_in_flight_keeps_it_awake(engine: EngineRun) -> None:
    engine.wait_state("lazy:a", "healthy")
    for _ in range(3):
        assert engine.visit("a.lazy", "/slow") == (200, "a")
    assert engine.instance("lazy:a").get("restarts", 0) == 0


def test_fifty_requests_share_one_start(engine: EngineRun) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: engine.visit("new.lazy"), range(50)))
    assert answers == [(200, "new")] * 50
    starts = [e for e in engine.events() if e["text"].startswith("lazy:new is woken by a request")]
    assert len(starts) == 1


def test_a_request_that_undoes_a_stop_is_told(engine: EngineRun) -> None:
    engine.wait_state("lazy:a", "healthy")
    text = 'lazy:a is woken by a request (with wake = "never" it stays stopped)'
    for hold in ("", "?hold=10"):
        told = len([each for each in engine.events() if each["text"] == text])
        assert engine.request("DELETE", f"/api/instances/lazy:a{hold}")[0] == 204
        wait_until(lambda: engine.state("lazy:a") != "healthy", "it is being stopped")
        # The first may still be let in by the table of before, and undoes nothing then.
        wait_until(
            lambda told=told: (
                engine.visit("a.lazy") == (200, "a")
                and len([each for each in engine.events() if each["text"] == text]) == told + 1
            ),
            "it is woken, and that is told",
        )


def test_unlimited_invention_is_refused(engine: EngineRun) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda n: engine.visit(f"i{n}.few")[0], range(12)))
    assert sorted(answers) == [200] * 3 + [503] * 9
    assert sum(name.startswith("few:") for name in engine.instances()) == 3
    told = [each["text"] for each in engine.events() if "are answered 503" in each["text"]]
    assert len(told) == 1, "once, however many were asked for"
    assert "max_instances = 3" in told[0]
    status, reply = engine.spawn("few:more")
    assert status == 500
    assert "max_instances = 3" in reply["error"]


@pytest.mark.parametrize("name", ["known", "never"])
def test_ids_never_seen_wake_nothing_where_that_is_forbidden(engine: EngineRun, name: str) -> None:
    start = time.monotonic()
    assert engine.visit(f"x.{name}")[0] == 404
    assert time.monotonic() - start < 3
    assert f"{name}:x" not in engine.instances()


def test_known_ones_wake_where_only_invention_is_forbidden(engine: EngineRun) -> None:
    assert engine.spawn("known:x")[0] == 200
    engine.wait_state("known:x", "healthy")
    assert engine.stop_instance("known:x") == 204
    assert engine.visit("x.known")[0] == 200


def test_what_cannot_start_is_answered_soon(engine: EngineRun) -> None:
    start = time.monotonic()
    assert engine.visit("x.broken") == (503, "Service temporarily unavailable")
    assert time.monotonic() - start < 5


def test_what_does_not_become_ready_is_answered_after_its_timeout(engine: EngineRun) -> None:
    start = time.monotonic()
    assert engine.visit("x.slow")[0] == 503
    assert 0.9 < time.monotonic() - start < 5


@pytest.mark.parametrize("host", ["..%2fx.lazy", "/abs/path.lazy", "-x.lazy", "a_.lazy", "é.lazy"])
def test_names_that_are_none_make_nothing(engine: EngineRun, host: str) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=10)
    connection.putrequest("GET", "/", skip_host=True)
    connection.putheader("Host", f"{host}.localhost".encode())
    connection.endheaders()
    assert connection.getresponse().status in {400, 401, 404}
    connection.close()
    assert set(engine.instances()) == {"lazy:a"}


def test_a_full_queue_is_written_down(make_engine: Make) -> None:
    slow = f"sh -c 'sleep 2; exec {TENANT}'"
    run = make_engine(f'[service.slow]\ncommand = "{slow}"\nisolation = "process"\n')
    run.start()
    with ThreadPoolExecutor(110) as pool:
        answers = Counter(pool.map(lambda _: run.visit("x.slow")[0], range(110)))
    assert answers == {200: 100, 503: 10}
    told = [each["text"] for each in run.events() if "are answered 503" in each["text"]]
    assert told == ["requests for slow:x are answered 503: 100 wait already"]
