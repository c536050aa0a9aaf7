"""ten_tui.cli.attach and handover: who holds a directory, what is started, where it attaches."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.core.errors import EngineUnreachable, TenError
from ten_tui.cli import attach, handover
from ten_tui.cli.parser import make_parser
from ten_tui.client import Endpoint
from tests.served import Served
from tests.unit.ten_tui.cli.conftest import Ten

HOLD = (
    "import fcntl, os, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
    "f.write(sys.argv[2] or str(os.getpid())); f.flush(); print('held', flush=True);"
    "time.sleep(60)"
)


@pytest.fixture
def lock(project: Path) -> Path:
    (project / "data" / "run").mkdir(parents=True)
    return project / "data" / "run" / "lock"


@pytest.fixture
def holder(lock: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock as the keeper does; it may write another pid."""
    written = str(getattr(request, "param", ""))
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", HOLD, lock, written], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_down_ends_who_holds_the_directory(ten: Ten, holder: subprocess.Popen[str]) -> None:
    ran = ten("down")
    assert (ran.code, ran.out) == (0, f"Stopped the engine (pid {holder.pid})\n")
    assert holder.wait(5) == -signal.SIGTERM


@pytest.mark.parametrize(
    "holder",
    [1, os.getpid(), "x", -1, 2**22 + 1],
    indirect=True,
    ids=["init", "us", "word", "negative", "too great"],
)
def test_down_hits_nobody_by_a_pid_alone(ten: Ten, holder: subprocess.Popen[str]) -> None:
    ran = ten("down")
    assert ran.code == 1
    assert "No engine runs in" in ran.err
    assert holder.poll() is None


def test_down_of_nothing(ten: Ten, lock: Path) -> None:
    assert "No engine runs in" in ten("down").err
    lock.write_text(str(os.getpid()))
    assert ten("down").code == 1, "a pid without a lock is nobody's"
    lock.write_text("")
    assert ten("down").code == 1
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert ten("down").code == 1, "held by somebody who did not say who"


def test_down_says_when_it_takes_too_long(
    ten: Ten, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach, "STOP_SECONDS", 0.1)
    deaf = f"import signal; signal.signal(15, signal.SIG_IGN); {HOLD}"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", deaf, lock, ""], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        ran = ten("down")
        process.kill()
    assert ran.code == 1
    assert "has not ended within 0.1 s" in ran.err


@pytest.mark.parametrize("arguments", [["up"], ["serve"]])
def test_what_the_engine_is_started_with(arguments: list[str], project: Path) -> None:
    def given(*more: str) -> list[str]:
        return handover.serve_arguments(make_parser().parse_args([*arguments, *more]))

    assert given() == ["serve", "--port=8080", "--domain=localhost", "--bind=0.0.0.0"]
    named = given("-p", "1", "-d", "x.y", "--bind", "::", "--doors", "3", "--config", "c.toml")
    assert named == [
        "serve",
        "--port=1",
        "--domain=x.y",
        "--bind=::",
        "--doors=3",
        f"--config={project / 'c.toml'}",
    ]
    assert given("--data-dir", "d")[-1] == f"--data-dir={project / 'd'}"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["config", "--strict"], ["config", "--strict"]),
        (["token-gen"], ["token-gen"]),
        (
            ["token-gen", "--tenant", "t", "--description=-x", "--read-only"],
            ["token-gen", "--tenant=t", "--description=-x", "--read-only"],
        ),
        (["serve", "-p", "1"], ["serve", "--port=1", "--domain=localhost", "--bind=0.0.0.0"]),
    ],
)
def test_offline_commands_become_the_engines_program(
    project: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: list[str]
) -> None:
    seen: list[Any] = []

    class Become(Exception):  # noqa: N818
        pass

    def become(path: str, command: list[str]) -> None:
        seen.append((path, command))
        raise Become

    monkeypatch.setattr(os, "execv", become)
    options = make_parser().parse_args(arguments)
    with pytest.raises(Become):
        getattr(handover, options.command.replace("-", "_"))(options)
    assert seen == [(sys.executable, [sys.executable, "-P", "-m", "engine", *expected])]


