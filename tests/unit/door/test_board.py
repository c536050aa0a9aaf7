"""Slots of the memory file: who gets which, and when one is used again."""

import fcntl
import logging
import os

import pytest

from engine.daemon.door_board import Board as Reader
from engine.door import board as own
from engine.door.board import Board
from engine.door.figures import Traffic


@pytest.fixture
def board():
    made = Board()
    yield made
    made.close()
    made.close()


@pytest.fixture
def reader(board):
    made = Reader(board.fd)
    yield made
    made.close()


def used(board, name):
    traffic = Traffic(name, lambda: None, board)
    traffic.begin(1.0)
    traffic.end(2.0)
    return traffic


def test_the_file_can_be_neither_shortened_nor_unsealed(board):
    with pytest.raises(PermissionError):
        os.ftruncate(board.fd, 4096)
    with pytest.raises(PermissionError):
        fcntl.fcntl(board.fd, 1033, 0x08)


def test_a_slot_is_used_again_only_after_the_engine_took_what_is_in_it(board, reader):
    first = used(board, "api:a")
    index = first._slot
    first.leave()
    assert used(board, "api:b")._slot != index
    assert reader.read()["api:a"].last > 0
    assert used(board, "api:c")._slot != index
    reader.acknowledge()
    again = used(board, "api:d")
    assert again._slot == index
    again.answered(1.0, status=200)
    found = reader.read()
    assert "api:a" not in found
    assert (found["api:d"].requests, found["api:d"].inflight) == (1, 0)


def test_one_that_left_counts_nowhere_until_it_is_used_anew(board, reader):
    traffic = used(board, "api:a")
    traffic.leave()
    traffic.leave()
    traffic.answered(1.0, status=500)
    assert reader.read()["api:a"].requests == 0
    traffic.begin(3.0)
    traffic.answered(1.0, status=500)
    assert (reader.read()["api:a"].errors, reader.inflight("api:a")) == (1, 1)


def test_without_a_free_slot_all_count_together_and_it_is_said_once(
    board, reader, monkeypatch, caplog
):
    monkeypatch.setattr(own.at, "SLOTS", 2)
    used(board, "api:a")
    many = [Traffic(f"api:x{n}", lambda: None, board) for n in range(3)]
    with caplog.at_level(logging.ERROR):
        for one in many:
            one.begin(1.0)
    assert caplog.text.count("no room to count") == 1
    assert reader.is_shared_busy()
    assert set(reader.read()) == {"api:a"}
    for one in many:
        one.end(2.0)
        one.leave()
    assert not reader.is_shared_busy()
