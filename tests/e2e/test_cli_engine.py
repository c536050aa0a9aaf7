"""The `ten` command on a real engine: in the background, followed over its death, in a terminal."""

import fcntl
import grp
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.engine_run import EngineRun, free_port, wait_until
from tests.require import require_root

APP = f"{sys.executable} -S {Path(__file__).parent / 'numbered.py'}"
CONFIG = f"""\
[settings]
data_dir = "data"
[service.api]
command = "{APP}"
health = "/health"
isolation = "process"
[instances]
api = ["alice"]
"""
TEN = [sys.executable, "-P", "-m", "ten_tui.cli"]

Make = Callable[[str], EngineRun]


def environment(**more: str) -> dict[str, str]:
    own = {name: text for name, text in os.environ.items() if not name.startswith("TENEMENT_")}
    return own | more


def ten(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TEN, *arguments],
        cwd=folder,
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "tenement.toml").write_text(CONFIG)
    yield tmp_path
    ten(tmp_path, "down")


def up(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    port = str(free_port())
    return ten(project, "up", "--detach", "--bind", "127.0.0.1", "-p", port, *arguments)


def test_up_and_down(project: Path) -> None:
    ran = up(project)
    assert ran.returncode == 0, ran.stderr
    found = re.search(r"Engine running on http://localhost:\d+ \(pid (\d+), data in", ran.stdout)
    assert found, ran.stdout
    assert ten(project, "spawn", "api:bob").stdout.startswith("Spawned api:bob\nListening on ")
    listed = ten(project, "ps").stdout.splitlines()
    assert [line.split()[0] for line in listed[1:3]] == ["api:alice", "api:bob"]
    again = up(project)
    assert again.returncode == 0
    assert f"(pid {found[1]}," in again.stdout, "the same engine"
    assert (project / "data" / "run" / "log" / "serve.log").exists()
    down = ten(project, "down")
    assert re.fullmatch(r"Stopped the engine \(pid \d+\)\n", down.stdout), down
    gone = ten(project, "ps")
    assert gone.returncode == 1
    assert gone.stderr.startswith("Error: Failed to connect to server at unix:")
    assert ten(project, "down").returncode == 1


def test_what_ran_runs_again_after_down_and_up(project: Path) -> None:
    up(project)
    ten(project, "spawn", "api:bob")
    ten(project, "stop", "api:alice")
    ten(project, "weight", "api:bob", "7")
    ten(project, "down")
    up(project)
    line = wait_until(
        lambda: next((x for x in ten(project, "ps").stdout.splitlines() if "healthy" in x), ""),
        "one is healthy",
    )
    assert line.split()[0] == "api:bob"
    assert line.split()[-1] == "7"


def test_the_engine_survives_the_end_of_the_command_that_started_it(project: Path) -> None:
    port = str(free_port())
    shell = f"{' '.join(TEN)} up --detach --bind 127.0.0.1 -p {port}; kill -HUP -$$"
    subprocess.run(
        ["setsid", "sh", "-c", shell],
        cwd=project,
        env=environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ten(project, "ps").returncode == 0


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[service.x]\n", "command"),
        ("[[[", "line 1"),
        ('[service.x]\ncommand = "x"\nisolation = "Process"\n', "isolation"),
    ],
)
def test_up_says_what_is_wrong_with_the_file(project: Path, text: str, error: str) -> None:
    (project / "tenement.toml").write_text(text)
    ran = up(project, "--data-dir", "data")
    assert ran.returncode == 1
    assert ran.stderr.startswith("Error: Failed to parse config file: ")
    assert error in ran.stderr


def test_a_broken_file_does_not_come_between_user_and_engine(project: Path) -> None:
    up(project)
    (project / "tenement.toml").write_text('[settings]\ndata_dir = "data"\n[service.\n')
    assert "api:alice" in ten(project, "ps").stdout
    assert ten(project, "restart", "api:alice").returncode == 0
    assert ten(project, "config").returncode == 1


