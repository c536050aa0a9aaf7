"""Who may die without anybody noticing: the engine, and then the keeper."""

import os
import re
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable

import psutil
import pytest

from tests.e2e.engine_run import TENANT, EngineRun, wait_until
from tests.require import require_program

NAMES = [f"web:{ident}" for ident in "abcd"]

CONFIG = f"""
[settings]
health_check_interval = 2

[service.web]
command = "{TENANT} --lines 200"
health = "/health"
isolation = "process"
stop_grace = 1

[service.idle]
command = "{TENANT}"
isolation = "process"

[instances]
web = ["a", "b", "c", "d"]
"""

CONNECTIONS = 8

Make = Callable[[str], EngineRun]

_LINE = re.compile(r"line (\d{7}) of (\d+)")


def started(make_engine: Make) -> EngineRun:
    run = make_engine(CONFIG)
    run.start()
    for name in NAMES:
        run.wait_state(name, "healthy")
    return run


def pids(run: EngineRun) -> dict[str, int]:
    return {name: run.instance(name)["pid"] for name in NAMES}


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; orphans that nobody has reaped yet do not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def check_lines(run: EngineRun, name: str) -> int:
    """Check that every numbered line of every process is there once, in order; count them."""
    numbers = defaultdict(list)
    for line in run.lines(name):
        found = _LINE.fullmatch(line)
        if found:
            numbers[found[2]].append(int(found[1]))
    for pid, got in numbers.items():
        # stdout and stderr are two pipes: each keeps its order, and at the end of what is read
        # one may be a few lines ahead of the other.
        for is_stderr in (False, True):
            stream = [number for number in got if (number % 5 == 0) == is_stderr]
            whole = [n for n in range(stream[-1] + 1) if (n % 5 == 0) == is_stderr]
            assert stream == whole, f"{name} {pid}: lines missing, repeated or out of order"
    return sum(len(got) for got in numbers.values())


def answered(output: str) -> int:
    """Read how many answers wrk has had."""
    found = re.search(r"(\d+) requests in", output)
    assert found is not None, output
    return int(found[1])


def check_counted(run: EngineRun, expected: int) -> None:
    """Check that each request is counted once, whichever engine was there to count it.

    wrk leaves without the answers to the last of each of its connections.
    """

    def counted() -> int:
        text = run.request("GET", "/metrics")[1].decode()
        return sum(
            map(
                int,
                map(float, re.findall(r"^tenement_requests_total{.*} (\S+)$", text, re.MULTILINE)),
            )
        )

    wait_until(lambda: counted() >= expected, f"{expected} requests are counted", 10)
    time.sleep(1.2)
    assert expected <= counted() <= expected + 2 * CONNECTIONS


