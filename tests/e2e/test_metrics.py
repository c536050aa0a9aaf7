"""The kept figures of a real engine: over its death, by the API and by `ten metrics`."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.e2e.engine_run import TENANT, EngineRun, wait_until

CONFIG = f"""
[service.api]
command = "{TENANT}"
isolation = "process"
health = "/health"

[instances]
api = ["alice"]
"""

Make = Callable[[str], EngineRun]


def ten(run: EngineRun, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "ten_tui.cli", "metrics", *arguments],
        env=os.environ | {"TENEMENT_DATA_DIR": str(run.data_dir)},
        cwd=run.folder,
        capture_output=True,
        text=True,
        timeout=30,
    )


def points(run: EngineRun, metric: str, name: str = "instances/api:alice") -> list[list[Any]]:
    found: list[list[Any]] = run.get(f"/api/{name}/metrics?name={metric}&since=5m")["points"]
    return found


def test_the_past_outlives_the_engine_and_is_shown(make_engine: Make) -> None:
    run = make_engine(CONFIG)
    run.start()
    run.wait_state("api:alice", "healthy")

    def kept() -> list[list[Any]]:
        status, body = run.request("GET", "/api/instances/api:alice/metrics?name=memory&since=5m")
        return json.loads(body)["points"] if status == 200 else []

    before = wait_until(lambda: len(found := kept()) >= 3 and found, "three seconds kept")
    run.kill_engine()
    wait_until(run.answers, "the next engine")
    after = wait_until(lambda: (found := kept())[-1][0] > before[-1][0] and found, "and goes on")
    assert after[: len(before)] == before
    assert all(low > 0 for _, low, *_ in after)  # where nothing was measured there is no zero
    assert points(run, "memory", "host")
    moment = run.get(f"/api/past?at={before[-1][0]}")
    assert list(moment["instances"]) == ["api:alice"]
    assert moment["host"][0] == before[-1][0]
    assert run.get("/api/past?at=1h")["instances"] == {}  # long before it was there

    plot = ten(run, "api:alice", "memory", "--since", "5m")
    assert plot.returncode == 0, plot.stderr
    assert re.match(r"api:alice memory, bytes   min [\d.]+ MiB ", plot.stdout)
    table = ten(run, "api:alice", "memory", "--csv", "--since", "5m").stdout.splitlines()
    assert table[0] == "time,min,max,mean,last"
    assert len(table) > 3
    assert json.loads(ten(run, "host", "cpu", "--json").stdout)["unit"] == "cores"
    assert points(run, "memory", "services/api")[: len(before)] == before, "it is the only one"
    assert ten(run, "api", "memory", "--since", "5m").stdout.startswith("api memory, bytes ")
    assert "No metrics of nobody" in ten(run, "nobody", "cpu").stderr
    assert run.request("GET", "/api/services/%2e%2e/metrics?name=cpu")[0] == 404
    assert re.search(r"^memory +bytes$", ten(run, "api:alice").stdout, re.MULTILINE)

    purged = ten(run, "api:alice", "--purge")
    assert purged.stdout == "removed the kept metrics of api:alice\n", purged.stderr
    newest = wait_until(lambda: kept()[-1:], "the past begins anew")
    assert newest[0][0] > after[-1][0]
    assert kept()[0][0] > before[-1][0]

    wrong = [
        (("api:alice", "cpu", "--purge"), "All metrics of an instance go at once", ""),
        (("api:alice", "memry"), "Unknown metric: memry", "did you mean memory?"),
        (("api:alise", "cpu"), "No metrics of api:alise", "did you mean api:alice?"),
        (("api:alice", "cpu", "--since", "soon"), "Not a time: 'soon'", "6h or 90d"),
    ]
    for arguments, error, hint in wrong:
        done = ten(run, *arguments)
        assert done.returncode == 1
        assert error in done.stderr
        assert hint in done.stderr
