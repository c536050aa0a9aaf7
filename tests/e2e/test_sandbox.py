"""Instances below gVisor: they serve, are told to stop, outlive the engine and leave nothing."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.engine_run import TENANT, EngineRun, wait_until
from tests.e2e.standing import descendants, standing, wait_same
from tests.e2e.test_engine_frozen import frozen, group_of
from tests.require import require_program, require_root

Make = Callable[[str], EngineRun]

PROGRAMS = Path(__file__).parent / "programs"

CONFIG = f"""
[settings]
health_check_interval = 2
backoff_base_ms = 100
max_restarts = 20

[service.web]
command = "{TENANT} --lines 50"
health = "/health"
isolation = "sandbox"
startup_timeout = 30
idle_timeout = 3600
"""

ON_THE_HOSTS_NETWORK = CONFIG + 'network = "host"\n'

SHELL = """
[service.app]
command = "sh"
args = ["-c", '''%s''']
isolation = "sandbox"
restart = "never"
startup_timeout = 60
%s
"""


@pytest.fixture(autouse=True)
def _needs() -> None:
    require_root()
    require_program("runsc")


@pytest.fixture(scope="module")
def choice() -> dict[str, str]:
    """Hold what the first engine found out: each would try platforms that hang for seconds."""
    return {}


@pytest.fixture
def make_engine(make_engine: Make, choice: dict[str, str]) -> Iterator[Make]:
    runs: list[EngineRun] = []

    def make(config: str) -> EngineRun:
        run = make_engine(config)
        runs.append(run)
        if choice:
            run.data_dir.mkdir(mode=0o700)
            (run.data_dir / "run").mkdir(mode=0o700)
            (run.data_dir / "run/gvisor.json").write_text(choice["text"])
        return run

    yield make
    path = runs[0].data_dir / "run/gvisor.json"
    if path.exists():
        choice["text"] = path.read_text()


def serving(make_engine: Make, *idents: str) -> EngineRun:
    run = make_engine(CONFIG)
    run.start()
    for ident in idents:
        assert run.spawn(f"web:{ident}")[0] == 200
        run.wait_state(f"web:{ident}", "healthy", seconds=40)
    return run


def said_by(make_engine: Make, script: str, more: str = "") -> tuple[EngineRun, list[str]]:
    """Run a script to its word "done", and give what it wrote before."""
    run = make_engine(SHELL % (f"{script}\necho done\nsleep 1000", more))
    run.folder.chmod(0o755)
    run.start()
    assert run.spawn("app:x")[0] == 200
    wait_until(lambda: "done" in run.lines("app:x"), "it is done", 40)
    return run, run.lines("app:x")[:-1]


def own_processes(run: EngineRun, name: str) -> list[psutil.Process]:
    """Find runsc and its helpers by the container's name."""
    mark = f"ten-{name.replace(':', '-')}-"
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(word.startswith(mark) for word in process.info["cmdline"] or ())
    ]


def sandbox_of(run: EngineRun, name: str) -> psutil.Process:
    (found,) = (each for each in own_processes(run, name) if "boot" in each.cmdline())
    return found


def test_serves_and_writes_both_outputs_into_the_ring(make_engine: Make) -> None:
    run = serving(make_engine, "a")
    assert run.visit("a.web") == (200, "ok")
    seen = {line for line in run.lines("web:a") if line.endswith("of 1")}
    wait_until(lambda: len(run.lines("web:a")) > len(seen) + 20, "it goes on writing")
    numbers = [int(line.split()[1]) for line in run.lines("web:a") if line.startswith("line")]
    assert numbers == list(range(len(numbers))), "every fifth is from stderr, none is lost"