@pytest.mark.timeout(180)
def test_engine_killed_ten_times_under_load_fails_nothing(make_engine: Make) -> None:
    wrk = require_program("wrk")
    run = started(make_engine)
    before = pids(run)
    seconds = 30
    loads = [
        subprocess.Popen(
            [
                wrk,
                "-t1",
                f"-c{CONNECTIONS}",
                f"-d{seconds}s",
                # What is lost is never answered; a busy machine may take over wrk's two seconds.
                "--timeout=15s",
                "-H",
                f"Host: {ident}.web.localhost",
                f"http://127.0.0.1:{run.port}/",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for ident in "ab"
    ]
    end = time.monotonic() + seconds - 3
    for kills in range(1, 11):
        run.kill_engine()
        time.sleep(max(0.0, (end - time.monotonic()) / (11 - kills)))
    outputs = [load.communicate(timeout=60)[0] for load in loads]
    for output in outputs:
        assert "Socket errors" not in output, output
        assert "Non-2xx" not in output, output
        assert answered(output) > 1000, output
    check_counted(run, sum(answered(output) for output in outputs))
    assert pids(run) == before
    for name in NAMES:
        run.wait_state(name, "healthy")
        assert run.instance(name).get("restarts", 0) == 0
        assert check_lines(run, name) > 20 * 200


def test_keeper_killed_and_served_again_adopts_what_runs(make_engine: Make) -> None:
    run = started(make_engine)
    assert run.spawn("idle:x")[0] == 200
    before = pids(run)
    run.kill_keeper()
    assert all(psutil.pid_exists(pid) for pid in before.values())
    time.sleep(0.3)
    run.start()
    for name in NAMES:
        run.wait_state(name, "healthy")
    assert pids(run) == before
    assert run.visit("a.web", "/pid") == (200, str(before["web:a"]))
    assert all(check_lines(run, name) for name in NAMES)

    # It is no child of this keeper; its end is seen all the same.
    os.kill(before["web:a"], signal.SIGKILL)
    wait_until(lambda: run.instance("web:a").get("pid", 0) not in {0, before["web:a"]}, "restarted")
    run.wait_state("web:a", "healthy")
    assert run.stop() == 0
    assert not any(is_alive(pid) for pid in before.values())


def test_exit_while_no_engine_looks_is_taken_by_the_next(make_engine: Make) -> None:
    run = started(make_engine)
    before = pids(run)
    engine = run.pid("engine")
    os.kill(engine, signal.SIGSTOP)
    os.kill(before["web:b"], signal.SIGKILL)
    os.kill(engine, signal.SIGKILL)
    wait_until(lambda: run.pid("engine") not in {0, engine}, "another engine is started")
    wait_until(run.answers, "it answers")
    view = wait_until(
        lambda: (v := run.instance("web:b")).get("pid", 0) not in {0, before["web:b"]} and v,
        "started again",
    )
    assert view["restarts"] == 1
    run.wait_state("web:b", "healthy")
    assert any("killed by SIGKILL" in event["text"] for event in run.events())


def test_desired_states_survive_a_whole_stop(make_engine: Make) -> None:
    run = started(make_engine)
    assert run.spawn("idle:x")[0] == 200
    run.wait_state("idle:x", "healthy")
    assert run.stop_instance("web:c") == 204
    assert run.request("PUT", "/api/instances/web:a/weight", {"weight": 30})[0] == 200
    assert run.stop() == 0
    run.start()
    for name in ("web:a", "web:b", "web:d", "idle:x"):
        run.wait_state(name, "healthy")
    assert run.state("web:c") == "stopped"
    assert run.instance("web:a")["weight"] == 30


def test_everything_killed_as_by_a_power_cut_comes_back(make_engine: Make) -> None:
    run = started(make_engine)
    assert run.spawn("idle:x")[0] == 200
    before = run.instances()
    run.kill_keeper()
    for view in before.values():
        os.kill(view["pid"], signal.SIGKILL)
    run.start()
    for name in [*NAMES, "idle:x"]:
        old = before[name]["pid"]
        wait_until(lambda n=name, o=old: run.instance(n).get("pid", 0) not in {0, o}, "a new one")
        run.wait_state(name, "healthy")


def test_second_serve_is_refused_and_harms_nothing(make_engine: Make) -> None:
    run = started(make_engine)
    before = pids(run)
    assert run.process is not None
    second = run.popen()
    output, error = second.communicate(timeout=20)
    assert (second.returncode, output) == (1, b"")
    assert f"(pid {run.process.pid})" in error.decode()
    assert pids(run) == before
    assert run.visit("a.web")[0] == 200


def test_sigterm_leaves_nothing_though_a_client_stays_connected(make_engine: Make) -> None:
    run = started(make_engine)
    everything = pids(run).values()
    client = subprocess.Popen(
        [
            "curl",
            "-sN",
            "--unix-socket",
            os.path.realpath(run.data_dir / "run" / "ten.sock"),
            "http://localhost/api/v1/stream",
        ],
        stdout=subprocess.PIPE,
    )
    assert client.stdout is not None
    assert b'"snapshot"' in client.stdout.readline()
    start = time.monotonic()
    assert run.stop() == 0
    assert time.monotonic() - start < 8
    assert not any(is_alive(pid) for pid in everything)
    rest = client.stdout.read()
    client.wait(5)
    client.stdout.close()
    assert b"stopped" in rest
    assert sorted(os.listdir(run.data_dir / "run" / "instances")) == []
    assert not (run.data_dir / "run" / "ten.sock").exists()