def test_serve_in_the_foreground_ends_on_ctrl_c(project: Path) -> None:
    port = str(free_port())
    command = [*TEN, "serve", "--bind", "127.0.0.1", "-p", port]
    with subprocess.Popen(
        command, cwd=project, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_until(lambda: ten(project, "ps").returncode == 0, "the engine answers")
        second = ten(project, "serve", "-p", str(free_port()))
        assert second.returncode == 1
        assert str(process.pid) in second.stderr, "says who holds the directory"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_offline_commands(project: Path) -> None:
    made = ten(project, "token-gen")
    assert made.returncode == 0
    token = made.stdout.splitlines()[2].strip()
    assert (project / "data" / "api_token").read_text() == token
    assert ten(project, "token-gen", "--tenant", "bad name").returncode == 1
    shown = ten(project, "config").stdout
    assert shown.startswith(f'Data dir: "{project}/data"\nHealth interval: 10s\n\nServices:\n')
    assert "  [api]\n" in shown


def test_tokens_over_the_door(project: Path) -> None:
    port = free_port()
    ten(project, "up", "--detach", "--bind", "127.0.0.1", "-p", str(port))
    tenant = ten(project, "token-gen", "--tenant", "bob").stdout.splitlines()[2].strip()
    reader = ten(project, "token-gen", "--read-only").stdout.splitlines()[2].strip()
    ten(project, "token-gen")
    url = f"http://localhost:{port}"
    assert "api:alice" in ten(project, "ps", TENEMENT_SERVER=url).stdout
    assert ten(project, "--server", url, "--token", tenant, "ps").stdout == (
        f"No running instances\nServer: {url}\n"
    )
    refused = ten(project, "--server", url, "stop", "api:alice", TENEMENT_TOKEN=tenant)
    assert refused.stderr == "Error: Tenant token can only access instance 'bob'\n"
    refused = ten(project, "--server", url, "--token", reader, "stop", "api:alice")
    assert refused.stderr == "Error: This token is read-only\n"
    bad = ten(project, "--server", url, "--token", "x", "ps")
    assert bad.stderr == "Error: Server returned 401 Unauthorized\n"


def test_stop_and_undo(make_engine: Make) -> None:
    run = make_engine(CONFIG)
    run.start()
    run.wait_state("api:alice", "healthy")
    assert ten(run.folder, "weight", "api:alice", "3").returncode == 0
    assert ten(run.folder, "undo", "api:alice").stdout == "Undone for api:alice: weight 100\n"
    assert run.instance("api:alice").get("weight", 100) == 100
    again = ten(run.folder, "undo", "api:alice")
    assert again.returncode == 1


@pytest.mark.parametrize("way", ["socket", "door"])
def test_following_survives_the_engines_deaths_without_a_gap(make_engine: Make, way: str) -> None:
    run = make_engine(CONFIG)
    run.start()
    run.wait_state("api:alice", "healthy")
    server: list[str] = []
    if way == "door":
        ten(run.folder, "token-gen")
        server = ["--server", f"http://localhost:{run.port}"]
    with subprocess.Popen(
        [*TEN, *server, "logs", "api:alice", "-f"],
        cwd=run.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(10)]
        for _ in range(3):
            run.kill_engine()
            seen += [process.stdout.readline() for _ in range(20)]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode == 130
    # What waits in the two FIFOs while no engine runs has lost its order between the streams,
    # never within one.
    numbers: dict[str, list[int]] = {"OUT": [], "ERR": []}
    for line in seen:
        found = re.fullmatch(r"\[(OUT|ERR)\] api:alice line (\d{7}) of \d+\n", line)
        assert found, line
        numbers[found[1]].append(int(found[2]))
    written = range(10_000)
    for stream, expected in (
        ("OUT", [n for n in written if n % 5]),
        ("ERR", [n for n in written if not n % 5]),
    ):
        begin = expected.index(numbers[stream][0])
        assert numbers[stream] == expected[begin : begin + len(numbers[stream])]


def test_a_closed_pipe_is_no_error_to_speak_of(make_engine: Make) -> None:
    run = make_engine(CONFIG)
    run.start()
    run.wait_state("api:alice", "healthy")
    shell = f"{' '.join(TEN)} logs -f | head -n 2"
    done = subprocess.run(
        ["sh", "-c", shell], cwd=run.folder, env=environment(), capture_output=True, timeout=30
    )
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == b""


@pytest.mark.parametrize(
    "arguments", [["ps"], ["logs"], ["health", "api:alice"], ["--version"], ["--help"]]
)
def test_plain_commands_import_no_console_and_no_server(
    make_engine: Make, arguments: list[str]
) -> None:
    run = make_engine(CONFIG)
    run.start()
    program = (
        "import sys; from ten_tui.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'textual', 'rich', 'starlette', 'uvicorn', 'uvloop', 'asyncio', 'psutil'}\n"
        "print('heavy', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments],
        cwd=run.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("heavy []\n")


AS_ANOTHER = """
import os, sys
import ten_tui.cli.instances, ten_tui.client, engine.core.sanitize
groups = [int(gid) for gid in sys.argv[1].split(",") if gid]
os.setgroups(groups)
os.setresgid(54321, 54321, 54321)
os.setresuid(54321, 54321, 54321)
sys.exit(ten_tui.cli.main(sys.argv[2:]))
"""


def test_members_of_the_admin_group_may_use_the_socket_and_others_may_not() -> None:
    require_root()
    group = grp.getgrgid(1).gr_name
    # The folders of pytest are root's alone; a project is usually where others may pass.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        config = CONFIG.replace("[settings]", f'[settings]\nadmin_group = "{group}"')
        (folder / "tenement.toml").write_text(config)
        try:
            assert up(folder).returncode == 0
            member, stranger = (
                subprocess.run(
                    [sys.executable, "-P", "-c", AS_ANOTHER, groups, "ps"],
                    cwd=folder,
                    env=environment(),
                    capture_output=True,
                    text=True,
                    timeout=30,
                    check=False,
                )
                for groups in ("1", "2")
            )
            assert member.returncode == 0, member.stderr
            assert "api:alice" in member.stdout
            assert stranger.returncode == 1
            assert stranger.stderr.startswith("Error: Failed to connect to server at unix:")
            assert "members of settings.admin_group" in stranger.stderr
        finally:
            ten(folder, "down")


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.main, self._side = pty.openpty()
        size = struct.pack("HHHH", 30, 100, 0, 0)
        fcntl.ioctl(self._side, termios.TIOCSWINSZ, size)
        self.process = subprocess.Popen(
            [*TEN, *arguments],
            cwd=folder,
            env=environment(TERM="xterm-256color"),
            stdin=self._side,
            stdout=self._side,
            stderr=self._side,
            start_new_session=True,
        )
        os.close(self._side)
        self.seen = b""

    def wait(self, text: str, seconds: float = 20.0) -> None:
        """Read until a text was written, by whatever cell-wise way: blanks do not count."""
        wanted = text.replace(" ", "").encode()
        deadline = time.monotonic() + seconds
        while wanted not in self._plain():
            assert time.monotonic() < deadline, (text, self._plain()[-2000:])
            if select.select([self.main], [], [], 0.1)[0]:
                self.seen += os.read(self.main, 65536)

    def _plain(self) -> bytes:
        return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|[\s\x00]", b"", self.seen)

    def press(self, keys: str) -> None:
        os.write(self.main, keys.encode())

    def end(self, seconds: float = 20.0) -> int:
        """Wait for the end of the command, reading on so that it is never held up."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "still running"
            if select.select([self.main], [], [], 0.05)[0]:
                try:
                    self.seen += os.read(self.main, 65536)
                except OSError:
                    break
        code = self.process.wait(5)
        os.close(self.main)
        return code


def test_ten_alone_offers_to_start_attaches_and_detaches(project: Path) -> None:
    # The port of `ten up` is 8080 unless the user says otherwise; it may be taken here.
    up(project)
    terminal = Terminal(project)
    terminal.wait("api:alice")
    terminal.press("q")
    assert terminal.end() == 0
    assert "api:alice" in ten(project, "ps").stdout, "detaching stops nothing"
    ten(project, "down")
    terminal = Terminal(project)
    terminal.wait("Start it? [Y/n]")
    terminal.press("n\n")
    assert terminal.end() == 1


def test_console_opens_the_log_that_is_named(project: Path) -> None:
    up(project)
    terminal = Terminal(project, "console", "--logs", "api:alice")
    terminal.wait("line 00000")
    terminal.press("q")
    terminal.press("q")
    terminal.press("q")
    assert terminal.end() == 0


def test_up_in_a_terminal_starts_and_attaches(project: Path) -> None:
    terminal = Terminal(project, "up", "--bind", "127.0.0.1", "-p", str(free_port()))
    terminal.wait("api:alice")
    terminal.press("q")
    assert terminal.end() == 0
    assert ten(project, "ps").returncode == 0
