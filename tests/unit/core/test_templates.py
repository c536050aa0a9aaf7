"""Lines alike but for what differs from one to the next have one template."""

import time

import pytest

from engine.core.templates import MAX_CHARACTERS, Difference, difference, template


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("GET /users/4711 200 in 12.5ms", "GET /users/# # in #ms"),
        ("2026-11-23T21:58:55.123Z ERROR no row 5", "# ERROR no row #"),
        ("2026-11-23 21:58:55,123 ERROR", "# ERROR"),
        ("Nov 23 21:58:55 host app[42]: up", "# host app[#]: up"),
        ("[23/Nov/2026:21:58:55 +0000] GET /", "[#] GET /"),
        ("order 8c2e1f6a-9b1d-4c1e-8f00-0123456789ab lost", "order # lost"),
        ("at 0x7ffdeadbeef0 in frame", "at # in frame"),
        ("commit 3f786850e387550fdab836ed7e6dc881de23001b", "commit #"),
        ("trace 01ARZ3NDEKTSV4RRFFQ69G5FAV ends", "trace # ends"),
        ("connect to 10.0.0.7:5432 failed", "connect to # failed"),
        ("connect to [2001:db8::1]:443 failed", "connect to # failed"),
        ("delta -3, then +4.5e-3", "delta #, then #"),
        ("worker-3 of pool7", "worker-# of pool#"),
        ("facade decade: words stay", "facade decade: words stay"),
        ("", ""),
    ],
)
def test_what_varies_is_left_out(line: str, wanted: str) -> None:
    assert template(line) == wanted


def test_nothing_of_a_line_reaches_the_terminal_as_control() -> None:
    assert template("\x1b[31mfailed\x1b[0m after 3\t\x07") == "failed after # \N{SYMBOL FOR BELL}"


def test_a_long_line_costs_no_more_than_a_short_one() -> None:
    short, endless = "a1" * (MAX_CHARACTERS // 2), "a1" * 5_000_000
    assert template(endless) == template(short)
    began = time.process_time()
    for hostile in ("f" * MAX_CHARACTERS + "g", "1:" * 256, "-" * 512, "0x" * 256, "[:" * 256):
        template(hostile * 100)
    assert time.process_time() - began < 0.5


def test_what_is_only_new_comes_first_then_what_came_to_be_more() -> None:
    old = ["up on 8001", "slow query 12 ms", "lost 7"]
    new = ["slow query 80 ms", "slow query 90 ms", "no such column: age 3", "up on 8002"]
    assert difference(old, new) == (
        Difference("no such column: age #", 0, 1, "no such column: age 3"),
        Difference("slow query # ms", 1, 2, "slow query 90 ms"),
        Difference("up on #", 1, 1, "up on 8002"),
        Difference("lost #", 1, 0, "lost 7"),
    )
    assert difference(old, new, most=1) == difference(old, new)[:1]
