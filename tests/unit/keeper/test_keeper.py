import array
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.keeper import children, files, instance, link, loop, protocol

ROOT = Path(__file__).parents[3]


def test_keeper_loads_the_standard_library_and_system_calls_only() -> None:
    code = """
import sys
from engine.keeper import keeper
import json
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    # What the environment loads into every program (.pth files of an editable install) is not ours.
    bare = subprocess.run(
        [sys.executable, "-P", "-c", "import sys, json; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout)) - set(json.loads(bare.stdout))
    known = sys.stdlib_module_names
    foreign = {name for name in loaded if name.split(".")[0].lstrip("_") not in known}
    foreign = {name for name in foreign if name.split(".")[0] not in known}
    ours = {name for name in foreign if name.split(".")[0] == "engine"}
    assert foreign == ours
    allowed = ("engine.keeper", "engine.kernel.syscalls")
    parents = {"engine", "engine.kernel"}
    assert {name for name in ours if not name.startswith(allowed)} == parents
    heavy = {"asyncio", "dataclasses", "inspect", "logging", "subprocess", "threading", "typing"}
    assert not heavy & loaded, "each page of the keeper is a page of every reaper"


class Times:
    """A loop whose time is told."""

    def __init__(self) -> None:
        self.due: list[tuple[float, object]] = []

    def after(self, seconds: float, callback: object) -> None:
        self.due.append((seconds, callback))


def test_child_is_started_at_once_then_ever_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(children.time, "monotonic", lambda: now)
    times = Times()
    child = children.Child("engine", times, lambda: 7)  # type: ignore[arg-type]
    child.start()
    assert child.pid == 7
    for _ in range(8):
        child.ended("exit status 1")
        assert child.pid == 0
    waits = [seconds for seconds, _ in times.due]
    assert waits == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    now = 11.0
    child.ended("exit status 1")
    assert times.due[-1][0] == 0.0, "it had been steady"


def test_child_that_is_not_wanted_stays_ended() -> None:
    times = Times()
    child = children.Child("engine", times, lambda: 7)  # type: ignore[arg-type]
    child.is_wanted = False
    child.start()
    child.ended("exit status 0")
    assert child.pid == 0
    assert times.due == []


def test_child_that_cannot_be_started_is_tried_again() -> None:
    def start() -> int:
        raise BlockingIOError(11, "no process left")

    times = Times()
    child = children.Child("engine", times, start)  # type: ignore[arg-type]
    child.start()
    assert len(times.due) == 1


@pytest.fixture
def quiet_loop() -> object:
    numbers = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield loop.Loop(lambda _: None)
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_loop_lives_on_after_a_callback_failed(
    quiet_loop: loop.Loop, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ValueError("a mistake")

    quiet_loop.after(0, fail)
    quiet_loop.after(0.001, quiet_loop.stop)
    quiet_loop.run()
    assert capsys.readouterr().err == "ten: ValueError: a mistake\n"


def test_loop_runs_timers_in_their_order(quiet_loop: loop.Loop) -> None:
    seen: list[str] = []
    quiet_loop.after(0.02, lambda: seen.append("late"))
    quiet_loop.after(0.0, lambda: seen.append("soon"))
    quiet_loop.after(0.03, quiet_loop.stop)
    quiet_loop.run()
    assert seen == ["soon", "late"]


def test_link_keeps_messages_and_descriptors_for_a_slow_engine(quiet_loop: loop.Loop) -> None:
    made = link.Link(quiet_loop, lambda *_: None)
    reader, writer = os.pipe()
    for number in range(3000):
        made.send({"type": "exit", "number": number, "pad": "x" * 1000}, [writer])
    os.close(writer)
    got: list[int] = []

    def read() -> None:
        data, fds, _, _ = socket.recv_fds(made.theirs, 1 << 20, 4)
        os.write(fds[0], b"x")
        os.close(fds[0])
        got.append(json.loads(data)["number"])
        if len(got) == 3000:
            quiet_loop.stop()

    quiet_loop.watch(made.theirs.fileno(), read)
    quiet_loop.after(20, quiet_loop.stop)
    quiet_loop.run()
    assert got == list(range(3000))
    assert len(os.read(reader, 4000)) == 3000
    os.close(reader)
    made.close()
    made.theirs.close()


def test_link_carries_out_what_was_sent_before_the_end(quiet_loop: loop.Loop) -> None:
    seen: list[bytes] = []
    made = link.Link(quiet_loop, lambda _, data: seen.append(data))
    made.theirs.send(b"one")
    made.theirs.send(b"two")
    made.send({"type": "reload"})  # never read: the end comes as a reset
    made.theirs.close()
    made.close()
    assert seen == [b"one", b"two"]
    made.send({"type": "exit"})  # nothing happens
    made.close()


def test_records_are_found_again(tmp_path: Path) -> None:
    for name in ("instances", "fifo"):
        (tmp_path / name).mkdir()
    kept = files.Files(str(tmp_path))
    child = subprocess.Popen(["sleep", "100"])
    held = instance.Instance("a:b", "", {"port": 1})
    held.pid = held.main_pid = child.pid
    held.start_ticks = instance.process.start_ticks(child.pid)
    kept.save(held)
    kept.open_fifos("a:b")
    os.mkfifo(tmp_path / "fifo/left:over.out")
    written = (tmp_path / "instances/a:b.json").read_text()
    (tmp_path / "instances/a:c.json.new").write_text(written.replace("a:b", "a:c"))
    later = files.Files(str(tmp_path))
    (found,) = later.adopt()
    assert found.exit is None
    assert found.is_adopted
    assert found.blob == {"port": 1}
    assert sorted(path.name for path in (tmp_path / "fifo").iterdir()) == ["a:b.err", "a:b.out"]
    found.kill()
    child.wait()
    found.close()
    (gone,) = later.adopt()
    assert gone.exit is not None
    assert gone.exit["status"] is None
    gone.close()
    for each in (kept, later):
        each.release("a:b")
    later.forget(held)
    assert later.adopt() == []


def test_true_status_comes_from_the_reaper() -> None:
    held = instance.Instance("a:b")
    held.status_fd, writer = os.pipe()
    os.write(writer, array.array("i", [11]).tobytes())
    os.close(writer)
    held.ended(139 << 8)
    assert held.exit is not None
    assert held.exit["status"] == 11
    assert abs(float(str(held.exit["time"])) - time.clock_gettime(time.CLOCK_REALTIME)) < 5
    held.close()


def test_protocol_documents_every_order() -> None:
    from engine.keeper.keeper import Keeper

    assert protocol.__doc__ is not None
    orders = [name.removeprefix("_op_") for name in vars(Keeper) if name.startswith("_op_")]
    assert len(orders) == 7
    for order in orders:
        assert f"| {order} |" in protocol.__doc__
