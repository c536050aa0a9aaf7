"""engine.daemon.api.context: lines around those that matched."""

import pytest

from engine.daemon.api.context import stretches
from tests.served import Served


def test_what_touches_is_one_stretch() -> None:
    assert stretches([], 3) == []
    assert stretches([10], 2) == [(8, 12)]
    assert stretches([1], 5) == [(0, 6)]
    assert stretches([20, 10, 15], 2) == [(8, 22)]
    assert stretches([10, 16], 2) == [(8, 12), (14, 18)]


@pytest.fixture(autouse=True)
def lines(local: Served) -> None:
    local.write("api:bob", *("hit" if n % 10 == 5 else f"line {n}" for n in range(40)))


def texts(local: Served, query: str) -> list[str]:
    answer = local.ask("GET", f"/api/v1/logs/api:bob/{query}")
    assert answer.status == 200, answer
    return [line[3] for line in answer.json()["lines"]]


def test_the_end_of_a_log_has_as_many_rows_as_asked_for(local: Served) -> None:
    assert texts(local, "window?text=hit&count=2") == ["hit", "hit"]
    assert (
        texts(local, "window?text=hit&count=7&context=1")
        == [
            *("hit", "line 16"),
            *("line 24", "hit", "line 26"),
            *("line 34", "hit", "line 36"),
        ][-7:]
    )
    assert texts(local, "window?count=2&context=5") == ["line 38", "line 39"], (
        "nothing to be around"
    )


def test_a_page_has_what_is_around_its_matches(local: Served) -> None:
    found = texts(local, "window?text=hit&first=10&count=6&context=1")
    assert found == ["line 14", "hit", "line 16", "line 24", "hit", "line 26"]
    assert texts(local, "window?text=hit&first=30&count=1&context=1") == [
        *("line 34", "hit", "line 36")
    ]


def test_a_search_brings_what_is_around_in_order(local: Served) -> None:
    found = texts(local, "search?text=hit&first=39&backward=true&limit=2&context=1")
    assert found == ["line 24", "hit", "line 26", "line 34", "hit", "line 36"]


def test_stretches_that_meet_are_read_once(local: Served) -> None:
    found = texts(local, "window?text=hit&first=0&count=4000&context=50")
    assert found.count("hit") == 4
    assert len(found) == len(set(found)) + 3


@pytest.mark.parametrize("context", ["-1", "51", "x"])
def test_a_wrong_number_is_400(local: Served, context: str) -> None:
    path = f"/api/v1/logs/api:bob/window?text=hit&context={context}"
    assert local.ask("GET", path).status == 400