def test_the_kernel_is_gvisors_and_the_view_is_its_own(make_engine: Make) -> None:
    script = """dmesg | grep -o gVisor | head -1
hostname
id -u
grep CapEff /proc/self/status
echo /proc/[0-9]*
echo $(cat /dev/shm/.runsc/config.json 2>&1)
touch /etc/mine 2>&1
cat /etc/shadow && echo empty"""
    run, said = said_by(make_engine, script)
    assert said[:4] == ["gVisor", "app-x", "0", "CapEff:\t" + "0" * 16]
    assert said[4].startswith("/proc/1")
    assert "No such file" in said[5]
    assert {"touch: cannot touch '/etc/mine': Read-only file system", "empty"} <= set(said[6:])
    found = run.get("/api/instances/app:x/inspect")
    assert found["live"]["runtime"].startswith("gVisor, platform ")
    assert found.get("mismatches", []) == []
    command = [sys.executable, "-P", "-m", "ten_tui.cli", "--data-dir", str(run.data_dir)]
    text = subprocess.run([*command, "inspect", "app:x"], capture_output=True, text=True).stdout
    assert "runsc, as the host sees it; the program's own is in gVisor's kernel" in text


def test_tenants_do_not_see_each_others_files(make_engine: Make) -> None:
    run = make_engine(
        SHELL % ("echo $TEN_DATA_DIR/../* $TEN_DATA_DIR/../../*; echo x > $TEN_DATA_DIR/mine", "")
    )
    other = run.data_dir / "app/other"
    other.mkdir(parents=True, exist_ok=True)
    (other / "secret").write_text("theirs")
    run.start()
    assert run.spawn("app:x")[0] == 200
    wait_until((run.data_dir / "app/x/mine").exists, "it has written its own file", 40)
    (line,) = run.lines("app:x")
    own = f"{run.data_dir}/app/x"
    assert line.split() == [f"{own}/../x", f"{own}/../../app"]


def test_hardening_strict_gives_it_a_user_of_its_own(make_engine: Make) -> None:
    script = "id -u; touch $TEN_DATA_DIR/mine; cat /proc/self/status | grep -c 0000000000000000"
    run, said = said_by(make_engine, script, 'hardening = "strict"')
    uid = int(said[0])
    assert uid >= 1_900_000_000
    assert (run.data_dir / "app/x/mine").stat().st_uid == uid


def test_sigterm_reaches_the_program_which_may_finish(make_engine: Make) -> None:
    script = (
        "trap 'echo asked; sleep 0.5; echo finished; exit 0' TERM\nwhile :; do sleep 0.05; done"
    )
    run = make_engine(SHELL % (f"echo up\n{script}", ""))
    run.start()
    assert run.spawn("app:x")[0] == 200
    wait_until(lambda: run.lines("app:x") == ["up"], "it is up", 40)
    run.stop_instance("app:x")
    wait_until(lambda: run.state("app:x") in ("", "stopped"), "it is stopped")
    said = [line for line in run.lines("app:x") if line != "Terminated"]  # the shell, of `sleep`
    assert said == ["up", "asked", "finished"]
    assert own_processes(run, "app:x") == []


def test_a_deaf_program_is_killed_after_its_grace(make_engine: Make) -> None:
    more = "stop_grace = 0.5"
    run = make_engine(SHELL % ("trap '' TERM\necho up\nwhile :; do sleep 0.05; done", more))
    run.start()
    assert run.spawn("app:x")[0] == 200
    wait_until(lambda: run.lines("app:x") == ["up"], "it is up", 40)
    run.stop_instance("app:x")
    wait_until(lambda: run.state("app:x") in ("", "stopped"), "it is stopped")
    assert own_processes(run, "app:x") == []


@pytest.mark.parametrize(
    ("path", "summary"),
    [("/crash", "exited with 3"), ("/abort", "killed by SIGABRT in the sandbox")],
)
def test_its_exit_status_is_the_programs(make_engine: Make, path: str, summary: str) -> None:
    run = serving(make_engine, "a")
    pid = run.instance("web:a")["pid"]
    run.visit("a.web", path)
    wait_until(lambda: run.instance("web:a").get("pid") not in (pid, None), "it starts again")
    run.wait_state("web:a", "healthy", seconds=40)
    assert any(summary in event["text"] for event in run.events())


