"""What each level of hardening leaves an instance to see and to do, tried from the inside."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.core.hardening import Hardening, HardeningSpec
from tests.kernel.conftest import Planner
from tests.kernel.harness import Host, Played, read_all
from tests.kernel.test_namespace import _users_plan, users
from tests.kernel.test_namespace import output as plain_output
from tests.require import require_root

__all__ = ["users"]

pytestmark = pytest.mark.kernel

LEVELS = [Hardening.DEFAULT, Hardening.STRICT]
DEVICES = {"full", "null", "random", "tty", "urandom", "zero"}


def output(engine: Played, plan: list[list[object]], cgroup: str = "", name: str = "api:x") -> str:
    """Run it with errors among the output, in order."""
    _, _, argv, _ = step = plan[-1]
    if isinstance(argv, list) and argv[1:2] == ["-c"] and argv[0] == "/bin/sh":
        argv[2] = f"exec 2>&1; {argv[2]}"
    assert step[0] == "exec"
    return plain_output(engine, plan, cgroup, name)


def level(value: Hardening, **fields: object) -> HardeningSpec:
    return HardeningSpec(level=value, **fields)  # type: ignore[arg-type]


# /dev


@pytest.mark.parametrize("hardening", LEVELS)
def test_dev_holds_only_what_is_nobodys(
    engine: Played, planned: Planner, hardening: Hardening
) -> None:
    script = (
        "for f in /dev/*; do test -L $f || test -d $f || echo $f; done; ls /dev; "
        "head -c 4 /dev/zero | wc -c; "
        "head -c 4 /dev/urandom | wc -c; echo x > /dev/null && echo written; "
        "echo x > /dev/shm/x && cat /dev/shm/x; readlink /dev/ptmx /dev/fd; "
        "chmod 600 /dev/null || echo kept; touch /dev/new || echo closed"
    )
    found = output(engine, planned(script, hardening=level(hardening))).split("\n")
    assert {os.path.basename(line) for line in found if line.startswith("/dev/")} == DEVICES
    names = {"fd", "ptmx", "pts", "shm", "stderr", "stdin", "stdout"} | DEVICES
    assert names <= set(found)
    shown = [line for line in found[found.index("4") :] if ":" not in line]
    assert shown[:6] == ["4", "4", "written", "x", "pts/ptmx", "/proc/self/fd"]
    assert shown[6:8] == ["kept", "closed"]
    assert stat.S_IMODE(os.stat("/dev/null").st_mode) == 0o666


def test_a_terminal_can_be_opened(engine: Played, planned: Planner) -> None:
    code = "import os; a, b = os.openpty(); print(os.ttyname(b), oct(os.fstat(b).st_mode & 0o777))"
    found = output(engine, planned("", command=sys.executable, args=("-c", code)))
    assert found.split()[0].startswith("/dev/pts/")


def test_a_device_that_is_named_is_there(engine: Played, planned: Planner) -> None:
    script = "ls -l $DEVICE | cut -c1; ls /dev | grep -c kmsg"
    found = output(engine, planned(script, env={"DEVICE": "/dev/kmsg"}))
    assert found.split() == ["c", "1"]
    assert output(engine, planned("ls /dev | grep -c kmsg", "y"), name="api:y").split() == ["0"]


# /proc and /sys


def test_proc_tells_nothing_of_the_host(engine: Played, planned: Planner) -> None:
    script = (
        "cd /proc; cat kcore keys key-users iomem slabinfo kpagecount interrupts 2>/dev/null | "
        "wc -c; "
        "echo b > sysrq-trigger; for d in sys/vm/drop_caches sys/kernel/core_pattern; do "
        "echo 1 > $d || echo refused; done; cat cpuinfo meminfo stat uptime loadavg | wc -l; "
        "echo 500 > self/oom_score_adj && echo own"
    )
    found = output(engine, planned(script)).splitlines()
    assert found[0] == "0"
    assert found.count("refused") == 2
    assert found[-1] == "own"
    assert any(line.isdigit() and int(line) > 50 for line in found)


def test_sys_names_nothing_but_processors_and_memory(engine: Played, planned: Planner) -> None:
    script = (
        "find /sys -maxdepth 2 | sort; cat /sys/devices/system/cpu/online; "
        "ls /sys/kernel; touch /sys/x || echo refused"
    )
    found = output(engine, planned(script)).splitlines()
    names = {line for line in found if line.startswith("/sys")}
    assert names <= {
        *("/sys", "/sys/devices", "/sys/devices/system", "/sys/fs", "/sys/fs/cgroup"),
        *("/sys/kernel", "/sys/kernel/mm"),
    }
    assert Path("/sys/devices/system/cpu/online").read_text().strip() in found
    assert found[-1] == "refused"


def test_the_cgroup_file_system_is_its_own_cgroup_and_read_only(
    engine: Played, planned: Planner, cgroup: Callable[[str], str]
) -> None:
    path = cgroup("api:x")
    script = (
        "cat /sys/fs/cgroup/cgroup.procs | wc -l; ls -d /sys/fs/cgroup/*/ ; "
        "cd /sys/fs/cgroup; for f in cgroup.kill cgroup.freeze cgroup.procs; do "
        "echo 1 > $f || echo refused; done; mkdir below || echo refused"
    )
    found = output(engine, planned(script, cgroup=path), path)
    assert found.splitlines()[0] in "2345"
    assert found.splitlines().count("refused") == 4
    assert "iso" not in found
    assert "ten-" not in found


# Files of the host.


@pytest.mark.parametrize("hardening", LEVELS)
def test_secrets_of_the_host_are_out_of_reach(
    engine: Played, planned: Planner, hardening: Hardening, tmp_path: Path
) -> None:
    require_root()
    marker = Path("/run") / f"secret-{os.getpid()}"
    marker.write_text("theirs")
    try:
        script = (
            "cat /etc/shadow /etc/gshadow | wc -c; find /root /home /boot /var/lib /var/log "
            "/var/spool -mindepth 1 | wc -l; cat /run/secret-*; ls /run; id -u; cat /etc/hostname"
        )
        plan = planned(script, hardening=level(hardening), env={"PATH": "/usr/bin:/bin"})
        found = output(engine, plan)
    finally:
        marker.unlink()
    assert found.split()[:2] == ["0", "0"]
    assert "theirs" not in found
    assert "docker.sock" not in found
    assert "dbus" not in found


def test_by_default_it_writes_where_it_works_and_nowhere_else(
    engine: Played, planned: Planner, tmp_path: Path
) -> None:
    (tmp_path / "given").mkdir()
    script = (
        "for d in /usr /usr/bin /etc /etc/cron.d /srv /opt; do touch $d/ten-x || echo refused; "
        "done; touch here $GIVEN/x /tmp/x /var/tmp/x /run/x $TEN_DATA_DIR/x && echo ok"
    )
    plan = planned(script, workdir=str(tmp_path), env={"GIVEN": str(tmp_path / "given")})
    found = output(engine, plan).splitlines()
    assert found.count("refused") == 6
    assert found[-1] == "ok"
    assert (tmp_path / "here").exists()
    assert (tmp_path / "given/x").exists()


def test_strict_lets_it_write_only_its_own_folder(
    engine: Played, planned: Planner, tmp_path: Path
) -> None:
    script = (
        "for d in /usr /etc /srv /opt . /mnt; do touch $d/ten-x || echo refused; done; "
        "touch /tmp/x /dev/shm/x $(dirname $SOCKET_PATH)/x $TEN_DATA_DIR/x && echo ok"
    )
    plan = planned(script, workdir=str(tmp_path), hardening=level(Hardening.STRICT))
    found = output(engine, plan).splitlines()
    assert found.count("refused") == 6
    assert found[-1] == "ok"
    assert list(tmp_path.glob("ten-x")) == []


@pytest.mark.parametrize("hardening", LEVELS)
def test_a_socket_on_the_host_can_be_made_and_replaced(
    engine: Played, planned: Planner, hardening: Hardening
) -> None:
    """In a folder that is not the instance's own, such as a web server of the host looks at."""
    require_root()
    folder = Path(f"/srv/ten-test-{os.getpid()}")
    code = "import os, socket; socket.socket(socket.AF_UNIX).bind(os.environ['SOCKET_PATH'])"
    try:
        for _ in range(2):
            told = engine.spawn(
                "api:x",
                planned(
                    "",
                    command=sys.executable,
                    args=("-c", f"{code}; print('bound')"),
                    socket=f"{folder}/{{id}}.sock",
                    hardening=level(hardening),
                ),
            )
            assert told["ok"], told
            ended = engine.find("exit", name="api:x")
            assert read_all(told.fds[1], 0.1) == b"bound\n"
            engine.order("ack", name="api:x", pid=ended["pid"])
            told.close()
        assert stat.S_ISSOCK(os.stat(folder / "x.sock").st_mode)
    finally:
        (folder / "x.sock").unlink(missing_ok=True)
        folder.rmdir()