def test_alone_without_a_terminal_prints_what_runs(ten: Ten, served: Served) -> None:
    assert ten() == ten("ps")


def test_alone_without_a_terminal_and_an_engine_is_wrong_usage(ten: Ten, project: Path) -> None:
    ran = ten()
    assert (ran.code, ran.out) == (2, "")
    assert "usage: ten" in ran.err


def test_the_console_needs_a_terminal_and_an_engine(ten: Ten, project: Path) -> None:
    assert "Failed to connect" in ten("console").err
    with Served(project / "data"):
        ran = ten("console")
    assert (ran.code, ran.out) == (1, "")
    assert "The console needs a terminal" in ran.err


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Pretend a terminal; note what is shown and what is started there."""
    seen: list[Any] = []
    monkeypatch.setattr(attach, "_is_terminal", lambda: True)
    monkeypatch.setattr(attach, "_show", lambda endpoint, logs: seen.append((endpoint, logs)) or 0)
    monkeypatch.setattr(attach, "_start", lambda options, endpoint: seen.append("start"))
    return seen


def test_alone_in_a_terminal_attaches(ten: Ten, served: Served, terminal: list[Any]) -> None:
    assert ten().code == 0
    (((endpoint,), logs),) = terminal
    assert (endpoint.socket, logs) == (str(served.path), "")


def test_console_opens_a_log(ten: Ten, served: Served, terminal: list[Any]) -> None:
    assert ten("console", "--logs", "api:bob").code == 0
    assert terminal[0][1] == "api:bob"


@pytest.mark.parametrize(("answer", "is_started"), [("", True), ("Y", True), ("n", False)])
def test_alone_in_a_terminal_offers_to_start(
    ten: Ten,
    project: Path,
    terminal: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    is_started: bool,
) -> None:
    monkeypatch.setattr("builtins.input", lambda _: answer)
    ran = ten()
    assert ("start" in terminal) is is_started
    assert ran.code == (0 if is_started else 1)


def test_alone_does_not_offer_to_start_a_server_elsewhere(
    ten: Ten, project: Path, terminal: list[Any]
) -> None:
    ran = ten("--server", "http://127.0.0.1:9")
    assert (ran.code, terminal) == (1, [])
    assert "Failed to connect to server at http://127.0.0.1:9" in ran.err


def test_up_attaches_to_what_runs_and_starts_nothing(
    ten: Ten, served: Served, terminal: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # An engine is started here, wherever commands go.
    monkeypatch.setenv("TENEMENT_SERVER", "http://127.0.0.1:9")
    assert ten("up").code == 0
    assert terminal == [([Endpoint(socket=str(served.path), data_dir=str(served.folder))], "")]
    ran = ten("up", "--detach")
    assert ran.out.startswith("Engine running on http://localhost:8080 (pid ")


def test_up_shows_why_the_engine_did_not_start(ten: Ten, project: Path) -> None:
    (project / "tenement.toml").write_text("[settings]\ndata_dir = 'data'\n[service.x]\n")
    ran = ten("up", "--detach")
    assert ran.code == 1
    assert ran.err.startswith("Error: ")
    assert "tenement.toml" in ran.err
    assert not ran.err.startswith("Error: Error: ")
    log = project / "data" / "run" / "log" / "serve.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert "Error: " in log.read_text()


def test_up_where_nothing_can_be_written(ten: Ten, project: Path) -> None:
    (project / "data").write_text("a file in the way")
    ran = ten("up", "--detach")
    assert ran.code == 1
    assert ran.err.startswith("Error: Cannot write to ")


def test_an_engine_that_never_answers_is_given_up(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach, "START_SECONDS", 0.1)
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def start(_: list[str], **how: Any) -> subprocess.Popen[bytes]:
        started.append(real([sys.executable, "-S", "-c", "import time; time.sleep(30)"], **how))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    options = make_parser().parse_args(["up", "--detach"])
    try:
        with pytest.raises(EngineUnreachable, match=r"did not answer within 0\.1 s"):
            attach._start(options, Endpoint(data_dir=str(project / "data")))
    finally:
        os.kill(started[0].pid, signal.SIGKILL)
        os.waitpid(started[0].pid, 0)


def test_a_log_that_grew_long_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "serve.log").write_bytes(b"x" * (attach._MAX_LOG_BYTES + 1))
    with attach._open_log(tmp_path) as log:
        assert log.seek(0, os.SEEK_END) == 0
    (tmp_path / "serve.log").write_bytes(b"kept")
    with attach._open_log(tmp_path) as log:
        log.write(b" and more")
    assert (tmp_path / "serve.log").read_bytes() == b"kept and more"
    with pytest.raises(TenError, match="Cannot write"):
        attach._open_log(tmp_path / "serve.log")


def test_a_data_directory_without_a_name_is_refused(ten: Ten) -> None:
    ran = ten("--data-dir", "", "ps")
    assert ran.code == 2
    assert "--data-dir: it is empty" in ran.err


def as_terminal(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let the command see a terminal whose user answers; give the questions that were asked."""
    asked: list[str] = []
    left = list(answers)

    def answer(question: str) -> str:
        asked.append(question)
        return left.pop(0)

    monkeypatch.setattr(attach, "_is_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", answer)
    return asked


