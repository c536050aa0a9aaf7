"""Deaths and restarts: of the engine, of doors, of the keeper; and an orderly end."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.kernel.syscalls import pidfd_exit_status
from tests.kernel.conftest import Planner
from tests.kernel.harness import Host, Played, host, is_alive, read_all, shell, wait_for
from tests.require import require

pytestmark = pytest.mark.kernel

WRITER = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done"


def pid_of(kept: Host) -> int:
    assert kept.keeper is not None
    return kept.keeper.pid


def kill_engine(life: Played) -> None:
    os.kill(life.pid, signal.SIGKILL)


def test_a_new_engine_is_shown_everything(kept: Host, engine: Played, planned: Planner) -> None:
    living = engine.spawn("api:x", planned("echo up; sleep 1000"), blob={"port": 7})
    ended = engine.spawn("a:ended", shell("exit 9"))
    engine.find("exit", name="a:ended")
    engine.spawn("a:acked", shell("true"))
    gone = engine.find("exit", name="a:acked")
    engine.order("ack", name="a:acked", pid=gone["pid"])
    kill_engine(engine)
    life = kept.next_life()
    shown = {str(told["name"]): told for told in life.greeting if "name" in told.message}
    assert {name: told["type"] for name, told in shown.items()} == {
        "api:x": "instance",
        "a:ended": "instance",
        "a:acked": "fifo",
    }
    held = shown["api:x"]
    for key in ("pid", "main_pid", "start_ticks"):
        assert held[key] == living[key]
    assert held["blob"] == {"port": 7}
    assert held["exit"] is None
    assert held["is_adopted"] is False
    assert read_all(held.fds[1], until=b"up\n") == b"up\n"
    exit_ = shown["a:ended"]["exit"]
    assert isinstance(exit_, dict)
    assert os.waitstatus_to_exitcode(exit_["status"]) == 9
    assert shown["a:ended"]["pid"] == ended["pid"]
    assert len(shown["a:acked"].fds) == 2
    os.kill(int(str(held["main_pid"])), signal.SIGKILL)
    assert life.find("exit", name="api:x")["pid"] == held["pid"]


def test_exit_while_no_engine_lives_is_told_to_the_next(kept: Host, engine: Played) -> None:
    told = engine.spawn("a:b", shell("exec sleep 1000", ["setsid"]))
    kill_engine(engine)
    os.kill(int(str(told["pid"])), signal.SIGTERM)
    life = kept.next_life()
    held = next(each for each in life.greeting if each.message.get("name") == "a:b")
    exit_ = held["exit"] or life.find("exit", name="a:b").message
    assert isinstance(exit_, dict)
    assert os.WTERMSIG(exit_["status"]) == signal.SIGTERM


def test_orders_sent_before_the_engines_death_are_carried_out(
    kept: Host, engine: Played, planned: Planner
) -> None:
    """Engines die in the middle of their spawns: each is finished and shown to the next."""
    life = engine
    for number in range(5):
        plan = planned("sleep 1000", f"n{number}")
        life.order("spawn", name=f"api:n{number}", plan=plan, cgroup="", blob={})
        if number % 2:
            time.sleep(0.002 * number)
        else:  # the relay has handed it on once the keeper has made its FIFOs
            wait_for(lambda n=number: (kept.run / f"fifo/api:n{n}.out").exists())
        kill_engine(life)
        life = kept.next_life()
        if number % 2 == 0:
            names = [told.message.get("name") for told in life.greeting]
            assert f"api:n{number}" in names
    held = [told for told in life.greeting if told["type"] == "instance"]
    assert len(held) >= 3
    for told in held:
        assert is_alive(int(str(told["main_pid"])))


def test_engine_is_started_at_once_then_ever_later(kept: Host, engine: Played) -> None:
    life, waits = engine, []
    for _ in range(4):
        began = time.monotonic()
        kill_engine(life)
        life = kept.next_life()
        waits.append(time.monotonic() - began)
    assert waits[0] < 0.1 + waits[1] / 2
    assert waits[1] >= 0.1
    assert waits[2] >= 0.2
    assert waits[3] >= 0.4


def test_doors_are_started_again_and_shown(tmp_path: Path) -> None:
    with host(tmp_path, doors=2) as kept:
        engine = kept.start()
        doors = [engine.find("door", index=index) for index in range(2)]
        assert [len(told.fds) for told in doors] == [1, 1]
        pids = [int(str(told["pid"])) for told in doors]
        wait_for(lambda: os.readlink(f"/proc/{pids[0]}/cwd") == str(kept.run / "door"))
        os.kill(pids[1], signal.SIGKILL)
        again = engine.find("door", index=1)
        assert again["pid"] not in pids
        kill_engine(engine)
        life = kept.next_life()
        shown = [told for told in life.greeting if told["type"] == "door"]
        assert {told["pid"] for told in shown} == {pids[0], again["pid"]}


def test_killed_keeper_takes_engine_and_doors_along_and_its_instances_are_adopted(
    tmp_path: Path, planned: Planner, kept: Host, cgroup: Callable[[str], str]
) -> None:
    engine = kept.start()
    path = cgroup("api:c")
    plans = {
        "api:n": (planned(WRITER, "n"), ""),
        "api:p": (planned(WRITER, "p", isolation="process"), ""),
        "api:c": (planned(WRITER, "c", isolation="process", cgroup=path), path),
    }
    before = {name: engine.spawn(name, plan, where) for name, (plan, where) in plans.items()}
    seen = {name: read_all(told.fds[1], until=b"line 3\n") for name, told in before.items()}
    old_engine = engine.pid
    os.kill(pid_of(kept), signal.SIGKILL)
    kept.wait()
    time.sleep(0.2)
    for told in before.values():
        told.close()
    life = kept.start()
    assert not is_alive(old_engine)
    after = {str(t["name"]): t for t in life.greeting if t["type"] == "instance"}
    assert after.keys() == before.keys()
    for name, told in after.items():
        for key in ("pid", "main_pid", "start_ticks"):
            assert told[key] == before[name][key]
        assert told["is_adopted"] is True
        assert told["exit"] is None
        lines = (seen[name] + read_all(told.fds[1], 0.3)).splitlines()
        numbers = [int(line.split()[1]) for line in lines if line.startswith(b"line ")]
        assert numbers == list(range(1, len(numbers) + 1)), "no line lost or repeated"
        assert len(numbers) > 10
    for name, told in after.items():
        os.kill(int(str(told["main_pid"])), signal.SIGKILL)
        assert life.find("exit", name=name)["pid"] == told["pid"]


def test_adopted_process_tells_its_status_where_the_kernel_can(kept: Host) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os._exit(3)
    pidfd = os.pidfd_open(child)
    os.waitpid(child, 0)
    can = pidfd_exit_status(pidfd) is not None
    for fd in (reader, writer, pidfd):
        os.close(fd)
    require(can, "PIDFD_GET_INFO tells no exit status", "run Linux 6.15 or later")
    engine = kept.start()
    told = engine.spawn("a:b", shell("exec sleep 1000", ["setsid"]))
    os.kill(pid_of(kept), signal.SIGKILL)
    kept.wait()
    life = kept.start()
    pid = int(str(told["pid"]))
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)  # this test is the subreaper the orphan came to
    end = life.find("exit", name="a:b")
    assert end["status"] == signal.SIGTERM


def test_process_that_ended_without_a_keeper_has_an_unknown_status(kept: Host) -> None:
    engine = kept.start()
    told = engine.spawn("a:b", shell("exec sleep 1000", ["setsid"]))
    os.kill(pid_of(kept), signal.SIGKILL)
    kept.wait()
    os.kill(int(str(told["pid"])), signal.SIGKILL)
    os.waitpid(int(str(told["pid"])), 0)
    life = kept.start()
    held = next(each for each in life.greeting if each["type"] == "instance")
    exit_ = held["exit"]
    assert isinstance(exit_, dict)
    assert exit_["status"] is None
    assert len(held.fds) == 3
    life.order("ack", name="a:b", pid=held["pid"])
    assert life.spawn("a:b", shell("true"))["ok"]


def test_torn_and_foreign_records_are_dropped(kept: Host) -> None:
    kept.start()
    os.kill(pid_of(kept), signal.SIGKILL)
    kept.wait()
    instances = kept.run / "instances"
    (instances / "torn.json").write_text('{"name": "to')
    (instances / "empty.json").write_text("")
    boot = '{"boot_id": "another", "pid": 1}'
    (instances / "old.json").write_text(boot)
    # This very process, as if it were an instance: another start time, so never ours.
    record = (
        '{"name":"a:b","pid":%d,"start_ticks":1,"main_pid":%d,"cgroup":"","blob":{},'
        '"is_adopted":false,"exit":null,"is_subreaper":false,"boot_id":"%s"}'
    )
    now = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (instances / "a:b.json").write_text(record % (os.getpid(), os.getpid(), now))
    life = kept.start()
    held = [told for told in life.greeting if told["type"] == "instance"]
    assert [told["name"] for told in held] == ["a:b"]
    assert held[0]["exit"] is not None


def test_sigterm_lets_the_engine_stop_instances_then_leaves_nothing(
    kept: Host, engine: Played, planned: Planner, cgroup: Callable[[str], str]
) -> None:
    path = cgroup("api:x")
    engine.spawn("api:x", planned("sleep 1000", cgroup=path), path)
    os.kill(pid_of(kept), signal.SIGTERM)
    told = engine.find("shutdown")
    assert float(str(told["within"])) > 0
    assert engine.spawn("a:late", shell("true"))["errno"] == errno.ESHUTDOWN
    engine.order("kill", name="api:x")
    engine.find("exit", name="api:x")
    engine.order("shutdown_done")
    began = time.monotonic()
    kept.wait()
    assert time.monotonic() - began < 2
    assert_nothing_left(kept, path)


def test_empty_cgroups_and_daemons_of_acknowledged_instances_go_too(
    kept: Host, engine: Played, planned: Planner, cgroup: Callable[[str], str]
) -> None:
    path = cgroup("api:x")
    script = "setsid sleep 1234.9 & sleep 0.1; echo up"
    told = engine.spawn("api:x", planned(script, isolation="process", cgroup=path), path)
    end = engine.find("exit", name="api:x")
    engine.order("ack", name="api:x", pid=end["pid"])
    engine.order("release", name="api:x")
    os.kill(pid_of(kept), signal.SIGTERM)
    engine.find("shutdown")
    engine.order("shutdown_done")
    kept.wait()
    assert not Path(f"/proc/{told['pid']}").exists()
    assert_nothing_left(kept, path)


def assert_nothing_left(kept: Host, cgroup: str = "") -> None:
    assert kept.keeper is not None
    assert kept.keeper.returncode == 0
    left = {str(path.relative_to(kept.run)) for path in kept.run.rglob("*") if not path.is_dir()}
    assert left == {"lock", "lifeline", "log/engine.log"}
    if cgroup:
        assert not os.path.exists(os.path.dirname(cgroup))


@pytest.mark.parametrize(("isolation", "with_cgroup"), [("process", False), ("namespace", True)])
def test_without_an_engine_the_keeper_itself_ends_everything(
    kept: Host,
    planned: Planner,
    tree: object,
    isolation: str,
    with_cgroup: bool,
    cgroup: Callable[[str], str],
) -> None:
    engine = kept.start()
    path = cgroup("api:x") if with_cgroup else ""
    script = "trap 'echo term' TERM; setsid sleep 1234.8 & echo up; while :; do sleep 0.1; done"
    told = engine.spawn("api:x", planned(script, isolation=isolation, cgroup=path), path)
    read_all(told.fds[1], until=b"up\n")
    script = "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.05; done"
    polite = engine.spawn("a:polite", shell(script, ["setsid"]))
    read_all(polite.fds[1], until=b"up\n")
    for _ in range(2):  # into the backoff
        kill_engine(kept.lives[-1])
        if _ == 0:
            kept.next_life()
    began = time.monotonic()
    kept.stop()
    assert 4.5 < time.monotonic() - began < 9, "the grace period, no longer"
    assert read_all(told.fds[1], 0.1) == b"term\n"
    assert read_all(polite.fds[1], 0.1) == b"bye\n"
    assert not is_alive(int(str(told["main_pid"])))
    assert subprocess.run(["pgrep", "-f", "sleep 1234.8"], stdout=subprocess.DEVNULL).returncode
    assert_nothing_left(kept, path)


def test_second_signal_ends_the_patience(kept: Host, engine: Played) -> None:
    told = engine.spawn("a:b", shell("trap '' TERM; echo up; sleep 1000", ["setsid"]))
    read_all(told.fds[1], until=b"up\n")
    began = time.monotonic()
    os.kill(pid_of(kept), signal.SIGINT)
    engine.find("shutdown")
    os.kill(pid_of(kept), signal.SIGINT)
    time.sleep(0.3)
    os.kill(pid_of(kept), signal.SIGINT)
    kept.wait()
    assert time.monotonic() - began < 3
    assert_nothing_left(kept)


def test_sigterm_while_instances_start(kept: Host, engine: Played, planned: Planner) -> None:
    for number in range(20):
        plan = planned("sleep 1000", f"n{number}")
        engine.order("spawn", name=f"api:n{number}", plan=plan, cgroup="", blob={})
    os.kill(pid_of(kept), signal.SIGTERM)
    kill_engine(engine)
    kept.wait()
    assert_nothing_left(kept)


def test_sighup_asks_for_a_reload(kept: Host, engine: Played) -> None:
    os.kill(pid_of(kept), signal.SIGHUP)
    engine.find("reload")


def test_service_manager_is_told(
    kept: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        engine = kept.start()
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        manager.settimeout(5)
        engine.order("ready")
        assert manager.recv(100) == b"READY=1"
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{engine.pid}/environ").read_bytes()
        os.kill(pid_of(kept), signal.SIGTERM)
        assert manager.recv(100) == b"STOPPING=1"
        engine.order("shutdown_done")
        kept.wait()


def test_second_keeper_is_refused_and_told_who(kept: Host, engine: Played) -> None:
    command = [sys.executable, "-P", "-m", "engine.keeper", "--data-dir", str(kept.data_dir)]
    done = subprocess.run([*command, "--port", "0"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr == (f"Error: another ten serve (pid {pid_of(kept)}) holds {kept.data_dir}\n")
    assert engine.spawn("a:b", shell("true"))["ok"]


@pytest.mark.parametrize(
    ("bind", "shown"), [("127.0.0.1", "127.0.0.1:{}"), ("::1", "[::1]:{}"), ("[::1]", "[::1]:{}")]
)
def test_port_in_use_is_refused_before_anything_starts(kept: Host, bind: str, shown: str) -> None:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family) as other:
        other.bind((bind.strip("[]"), 0))
        other.listen()
        port = other.getsockname()[1]
        kept.launch(bind=bind, port=port)
        output = kept.wait()
    assert kept.keeper is not None
    assert kept.keeper.returncode == 1
    said = f"Error: cannot listen on {shown.format(port)}: Address already in use"
    assert output == f"{said}; another port: ten serve -p PORT\n"
    assert not (kept.run / "log/engine.log").exists()


def test_unknown_address_is_refused(kept: Host) -> None:
    kept.launch(bind="203.0.113.1", port=0)
    assert kept.wait().startswith("Error: cannot listen on 203.0.113.1:0: ")


def test_listens_on_ipv6(kept: Host) -> None:
    kept.start(bind="::1")
    assert kept.keeper is not None
    options = Path(f"/proc/{kept.keeper.pid}/cmdline").read_text().split("\0")
    port = int(options[options.index("--port") + 1])
    with socket.create_connection(("::1", port), timeout=5):
        pass


def test_long_paths_have_a_short_socket(tmp_path: Path) -> None:
    with host(tmp_path) as kept:
        kept.data_dir = tmp_path / ("x" * 120) / "data"
        kept.start()
        link = kept.run / "ten.sock"
        assert link.is_symlink()
        target = Path(os.path.realpath(link))
        assert len(str(target)) < 108
        assert target.parent.stat().st_mode & 0o777 == 0o700
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(target))
    assert not target.parent.exists()


def test_sockets_have_their_modes(kept: Host, engine: Played) -> None:
    assert engine.greeting
    assert (kept.run).stat().st_mode & 0o777 == 0o700
    assert (kept.run / "ten.sock").stat().st_mode & 0o777 == 0o660
    assert (kept.run / "door").stat().st_mode & 0o777 == 0o700
    if os.geteuid() == 0:
        assert (kept.run / "door").stat().st_uid == 61183
        assert (kept.run / "door/api.sock").stat().st_uid == 61183


def test_data_folder_that_is_a_link_elsewhere_is_not_followed_inside(kept: Host) -> None:
    elsewhere = kept.data_dir.parent / "elsewhere"
    elsewhere.mkdir()
    kept.data_dir.mkdir()
    kept.run.symlink_to(elsewhere)
    kept.launch()
    assert kept.wait().startswith("Error: ")
    assert not list(elsewhere.iterdir())


def test_memory_of_keeper_and_reaper(kept: Host, engine: Played, planned: Planner) -> None:
    told = [
        engine.spawn(f"api:n{number}", planned("exec sleep 1000", f"n{number}"))
        for number in range(10)
    ]
    sizes = [private_dirty(int(str(each["pid"]))) for each in told]
    assert max(sizes) < 2048 * 1024
    assert private_dirty(pid_of(kept)) < 8 * 1024 * 1024


def private_dirty(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise AssertionError
