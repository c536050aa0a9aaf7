"""`ten --host`: a real engine asked through a real ssh, its sshd on a pipe instead of a port."""

import getpass
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.engine_run import TENANT, EngineRun, wait_until
from tests.require import require_program, require_root
from tests.tui.pty_console import Terminal

TEN = Path(sys.executable).parent / "ten"
CONFIG = """
[settings]
data_dir = "data"

[service.tick]
command = "sh -c 'while :; do echo tick; sleep 0.2; done'"
isolation = "process"

[instances]
tick = ["a"]

[console]
banner = "far away"
"""

SERVES = f"""
[settings]
data_dir = "data"
[service.api]
command = "{TENANT}"
isolation = "process"
[instances]
api = ["a"]
"""


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program in the place of ssh: ssh itself, with a key and an sshd of this test's own."""
    require_root()
    require_program("ssh", "openssh-client")
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or require_program(
        "sshd", "openssh-server"
    )
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("user", "host"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(made, check=True)
    (folder / "known").write_text(f"engine-host {(folder / 'host.pub').read_text()}")
    Path("/run/sshd").mkdir(exist_ok=True)
    path = f"{TEN.parent}:/usr/bin:/bin"
    root = Path(__file__).parents[2]
    (folder / "sshd.conf").write_text(
        f"HostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\nStrictModes no\n"
        "UsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        f"PidFile none\nSetEnv PATH={path} PYTHONPATH={root}\n"
    )
    (folder / "ssh.conf").write_text(
        f"IdentityFile {folder}/user\nIdentitiesOnly yes\nUserKnownHostsFile {folder}/known\n"
        f"StrictHostKeyChecking yes\nHost engine-host\nProxyCommand {sshd} -i -f {folder}/sshd.conf"
        " 2>/dev/null\n"
    )
    program = folder / "my-ssh"
    program.write_text(f'#!/bin/sh\nexec ssh -F {folder}/ssh.conf "$@"\n')
    program.chmod(0o755)
    return program


@pytest.fixture
def ten(login: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # No folder for sockets of logins: nothing is to outlive the test.
        environ = {"PATH": os.environ["PATH"], "TEN_SSH": str(login), "HOME": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-P", "-m", "ten_tui.cli", *arguments],
            cwd=tmp_path,
            env=environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            timeout=40,
        )

    return run


def test_an_engine_is_asked_and_told_through_ssh(
    make_engine: Callable[[str], EngineRun],
    ten: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    run = make_engine(CONFIG)
    run.start()
    host = f"{getpass.getuser()}@engine-host:{run.folder}"
    shown = ten("--host", host, "--plain")
    assert shown.returncode == 0, shown.stderr
    assert "(far away): ten" in shown.stdout
    assert "tick:a: " in shown.stdout
    told = ten("--host", host, "weight", "tick:a", "40")
    assert told.returncode == 0, told.stderr
    assert "weight 40" in ten("--host", host, "console", "--plain").stdout
    begun = time.monotonic()
    both = ten("--host", "nobody@elsewhere.invalid", "--host", host, "--plain")
    assert time.monotonic() - begun < 30
    assert both.returncode == 1
    assert "elsewhere.invalid" in both.stderr
    assert "tick:a: " in both.stdout, "the other host is shown all the same"


def test_a_stream_goes_through_and_nothing_is_left_when_its_reader_goes(
    make_engine: Callable[[str], EngineRun], login: Path, tmp_path: Path
) -> None:
    run = make_engine(CONFIG)
    run.start()
    environ = {"PATH": os.environ["PATH"], "TEN_SSH": str(login), "HOME": str(tmp_path)}
    argv = [sys.executable, "-P", "-m", "ten_tui.cli"]
    argv += ["--host", f"root@engine-host:{run.folder}", "logs", "tick:a", "-f"]
    root = str(Path(__file__).parents[2])
    reader = subprocess.Popen(argv, env=environ | {"PYTHONPATH": root}, stdout=subprocess.PIPE)
    assert reader.stdout is not None
    for _ in range(3):
        assert b"tick" in reader.stdout.readline()
    reader.terminate()
    reader.wait(10)
    reader.stdout.close()
    mark = str(run.folder)

    def is_gone() -> bool:
        found = (one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"]))
        lines = [" ".join(words) for words in found]
        return not any("bridge" in line and mark in line for line in lines)

    wait_until(is_gone, "ssh and bridge have gone")


def test_two_hosts_in_one_console(
    make_engine: Callable[[str], EngineRun], login: Path, tmp_path: Path
) -> None:
    one, other = make_engine(SERVES), make_engine(SERVES)
    hosts = []
    for run in (one, other):
        run.start()
        run.wait_state("api:a", "healthy")
        hosts += ["--host", f"root@engine-host:{run.folder}"]
    before = [run.instance("api:a")["pid"] for run in (one, other)]
    environ = {"TEN_SSH": str(login), "HOME": str(tmp_path), "XDG_RUNTIME_DIR": ""}
    argv = ["-P", "-m", "ten_tui.cli", *hosts]
    with Terminal(argv, (160, 40), **environ) as terminal:
        terminal.until("\u25cf1", 30)
        terminal.until("started", 30)
        terminal.press("H")
        terminal.press("jr")
        wait_until(lambda: other.instance("api:a").get("pid") not in (before[1], None, 0), "anew")
        assert one.instance("api:a")["pid"] == before[0]
        terminal.press("H")
        assert other.stop() == 0
        terminal.until("away", 20)
        other.start()
        end = time.monotonic() + 30
        while "away" in terminal.text:
            assert time.monotonic() < end, terminal.text
            terminal.read(0.1)
        terminal.press("q")
        assert terminal.wait_gone(10)


def test_what_fails_over_there_is_said_here(
    ten: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    lost = ten("--host", f"root@engine-host:{empty}", "ps")
    assert lost.returncode == 1
    assert "ssh:root@engine-host:" in lost.stderr
    refused = ten("--host", "nobody@engine-host", "ps")
    assert refused.returncode == 1
    assert "ermission denied" in refused.stderr or "closed" in refused.stderr
