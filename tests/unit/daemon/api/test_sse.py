"""engine.daemon.api.sse: the peer's lines, listed and streamed."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any

import pytest

from engine.daemon.api import sse
from engine.daemon.clock import wall
from tests.served import Served


def lines(served: Served, query: str = "") -> list[dict[str, Any]]:
    answer = served.ask("GET", f"/api/logs{query}")
    assert answer.status == 200
    found: list[dict[str, Any]] = answer.json()
    return found


def test_every_rings_lines_by_time(local: Served) -> None:
    local.write("api:bob", "one")
    local.write("api:alice", "two", stream="stderr")
    local.write("api:bob", "three")
    found = lines(local)
    assert [line["message"] for line in found][-3:] == ["one", "two", "three"]
    assert set(found[-1]) >= {"timestamp", "level", "process", "instance_id", "message"}
    assert found[-2]["level"] == "stderr"
    assert abs(found[-1]["timestamp"] / 1000 - wall()) < 60


def test_filters(local: Served) -> None:
    local.write("api:bob", "Alpha", "beta")
    local.write("worker:w1", "Alpha", stream="stderr")
    assert len(lines(local, "?search=Alpha")) == 2
    assert lines(local, "?search=alpha") == []
    assert [line["process"] for line in lines(local, "?level=stderr")] == ["worker"]
    assert len(lines(local, "?level=nonsense&search=Alpha")) == 2
    assert {line["process"] for line in lines(local, "?process=api")} == {"api"}
    assert {line["instance_id"] for line in lines(local, "?id=w1")} == {"w1"}
    assert [line["message"] for line in lines(local, "?process=api&id=bob&limit=1")] == ["beta"]
    assert lines(local, "?process=none") == []
    assert lines(local, "?limit=0") == []


def test_without_a_limit_no_more_than_the_peer_holds(
    local: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "MAX_LINES", 50)
    local.write("api:bob", *map(str, range(100)))
    assert [line["message"] for line in lines(local)][-1] == "99"
    assert len(lines(local)) == 50
    assert len(lines(local, "?limit=1000000")) == 50


@pytest.mark.parametrize("limit", ["x", "-1", "1.5", ""])
def test_a_limit_that_is_none_is_400(local: Served, limit: str) -> None:
    answer = local.ask("GET", f"/api/logs?limit={limit}")
    assert answer.status == 400
    assert answer.text.startswith("Failed to deserialize query string: ")


@contextmanager
def stream(served: Served, query: str = "") -> Iterator[HTTPResponse]:
    link = served.connection()
    link.request("GET", f"/api/logs/stream{query}")
    answer = link.getresponse()
    assert answer.status == 200
    assert answer.getheader("content-type", "").startswith("text/event-stream")
    try:
        yield answer
    finally:
        answer.close()
        link.close()


def events(answer: HTTPResponse, count: int) -> list[dict[str, Any]]:
    """Read events as the peer's client does: blank line between, lines that begin with data:."""
    found = []
    while len(found) < count:
        line = answer.readline()
        assert line, "the stream ended"
        if line.startswith(b"data:"):
            found.append(json.loads(line[5:]))
            assert answer.readline() == b"\n"
    return found


def test_new_lines_come_and_old_ones_do_not(local: Served) -> None:
    local.write("api:bob", "old")
    with stream(local, "?process=api&id=bob") as answer:
        local.write("api:alice", "other")
        local.write("api:bob", "new", "newer")
        assert [one["message"] for one in events(answer, 2)] == ["new", "newer"]


def test_what_is_written_right_after_the_head_is_in_it(local: Served) -> None:
    for turn in range(20):
        with stream(local, "?process=worker") as answer:
            local.write("worker:w1", f"turn {turn}")
            assert events(answer, 1)[0]["message"] == f"turn {turn}"


def test_a_level_is_a_filter(local: Served) -> None:
    with stream(local, "?level=stderr") as answer:
        local.write("api:bob", "out")
        local.write("api:bob", "err", stream="stderr")
        assert [one["message"] for one in events(answer, 1)] == ["err"]


def test_ten_thousand_lines_are_all_there_in_order(local: Served) -> None:
    with stream(local, "?id=bob") as answer:
        local.write("api:bob", *(f"line {number}" for number in range(10_000)))
        found = [one["message"] for one in events(answer, 10_000)]
    assert found == [f"line {number}" for number in range(10_000)]


def test_a_ring_that_comes_to_be_is_read_from_its_first_line(
    local: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "_NAMES_SECONDS", 0.01)
    with stream(local) as answer:
        local.call(local.control.spawn("api:fresh", actor="test"))
        found = events(answer, 1)[0]
        assert found["instance_id"] == "fresh"
        assert found["message"].startswith("listening on")


def test_the_stream_says_where_it_begins(local: Served) -> None:
    local.write("api:bob", "a", "b")
    with stream(local, "?id=bob") as answer:
        first = answer.readline()
        assert first.startswith(b": cursors ")
        assert json.loads(first[10:]) == {"api:bob": local.control.rings["api:bob"].end}


def test_a_reader_too_slow_for_its_ring_learns_how_much_it_lost(local: Served) -> None:
    ring = local.control.rings["api:bob"]
    fan = sse._Fan(local.control, sse.LogsQuery(id="bob"), lambda _: True)

    async def read() -> list[bytes]:
        await fan.begin()
        for number in range(ring.lines.maxlen or 0):
            ring.append(str(number))
        ring.append("last")
        found = fan.events(asyncio.Event())
        read = [await anext(found) for _ in range(3)]
        await found.aclose()  # type: ignore[attr-defined]
        return read

    _, gap, batch = local.call(read())
    lost = 1
    assert gap == b': evicted {"name":"api:bob","count":%d}\n\n' % lost
    assert batch.startswith(b"data: ")


def test_a_quiet_stream_comments_so_that_it_is_seen_to_live(
    local: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "COMMENT_SECONDS", 0.05)
    with stream(local) as answer:
        assert answer.readline().startswith(b": cursors")
        assert answer.readline() == b"\n"
        assert answer.readline() == b":\n"


def test_a_stream_ends_when_the_engine_does(local: Served) -> None:
    with stream(local) as answer:
        answer.readline()
        local.do(local.server.app.state.closing.set)
        assert answer.read() == b"\n"


def test_a_reader_that_leaves_leaves_nothing_behind(local: Served) -> None:
    from engine.daemon import tasks

    before = local.do(tasks.running)
    with stream(local) as answer:
        answer.readline()
    deadline = time.monotonic() + 5
    while local.do(tasks.running) != before:
        assert time.monotonic() < deadline, local.do(tasks.running)
        time.sleep(0.01)
