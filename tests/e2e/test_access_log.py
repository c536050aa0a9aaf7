"""The access log of a real engine: what is in it, over its death, and switched by a reload."""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.engine_run import TENANT, EngineRun, wait_until

CONFIG = f"""
[service.web]
command = "{TENANT}"
isolation = "process"
access_log = true

[instances]
web = ["a"]
"""

Make = Callable[[str], EngineRun]


def lines(run: EngineRun, name: str = "web:a") -> list[dict[str, Any]]:
    window = run.get(f"/api/v1/logs/{name}/window?count=5000&stream=access")
    return [json.loads(line[3]) for line in window["lines"]]


def paths(run: EngineRun) -> list[str]:
    return [line["path"] for line in lines(run)]


def ask(run: EngineRun, path: str, **options: Any) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", run.port, timeout=20)
    headers = {"Host": "a.web.localhost", **options.pop("headers", {})}
    connection.request(options.pop("method", "GET"), path, headers=headers, **options)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


class Load(threading.Thread):
    """Requests one after another, each with a number."""

    def __init__(self, run: EngineRun, number: int) -> None:
        super().__init__(daemon=True)
        self.run_ = run
        self.number = number
        self.is_over = False
        self.answered: list[str] = []

    def run(self) -> None:
        while not self.is_over:
            path = f"/{self.number}/{len(self.answered)}"
            assert ask(self.run_, path) == 200
            self.answered.append(path)
            time.sleep(0.005)  # no more in all than one window shows


def test_each_request_is_one_line_whoever_dies(make_engine: Make) -> None:
    run = make_engine(CONFIG)
    run.start(doors=2)
    run.wait_state("web:a", "healthy")

    assert ask(run, "/error?token=s3cret", headers={"Cookie": "s3cret", "User-Agent": "t/1"}) == 500
    (line,) = wait_until(lambda: lines(run), "the line is there")
    assert (line["status"], line["host"]) == (500, "a.web.localhost")
    assert (line["client"], line["path"], line["agent"]) == ("127.0.0.1", "/error", "t/1")
    assert line["bytes_out"] == 2
    assert 0 < line["upstream_ms"] <= line["duration_ms"] < 5000
    assert "s3cret" not in json.dumps(line)

    loads = [Load(run, number) for number in range(4)]
    for load in loads:
        load.start()
    for _ in range(2):
        run.kill_engine()
    for load in loads:
        load.is_over = True
        load.join(20)
    answered = sorted(path for load in loads for path in load.answered)
    assert 40 < len(answered) < 4000
    wait_until(lambda: len(paths(run)) > len(answered), "all lines are there")
    assert sorted(paths(run)[1:]) == answered

    check_switched(run, len(answered) + 1)
    assert run.stop() == 0
    assert not list((run.data_dir / "run" / "fifo").iterdir())


def check_switched(run: EngineRun, count: int) -> None:
    """Off and on again by the file alone, and the instance lives on."""
    pid = run.instance("web:a")["pid"]
    fifo = run.data_dir / "run" / "fifo" / "web:a.access"
    assert fifo.exists()
    run.config.write_text(CONFIG.replace("access_log = true", "access_log = false"))
    wait_until(lambda: not fifo.exists(), "the log is off")
    assert ask(run, "/unseen") == 200
    run.config.write_text(CONFIG)
    wait_until(lambda: ask(run, "/seen") == 200 and paths(run)[-1] == "/seen", "it is on again")
    assert "/unseen" not in paths(run)
    assert len(paths(run)) > count
    assert run.instance("web:a")["pid"] == pid
    program = str(Path(sys.executable).parent / "ten")
    command = [program, "--data-dir", str(run.data_dir), "logs", "web:a"]
    shown = subprocess.run([*command, "--access", "--limit", "2"], capture_output=True, text=True)
    assert shown.stdout.count("[REQ] web:a {") == 2, shown
