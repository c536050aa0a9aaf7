"""The doctor and `ten inspect` on a host that has everything: its answers differ from here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.engine_run import EngineRun
from tests.vm.services import CONFIG


def findings(config: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    command = [sys.executable, "-P", "-m", "engine", "doctor", "--json", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, {each["name"]: each for each in json.loads(done.stdout)["findings"]}


def test_everything_is_there(tmp_path: Path) -> None:
    config = tmp_path / "tenement.toml"
    config.write_text(CONFIG)
    status, found = findings(config)
    assert status == 0
    for name in ("tree", "writable", "memory", "cpu", "pids", "io", "cpuset", "kill", "freeze"):
        assert found[f"cgroup.{name}"]["value"] == "yes", found[f"cgroup.{name}"]
    assert found["cgroup.tree"]["detail"] == "version 2 at /sys/fs/cgroup"
    assert found["memory.swap"]["value"] == "yes"
    assert found["memory.swap"]["detail"].endswith("on zram")
    assert found["memory.reclaim"]["value"] == "yes"
    assert found["isolation.launch"]["value"] == "yes"
    assert found["kernel.clone3"]["value"] == "yes"


def test_limits_are_seen_to_hold(engine: EngineRun) -> None:
    run, name = engine, "looked_at:a"
    assert run.spawn(name)[0] == 200
    run.wait_state(name, "healthy")
    found = run.get(f"/api/instances/{name}/inspect")
    assert found["mismatches"] == []
    limits = {each["file"]: each for each in found["limits"]}
    assert limits["memory.max"]["found"] == limits["memory.max"]["wanted"] == str(200 * 2**20)
    assert limits["pids.max"]["found"] == "50"
    assert limits["cpu.max"]["found"] == "50000 100000"
    assert int(found["live"]["usage"]["memory.current"]) > 0
    group = Path(found["live"]["cgroup"])
    (group / "pids.max").write_text("60")
    changed = run.get(f"/api/instances/{name}/inspect")
    assert changed["mismatches"] == ["pids.max = 50 is asked for: the file says 60"]
