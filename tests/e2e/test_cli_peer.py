"""Drop-in: the peer's client drives our engine, and our client drives the peer's server."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import leaks
from tests.e2e.engine_run import EngineRun
from tests.e2e.peer import PeerServer, peer_program

APP = f"{sys.executable} -S {Path(__file__).parent / 'numbered.py'}"

CONFIG = f"""\
[settings]
data_dir = "data"
health_check_interval = 1
[service.api]
command = "{APP}"
health = "/health"
isolation = "process"
[instances]
api = ["alice"]
"""


class Ran(NamedTuple):
    """How a command ended; stderr up to the backtrace the peer appends."""

    code: int
    out: str
    err: str


def run(program: list[str], folder: Path, *arguments: str, seconds: float = 60.0) -> Ran:
    env = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("TENEMENT_", "RUST_"))
    }
    done = subprocess.run(
        [*program, *arguments],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    err = done.stderr.partition("\n\nStack backtrace:")[0].partition("\n\nHint:")[0].rstrip()
    return Ran(done.returncode, done.stdout, err)


OURS = [sys.executable, "-P", "-m", "ten_tui.cli"]


class Side:
    """A server of either kind, and both clients on it."""

    def __init__(self, theirs: str, folder: Path, url: str) -> None:
        self._programs = {"ours": OURS, "theirs": [theirs]}
        self.folder = folder
        self.url = url

    def ten(self, whose: str, *arguments: str) -> Ran:
        return run(self._programs[whose], self.folder, "--server", self.url, *arguments)

    def both(self, *arguments: str) -> Ran:
        """Run both clients, which must do the same, and give what they did."""
        theirs = self.ten("theirs", *arguments)
        ours = self.ten("ours", *arguments)
        assert _plain(ours) == _plain(theirs)
        return ours


def _plain(ran: Ran) -> Ran:
    """Leave out what changes from one moment to the next: ages, ports, order of lines."""
    out = re.sub(r"127\.0\.0\.1:\d+ *", "PORT ", ran.out)
    out = re.sub(r"\b\d+[smhd] +", "AGE ", out)
    return Ran(ran.code, "\n".join(sorted(out.splitlines())), ran.err.partition("\n")[0])


@pytest.fixture(scope="module")
def theirs() -> str:
    return peer_program()


@pytest.fixture(scope="module", params=["our engine", "their server"])
def side(
    request: pytest.FixtureRequest, theirs: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Side]:
    folder = tmp_path_factory.mktemp("side")
    before = leaks.look()
    if request.param == "our engine":
        engine = EngineRun(folder, CONFIG)
        try:
            engine.start()
            ran = run(OURS, folder, "token-gen", "--data-dir", "data")
            assert ran.code == 0, ran
            engine.wait_state("api:alice", "healthy")
            yield Side(theirs, folder, f"http://localhost:{engine.port}")
        finally:
            engine.end()
    else:
        server = PeerServer(theirs, folder, CONFIG)
        try:
            server.wait()
            yield Side(theirs, folder, server.url)
        finally:
            server.stop()
    left = leaks.wait_clean(before)
    leaks.end_processes(before)
    assert left == {}


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_spawn_weight_health_restart_and_stop(side: Side, whose: str) -> None:
    name = f"api:{whose}"
    ran = side.ten(whose, "spawn", name)
    assert re.fullmatch(rf"Spawned {name}\nListening on 127\.0\.0\.1:\d+\n", ran.out), ran
    again = side.ten(whose, "spawn", name)
    assert again.out == ran.out, "one that runs is left alone"
    assert side.ten(whose, "weight", name, "20").out == f"Set {name} weight to 20\n"
    deadline = time.monotonic() + 10
    while side.ten(whose, "health", name).out != f"{name}: healthy\n":
        assert time.monotonic() < deadline
    listed = next(line for line in side.ten(whose, "ps").out.splitlines() if name in line)
    assert re.fullmatch(
        rf"{name:<20} 127\.0\.0\.1:\d{{5}}      \d+s +\d+s +healthy  20    ", listed
    )
    assert side.ten(whose, "restart", name).out == f"Restarted {name}\n"
    assert side.ten(whose, "stop", name).out == f"Stopped {name}\n"
    gone = side.ten(whose, "stop", name)
    assert (gone.code, gone.err) == (1, f"Error: Instance not found: {name}")


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_deploy_and_route(side: Side, whose: str) -> None:
    version = f"v-{whose}"
    ran = side.ten(whose, "deploy", f"api:{version}", "-w", "10")
    assert ran == Ran(
        0,
        f"Deploying api:{version} with weight 10\n"
        "Waiting for health check (timeout: 30s)...\n"
        f"Deployed api:{version}\n"
        "Weight: 10\n"
        "Status: healthy\n",
        "",
    )
    swapped = side.ten(whose, "route", "api", "--from", version, "--to", "alice")
    assert swapped.out == (
        f"Routed traffic: api:{version} -> api:alice\n"
        f"  api:{version} weight = 0\n"
        "  api:alice weight = 100\n"
    )
    assert side.ten(whose, "stop", f"api:{version}").code == 0


def test_both_list_and_say_the_same(side: Side) -> None:
    ran = side.both("ps")
    assert ran.code == 0
    assert ran.out.splitlines()[-1].endswith(f"instance(s) running on {side.url}")
    for arguments in (
        ["health", "api:nobody"],
        ["spawn", "nobody:x"],
        ["spawn", "x"],
        ["stop", "api:nobody"],
        ["weight", "api:nobody", "3"],
        ["route", "api", "--from", "alice", "--to", "nobody"],
        ["deploy", "nobody:v1"],
        ["logs", "nope"],
        ["--token", "wrong", "ps"],
    ):
        side.both(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [["weight", "api:a", "300"], ["spawn"], ["logs", "--limit", "x"], ["frob"], ["ps", "--x"]],
)
def test_both_refuse_wrong_usage_alike(side: Side, arguments: list[str]) -> None:
    assert side.ten("ours", *arguments).code == side.ten("theirs", *arguments).code == 2


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_logs(side: Side, whose: str) -> None:
    ran = side.ten(whose, "logs", "api:alice", "--limit", "5")
    lines = ran.out.splitlines()
    assert len(lines) == 5
    for line in lines:
        assert re.fullmatch(r"\d\d:\d\d:\d\d \[(OUT|ERR)\] api:alice line \d{7} of \d+", line)
    found = side.ten(whose, "logs", "--search", "line 0000003").out.splitlines()
    assert found
    assert all("line 0000003 of" in line for line in found)
    errors = side.ten(whose, "logs", "--level", "stderr", "--limit", "3").out.splitlines()
    assert len(errors) == 3
    assert all("[ERR]" in line for line in errors)


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_logs_are_followed(side: Side, whose: str) -> None:
    program = side._programs[whose]
    command = [*program, "--server", side.url, "logs", "api:alice", "-f"]
    with subprocess.Popen(
        command, cwd=side.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(20)]
        process.kill()
    numbers = []
    for line in seen:
        match = re.fullmatch(r"\[(?:OUT|ERR)\] api:alice line (\d{7}) of \d+\n", line)
        assert match, line
        numbers.append(int(match[1]))
    # The peer reads stdout and stderr apart, so that lines may change places there.
    assert sorted(numbers) == list(range(min(numbers), min(numbers) + 20))


def test_nobody_there_is_said_alike(theirs: str, tmp_path: Path) -> None:
    (tmp_path / "tenement.toml").write_text("")
    arguments = ["--server", "http://127.0.0.1:9", "--token", "x", "ps"]
    ours, peers = run(OURS, tmp_path, *arguments), run([theirs], tmp_path, *arguments)
    assert ours.code == peers.code == 1
    assert ours.err.splitlines()[0] == peers.err.splitlines()[0]


@pytest.mark.parametrize(
    "files", [(), ("package.json",), ("go.mod",), ("Cargo.toml",), ("pyproject.toml", "go.mod")]
)
def test_init_writes_the_same_file(theirs: str, tmp_path: Path, files: tuple[str, ...]) -> None:
    seen = []
    for whose, program in (("a", OURS), ("b", [theirs])):
        folder = tmp_path / whose / "shop"
        folder.mkdir(parents=True)
        for name in files:
            (folder / name).touch()
        ran = run(program, folder, "init")
        again = run(program, folder, "init")
        # A program that is not there is said on stderr.
        seen.append((ran.code, ran.out, again, (folder / "tenement.toml").read_text()))
    assert seen[0] == seen[1]


def test_config_prints_the_same(theirs: str, tmp_path: Path) -> None:
    (tmp_path / "tenement.toml").write_text(
        '[settings]\ndata_dir = "/x/data"\nhealth_check_interval = 7\n'
        '[service.api]\ncommand = "./app --port {port}"\nisolation = "process"\n'
        'health = "/h"\nidle_timeout = 300\n'
    )
    ours, peers = run(OURS, tmp_path, "config"), run([theirs], tmp_path, "config")
    assert ours == peers


def test_a_token_of_the_peers_own_token_gen_is_taken_over(theirs: str, tmp_path: Path) -> None:
    engine = EngineRun(tmp_path, CONFIG)
    engine.start()
    try:
        assert run([theirs], tmp_path, "--data-dir", "data", "token-gen").code == 0
        ran = run([theirs], tmp_path, "--server", f"http://localhost:{engine.port}", "ps")
        assert ran.code == 0, ran
        assert "api:alice" in ran.out
    finally:
        engine.end()
