"""`ten inspect` and the doctor's route on a real engine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.engine_run import TENANT, EngineRun, wait_until
from tests.require import require_program, require_root

CONFIG = f"""
[settings]
require_limits = false

[service.plain]
command = "{TENANT}"
isolation = "process"
health = "/health"
stop_grace = 1

[service.inner]
command = "{TENANT}"
health = "/health"
stop_grace = 1
env = {{ TOKEN = "hunter2" }}

[service.strict]
command = "{TENANT}"
health = "/health"
stop_grace = 1
hardening = "strict"

[instances]
plain = ["a"]
inner = ["a"]
strict = ["a"]
"""
Make = Callable[[str], EngineRun]


@pytest.fixture
def engine(make_engine: Make) -> EngineRun:
    run = make_engine(CONFIG if os.geteuid() == 0 else CONFIG.replace('"strict"', '"default"'))
    run.start()
    for service in ("plain", "inner", "strict"):
        run.wait_state(f"{service}:a", "healthy")
    return run


def inspect(run: EngineRun, name: str) -> dict[str, Any]:
    found: dict[str, Any] = run.get(f"/api/instances/{name}/inspect")
    return found


def seen(found: dict[str, Any], step: str) -> str:
    return next(str(each["seen"]) for each in found["steps"] if each["text"].startswith(step))


@pytest.mark.parametrize("service", ["plain", "inner", "strict"])
def test_what_was_planned_is_so(engine: EngineRun, service: str) -> None:
    found = inspect(engine, f"{service}:a")
    assert found["plan_from"] == "launch"
    assert found["mismatches"] == []
    assert not any(each["is_off"] for each in found["steps"])
    live = found["live"]
    assert live["main_pid"] == engine.instance(f"{service}:a")["pid"]
    assert live["unread"] == []
    assert live["main_pid"] in {each["pid"] for each in live["processes"]}
    memory = live["usage"].get("memory.current") or live["usage"]["resident"]
    assert int(memory) > 0
    own = {each["kind"] for each in live["namespaces"] if each["is_own"]}
    if service == "plain":
        assert own == set()
        assert live["runtime"] == "process"
        assert live["mounts"] == []
    else:
        assert {"pid", "mnt", "ipc", "uts"} <= own
        assert live["no_new_privs"]
        assert live["capabilities"]["effective"] == []
        assert {"/proc", "/tmp", "/dev"} <= {each["target"] for each in live["mounts"]}
        assert seen(found, "hide /tmp") == "tmpfs, writable"


def test_values_of_the_environment_are_nowhere(engine: EngineRun) -> None:
    found = inspect(engine, "inner:a")
    assert "TOKEN" in found["live"]["environment"]
    assert "TOKEN" in found["environment"]
    assert "hunter2" not in json.dumps(found)


def test_the_plan_survives_the_engine_and_a_lost_one_is_said_to_be_rebuilt(
    engine: EngineRun,
) -> None:
    before = inspect(engine, "inner:a")
    engine.config.write_text(CONFIG.replace("stop_grace = 1\nenv", "stop_grace = 2\nenv"))
    engine.kill_engine()
    after = inspect(engine, "inner:a")
    assert (after["plan_from"], after["steps"]) == ("launch", before["steps"])
    (engine.data_dir / "run/plans/inner:a.json").unlink()
    rebuilt = inspect(engine, "inner:a")
    assert rebuilt["plan_from"] == "rebuilt"
    assert rebuilt["mismatches"] == []


def test_a_process_that_differs_from_its_plan_is_marked(engine: EngineRun) -> None:
    require_root()
    require_program("nsenter", "util-linux")
    pid = engine.instance("inner:a")["pid"]
    subprocess.run(
        ["nsenter", "-t", str(pid), "-m", "mount", "-o", "remount,bind,rw", "/"], check=True
    )
    found = inspect(engine, "inner:a")
    assert seen(found, "readonly /") == "/ can be written"
    assert found["mismatches"] == ["readonly /: / can be written"]
    text = run_cli(engine, "inspect", "inner:a").stdout
    assert "not as planned\n  readonly /: / can be written" in text


def test_a_stopped_one_shows_its_plan_alone(engine: EngineRun) -> None:
    engine.stop_instance("inner:a")
    found = inspect(engine, "inner:a")
    assert (found["state"], found["plan_from"], found["live"]) == (
        "stopped",
        "configuration",
        None,
    )
    assert found["steps"][-1]["text"].startswith("exec ")
    assert found["mismatches"] == []
    text = run_cli(engine, "inspect", "inner:a").stdout
    assert "what a start would do now; nothing runs" in text


def test_an_unknown_one_is_refused_with_the_nearest_name(engine: EngineRun) -> None:
    status, body = engine.request("GET", "/api/instances/iner:a/inspect")
    assert status == 404
    assert "did you mean inner:a?" in json.loads(body)["error"]
    done = run_cli(engine, "inspect", "iner:a")
    assert (done.returncode, done.stdout) == (1, "")
    assert "did you mean inner:a?" in done.stderr
    assert engine.request("GET", "/api/instances/inner/inspect")[0] == 400


def test_the_command_prints_both_and_json(engine: EngineRun) -> None:
    text = run_cli(engine, "inspect", "inner:a").stdout
    for part in ("runtime  namespace", "as it was carried out", "its own", "drop_caps", "none"):
        assert part in text
    assert "hunter2" not in text
    data = json.loads(run_cli(engine, "inspect", "inner:a", "--json").stdout)
    assert data["name"] == "inner:a"


def test_a_tenant_may_not_look_below(engine: EngineRun) -> None:
    made = run_cli(engine, "token-gen", "--tenant", "a").stdout
    token = made.split("\n")[2].strip()
    status, _ = engine.visit("", "/api/instances/inner:a/inspect", token=token)
    assert status == 403
    assert engine.visit("", "/api/doctor", token=token)[0] == 403


def test_a_forgotten_instance_leaves_no_plan(engine: EngineRun) -> None:
    plan = engine.data_dir / "run/plans/plain:a.json"
    assert plan.exists()
    without = CONFIG.replace('plain = ["a"]\n', "").replace("service.plain", "service.other")
    engine.config.write_text(without)
    wait_until(lambda: "plain:a" not in engine.instances(), "it is forgotten")
    assert not plan.exists()


def test_the_engine_tells_what_its_host_can_do(engine: EngineRun) -> None:
    report = engine.get("/api/doctor")
    found = {each["name"]: each for each in report["findings"]}
    assert report["is_good"]
    assert found["serving.port"]["detail"] == f"{engine.port}, listening"
    assert found["isolation.launch"]["value"] == "yes"
    assert not any(name.startswith("terminal.") for name in found)


def run_cli(run: EngineRun, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ten_tui.cli", *words, "--data-dir", str(run.data_dir)]
    return subprocess.run(command, capture_output=True, text=True, cwd=run.folder)
