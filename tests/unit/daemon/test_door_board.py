"""What the engine reads out of a door's memory file, also after another engine."""

import os
import time

import pytest

from engine.core import board as at
from engine.daemon.door_board import Board as Reader
from engine.daemon.door_board import BoardUnusable
from engine.door.board import Board
from engine.door.figures import Traffic


@pytest.fixture
def board():
    made = Board()
    yield made
    made.close()


@pytest.fixture
def reader(board):
    made = Reader(board.fd)
    yield made
    made.close()


def traffic(board, name="api:a"):
    return Traffic(name, lambda: None, board)


def request(one, ms=3.0, status=200):
    now = time.monotonic()
    one.begin(now)
    one.answered(ms, status=status)
    one.carried_out(7)
    one.end(now)


def test_each_reading_gives_what_came_since_the_last(board, reader):
    one = traffic(board)
    assert reader.read() == {}
    request(one)
    request(one, ms=30.0, status=503)
    request(one, status=404)
    one.begin(time.monotonic())
    one.carried_in(5)
    one.failed()
    found = reader.read()["api:a"]
    assert (found.requests, found.errors, found.inflight) == (3, 2, 1)
    assert (found.bytes_in, found.bytes_out, found.ms_sum) == (5, 21, 36.0)
    assert [n for n, count in enumerate(found.buckets) if count] == [1, 4]
    assert abs(found.last - time.time_ns() / 1e9) < 5
    again = reader.read()["api:a"]
    assert (again.requests, again.inflight, sum(again.buckets)) == (0, 1, 0)
    assert reader.read() == {}
    assert (reader.inflight("api:a"), reader.inflight("api:b")) == (1, 0)


def test_a_new_engine_goes_on_where_the_old_one_had_written(board, reader):
    one = traffic(board)
    request(one)
    assert reader.read()["api:a"].requests == 1
    reader.acknowledge()
    request(one)
    # Read, but the engine ends before that is in its database.
    assert reader.read()["api:a"].requests == 1
    request(one)
    new = Reader(board.fd)
    found = new.read()["api:a"]
    assert (found.requests, found.bytes_out) == (2, 14)
    new.acknowledge()
    new.close()
    newest = Reader(board.fd)
    assert newest.read()["api:a"].requests == 0
    newest.close()


def test_without_a_word_that_it_is_written_readings_do_not_repeat(board, reader):
    one = traffic(board)
    for _ in range(3):
        request(one)
        assert reader.read()["api:a"].requests == 1
    reader.acknowledge()
    request(one)
    assert reader.read()["api:a"].requests == 1


def test_waits_for_wakes_are_told_once_by_what_was_woken(board, reader):
    for one in (old := traffic(board), traffic(board)):
        request(one)
        one.woken("frozen", 0.5)
        one.woken("frozen", 7.0)
    old.woken("asleep", 90.0)
    told = reader.read()["api:a"].wakes
    assert {kind: (each.requests, each.duration_ms_sum) for kind, each in told.items()} == {
        "frozen": (4, 15.0),
        "asleep": (1, 90.0),
    }
    assert told["asleep"].buckets[5] == 1
    assert reader.read()["api:a"].wakes == {}


def test_a_name_in_two_slots_is_one_instance(board, reader):
    old = traffic(board)
    request(old)
    old.leave()
    request(traffic(board))
    found = reader.read()["api:a"]
    assert (found.requests, sum(found.buckets), found.bytes_out) == (2, 2, 14)


def test_a_door_that_writes_nonsense_does_no_harm(board, reader):
    one = traffic(board)
    request(one)
    one._words[at.REQUESTS] = one._words[at.INFLIGHT] = 2**64 - 1
    found = reader.read()["api:a"]
    assert (found.requests, found.inflight) == (0, at.MOST)
    one._words[at.REQUESTS] = 0
    one._words[at.CHANGES] += 1
    assert reader.read()["api:a"].requests == 0
    board._words[at.USED] = 2**63
    board._words[at.CLAIMS] += 1
    assert set(reader.read()) <= {"api:a"}


def test_a_slot_taken_anew_in_the_moment_of_reading_is_left_for_the_next(board, reader):
    one = traffic(board)
    request(one)
    reader.read()
    one._words[at.GENERATION] += 1
    request(one)
    assert reader.read() == {}


def test_only_a_sealed_file_of_this_layout_is_mapped(tmp_path):
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    files = [os.open(plain, os.O_RDWR)]
    files.append(os.memfd_create("x", os.MFD_ALLOW_SEALING))
    os.ftruncate(files[1], at.FILE_BYTES)
    board = Board()
    board._words[0] = 7
    files.append(board.fd)
    for fd in files:
        with pytest.raises(BoardUnusable):
            Reader(fd)
    os.close(files[0])
    os.close(files[1])
    board.close()
