"""Ordinary programs live in every isolation: they start, serve or run, and are stopped whole."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.engine_run import EngineRun, wait_until
from tests.require import require, require_program

PROGRAMS = Path(__file__).parent / "programs"

LEVELS = {
    "process": 'isolation = "process"',
    "namespace": 'hardening = "default"',
    "strict": 'hardening = "strict"',
}


@pytest.fixture(params=LEVELS)
def serve(
    request: pytest.FixtureRequest, make_engine: Callable[[str], EngineRun]
) -> Callable[..., EngineRun]:
    """Start an engine with one service `app` of that level, and its instance `app:x`."""

    def make(command: str, more: str = "", state: str = "healthy") -> EngineRun:
        lines = ["[service.app]", f"command = '{command}'", 'restart = "never"']
        engine = make_engine("\n".join([*lines, LEVELS[request.param], more, ""]))
        engine.folder.chmod(0o755)  # a user of its own has to come in
        for path in PROGRAMS.iterdir():
            shutil.copy(path, engine.folder / path.name)
        engine.start()
        assert engine.spawn("app:x")[0] == 200
        engine.wait_state("app:x", state, seconds=30)
        return engine

    return make


def processes_of(engine: EngineRun) -> list[psutil.Process]:
    """Find all processes of the instance by the environment they inherited."""
    own = str(engine.data_dir / "app/x")
    return [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get("TEN_DATA_DIR") == own
    ]


def stop(engine: EngineRun) -> None:
    """Stop it, and see that nothing of it is left."""
    assert processes_of(engine)
    engine.stop_instance("app:x")
    wait_until(lambda: engine.state("app:x") in ("", "stopped"), "it is stopped")
    assert processes_of(engine) == []


def test_node_serves(serve: Callable[..., EngineRun]) -> None:
    engine = serve(f"{require_program('node', 'nodejs')} server.js")
    assert engine.visit("x.app") == (200, "FROM A CHILD 42 true true")
    assert "node is ready" in engine.lines("app:x")
    stop(engine)


def test_python_with_pools_of_threads_and_processes_serves(
    serve: Callable[..., EngineRun],
) -> None:
    engine = serve(f"{sys.executable} pools.py")
    assert engine.visit("x.app") == (200, "656700 ['3', '2', '1'] seen True")
    stop(engine)


def test_a_go_program_serves(serve: Callable[..., EngineRun]) -> None:
    """Webhook, of Debian: a Go runtime with its threads and signals, its net/http and os/exec."""
    program = require_program("webhook")
    engine = serve(f"{program} -hooks hooks.json -ip 127.0.0.1 -port {{port}} -verbose")
    assert engine.visit("x.app", "/hooks/run") == (200, "FROM A CHILD\n")
    stop(engine)


def test_promtool_checks_what_prometheus_serves_by(serve: Callable[..., EngineRun]) -> None:
    """A large Go program with files mapped into its memory, and the tool that comes with it."""
    require_program("promtool", "prometheus")
    engine = serve("sh prometheus.sh {port} {data_dir}/app/x", 'health = "/-/ready"')
    assert " SUCCESS: prometheus.yml is valid prometheus config file syntax" in engine.lines(
        "app:x"
    )
    status, text = engine.visit("x.app", "/api/v1/query?query=vector(41)%2B1")
    assert (status, json.loads(text)["data"]["result"][0]["value"][1]) == (200, "42")
    stop(engine)


def test_a_shell_with_jobs_and_a_daemon_runs(serve: Callable[..., EngineRun]) -> None:
    engine = serve("sh shell.sh", "startup_timeout = 60", state="starting")
    daemon = engine.data_dir / "app/x/daemon"
    wait_until(lambda: len(engine.lines("app:x")) >= 2, "it has written to both outputs")
    assert engine.lines("app:x") == ["19 job 1"] * 2
    assert daemon.read_text().strip().isdigit()
    assert len(processes_of(engine)) >= 2
    stop(engine)


def test_uv_runs_a_script(serve: Callable[..., EngineRun]) -> None:
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    require(os.path.exists(uv), "uv is not installed", "make test installs it")
    options = f"--offline --no-project --no-python-downloads --python {sys.executable}"
    engine = serve(
        f"{uv} run {options} pools.py",
        'env = { UV_CACHE_DIR = "{data_dir}/app/x/uv", UV_NO_CONFIG = "1" }\nstartup_timeout = 30',
    )
    assert engine.visit("x.app")[1].startswith("656700")
    stop(engine)
