import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.kernel import cgroup, mounts, pidfd, procfs, syscalls, userns
from engine.kernel.syscalls import clone, launch, process, steps


def test_error_names_call_and_path() -> None:
    with pytest.raises(syscalls.KernelError) as caught:
        syscalls.mount("none", "/no/where", "tmpfs")
    error = caught.value
    assert error.syscall == "mount"
    assert error.filename == "/no/where"
    assert error.errno in (errno.ENOENT, errno.EPERM)
    assert str(error).startswith("mount /no/where: ")
    with pytest.raises(syscalls.KernelError, match="setns: "):
        syscalls.setns(0, 0x7)


def test_wrappers_fail_with_their_names() -> None:
    for call, name in (
        (lambda: syscalls.umount2("/no/where"), "umount2"),
        (lambda: syscalls.pivot_root("/no/where", "/no/where"), "pivot_root"),
        (lambda: syscalls.open_tree("/no/where"), "open_tree"),
        (lambda: syscalls.move_mount(-1, "/no/where"), "move_mount"),
        (lambda: syscalls.set_readonly("/no/where"), "mount_setattr"),
        (lambda: syscalls.unshare(1), "unshare"),
        (lambda: syscalls.prctl(-1), "prctl"),
    ):
        with pytest.raises(syscalls.KernelError) as caught:
            call()
        assert caught.value.syscall == name


def test_capabilities_are_in_the_order_of_their_numbers() -> None:
    assert syscalls.CAPABILITIES.index("sys_admin") == 21
    assert syscalls.CAPABILITIES.index("checkpoint_restore") == 40


def test_exit_status_of_a_process_that_lives_is_not_known() -> None:
    child = subprocess.Popen(["sleep", "100"])
    held = pidfd.open_pidfd(child.pid)
    assert pidfd.exit_status(held) is None
    assert pidfd.is_alive(held)
    assert pidfd.pid_of(held) == child.pid
    assert pidfd.send_signal(held, signal.SIGKILL)
    child.wait()
    assert not pidfd.is_alive(held)
    assert not pidfd.send_signal(held, signal.SIGKILL)
    assert pidfd.pid_of(held) == -1
    assert pidfd.exit_status(held) in (signal.SIGKILL, None)
    os.close(held)


def test_open_same_tells_a_recycled_pid() -> None:
    ticks = process.start_ticks(os.getpid())
    os.close(process.open_same(os.getpid(), ticks, ""))
    with pytest.raises(ProcessLookupError):
        process.open_same(os.getpid(), ticks + 1, "")
    with pytest.raises(ProcessLookupError):
        process.open_same(os.getpid(), ticks, "/sys/fs/cgroup/not/ours")


def test_make_dirs_follows_no_link(tmp_path: Path) -> None:
    steps.make_dirs(str(tmp_path / "a/b"), 0o700)
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700
    steps.make_dirs(str(tmp_path / "a/b"), 0o755)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(NotADirectoryError):
        steps.make_dirs(str(tmp_path / "link/c"), 0o700)
    assert not (tmp_path / "a/c").exists()


def test_remove_socket_removes_nothing_else(tmp_path: Path) -> None:
    steps.remove_socket(str(tmp_path / "absent"))
    (tmp_path / "file").touch()
    steps.remove_socket(str(tmp_path / "file"))
    assert (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (["mount", "proc", "/proc", "proc", 0, ""], "mount proc on /proc"),
        (["mount", "/a", "/b", "", 4096, ""], "mount /a on /b"),
        (["mount", "", "/", "", 1, ""], "mount options on /"),
        (["unshare", ["pid", "mount"]], "unshare pid,mount"),
        (["fork"], "fork"),
        (["exec", "/bin/x", ["x"], {}], "exec /bin/x"),
        (["drop_caps", []], "drop_caps"),
    ],
)
def test_steps_are_printed(step: list[object], text: str) -> None:
    assert steps.describe(step) == text


def test_fifos_are_opened_both_ways_or_not_at_all(tmp_path: Path) -> None:
    paths = [str(tmp_path / "one"), str(tmp_path / "two")]
    fds = process.open_fifos(paths, 1 << 20)
    os.write(fds[0], b"x")
    assert os.read(fds[0], 2) == b"x"
    for fd in fds:
        os.close(fd)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        process.open_fifos([paths[0], "/no/where"], 1 << 20)
    assert len(os.listdir("/proc/self/fd")) == before
    (tmp_path / "link").symlink_to(tmp_path / "one")
    with pytest.raises(OSError, match="symbolic"):
        process.open_fifos([str(tmp_path / "link")], 1 << 20)


