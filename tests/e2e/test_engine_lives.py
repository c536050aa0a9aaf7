"""Spawn, stop, restart, crash, limits of patience: one instance's life on a real engine."""

import os
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from engine.daemon.clock import wall
from tests.e2e.engine_run import TENANT, EngineRun, wait_until

CONFIG = f"""
[settings]
health_check_interval = 1
backoff_base_ms = 300

[service.web]
command = "{TENANT}"
isolation = "process"
health = "/health"
stop_grace = 1
env = {{ WORD = "hello from {{id}}" }}

[service.deaf]
command = "{TENANT} --deaf --children"
isolation = "process"
stop_grace = 1

[service.inner]
command = "{TENANT} --deaf --children"
isolation = "namespace"
stop_grace = 1

[service.missing]
command = "/no/such/program"
isolation = "process"
restart = "never"

[service.once]
command = "/bin/sh -c 'echo to stderr >&2; exit 7'"
isolation = "process"
restart = "never"

[instances]
web = ["one"]
"""

Make = Callable[[str], EngineRun]


@pytest.fixture
def engine(make_engine: Make) -> EngineRun:
    run = make_engine(CONFIG)
    run.start()
    return run


def tree_of(run: EngineRun, name: str) -> list[psutil.Process]:
    """Every process with the instance's environment, wherever it hangs in the tree."""
    found = []
    own = str(run.data_dir / name.replace(":", "/"))
    for process in psutil.process_iter():
        try:
            if process.environ().get("TEN_DATA_DIR") == own:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_declared_instance_serves_and_stops_and_starts_again(engine: EngineRun) -> None:
    view = engine.wait_state("web:one", "healthy")
    assert engine.visit("one.web") == (200, "hello from one")
    assert engine.visit("web") == (200, "hello from one")
    assert (engine.data_dir / "web" / "one").is_dir()

    status, reply = engine.restart("web:one")
    assert (status, reply["instance"]) == (200, "web:one")
    again = engine.wait_state("web:one", "healthy")
    assert again["pid"] != view["pid"]
    assert again.get("restarts", 0) == 0

    assert engine.stop_instance("web:one") == 204
    assert engine.instance("web:one")["state"] == "stopped"
    assert tree_of(engine, "web:one") == []

    assert engine.spawn("web:one")[0] == 200
    engine.wait_state("web:one", "healthy")
    acts = [event["command"] for event in engine.events() if event["kind"] == "action"]
    assert acts == ["ten restart web:one", "ten stop web:one", "ten spawn web:one"]


def test_spawn_of_what_is_not_configured_or_cannot_start_says_so(engine: EngineRun) -> None:
    status, reply = engine.spawn("nope:x")
    assert (status, reply) == (500, {"error": "Unknown process: nope"})
    status, reply = engine.spawn("missing:x")
    assert status == 500
    assert "/no/such/program" in reply["error"]
    why = engine.wait_state("missing:x", "failed")["why"]
    assert (why["errno"], why["path"]) == ("ENOENT", "/no/such/program")
    assert engine.spawn("web:two")[0] == 200, "another spawn is not held up by it"


def test_crash_is_restarted_at_once_and_then_after_its_backoff(engine: EngineRun) -> None:
    first = engine.wait_state("web:one", "healthy")
    os.kill(first["pid"], signal.SIGKILL)
    died = wall()
    second = wait_until(
        lambda: (v := engine.instance("web:one")).get("pid", 0) not in {0, first["pid"]} and v,
        "started again",
    )
    assert second["started_at"] - died < 0.1
    assert second["restarts"] == 1

    second = engine.wait_state("web:one", "healthy")
    os.kill(second["pid"], signal.SIGABRT)
    died = wall()
    third = wait_until(
        lambda: (v := engine.instance("web:one")).get("pid", 0) not in {0, second["pid"]} and v,
        "started again",
    )
    assert 0.3 <= third["started_at"] - died < 0.3 * 1.1 + 0.1
    texts = [event["text"] for event in engine.events()]
    assert any("killed by SIGKILL" in text for text in texts)
    assert any("killed by SIGABRT" in text for text in texts)


def test_exit_is_told_with_its_code_and_the_end_of_stderr(engine: EngineRun) -> None:
    engine.spawn("once:x")
    why = engine.wait_state("once:x", "failed")["why"]
    assert why["exit_code"] == 7
    assert why["summary"] == "exited with 7"
    assert why["stderr_tail"] == ["to stderr"]


@pytest.mark.parametrize("service", ["deaf", "inner"])
def test_all_of_a_deaf_program_is_gone_after_its_grace(engine: EngineRun, service: str) -> None:
    name = f"{service}:x"
    assert engine.spawn(name)[0] == 200
    engine.wait_state(name, "healthy")
    processes = tree_of(engine, name)
    assert len(processes) >= 3, "the program and its children, one of them in its own session"
    start = time.monotonic()
    assert engine.stop_instance(name) == 204
    assert 1.0 <= time.monotonic() - start < 3.0
    _, alive = psutil.wait_procs(processes, timeout=1)
    assert alive == []


