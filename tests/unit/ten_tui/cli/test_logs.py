"""ten_tui.cli.logs: lines listed and followed, also over a server's death."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.core.errors import EngineUnreachable
from ten_tui.cli import logs as module
from ten_tui.cli.logs import Follower
from ten_tui.client import Client, Endpoint, connect
from tests.served import Served
from tests.unit.ten_tui.cli.conftest import Ten


def test_the_newest_lines_with_their_time(ten: Ten, served: Served) -> None:
    served.write("api:bob", "hello")
    served.write("worker:w1", "wrong", stream="stderr")
    ran = ten("logs", "--limit", "2")
    assert ran.code == 0
    first, second = ran.out.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[OUT\] api:bob hello", first)
    assert re.fullmatch(r"\d\d:\d\d:\d\d \[ERR\] worker:w1 wrong", second)


def test_filters(ten: Ten, served: Served) -> None:
    served.write("api:bob", "hello", "world")
    served.write("api:bob", "wrong", stream="stderr")
    assert len(ten("logs", "api:bob").out.splitlines()) == 4
    assert ten("logs", "api:bob", "--search", "wor").out.endswith("world\n")
    assert ten("logs", "api:bob", "--level", "stderr").out.endswith("[ERR] api:bob wrong\n")
    wrong = ten("logs", "--level", "nonsense")
    assert wrong.code == 2
    assert "'nonsense' (choose from 'stdout', 'stderr', 'access')" in wrong.err
    assert ten("logs", "--limit", "0").out == ""


def test_a_name_that_nobody_has_is_no_quiet_program(ten: Ten, served: Served) -> None:
    served.write("api:bob", "hello")
    quiet = ten("logs", "api:bob", "--search", "no such text")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    ran = ten("logs", "api:bobb")
    assert (ran.code, ran.out) == (1, "")
    assert "Instance not found: api:bobb" in ran.err
    assert "did you mean api:bob?" in ran.err
    assert "ten ps --all" in ten("logs", "xxxxxxx:y").err


def test_nothing_that_steers_a_terminal_is_printed_unless_it_is_asked_for(
    ten: Ten, served: Served
) -> None:
    served.write("api:bob", "a\x1b[31mb\x07")
    harmless = ten("logs", "--limit", "1").out
    assert "\x1b" not in harmless
    assert "\x07" not in harmless
    assert ten("logs", "--limit", "1", "--raw").out.endswith("a\x1b[31mb\x07\n")
    assert "--raw" in ten("help", "logs").out


def test_following_begins_with_the_newest_lines(
    ten: Ten, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    with Served(project / "data") as served:
        served.write("api:bob", "one", "two", "three")
        threading.Timer(0.3, served.write, ["api:bob", "four"]).start()
        threading.Timer(0.6, served.end).start()
        ran = ten("logs", "-f", "api:bob", "--limit", "2")
    assert ran.out.splitlines() == [f"[OUT] api:bob {word}" for word in ("two", "three", "four")]


@contextmanager
def following(
    client: Client, ident: str = "bob", level: str = ""
) -> Iterator[list[EngineUnreachable]]:
    """Follow in a thread until the client is closed; give how it ended."""
    ends: list[EngineUnreachable] = []
    follower = Follower(client, "api", ident, level)

    def run() -> None:
        try:
            follower.run()
        except EngineUnreachable as error:
            ends.append(error)
        client.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 5
    while follower._next is None and thread.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.002)
    try:
        yield ends
    finally:
        client.close()
        thread.join(5)
        assert not thread.is_alive()


class Heard:
    """What was printed so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def wait(self, text: str) -> None:
        deadline = time.monotonic() + 10
        while text not in self.out + self.err:
            assert time.monotonic() < deadline, (text, self.out[-300:], self.err)
            got = self._capsys.readouterr()
            self.out += got.out
            self.err += got.err
            time.sleep(0.005)


@pytest.fixture
def heard(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Heard:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.5)
    monkeypatch.setattr(module, "_RETRY_PAUSE_SECONDS", 0.01)
    return Heard(capsys)


def test_new_lines_come_without_time_and_old_ones_do_not(served: Served, heard: Heard) -> None:
    served.write("api:bob", "old")
    with connect(Endpoint(socket=str(served.path))) as client, following(client) as ends:
        served.write("api:bob", "new")
        served.write("api:bob", "bad", stream="stderr")
        heard.wait("bad")
    assert heard.out == "[OUT] api:bob new\n[ERR] api:bob bad\n"
    assert ends, "the server was lost, which is an error"


def test_nothing_is_missed_or_repeated_when_the_engine_comes_back(
    tmp_path: Path, heard: Heard
) -> None:
    with Served(tmp_path) as first:
        client = connect(Endpoint(socket=str(first.path)))
        with following(client):
            first.write("api:bob", *(f"line {n}" for n in range(100)))
            heard.wait("line 99")
            ring = first.control.rings["api:bob"]
            first.end()
            with _heir(tmp_path, ring) as second:
                heard.wait("line 199")
                second.write("api:bob", *(f"line {n}" for n in range(200, 300)))
                heard.wait("line 299")
                client.close()
    numbers = [int(line.rpartition(" ")[2]) for line in heard.out.splitlines()]
    assert numbers == list(range(300))


@contextmanager
def _heir(folder: Path, ring: object) -> Iterator[Served]:
    """Serve again with a ring that grew while nobody served."""
    served = Served(folder)
    for number in range(100, 200):
        ring.append(f"line {number}")  # type: ignore[attr-defined]
    populate = served.control.populate

    async def inherit() -> object:
        served.control.rings["api:bob"] = ring  # type: ignore[assignment]
        return await populate()

    served.control.populate = inherit  # type: ignore[method-assign,assignment]
    # The fake says a line of its own when it starts an instance; the ring must not get it.
    append = ring.append  # type: ignore[attr-defined]
    ring.append = lambda *_: None  # type: ignore[attr-defined]
    with served:
        ring.append = append  # type: ignore[attr-defined]
        yield served


def test_a_server_lost_for_good_ends_it_with_1(
    ten: Ten, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)
    with Served(project / "data") as served:
        threading.Timer(0.3, served.end).start()
        ran = ten("logs", "-f")
    assert ran.code == 1
    assert ran.err.startswith("Error: ")
    assert "connect" in ran.err or "ended the stream" in ran.err


def test_what_was_evicted_while_nobody_read_is_counted(served: Served, heard: Heard) -> None:
    with connect(Endpoint(socket=str(served.path))) as client:
        follower = Follower(client, "api", "bob", "")
        ring = served.control.rings["api:bob"]
        capacity = ring.lines.maxlen or 0
        served.write("api:bob", *(str(n) for n in range(capacity + 9)))
        follower._next = {"api:bob": 0}
        follower._catch_up({"api:bob": ring.end, "api:none": 5})
    heard.wait("were evicted before they were read")
    assert heard.err == "... 10 lines of api:bob were evicted before they were read\n"
    assert len(heard.out.splitlines()) == capacity


def test_a_level_holds_for_what_is_caught_up_too(served: Served, heard: Heard) -> None:
    with connect(Endpoint(socket=str(served.path))) as client:
        follower = Follower(client, "api", "bob", "stderr")
        served.write("api:bob", "out")
        served.write("api:bob", "err", stream="stderr")
        follower._next = {"api:bob": 0}
        follower._catch_up({"api:bob": served.control.rings["api:bob"].end})
    heard.wait("err")
    assert heard.out == "[ERR] api:bob err\n"