def test_a_workdir_in_the_system_can_still_be_written(engine: Played, planned: Planner) -> None:
    require_root()
    folder = Path(f"/usr/local/ten-test-{os.getpid()}")
    folder.mkdir()
    try:
        script = "touch here && echo ok; touch ../x || echo refused"
        found = output(engine, planned(script, workdir=str(folder)))
        assert (folder / "here").exists()
    finally:
        (folder / "here").unlink(missing_ok=True)
        folder.rmdir()
    assert found.splitlines()[0] == "ok"
    assert found.splitlines()[-1] == "refused"


@pytest.mark.parametrize("hardening", LEVELS)
def test_a_checkout_in_roots_home_is_found(
    engine: Played, planned: Planner, hardening: Hardening
) -> None:
    """Its working directory and its virtual environment, but not what lies beside."""
    require_root()
    home = Path(f"/root/ten-test-{os.getpid()}")
    try:
        (home / "app/.venv/bin").mkdir(parents=True)
        (home / "app/.venv/bin/python").symlink_to("/bin/sh")
        (home / "secret").write_text("theirs")
        (home / "app/run").write_text(f"#!{home}/app/.venv/bin/python\nls; cat ../secret; ls ..\n")
        (home / "app/run").chmod(0o755)
        plan = planned(
            "",
            command=str(home / "app/run"),
            args=(),
            workdir=str(home / "app"),
            hardening=level(hardening),
        )
        found = output(engine, plan).splitlines()
    finally:
        for path in sorted(home.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        home.rmdir()
    assert [line for line in found if "No such file" not in line] == ["run", "app"]


def test_the_configuration_of_all_is_not_to_be_read(
    kept: Host, engine: Played, tmp_path: Path
) -> None:
    from engine.core.spec import ServiceSpec
    from engine.runtime.plan import build_plan

    config = tmp_path / "tenement.toml"
    config.write_text("token of another")
    plan = build_plan(
        ServiceSpec(
            name="api",
            command="/bin/sh",
            args=("-c", "ls; cat tenement.toml"),
            workdir=str(tmp_path),
        ),
        "x",
        port=1,
        data_dir=str(kept.data_dir),
        cgroup="",
        environ=os.environ,
        pass_env=(),
        secret=[str(config)],
    )
    found = output(engine, plan.to_wire())
    assert "tenement.toml" in found
    assert "another" not in found


# Privileges.


def test_named_capabilities_are_all_it_has(engine: Played, planned: Planner) -> None:
    require_root()  # the host's ports are not for the capabilities of a user namespace
    spec = level(Hardening.STRICT, capabilities=("net_bind_service",))
    code = (
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 1)); print('bound')\n"
        "for line in open('/proc/self/status'): 'Cap' in line and print(line.split()[1])"
    )
    found = output(engine, planned("", command=sys.executable, args=("-c", code), hardening=spec))
    assert found.split() == ["bound", *["0000000000000400"] * 5]
    plan = planned("", "y", command=sys.executable, args=("-c", code))
    refused = output(engine, plan, name="api:y")
    assert "bound" not in refused
    assert "PermissionError" in refused


