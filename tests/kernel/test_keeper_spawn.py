"""Orders of the engine to the keeper: spawn, kill, ack, release, sockets."""

import errno
import json
import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.core.spec import Isolation
from tests.kernel.conftest import Planner
from tests.kernel.harness import Host, Played, both_reapers, is_alive, read_all, shell, wait_for
from tests.require import require

pytestmark = pytest.mark.kernel


def test_greeting_names_sockets_and_is_complete(engine: Played) -> None:
    welcome, *rest = engine.greeting
    assert welcome["type"] == "welcome"
    assert welcome["fds"] == ["api", "door_api"]
    assert len(welcome.fds) == 2
    assert welcome["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert [told["type"] for told in rest] == ["ready"]


def test_process_runs_with_its_output_and_status(engine: Played) -> None:
    told = engine.spawn("a:b", shell("echo out; echo err >&2; exit 7", ["setsid"]))
    assert told["ok"]
    assert told["pid"] == told["main_pid"]
    _, out, err = told.fds
    end = engine.find("exit", name="a:b")
    assert end["pid"] == told["pid"]
    assert os.waitstatus_to_exitcode(int(str(end["status"]))) == 7
    assert read_all(out, until=b"out\n") == b"out\n"
    assert read_all(err, until=b"err\n") == b"err\n"
    told.close()


@both_reapers
@pytest.mark.parametrize("isolation", [Isolation.PROCESS, Isolation.NAMESPACE])
def test_status_below_a_reaper_is_the_programs_own(
    engine: Played, planned: Planner, isolation: Isolation
) -> None:
    for ident, script, expected in (("a", "exit 3", 3), ("b", "kill -SEGV $$", -signal.SIGSEGV)):
        told = engine.spawn(f"api:{ident}", planned(script, ident, isolation=isolation))
        assert told["ok"], told
        assert told["pid"] != told["main_pid"]
        end = engine.find("exit", name=f"api:{ident}")
        assert os.waitstatus_to_exitcode(int(str(end["status"]))) == expected
        told.close()


def _inside() -> list[list[object]]:
    """Steps into namespaces; an ordinary user needs one for users as well."""
    if os.geteuid() == 0:
        return [["unshare", ["pid", "mount"]], ["fork"], ["reap"]]
    maps = [f"{number} {number} 1" for number in (os.geteuid(), os.getegid())]
    return [["unshare", ["user", "pid", "mount"]], ["idmap", *maps], ["fork"], ["reap"]]


@pytest.mark.parametrize(
    ("step", "name", "number", "path"),
    [
        (["chdir", "/no/where"], "chdir /no/where", errno.ENOENT, "/no/where"),
        (["cgroup", "/no/cgroup"], "cgroup /no/cgroup", errno.ENOENT, "/no/cgroup/cgroup.procs"),
        (
            ["mount", "proc", "/no/proc", "proc", 0, ""],
            "mount proc on /no/proc",
            errno.ENOENT,
            "/no/proc",
        ),
        (["hide", "/no/dir", [], 0o555], "hide /no/dir", errno.ENOENT, "/no/dir"),
        (["unshare", ["soul"]], "unshare soul", errno.EINVAL, ""),
        (["umask"], "umask", errno.EINVAL, ""),
        (["rlimit", "NOFILE", 10, 5], "rlimit NOFILE", errno.EINVAL, ""),
        (["rlimit", "NOFILE", -1, 5], "rlimit NOFILE", errno.EINVAL, ""),
        (["mkdir", "/dev/null/deep", 0o700], "mkdir /dev/null/deep", errno.ENOTDIR, "/dev/null"),
        (["netns", "/no/network"], "netns /no/network", errno.ENOENT, "/no/network"),
        (["netns", "/dev/null"], "netns /dev/null", errno.EINVAL, "/dev/null"),
        (["write", "/etc/passwd", "x"], "write /etc/passwd", errno.EEXIST, "/etc/passwd"),
        (["umask", 1 << 40], "umask 1099511627776", errno.EINVAL, ""),
    ],
)
@pytest.mark.parametrize("before", [[], _inside()])
def test_failed_step_is_named(
    engine: Played,
    step: list[object],
    name: str,
    number: int,
    path: str,
    before: list[list[object]],
) -> None:
    told = engine.spawn("a:b", shell("true", *before, step))
    assert told.message | {"ok": False, "step": name, "errno": number} == told.message
    assert told["index"] == len(before)
    assert told["path"] == path


def test_ids_that_are_mapped_already_are_named(engine: Played) -> None:
    told = engine.spawn("a:b", shell("true", *_inside(), ["idmap", "0 0 0", "0 0 0"]))
    failed = {"ok": False, "step": "idmap 0 0 0", "errno": errno.EPERM, "path": ""}
    assert told.message | failed == told.message
    assert told.fds == []


def test_program_that_is_not_there_is_named(engine: Played) -> None:
    told = engine.spawn("a:b", [["exec", "/no/program", ["x"], {}]])
    assert (told["step"], told["errno"], told["path"]) == (
        "exec /no/program",
        errno.ENOENT,
        "/no/program",
    )
    told = engine.spawn("a:b", [["exec", "no-such-program", ["x"], {"PATH": "/bin"}]])
    assert (told["step"], told["errno"]) == ("exec no-such-program", errno.ENOENT)
    told = engine.spawn("a:b", [["exec", "/etc/passwd", ["x"], {}]])
    assert (told["step"], told["errno"]) == ("exec /etc/passwd", errno.EACCES)


@pytest.mark.parametrize(
    "plan",
    [
        None,
        [],
        "exec",
        [["exec"]],
        [[]],
        [[1]],
        [["fly"], ["exec", "/bin/true", ["true"], {}]],
        [["exec", "/bin/true", ["true"], {}], ["setsid"]],
        [["mount", "x"], ["exec", "/bin/true", ["true"], {}]],
        [["exec", 1, 2, 3]],
        [["setsid"]] * 300,
        [{"exec": "x"}],
        [["exec", "/bin/true", ["a\0b"], {}]],
        [["exec", "/bin/true", ["true"], {"A=B": "\0"}]],
    ],
)
def test_malformed_plan_is_refused_and_the_keeper_lives(engine: Played, plan: object) -> None:
    told = engine.spawn("a:b", plan)  # type: ignore[arg-type]
    assert not told["ok"]
    assert told["errno"] == errno.EINVAL
    assert engine.spawn("a:b", shell("true"))["ok"]


def test_malformed_orders_are_answered_or_passed_over(engine: Played) -> None:
    for raw in (b"{", b"[]", b"null", b"{}", b'{"op":"nothing"}', b"\xff\xfe", b'{"op":7}'):
        engine.link.send(raw)
    for fields in ({}, {"name": "a:b"}, {"name": 3, "plan": 3}, {"name": "../../x", "plan": []}):
        seq = engine.order("spawn", **fields)
        assert not engine.find("reply", re=seq)["ok"]
    for name in ("../x", ".x", "a/b"):
        seq = engine.order("spawn", name=name, plan=shell("true"), cgroup="", blob={})
        assert engine.find("reply", re=seq)["errno"] == errno.EINVAL
    seq = engine.order("spawn", name="a:b", plan=shell("x" * 190_000), cgroup="", blob={})
    assert engine.find("reply", re=seq)["errno"] == errno.E2BIG
    assert engine.spawn("a:b", shell("true"))["ok"]


def test_a_name_is_held_until_its_end_is_acknowledged(engine: Played) -> None:
    first = engine.spawn("a:b", shell("true"))
    end = engine.find("exit", name="a:b")
    assert engine.spawn("a:b", shell("true"))["errno"] == errno.EEXIST
    engine.order("ack", name="a:b", pid=end["pid"])
    second = engine.spawn("a:b", shell("true"))
    assert second["ok"]
    assert second["pid"] != first["pid"]


def test_an_end_that_the_engine_sees_first_can_be_acknowledged(kept: Host, engine: Played) -> None:
    told = engine.spawn("a:b", shell("exec sleep 1000", ["setsid"]))
    assert kept.keeper is not None
    kept.keeper.send_signal(signal.SIGSTOP)
    os.kill(int(str(told["pid"])), signal.SIGKILL)
    assert select.select([told.fds[0]], [], [], 5)[0], "its pidfd says that it has ended"
    engine.order("ack", name="a:b", pid=told["pid"])
    seq = engine.order("spawn", name="a:b", plan=shell("true"), cgroup="", blob={})
    kept.keeper.send_signal(signal.SIGCONT)
    assert engine.find("reply", re=seq)["ok"]


def test_output_goes_on_in_the_same_fifos_until_release(kept: Host, engine: Played) -> None:
    told = engine.spawn("a:b", shell("echo one"))
    end = engine.find("exit", name="a:b")
    engine.order("ack", name="a:b", pid=end["pid"])
    engine.spawn("a:b", shell("echo two"))
    assert read_all(told.fds[1], until=b"two\n") == b"one\ntwo\n"
    seq = engine.order("release", name="a:b")
    assert engine.find("reply", re=seq)["errno"] == errno.EBUSY
    end = engine.find("exit", name="a:b")
    engine.order("ack", name="a:b", pid=end["pid"])
    engine.order("release", name="a:b")
    wait_for(lambda: not list((kept.run / "fifo").iterdir()))


def test_a_step_that_hangs_is_given_up_and_named(
    engine: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = tmp_path / "stuck"
    stuck.mkdir()
    os.mkfifo(stuck / "cgroup.procs")  # opening it waits for a reader that never comes
    began = time.monotonic()
    seq = engine.order(
        "spawn",
        name="a:b",
        plan=shell("true", ["reap"], ["cgroup", str(stuck)]),
        cgroup="",
        blob={},
    )
    other = engine.spawn("a:c", shell("true"))
    assert other["ok"], "the keeper serves others meanwhile"
    engine.link.settimeout(20)
    told = _wait_reply(engine, seq)
    assert (told["step"], told["errno"]) == (f"cgroup {stuck}", errno.ETIMEDOUT)
    assert 9 < time.monotonic() - began < 13


@both_reapers
@pytest.mark.parametrize("before", [[["reap"]], _inside()], ids=["process", "namespace"])
def test_a_program_killed_before_its_exec_names_the_step_it_was_in(
    kept: Host, engine: Played, tmp_path: Path, before: list[list[object]]
) -> None:
    """It is noted down long before: that alone does not make it a program that ran."""
    stuck = tmp_path / "stuck"
    stuck.mkdir()
    os.mkfifo(stuck / "cgroup.procs")
    plan = shell("true", *before, ["cgroup", str(stuck)])
    seq = engine.order("spawn", name="a:b", plan=plan, cgroup="", blob={})
    record = kept.run / "instances" / "a:b.json"
    wait_for(record.exists)
    main = json.loads(record.read_text())["main_pid"]
    # What it sleeps in is the opening of the FIFO.
    wait_for(lambda: Path(f"/proc/{main}/stat").read_text().rpartition(")")[2].split()[0] == "S")
    os.kill(main, signal.SIGKILL)
    told = engine.find("reply", re=seq)
    assert (told["ok"], told["step"], told["errno"]) == (False, f"cgroup {stuck}", errno.ECHILD)
    wait_for(lambda: not record.exists())


def _wait_reply(engine: Played, seq: int) -> object:
    while True:
        told = engine.take()
        if told.message.get("re") == seq:
            return told
        engine.inbox.append(told)


@both_reapers
def test_kill_takes_setsid_daemons_of_a_namespace(engine: Played, planned: Planner) -> None:
    told = engine.spawn("api:x", planned("setsid sleep 1000 & sleep 0.1; echo up; sleep 1000"))
    assert read_all(told.fds[1], until=b"up\n") == b"up\n"
    # PID 1, the shell and both sleeps; the last is started after the word.
    wait_for(lambda: len(_in_pid_namespace(int(str(told["pid"])))) == 4)
    inside = _in_pid_namespace(int(str(told["pid"])))
    engine.order("kill", name="api:x")
    end = engine.find("exit", name="api:x")
    assert os.WTERMSIG(int(str(end["status"]))) == signal.SIGKILL
    assert not [pid for pid in inside if is_alive(pid)]


def test_kill_takes_setsid_daemons_below_a_subreaper(engine: Played, planned: Planner) -> None:
    plan = planned("setsid sleep 1234.5 & sleep 0.1; echo up; sleep 1000", isolation="process")
    told = engine.spawn("api:x", plan)
    assert read_all(told.fds[1], until=b"up\n") == b"up\n"
    daemon = _find("sleep\0001234.5")
    engine.order("kill", name="api:x")
    end = engine.find("exit", name="api:x")
    assert os.WTERMSIG(int(str(end["status"]))) == signal.SIGKILL
    assert not is_alive(daemon)


def test_daemons_die_with_their_program_and_with_a_killed_subreaper(
    engine: Played, planned: Planner
) -> None:
    script = "(setsid setsid sleep 1234.6 &) ; sleep 0.1; echo up; sleep {}"
    plan = planned(script.format("0.2"), isolation="process")
    told = engine.spawn("api:x", plan)
    read_all(told.fds[1], until=b"up\n")
    daemon = _find("sleep\0001234.6")
    engine.find("exit", name="api:x")
    assert not is_alive(daemon)
    plan = planned(script.format("1000"), isolation="process")
    told = engine.spawn("api:y", plan)
    read_all(told.fds[1], until=b"up\n")
    daemon = _find("sleep\0001234.6")
    os.kill(int(str(told["pid"])), signal.SIGKILL)
    engine.find("exit", name="api:y")
    wait_for(lambda: not is_alive(daemon))
    assert not is_alive(int(str(told["main_pid"])))


def test_cgroup_kill_takes_everything(
    engine: Played, planned: Planner, cgroup: Callable[[str], str]
) -> None:
    path = cgroup("api:x")
    script = "setsid sleep 1234.7 & sleep 0.1; echo up; sleep 1000"
    told = engine.spawn("api:x", planned(script, isolation="process", cgroup=path), path)
    assert told["ok"], told
    read_all(told.fds[1], until=b"up\n")
    assert told["pid"] == told["main_pid"]
    wait_for(lambda: len(Path(path, "cgroup.procs").read_text().split()) == 3)
    pids = Path(path, "cgroup.procs").read_text().split()
    assert str(_find("sleep\0001234.7")) in pids
    engine.order("kill", name="api:x")
    engine.find("exit", name="api:x")
    wait_for(lambda: not Path(path, "cgroup.procs").read_text())


@both_reapers
def test_pid_1_reaps_orphans(engine: Played, planned: Planner) -> None:
    script = "for i in $(seq 50); do (true &) ; done; sleep 0.3; echo up; sleep 1000"
    told = engine.spawn("api:x", planned(script))
    read_all(told.fds[1], until=b"up\n")
    # PID 1, the shell and its last sleep, and not one of the fifty.
    wait_for(lambda: len(_in_pid_namespace(int(str(told["pid"])))) == 3)
    assert Path(f"/proc/{told['pid']}/comm").read_text() == "ten-init\n"


@both_reapers
@pytest.mark.parametrize("isolation", ["process", "namespace"])
def test_sigterm_is_passed_on_to_the_program(
    engine: Played, planned: Planner, isolation: str
) -> None:
    script = "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"
    told = engine.spawn("api:x", planned(script, isolation=isolation))
    read_all(told.fds[1], until=b"up\n")
    signal.pidfd_send_signal(told.fds[0], signal.SIGTERM)
    assert read_all(told.fds[1], until=b"bye\n") == b"bye\n"
    end = engine.find("exit", name="api:x")
    assert os.waitstatus_to_exitcode(int(str(end["status"]))) == 5


@both_reapers
def test_nothing_of_the_keeper_is_left_open_in_program_or_reaper(
    kept: Host, planned: Planner
) -> None:
    kept.prefix += ["env", "--ignore-signal=INT,QUIT,HUP,TSTP,USR1"]  # as nohup and `&` do
    engine = kept.start()
    told = engine.spawn("api:x", planned("exec sleep 1000"))
    wait_for(lambda: Path(f"/proc/{told['main_pid']}/comm").read_text() == "sleep\n")
    program = _fds(int(str(told["main_pid"])))
    assert sorted(program) == [0, 1, 2]
    assert program[1].endswith("/run/fifo/api:x.out")
    reaper = _fds(int(str(told["pid"])))
    assert {reaper[number] for number in (0, 1, 2)} == {"/dev/null"}
    assert all(
        number == 4 and text.startswith("pipe:") for number, text in reaper.items() if number > 2
    )
    assert _status(int(str(told["main_pid"])), "SigBlk") == 0
    # 32 and 33 are the C library's own: no program can set what it inherited of them.
    assert _status(int(str(told["main_pid"])), "SigIgn") & ~(0b11 << 31) == 0


def test_open_file_limit_is_the_original_one(kept: Host, engine: Played) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert kept.keeper is not None
    assert resource.prlimit(kept.keeper.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    told = engine.spawn("a:b", shell("ulimit -Sn", ["setsid"]))
    assert read_all(told.fds[1], until=b"\n") == f"{soft}\n".encode()


def test_no_descriptor_left_is_an_answer(kept: Host, engine: Played) -> None:
    import resource

    assert kept.keeper is not None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{kept.keeper.pid}/fd"))
    resource.prlimit(kept.keeper.pid, resource.RLIMIT_NOFILE, (used + 3, hard))
    assert engine.spawn("a:b", shell("true"))["errno"] == errno.EMFILE
    resource.prlimit(kept.keeper.pid, resource.RLIMIT_NOFILE, (hard, hard))
    assert engine.spawn("a:b", shell("true"))["ok"]
    keeper = kept.keeper.pid
    wait_for(lambda: len(os.listdir(f"/proc/{keeper}/fd")) == used + 3)  # pidfd and FIFOs


def test_sockets_inside_a_network_namespace(engine: Played) -> None:
    require(os.geteuid() == 0, "needs root", "sudo make test")
    told = engine.spawn("a:b", shell("echo up; sleep 1000", ["unshare", ["net"]], ["setsid"]))
    seq = engine.order("sockets", pid=told["pid"], count=5, family="inet")
    reply = engine.find("reply", re=seq)
    assert reply["count"] == len(reply.fds) == 5
    reply.close()
    seq = engine.order("sockets", pid=1, count=5, family="inet")
    assert not engine.find("reply", re=seq)["ok"]


def _fds(pid: int) -> dict[int, str]:
    folder = f"/proc/{pid}/fd"
    return {int(name): os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1], 16)
    raise AssertionError(name)


def _in_pid_namespace(pid: int) -> list[int]:
    namespace = os.readlink(f"/proc/{pid}/ns/pid")
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "ns/pid") == namespace and is_alive(int(folder.name)):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _find(cmdline: str) -> int:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_text().startswith(cmdline):
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError(f"no process {cmdline!r}")