def test_sick_instance_is_degraded_then_restarted(engine: EngineRun) -> None:
    before = engine.wait_state("web:one", "healthy")
    sick = engine.data_dir / "web" / "one" / "sick"
    sick.touch()
    engine.wait_state("web:one", "degraded")
    sick_seen = engine.wait_state("web:one", "starting")
    assert sick_seen["why"]["summary"] == "health check: 503 from /health"
    sick.unlink()
    assert engine.wait_state("web:one", "healthy")["pid"] != before["pid"]


def test_stop_with_a_hold_can_be_undone(engine: EngineRun) -> None:
    before = engine.wait_state("web:one", "healthy")
    status, _ = engine.request("DELETE", "/api/instances/web:one?hold=10")
    assert status == 204
    assert engine.instance("web:one")["undo"] == "stop"
    assert engine.request("POST", "/api/v1/instances/web:one/undo")[0] == 200
    after = engine.wait_state("web:one", "healthy")
    assert (after["pid"], after.get("undo", "")) == (before["pid"], "")

    assert engine.request("PUT", "/api/instances/web:one/weight", {"weight": 40})[0] == 200
    assert engine.instance("web:one")["undo"] == "weight 100"
    assert engine.request("POST", "/api/v1/instances/web:one/undo")[0] == 200
    assert engine.instance("web:one").get("weight", 100) == 100
    assert engine.request("POST", "/api/v1/instances/web:one/undo")[0] == 409


def test_a_stop_without_a_hold_can_be_undone_by_a_start(engine: EngineRun) -> None:
    before = engine.wait_state("web:one", "healthy")
    assert engine.stop_instance("web:one") == 204
    assert engine.wait_state("web:one", "stopped")["undo"] == "stop"
    assert engine.request("POST", "/api/v1/instances/web:one/undo")[0] == 200
    after = engine.wait_state("web:one", "healthy")
    assert after["pid"] != before["pid"]
    assert engine.request("POST", "/api/v1/instances/web:one/undo")[0] == 409
    assert engine.stop_instance("web:one") == 204
    assert engine.restart("web:one")[0] == 200
    assert engine.instance("web:one").get("undo", "") == "", "it runs: nothing is to be undone"


def test_a_request_for_what_is_held_is_served_or_refused_at_once(engine: EngineRun) -> None:
    before = engine.wait_state("web:one", "healthy")
    assert engine.request("DELETE", "/api/instances/web:one?hold=10")[0] == 204
    wait_until(lambda: engine.state("web:one") == "draining", "the stop is seen")

    def is_woken() -> bool:
        # A door that has not heard of the stop yet answers and wakes nothing.
        start = time.monotonic()
        assert engine.visit("one.web")[0] == 200
        assert time.monotonic() - start < 3.0
        return engine.state("web:one") == "healthy"

    wait_until(is_woken, "a request ends the hold", 5.0)
    after = engine.instance("web:one")
    assert (after["pid"], after.get("undo", "")) == (before["pid"], "")

    text = CONFIG.replace("[service.deaf]", 'wake = "never"\n[service.deaf]')
    engine.config.write_text(text)
    wait_until(lambda: engine.get("/api/v1/config")["text"] == text, "it is in force")
    assert engine.request("DELETE", "/api/instances/web:one?hold=10")[0] == 204
    # A door may not have heard of the stop yet; none lets a request hang.
    wait_until(lambda: engine.visit("one.web")[0] == 503, "it is refused", 3.0)
    assert engine.request("POST", "/api/v1/instances/web:one/undo")[0] == 200
    assert engine.wait_state("web:one", "healthy")["pid"] == before["pid"]


def test_what_was_never_known_is_neither_restarted_nor_stopped(engine: EngineRun) -> None:
    engine.wait_state("web:one", "healthy")
    for ask in (lambda: engine.restart("web:on"), lambda: engine.restart("web:else")):
        status, body = ask()
        assert status == 404
        assert body["kind"] == "not_found"
    assert "did you mean web:one?" in engine.restart("web:on")[1]["error"]
    assert "ten spawn deaf:zz makes it" in engine.restart("deaf:zz")[1]["error"]
    assert engine.stop_instance("web:on") == 404
    assert set(engine.instances()) == {"web:one"}


def test_environment_of_the_engine_does_not_reach_tenants(
    make_engine: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEN_TEST_SECRET", "of the server")
    run = make_engine(CONFIG)
    run.start()
    run.wait_state("web:one", "healthy")
    status, text = run.visit("one.web", "/env")
    assert status == 200
    assert "TEN_TEST_SECRET" not in text
    assert f"TEN_DATA_DIR={run.data_dir}/web/one" in text.splitlines()


def test_a_last_line_without_its_end_does_not_run_into_the_next_run(
    make_engine: Callable[[str], EngineRun],
) -> None:
    run = make_engine(
        """
[settings]
backoff_base_ms = 1
[service.half]
command = "sh -c 'printf begun; exit 3'"
isolation = "process"
[instances]
half = ["x"]
"""
    )
    run.start()
    run.wait_state("half:x", "failed")
    lines = run.lines("half:x")
    assert len(lines) >= 2
    assert set(lines) == {"begun"}