def test_launch_reports_and_waits_for_go(tmp_path: Path) -> None:
    fifos = [str(tmp_path / "out"), str(tmp_path / "err")]
    fds = process.open_fifos(fifos, 65536)
    started = launch.Launch([["exec", "/bin/echo", ["echo", "hello"], {}]])
    started.start(fifos, (256, 256))
    reports = []
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            reports.append(started.read())
        except BlockingIOError:
            time.sleep(0.002)
            continue
        if reports[-1] == b"ready":
            assert started.main_pid == started.pid == started.child
            with pytest.raises(BlockingIOError):
                os.read(fds[0], 10)
            started.go()
        if not reports[-1]:
            break
    assert reports == [b"ready", b""]
    assert started.failure is None
    assert os.waitpid(started.child, 0)[1] == 0
    assert os.read(fds[0], 10) == b"hello\n"
    started.close()
    assert started.status_fd == -1
    for fd in (*fds, started.pidfd):
        os.close(fd)


LINE = r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/ro\134ot rw,errors=continue"


def test_mountinfo_is_read() -> None:
    mount = mounts.parse_mount(LINE)
    assert (mount.id, mount.parent) == (36, 35)
    assert (mount.root, mount.target) == ("/mnt1", "/mnt 2")
    assert mount.options == {"rw", "noatime"}
    assert (mount.fstype, mount.source) == ("ext3", "/dev/ro\\ot")
    assert mount.super_options == {"rw", "errors=continue"}


@pytest.mark.parametrize("line", ["", "1 2 3", LINE.replace(" - ", " "), "a b c d e f - x y z"])
def test_what_is_no_mountinfo_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"mountinfo|invalid literal"):
        mounts.parse_mount(line)


def test_the_deepest_and_newest_mount_counts() -> None:
    def at(target: str, fstype: str) -> mounts.Mount:
        return mounts.parse_mount(f"1 1 0:1 / {target} rw - {fstype} none rw")

    here = [at("/", "ext4"), at("/proc", "proc"), at("/proc", "tmpfs"), at("/pro", "xfs")]
    for path, fstype in (("/", "ext4"), ("/proc", "tmpfs"), ("/proc/1", "tmpfs"), ("/p", "ext4")):
        found = mounts.mount_of(path, here)
        assert found is not None
        assert found.fstype == fstype
    assert mounts.mount_of("/", []) is None
    assert mounts.mount_of("/proc", mounts.read_mounts()) is not None


def test_switches_that_forbid_user_namespaces_are_named(tmp_path: Path) -> None:
    assert userns.why_no_user_namespace(str(tmp_path))[0] == "the kernel has no user namespaces"
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/user").touch()
    assert userns.why_no_user_namespace(str(tmp_path)) == ("", "")
    (tmp_path / "sys/kernel").mkdir(parents=True)
    switch = tmp_path / "sys/kernel/apparmor_restrict_unprivileged_userns"
    switch.write_text("1\n")
    reason, fix = userns.why_no_user_namespace(str(tmp_path))
    assert reason == "kernel.apparmor_restrict_unprivileged_userns is 1"
    assert fix == "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"


def test_trees_are_added_up() -> None:
    child = subprocess.Popen(["sh", "-c", "sleep 100 & sleep 100 & wait"])
    try:
        deadline = time.monotonic() + 5
        while len(procfs.descendants([child.pid])[child.pid]) < 3:
            assert time.monotonic() < deadline
        found = procfs.tree_figures([child.pid, 2**22 + 1])
        assert found[child.pid].pids == 3
        assert found[child.pid].rss_bytes > 0
        assert found[2**22 + 1] == procfs.TreeFigures()
        below = procfs.descendants([child.pid, os.getpid()])
        assert child.pid not in below[os.getpid()], "it has its own entry"
    finally:
        for pid in procfs.descendants([child.pid])[child.pid]:
            os.kill(pid, signal.SIGKILL)
        child.wait()


def tree_at(path: Path) -> cgroup.CgroupTree:
    path.mkdir()
    (path / "cgroup.controllers").write_text("cpu io memory\n")
    (path / "cgroup.subtree_control").write_text("")
    return cgroup.CgroupTree(str(path))


