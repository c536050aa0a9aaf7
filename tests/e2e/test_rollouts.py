"""Versions rolled out under load, and back; the engine is killed at each step."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any

import pytest

from engine.core.wire import Snapshot, Update
from engine.core.wire_rollout import RolloutChanged, RolloutView
from ten_tui.client import Endpoint, connect
from tests.e2e.engine_run import TENANT, EngineRun, wait_until

Make = Callable[[str], EngineRun]

CONFIG = f"""
[settings]
health_check_interval = 1

[service.api]
command = "{TENANT}"
isolation = "process"
health = "/health"
stop_grace = 1
env = {{ WORD = "one" }}
"""

OVER = {"done", "rolled back", "aborted", "failed"}


class Load:
    """Asks the service all the time, on connections that are kept."""

    def __init__(self, run: EngineRun, path: Callable[[], str]) -> None:
        self.answers: Counter[str] = Counter()
        self.failed = 0
        self._run, self._path = run, path
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(3)]

    def _ask(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._run.port, timeout=10)
        while not self._is_over.is_set():
            try:
                connection.request("GET", self._path(), headers={"Host": "api.localhost"})
                answer = connection.getresponse()
                self.answers[answer.read().decode()] += 1
                self.failed += answer.status != 200
            except (OSError, HTTPException):
                self.failed += 1
                connection.close()
            time.sleep(0.004)
        connection.close()

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    @property
    def total(self) -> int:
        return sum(self.answers.values()) + self.failed


@contextmanager
def load(run: EngineRun, path: Callable[[], str] = lambda: "/") -> Iterator[Load]:
    found = Load(run, path)
    found.begin()
    try:
        yield found
    finally:
        found.end()


def started(make_engine: Make, *idents: str) -> EngineRun:
    run = make_engine(CONFIG)
    run.start()
    for ident in idents or ("v1",):
        status, body = run.request("POST", "/api/deploy", {"process": "api", "version": ident})
        assert status == 200, body
    return run


def say(run: EngineRun, word: str, command: str = TENANT) -> None:
    """Change what the service is configured to be."""
    text = CONFIG.replace('"one"', f'"{word}"').replace(TENANT, command)
    run.config.write_text(text)


def roll(run: EngineRun, version: str, strategy: str, **said: Any) -> dict[str, Any]:
    said = {"pause": "1s", "window": "1s", **said}
    body = {"service": "api", "version": version, "strategy": strategy, **said}
    status, data = run.request("POST", "/api/rollouts", body)
    assert status == 200, data
    found: dict[str, Any] = json.loads(data)
    return found


def order(run: EngineRun, what: str) -> tuple[int, dict[str, Any]]:
    status, body = run.request("POST", f"/api/rollouts/api/{what}")
    return status, json.loads(body)


def status_of(run: EngineRun) -> dict[str, Any]:
    found: dict[str, Any] = run.get("/api/rollouts/api")
    return found


def wait_rollout(run: EngineRun, *states: str, seconds: float = 25.0) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = status_of(run)
        return found if found["state"] in states else None

    try:
        found: dict[str, Any] = wait_until(look, f"the rollout is {states}", seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {status_of(run)}\n{run.log()[-2000:]}") from error
    return found


def weights(run: EngineRun) -> dict[str, int]:
    return {each["id"]: each.get("weight", 100) for each in run.instances().values()}


def test_blue_green_moves_all_at_once_and_back_again_with_what_was_recorded(
    make_engine: Make,
) -> None:
    run = started(make_engine)
    say(run, "two")
    with load(run) as asked:
        roll(run, "v2", "blue-green", pause=0, window="2s")
        found = wait_rollout(run, "promoted")
        assert found["weights"] == {"api:v1": 0, "api:v2": 100}
        status, refused = order(run, "pause")
        assert (status, refused["kind"]) == (409, "refused")
        assert run.stop_instance("api:v2") == 409  # it is under rollout
        wait_rollout(run, "done")
        assert run.state("api:v1") == "stopped"
        assert run.visit("api")[1] == "two"
        status, _ = order(run, "rollback")
        assert status == 200
        wait_rollout(run, "promoted")
        assert run.visit("api")[1] == "one"  # though the file says otherwise
    assert (asked.failed, set(asked.answers)) == (0, {"one", "two"})


def test_an_abort_is_undone_and_consoles_are_told(make_engine: Make) -> None:
    run = started(make_engine)
    say(run, "two", f"{TENANT} --lines 20")
    endpoint = Endpoint(socket=str(run.data_dir / "run/ten.sock"))
    with connect(endpoint) as client, closing(client.stream()) as stream:
        snapshot = next(stream)
        assert isinstance(snapshot, Snapshot)
        assert snapshot.rollouts == ()
        roll(run, "v2", "canary", steps="25,100", pause="60s", min_requests=5)
        wait_rollout(run, "observing")
        aborted = order(run, "abort")[1]
        assert (aborted["state"], aborted["reason"]) == ("rolling back", "aborted by root")
        assert order(run, "undo")[0] == 200
        found = wait_rollout(run, "observing")
        assert (found["weights"], found["step"]) == ({"api:v1": 75, "api:v2": 25}, 1)
        order(run, "abort")
        wait_rollout(run, "aborted")
        assert order(run, "undo")[0] == 200  # also when all of it is gone
        wait_rollout(run, "observing")
        order(run, "abort")
        wait_rollout(run, "aborted")
        view = run.get("/api/rollouts/api")
        told = told_until(stream, view["since"])
    # Of what nobody has read yet only the newest is kept: the others may have been passed over.
    every = {"starting", "observing", "rolling back", "aborted"}
    assert {"aborted"} <= {one.state for one in told} <= every
    assert (told[-1].shares, told[-1].max_errors, told[-1].actor) == ((25, 100), 0.01, "root")
    difference = run.get("/api/rollouts/api/difference")
    assert [each[0] for each in difference["settings"]] == ["command", "env.WORD"]
    assert [each[:2] for each in difference["lines"]] == [["line # of #", 0]]
    run.request("PUT", "/api/instances/api:v1/weight", {"weight": 50})
    status, refused = order(run, "undo")
    assert (status, "is not as its rollout has left it" in refused["error"]) == (409, True)


def told_until(stream: Iterator[Update], since: float) -> list[RolloutView]:
    """Read what consoles are told until they know of a state since a time."""
    told: list[RolloutView] = []
    for update in stream:
        if isinstance(update, RolloutChanged):
            told.append(update.rollout)
            if update.rollout.since >= since:
                return told
    return told


def test_what_is_recorded_outlives_the_engine_and_the_file(make_engine: Make) -> None:
    run = started(make_engine)
    say(run, "two")
    wait_until(lambda: "two" in run.get("/api/v1/config")["text"], "the file is read")
    run.kill_engine()
    assert run.restart("api:v1")[0] == 200
    pid = run.wait_state("api:v1", "healthy")["pid"]
    assert run.visit("v1.api", "/pid")[1] == str(pid)  # else a stranger has its port
    assert run.visit("v1.api")[1] == "one"
    status, body = run.request("POST", "/api/deploy", {"process": "api", "version": "v1"})
    assert status == 409
    assert "runs with the configuration recorded at its deploy" in body.decode()


def test_canary_that_starts_failing_at_a_quarter_goes_back_by_itself(make_engine: Make) -> None:
    run = started(make_engine)
    # The new version is told to fail by a file, so that it is well until then.
    with load(run, lambda: "/maybe") as asked:
        roll(run, "v2", "canary", steps="5,25,50,100", pause="2s", min_requests=10)
        wait_until(lambda: status_of(run)["step"] == 2, "a quarter")
        assert wait_rollout(run, "observing")["weights"] == {"api:v1": 75, "api:v2": 25}
        before = asked.total
        (run.data_dir / "api" / "v2" / "spoilt").touch()
        found = wait_rollout(run, "rolled back")
        seen = asked.total - before
    assert "requests failed" in found["reason"]
    assert weights(run) == {"v1": 100, "v2": 0}
    assert run.state("api:v2") == "stopped"
    assert 0 < asked.failed <= seen * 0.25 + 10
    assert any(found["reason"] in each["text"] for each in run.events())


def test_a_version_that_does_not_come_up_changes_nothing(make_engine: Make) -> None:
    run = started(make_engine)
    say(run, "two", command="false")
    with load(run) as asked:
        roll(run, "v2", "blue-green")
        found = wait_rollout(run, "rolled back")
    assert "does not come up" in found["reason"]
    assert (asked.failed, set(asked.answers)) == (0, {"one"})
    assert weights(run) == {"v1": 100, "v2": 0}


STEPS = {
    "blue-green": [("starting", 1), ("observing", 1), ("promoted", 1)],
    "rolling": [("starting", 1), ("observing", 1), ("observing", 2), ("promoted", 2)],
    "canary": [("starting", 1), ("observing", 1), ("observing", 2), ("promoted", 2)],
}


@pytest.mark.parametrize("strategy", sorted(STEPS))
@pytest.mark.timeout(90)
def test_engine_killed_at_each_step_goes_on_and_fails_nothing(
    make_engine: Make, strategy: str
) -> None:
    olds = ("a", "b") if strategy == "rolling" else ("v1",)
    run = started(make_engine, *olds)
    say(run, "two")
    with load(run) as asked:
        roll(run, "v2", strategy, **({"steps": "25,100"} if strategy == "canary" else {}))
        for state, step in STEPS[strategy]:
            wait_until(
                lambda state=state, step=step: (  # type: ignore[misc]
                    (found := status_of(run))["state"] == state and found["step"] == step
                ),
                f"{state} {step}",
            )
            run.kill_engine()
        found = wait_rollout(run, "done")
    assert (asked.failed, set(asked.answers)) == (0, {"one", "two"})
    for name in found["olds"]:
        assert (run.state(name), run.instance(name).get("weight", 100)) == ("stopped", 0)
    assert all(run.state(name) == "healthy" for name in found["news"])
    assert len(found["news"]) == len(olds)


def test_engine_killed_on_the_way_back_comes_all_the_way(make_engine: Make) -> None:
    run = started(make_engine, "a", "b")
    say(run, "two")
    with load(run) as asked:
        roll(run, "v2", "rolling", pause="1s", window="60s")
        wait_rollout(run, "promoted")
        wait_until(lambda: run.state("api:a") == "stopped", "the first is stopped")
        assert order(run, "rollback")[0] == 200
        run.kill_engine()
        wait_rollout(run, "rolled back")
        assert run.visit("api")[1] == "one"
    assert asked.failed == 0
    assert {name: run.state(name) for name in run.instances()} == {
        "api:a": "healthy",
        "api:b": "healthy",
        "api:v2": "stopped",
        "api:v2-2": "stopped",
    }


def ten(run: EngineRun, *words: str) -> subprocess.Popen[str]:
    environ = {**os.environ, "TENEMENT_DATA_DIR": str(run.data_dir)}
    return subprocess.Popen(
        [sys.executable, "-m", "ten_tui.cli", *words],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_line_follows_detaches_and_steers(make_engine: Make) -> None:
    run = started(make_engine)
    following = ten(run, "deploy", "api:v2", "--strategy", "canary", "--pause", "60s")
    wait_until(lambda: run.request("GET", "/api/rollouts/api")[0] == 200, "it is begun")
    wait_rollout(run, "observing")
    second = ten(run, "deploy", "api:v3", "--strategy", "canary")
    assert "under rollout" in second.communicate()[1]
    assert second.returncode == 1
    time.sleep(0.5)  # it has looked once more, and is now between two looks or in one
    following.send_signal(signal.SIGINT)
    out, errors = following.communicate(timeout=10)
    assert "observing, step 1 of 4 (api:v1 95, api:v2 5)" in out
    assert "Detached; the rollout goes on" in errors
    assert following.returncode == 130
    for what, state in (("pause", "paused"), ("resume", "observing"), ("abort", "aborted")):
        steering = ten(run, "rollout", what, "api")
        assert steering.communicate()[1] == ""
        wait_rollout(run, state)
    shown = ten(run, "rollout", "status", "api", "--json")
    assert json.loads(shown.communicate()[0])["reason"].startswith("aborted by ")