def test_the_end_of_the_sandbox_process_is_named(make_engine: Make) -> None:
    run = serving(make_engine, "a")
    sandbox_of(run, "web:a").kill()
    text = "gVisor's sandbox process was killed by SIGKILL"
    wait_until(lambda: any(text in each["text"] for each in run.events()), "its end is told")
    run.wait_state("web:a", "healthy", seconds=40)
    assert run.visit("a.web")[0] == 200


def test_whichever_of_runscs_processes_is_killed_it_is_told_and_nothing_is_left(
    make_engine: Make,
) -> None:
    run = make_engine(SHELL % ("echo up; exec sleep 1000", ""))
    run.start()
    before, ends = standing(run), []
    for part in ("boot", "gofer", "run"):
        assert run.spawn("app:x")[0] == 200
        wait_until(lambda: len(run.lines("app:x")) == len(ends) + 1, "it runs", 40)
        found = [each for each in descendants(run) if part in each.cmdline()]
        assert found, [each.cmdline() for each in descendants(run)]
        found[-1].kill()
        why = run.wait_state("app:x", "failed")["why"]
        ends.append(why["summary"])
        assert own_processes(run, "app:x") == []
        wait_same(run, before)
    assert ends == ["the program or gVisor's sandbox process was killed by SIGKILL"] * 3


def test_it_outlives_engine_and_keeper(make_engine: Make) -> None:
    run = serving(make_engine, "a")
    pid, box = run.instance("web:a")["pid"], sandbox_of(run, "web:a").pid
    run.kill_engine()
    run.wait_state("web:a", "healthy")
    assert run.visit("a.web") == (200, "ok")
    run.kill_keeper()
    run.start()
    run.wait_state("web:a", "healthy")
    assert run.visit("a.web") == (200, "ok")
    assert (run.instance("web:a")["pid"], sandbox_of(run, "web:a").pid) == (pid, box)
    run.stop_instance("web:a")
    wait_until(lambda: run.state("web:a") in ("", "stopped"), "it is stopped")
    assert own_processes(run, "web:a") == []


def test_a_request_wakes_it(make_engine: Make) -> None:
    run = serving(make_engine)
    assert run.visit("new.web", timeout=40) == (200, "ok")


def test_it_is_frozen_whole_measured_and_thawed(make_engine: Make) -> None:
    """All of runsc is in the instance's cgroup: it counts, and it stands still."""
    run = make_engine(CONFIG + "freeze_after = 1\n")
    run.start()
    assert run.spawn("web:a")[0] == 200
    pid = run.wait_state("web:a", "healthy", "frozen", seconds=40)["pid"]
    members = set(map(int, (group_of(pid) / "cgroup.procs").read_text().split()))
    assert members == {each.pid for each in descendants(run)}
    frozen(run, "web:a")
    lines = len(run.lines("web:a"))
    time.sleep(0.5)
    assert len(run.lines("web:a")) == lines
    assert run.visit("a.web") == (200, "ok")
    assert run.instance("web:a")["pid"] == pid

    def points() -> list[list[float]]:
        path = "/api/instances/web:a/metrics?name=memory&since=1m"
        found: list[list[float]] = run.get(path)["points"]
        return found

    wait_until(points, "it is measured")
    assert points()[-1][1] > 20 << 20, "gVisor's kernel and the program, not the shell before them"


def test_the_platform_is_tried_once_and_remembered(make_engine: Make) -> None:
    run = serving(make_engine, "a", "b")
    path = run.data_dir / "run/gvisor.json"
    kept = path.read_text()
    assert f'"path":"{shutil.which("runsc")}"' in kept
    before = run.log().count("runs on platform")
    assert before <= 1
    path.write_text(kept.replace('"identity":"', '"identity":"another '))
    assert run.restart("web:a")[0] == 200
    wait_until(lambda: run.log().count("runs on platform") > before, "it is tried again", 40)
    assert path.read_text() == kept


