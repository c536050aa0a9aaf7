"""engine.daemon.api.rings."""

import threading
import time
from typing import Any

import pytest

from tests.served import Served


@pytest.fixture(autouse=True)
def lines(local: Served) -> None:
    local.write("api:bob", *(f"line {number}" for number in range(20)))
    local.write("api:bob", "boom", stream="stderr")


def window(served: Served, query: str) -> Any:
    answer = served.ask("GET", f"/api/v1/logs/api:bob/window{query}")
    assert answer.status == 200, answer
    return answer.json()


def test_the_last_lines_or_those_from_a_number(local: Served) -> None:
    last = window(local, "?count=2")
    assert [line[3] for line in last["lines"]] == ["line 19", "boom"]
    assert last["end"] == 22
    assert last["lines"][-1][0] == 21
    from_there = window(local, "?first=3&count=2")
    assert [line[0] for line in from_there["lines"]] == [3, 4]
    assert window(local, "?first=22")["lines"] == []


def test_filters(local: Served) -> None:
    assert [line[3] for line in window(local, "?stream=stderr")["lines"]] == ["boom"]
    found = window(local, "?text=line%201&first=5&count=3")["lines"]
    assert [line[3] for line in found] == ["line 10", "line 11", "line 12"]
    now = time.time_ns()
    assert window(local, f"?since={now + 10**12}")["lines"] == []
    assert window(local, f"?until={now - 10**15}")["lines"] == []


def test_waiting_answers_when_there_is_more(local: Served) -> None:
    writer = threading.Timer(0.1, local.write, ("api:bob", "late"))
    writer.start()
    begun = time.monotonic()
    found = window(local, "?first=22&after=22&wait=10")
    assert [line[3] for line in found["lines"]] == ["late"]
    assert time.monotonic() - begun < 5
    writer.join()


def test_waiting_ends(local: Served) -> None:
    begun = time.monotonic()
    assert window(local, "?first=22&after=22&wait=0.1")["lines"] == []
    assert 0.09 < time.monotonic() - begun < 5
    assert window(local, "?after=21&wait=30")["end"] == 22, "is past it already"


@pytest.mark.parametrize(
    "query",
    ["first=x", "first=-1", "count=0", "count=5001", "wait=31", "wait=-1", "wait=nan", "after=a"],
)
def test_wrong_numbers_are_400(local: Served, query: str) -> None:
    assert local.ask("GET", f"/api/v1/logs/api:bob/window?{query}").status == 400


def test_search_both_ways(local: Served) -> None:
    def search(query: str) -> Any:
        return local.ask("GET", f"/api/v1/logs/api:bob/search?{query}").json()

    forward = search("text=line%201&first=0&limit=2")
    assert [line[3] for line in forward["lines"]] == ["line 1", "line 10"]
    onward = search(f"text=line%201&first={forward['next']}&limit=1")
    assert onward["lines"][0][3] == "line 11"
    backward = search("text=line&first=21&backward=true")
    assert backward["lines"][0][3] == "line 19"
    regex = search("text=^line%20[37]$&regex=1&limit=9")
    assert [line[3] for line in regex["lines"]] == ["line 3", "line 7"]
    assert regex["next"] == -1


def test_search_without_a_text_is_400(local: Served) -> None:
    assert local.ask("GET", "/api/v1/logs/api:bob/search").status == 400


def test_raw_is_what_was_written(local: Served) -> None:
    answer = local.ask("GET", "/api/v1/logs/api:bob/raw")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.body.endswith(b"line 19\nboom\n")


def test_names_and_what_has_no_ring(local: Served) -> None:
    assert "api:bob" in local.ask("GET", "/api/v1/logs").json()
    for what in ("window", "window?after=1&wait=1", "search?text=x", "raw"):
        answer = local.ask("GET", f"/api/v1/logs/api:nobody/{what}")
        assert answer.status == 404
        assert answer.json()["kind"] == "not_found"
    assert local.ask("GET", "/api/v1/logs/..%2Fx/window").status in {400, 404}
    assert local.ask("GET", "/api/v1/logs/nocolon/window").status == 400
