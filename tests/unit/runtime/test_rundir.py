import os
import socket
from pathlib import Path

import pytest

from engine.runtime import ending, rundir


def test_folders_are_the_owners_alone(tmp_path: Path) -> None:
    run = rundir.RunDir(str(tmp_path / "data"), os.geteuid())
    for name in ("run", "run/fifo", "run/instances", "run/log", "run/door"):
        assert (tmp_path / "data" / name).stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data/run/keeper.pid").read_text() == f"{os.getpid()}\n"
    with pytest.raises(rundir.StartError, match=rf"another ten serve \(pid {os.getpid()}\) holds"):
        rundir.RunDir(str(tmp_path / "data"), os.geteuid())
    os.close(run.lock)
    os.close(run.lifeline)


def test_a_widened_folder_is_narrowed_and_a_link_refused(tmp_path: Path) -> None:
    (tmp_path / "wide").mkdir(mode=0o777)
    rundir.make_own_dir(str(tmp_path / "wide"), os.geteuid())
    assert (tmp_path / "wide").stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "wide")
    with pytest.raises(OSError, match="link"):
        rundir.make_own_dir(str(tmp_path / "link"), os.geteuid())


def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        with pytest.raises(rundir.StartError, match="belongs to uid 0"):
            rundir.make_own_dir("/", os.geteuid())
        return
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 1234, 1234)
    with pytest.raises(rundir.StartError, match="belongs to uid 1234"):
        rundir.make_own_dir(str(tmp_path / "theirs"), 0)


def test_clean_keeps_logs_and_locks(tmp_path: Path) -> None:
    run = rundir.RunDir(str(tmp_path / "data"), os.geteuid())
    path = Path(run.path)
    run.listen_api().close()
    run.listen_door_api().close()
    (path / "log/engine.log").touch()
    (path / "instances/a:b.json").touch()
    os.mkfifo(path / "fifo/a:b.out")
    rundir.clean(run.path)
    left = sorted(str(each.relative_to(path)) for each in path.rglob("*") if not each.is_dir())
    assert left == ["lifeline", "lock", "log/engine.log"]
    rundir.clean(run.path)
    os.close(run.lock)
    os.close(run.lifeline)


def test_large_log_is_rotated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rundir, "_LOG_BYTES", 10)
    log = tmp_path / "data/run/log/engine.log"
    log.parent.mkdir(parents=True)
    log.write_text("x" * 11)
    run = rundir.RunDir(str(tmp_path / "data"), os.geteuid())
    assert not log.exists()
    assert (log.parent / "engine.log.1").read_text() == "x" * 11
    os.close(run.lock)
    os.close(run.lifeline)


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("203.0.113.7", 0, "cannot listen on 203.0.113.7:0: "),
        ("127.0.0.1", 70000, "cannot listen on 127.0.0.1:70000: "),
        ("::2", 0, "cannot listen on [::2]:0: "),
    ],
)
def test_addresses_that_cannot_be_had_are_named(host: str, port: int, text: str) -> None:
    with pytest.raises(rundir.StartError) as caught:
        rundir.listen_tcp(host, port)
    assert str(caught.value).startswith(text)


def test_unix_socket_is_bound_however_long_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 150)
    folder.mkdir()
    listening = rundir.listen_unix(str(folder), "s", 0o600)
    assert (folder / "s").is_socket()
    assert (folder / "s").stat().st_mode & 0o777 == 0o600
    again = rundir.listen_unix(str(folder), "s", 0o660)
    listening.close()
    again.close()


def test_short_dir_depends_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    one, other = rundir.short_dir("/a"), rundir.short_dir("/b")
    assert one != other
    assert Path(one).parent == tmp_path
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/no/where")
    assert rundir.short_dir("/a").startswith(f"/tmp/ten-{os.geteuid()}-")


def test_prepare_passes_on_what_it_does_not_know(tmp_path: Path) -> None:
    command = rundir.prepare(
        {"--data-dir": str(tmp_path), "--port": "0", "--bind": "127.0.0.1", "--else": "x"}
    )
    options = dict(zip(command[::2], command[1::2], strict=True))
    assert options["--else"] == "x"
    assert options["--domain"] == "localhost"
    fds = [int(fd) for fd in options["--fds"].split(",")]
    traffic = socket.socket(fileno=fds[1])
    assert str(traffic.getsockname()[1]) == options["--port"]
    traffic.close()
    for fd in (fds[0], *fds[2:]):
        assert os.get_inheritable(fd)
        os.close(fd)


def test_record_of_another_process_is_no_remnant() -> None:
    record = {"pid": os.getpid(), "main_pid": os.getpid(), "start_ticks": 1, "cgroup": ""}
    with pytest.raises(ProcessLookupError):
        ending.Remnant(record | {"is_subreaper": False})