def test_without_a_configuration_one_is_offered_and_then_an_engine(
    ten: Ten, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "tenement.toml").unlink()
    (project / "package.json").write_text("{}")
    folder = project / "shop"
    folder.mkdir()
    (folder / "go.mod").touch()
    monkeypatch.chdir(folder)
    asked = as_terminal(monkeypatch, "y", "n")
    ran = ten()
    assert ran.code == 1
    assert asked == [
        "Write one that runs `go run .`? [Y/n] ",
        "No engine runs here. Start it? [Y/n] ",
    ]
    assert "[service.shop]" in (folder / "tenement.toml").read_text()


def test_who_declines_gets_no_file_and_who_means_an_engine_is_not_asked(
    ten: Ten, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "tenement.toml").unlink()
    asked = as_terminal(monkeypatch, "n")
    ran = ten()
    assert ran.code == 1
    assert "There is nothing to show" in ran.err
    assert list(project.glob("*.toml")) == []
    assert len(asked) == 1
    monkeypatch.setenv("TENEMENT_TOKEN", "x" * 43)
    assert ten("--server", "http://127.0.0.1:9").code == 1
    assert "Write one" not in "".join(asked[1:])


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"TERM": "dumb"}, "TERM=dumb"),
        ({}, "TERM=dumb"),
        ({"TERM": "xterm"}, ""),
        ({"TERM": "xterm", "LANG": "C"}, ""),
        ({"TERM": "xterm", "LANG": "de_DE.UTF-8"}, ""),
        ({"TERM": "xterm", "LANG": "de_DE.utf8@euro"}, ""),
        ({"TERM": "xterm", "LANG": "de_DE.ISO-8859-1"}, "LANG=de_DE.ISO-8859-1 is not UTF-8"),
        ({"TERM": "xterm", "LC_ALL": "C.UTF-8", "LANG": "ru_RU.KOI8-R"}, ""),
        ({"TERM": "xterm", "LC_CTYPE": "ru_RU.KOI8-R"}, "LC_CTYPE=ru_RU.KOI8-R is not UTF-8"),
    ],
)
def test_where_nothing_can_be_drawn_lines_are_printed(environ: dict[str, str], reason: str) -> None:
    assert attach._why_plain(environ) == reason