def test_named_capabilities_reach_an_ordinary_user(engine: Played, planned: Planner) -> None:
    """As they will be given with a user: the steps are in that order."""
    require_root()
    spec = level(Hardening.DEFAULT, capabilities=("net_bind_service",))
    plan = planned("id -u; grep Cap /proc/self/status | cut -f2", hardening=spec)
    at = next(index for index, step in enumerate(plan) if step[0] == "drop_caps")
    plan.insert(at, ["user", 1000, 1000, []])
    assert output(engine, plan).split() == ["1000", *["0000000000000400"] * 5]


def test_a_change_of_user_alone_leaves_no_capability(engine: Played, planned: Planner) -> None:
    require_root()
    plan = planned("id -u; grep CapEff /proc/self/status | cut -f2")
    at = next(index for index, step in enumerate(plan) if step[0] == "drop_caps")
    plan[at] = ["user", 1000, 1000, []]
    assert output(engine, plan).split() == ["1000", "0" * 16]


def test_resource_limits_hold(engine: Played, planned: Planner) -> None:
    script = "ulimit -Sn; ulimit -Hn; ulimit -c; ulimit -Ss"
    spec = level(Hardening.DEFAULT, rlimits={"nofile": (100, 200), "stack": (1 << 20, 1 << 20)})
    assert output(engine, planned(script, hardening=spec)).split() == ["100", "200", "0", "1024"]


