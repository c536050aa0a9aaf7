"""`ten install` under a real systemd: PID 1 of namespaces of its own, with the units it needs."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.engine_run import TENANT, free_port, wait_until

PROGRAM = "/usr/local/bin/ten"
TEN = Path(sys.executable).parent / "ten"
UNITS = Path("/usr/lib/systemd/system")
NEEDED = (
    "basic.target sysinit.target sockets.target multi-user.target network-online.target "
    "shutdown.target umount.target final.target slices.target paths.target timers.target "
    "systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket"
)
BOOT = """
read go
mount -t proc proc /proc
mount --bind {units} /usr/lib/systemd/system
mount -t tmpfs etc /etc/systemd/system
mount -t tmpfs none /etc/init.d
mount -t tmpfs run /run
umount /sys/fs/cgroup
mount -t cgroup2 cgroup /sys/fs/cgroup
exec env -i PATH=$PATH container=tests /lib/systemd/systemd --unit=multi-user.target
"""
CONFIG = f"""
[service.web]
command = "{TENANT}"
health = "/health"
memory_max = "200M"
stop_grace = 1
[instances]
web = ["a"]
"""


class Systemd:
    """A systemd that is PID 1 of namespaces of its own, and knows only units it needs."""

    def __init__(self, folder: Path) -> None:
        units = folder / "units"
        units.mkdir()
        for name in NEEDED.split():
            shutil.copy(UNITS / name, units)
        wanted = units / "sockets.target.wants"
        wanted.mkdir()
        (wanted / "systemd-journald.socket").symlink_to("../systemd-journald.socket")
        self.group = Path("/sys/fs/cgroup/tests-of-systemd")
        self.group.mkdir()
        kinds = ("--pid", "--mount", "--uts", "--ipc", "--cgroup")
        enter = f'echo $$ > {self.group}/cgroup.procs; exec unshare --fork --kill-child "$@"'
        boot = ["sh", "-ec", BOOT.format(units=units)]
        self._output = folder / "systemd.log"
        with self._output.open("wb") as output:
            self._outer = subprocess.Popen(
                ["sh", "-ec", enter, "sh", *kinds, *boot],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )
        (self._first,) = wait_until(psutil.Process(self._outer.pid).children, "it has begun")
        # A group with a process in it gives out no controllers; cgroup-v2.rst, "No Internal
        # Process Constraint".
        Path("/sys/fs/cgroup/cgroup.procs").write_text(str(self._outer.pid))
        assert self._outer.stdin is not None
        self._outer.stdin.write(b"go\n")
        self._outer.stdin.close()
        wait_until(lambda: self.is_active("multi-user.target"), "it is up")

    def is_active(self, unit: str) -> bool:
        return self.run("systemctl", "is-active", unit)[0] == 0

    def run(self, *command: object, folder: str | Path = "/") -> tuple[int, str, str]:
        """Run a program in its namespaces: exit status, and what it wrote to both streams."""
        enter = ["nsenter", f"--target={self._first.pid}", "-p", "-m", "-u", "-i", "-C", "-r"]
        done = subprocess.run(
            [*enter, "env", "-C", folder, *map(str, command)], capture_output=True, text=True
        )
        return done.returncode, done.stdout, done.stderr

    def end(self) -> None:
        self._first.send_signal(signal.SIGRTMIN + 13)  # halts it; systemd(1), "SIGNALS"
        try:
            self._outer.wait(60)
        except subprocess.TimeoutExpired:
            self._first.kill()
            self._outer.wait()
        for folder, _, _ in os.walk(self.group, topdown=False):
            Path(folder).rmdir()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    found = Systemd(tmp_path)
    yield found
    found.end()


def test_the_service_lives_as_long_as_the_host(systemd: Systemd, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    config = folder / "tenement.toml"
    port = free_port()
    install = (TEN, "install", "-d", "localhost", "-p", port)

    config.write_text(CONFIG.replace('"200M"', "200"))
    code, _, said = systemd.run(*install, folder=folder)
    assert code == 1
    assert "line 5" in said
    assert nothing_there(systemd), "nothing was done"

    config.write_text(CONFIG)
    with socket.create_server(("0.0.0.0", port)):
        code, _, said = systemd.run(*install, folder=folder)
    assert code == 1
    assert f"cannot listen on 0.0.0.0:{port}" in said, said
    assert nothing_there(systemd), "all was undone"

    code, out, said = systemd.run(*install, folder=folder)
    assert (code, said) == (0, ""), out
    assert systemd.is_active("tenement.service")
    first = wait_until(lambda: asked(port), "the instance answers")

    groups = systemd.group / "system.slice/tenement-instances.service"
    (limit,) = groups.glob("ten-*/web:a/memory.max")
    assert limit.read_text() == f"{200 << 20}\n"

    keeper = systemd.run("systemctl", "show", "-P", "MainPID", "tenement.service")[1].strip()
    assert systemd.run("kill", "-9", keeper)[0] == 0
    wait_until(lambda: asked(port) if systemd.is_active("tenement.service") else "", "it is back")
    assert asked(port) == first, "the instance was adopted, not started anew"

    code, out, said = systemd.run(TEN, "uninstall", folder=folder)
    assert (code, said) == (0, "")
    assert f"{config} and {folder}/tenement-data stay" in out
    assert nothing_there(systemd)
    assert asked(port) == ""
    assert (folder / "tenement-data").is_dir()


def nothing_there(systemd: Systemd) -> bool:
    """Tell that neither unit nor program is there; `ls` says 0 where even one is."""
    listed = systemd.run("sh", "-c", f"ls -d /etc/systemd/system/tenement* {PROGRAM} 2>&-")[1]
    return listed == ""


def asked(port: int) -> str:
    """Ask the instance for its pid; "" where nobody answers."""
    ask = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        ask.request("GET", "/pid", headers={"Host": "a.web.localhost"})
        answer = ask.getresponse()
        return answer.read().decode() if answer.status == 200 else ""
    except OSError:
        return ""
    finally:
        ask.close()