def test_nothing_is_left_behind(make_engine: Make) -> None:
    before = set(Path("/tmp").iterdir()) | set(Path("/run").iterdir())
    run = serving(make_engine, "a")
    sandbox_of(run, "web:a").kill()
    wait_until(lambda: run.instance("web:a").get("restarts", 0) > 0, "it starts again")
    run.wait_state("web:a", "healthy", seconds=40)
    assert run.stop() == 0
    assert own_processes(run, "web:a") == []
    after = set(Path("/tmp").iterdir()) | set(Path("/run").iterdir())
    assert {path for path in after - before if "runsc" in path.name} == set()
    assert list(run.folder.rglob("*runsc*")) == []


def test_a_network_of_its_own_is_reached_by_the_door_alone(make_engine: Make) -> None:
    run = make_engine(CONFIG)  # without being asked for
    run.start()
    assert run.spawn("web:a")[0] == run.spawn("web:b")[0] == 200
    for ident in "ab":
        run.wait_state(f"web:{ident}", "healthy", seconds=40)
        assert run.visit(f"{ident}.web") == (200, "ok")
    assert all(
        not connection.laddr or connection.laddr.port != 8080
        for connection in psutil.net_connections("tcp")
    )
    run.kill_engine()
    assert run.visit("a.web") == (200, "ok")


def test_the_hosts_network_may_be_asked_for(make_engine: Make) -> None:
    run = make_engine(ON_THE_HOSTS_NETWORK)
    run.start()
    assert run.spawn("web:a")[0] == 200
    assert run.wait_state("web:a", "healthy", seconds=40)["port"] != 8080
    assert run.visit("a.web") == (200, "ok")


# Ordinary programs.


def programs(make_engine: Make, command: str, more: str = "") -> EngineRun:
    config = f"[service.app]\ncommand = '{command}'\nisolation = 'sandbox'\nstartup_timeout = 60\n"
    run = make_engine(config + more)
    for path in PROGRAMS.iterdir():
        shutil.copy(path, run.folder / path.name)
    run.start()
    assert run.spawn("app:x")[0] == 200
    return run


def test_node_serves(make_engine: Make) -> None:
    run = programs(make_engine, f"{require_program('node', 'nodejs')} server.js")
    run.wait_state("app:x", "healthy", seconds=60)
    assert run.visit("x.app") == (200, "FROM A CHILD 42 true true")


def test_python_with_pools_of_threads_and_processes_serves(make_engine: Make) -> None:
    run = programs(make_engine, f"{sys.executable} pools.py")
    run.wait_state("app:x", "healthy", seconds=60)
    assert run.visit("x.app") == (200, "656700 ['3', '2', '1'] seen True")


def test_promtool_checks_what_prometheus_serves_by(make_engine: Make) -> None:
    require_program("promtool", "prometheus")
    command = "sh prometheus.sh {port} {data_dir}/app/x"
    run = programs(make_engine, command, 'health = "/-/ready"\n')
    run.wait_state("app:x", "healthy", seconds=60)
    assert run.visit("x.app", "/-/ready") == (200, "Prometheus Server is Ready.\n")
    run.stop_instance("app:x")
    wait_until(lambda: run.state("app:x") in ("", "stopped"), "it is stopped")
    assert own_processes(run, "app:x") == []


def test_a_shell_with_jobs_and_a_daemon_is_ended_whole(make_engine: Make) -> None:
    run = programs(make_engine, "sh shell.sh")
    wait_until(lambda: len(run.lines("app:x")) >= 2, "it has written to both outputs", 60)
    assert run.lines("app:x") == ["19 job 1"] * 2
    assert (run.data_dir / "app/x/daemon").read_text().strip().isdigit()
    run.stop_instance("app:x")
    wait_until(lambda: run.state("app:x") in ("", "stopped"), "it is stopped")
    assert own_processes(run, "app:x") == []


def test_an_engine_that_dies_while_it_starts_one_finds_it(make_engine: Make) -> None:
    run = serving(make_engine, "a")
    run.spawn("web:b")
    os.kill(run.pid("engine"), signal.SIGKILL)
    wait_until(run.answers, "the new engine answers")
    run.wait_state("web:b", "healthy", seconds=40)
    assert len([each for each in own_processes(run, "web:b") if "boot" in each.cmdline()]) == 1