def test_controllers_for_limits_are_enabled_on_the_way_down(tmp_path: Path) -> None:
    tree = tree_at(tmp_path / "tree")
    made = tree.create("ten-1/api:a")
    assert made.path == f"{tmp_path}/tree/ten-1/api:a"
    words = (tmp_path / "tree/cgroup.subtree_control").read_text().split()
    assert sorted(words) == ["+cpu", "+io", "+memory"]
    for name in ("../x", "a//b", "."):
        with pytest.raises(OSError, match="Invalid"):
            tree.create(name)


def test_figures_are_read_where_there_are_files(tmp_path: Path) -> None:
    made = tree_at(tmp_path / "tree").create("x")
    folder = Path(made.path)
    assert made.memory_current() is None
    assert made.io_stat() is None
    assert made.pressure() == {}
    assert (made.memory_events(), made.memory_peak()) == ({}, None)
    made.close()
    (folder / "cpu.stat").write_text("usage_usec 12\nuser_usec 10\nnr_throttled 2\n")
    (folder / "memory.current").write_text("4096\n")
    (folder / "io.stat").write_text("8:0 rbytes=1 wbytes=2 rios=3\n8:16 rbytes=10 wbytes=20\n")
    (folder / "cpu.pressure").write_text("some avg10=1.50 avg60=0.00 total=1\nfull avg10=9\n")
    (folder / "memory.events").write_text("oom 1\noom_kill 2\n")
    (folder / "memory.peak").write_text("8192\n")
    (folder / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    assert made.cpu_usage_usec() == 12
    assert made.cpu_stat()["nr_throttled"] == 2
    assert made.memory_current() == 4096
    assert made.io_stat() == (11, 22)
    assert made.pressure() == {"cpu": (1.5, 9.0)}
    assert made.memory_events() == {"oom": 1, "oom_kill": 2}
    assert made.memory_peak() == 8192
    assert made.is_populated()
    assert not made.is_frozen()
    made.close()


def test_group_is_named_by_the_real_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert cgroup.group_of(str(tmp_path / "link")) == cgroup.group_of(str(tmp_path / "data"))
    assert len(cgroup.group_of("/x")) == len("ten-") + 8


EXEC: list[object] = ["exec", "/bin/true", ["true"], {}]


@pytest.mark.parametrize(
    ("plan", "left", "flags", "cgroup"),
    [
        ([EXEC], [EXEC], 0, ""),
        ([["cgroup", "/cg"], EXEC], [[], EXEC], 0, "/cg"),
        (
            [["unshare", ["pid", "mount"]], ["fork"], EXEC],
            [[], [], EXEC],
            syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNS,
            "",
        ),
        (
            [
                ["cgroup", "/cg"],
                ["unshare", ["user", "pid", "cgroup"]],
                ["idmap", "", ""],
                ["fork"],
            ],
            [[], ["unshare", ["cgroup"]], ["idmap", "", ""], []],
            syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWPID,
            "/cg",
        ),
        ([["unshare", ["mount"]], EXEC], [["unshare", ["mount"]], EXEC], 0, ""),
        ([["unshare", ["soul"]], ["fork"], EXEC], [["unshare", ["soul"]], ["fork"], EXEC], 0, ""),
        ([["unshare", 3], ["fork"], EXEC], [["unshare", 3], ["fork"], EXEC], 0, ""),
        ([["setsid"], ["cgroup", "/cg"], EXEC], [["setsid"], ["cgroup", "/cg"], EXEC], 0, ""),
    ],
)
def test_what_one_clone_can_do_is_found(
    plan: list[list[object]], left: list[list[object]], flags: int, cgroup: str
) -> None:
    assert clone.fuse(plan) == (left, flags, cgroup)


_FORKED = """
import os
from engine.kernel.syscalls import clone, process

def in_child():
    grandchild = os.fork()
    if grandchild == 0:
        os._exit(7)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))

pid = process.fork(in_child, lambda: clone.clone(0))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_clone_is_a_fork_with_a_working_interpreter() -> None:
    # In a program of its own: it is for those with one thread, and a test runner may have more.
    done = subprocess.run([sys.executable, "-c", _FORKED], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("7\n", "")
    with pytest.raises(OSError, match="No such file"):
        clone.clone(0, "/no/cgroup")
    with pytest.raises(syscalls.KernelError, match="clone3"):
        clone.clone(syscalls.CLONE_NEWNS | 0x200)  # CLONE_FS: not together