def test_a_resource_limit_that_cannot_be_set_says_which(engine: Played, planned: Planner) -> None:
    spec = level(Hardening.DEFAULT, rlimits={"nofile": (1 << 40, 1 << 40)})
    told = engine.spawn("api:x", planned("true", hardening=spec))
    assert not told["ok"]
    assert told["step"] == "rlimit NOFILE"


def test_the_init_process_gives_nothing_away(engine: Played, planned: Planner) -> None:
    """It was forked from the keeper: its memory and files were the keeper's."""
    spec = level(Hardening.DEFAULT, capabilities=("dac_override", "kill"))
    script = (
        "grep CapEff /proc/1/status | cut -f2; ls /proc/1/root/; readlink /proc/1/fd/4; "
        "cat /proc/1/environ; "
        "head -c 1 /proc/1/mem; readlink /proc/1/exe"
    )
    found = output(engine, planned(script, hardening=spec)).splitlines()
    assert found[0] == f"{1 << 5 | 1 << 36:016x}", "kill and block_suspend"
    assert all("ermission denied" in line for line in found[1:]), found


def test_off_leaves_it_as_root(engine: Played, planned: Planner) -> None:
    require_root()
    script = "grep -E 'NoNewPrivs|CapEff' /proc/self/status | cut -f2; ls /dev | wc -l; ls /root"
    found = output(engine, planned(script, hardening=level(Hardening.OFF))).splitlines()
    assert found[0] == Path("/proc/self/status").read_text().split("CapEff:\t")[1].split()[0]
    assert found[1] == "0"
    assert int(found[2]) > len(DEVICES) + 7


# As an ordinary user.


def test_ordinary_users_instances_are_hardened_too(users: Host) -> None:
    engine = users.start()
    script = (
        "ls /dev | tr '\\n' ' '; echo; echo x > /dev/null && echo null; touch /dev/shm/x && "
        "echo shm; ls /home /root /run | wc -w; cat /proc/keys /proc/interrupts | wc -c; "
        "ls /sys; touch /var/tmp/x && echo tmp; ls -ld /dev/pts | cut -c1; ulimit -c"
    )
    told = engine.spawn("api:x", [*_users_plan(users, script, "namespace")])
    assert told["ok"], told
    engine.find("exit", name="api:x")
    lines = (read_all(told.fds[1], 0.1) + read_all(told.fds[2], 0.1)).decode().splitlines()
    told.close()
    assert set(lines[0].split()) == DEVICES | {
        *("fd", "ptmx", "pts", "shm", "stderr", "stdin", "stdout")
    }
    assert lines[1:3] == ["null", "shm"]
    assert lines[4:] == ["0", "devices", "fs", "kernel", "tmp", "d", "0"]
