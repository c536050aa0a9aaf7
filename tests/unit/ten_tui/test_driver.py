"""Output that never waits, and notices that nobody is there."""

import os
import threading
import time

from ten_tui.driver import Outbox


def read_all(fd: int) -> bytes:
    data = b""
    while piece := os.read(fd, 1 << 16):
        data += piece
    return data


def test_bytes_come_out_in_order() -> None:
    reader, writer = os.pipe()
    box = Outbox(writer)
    for number in range(100):
        box.put(f"{number}\n".encode())
    box.close(2.0)
    os.close(writer)
    assert read_all(reader) == "".join(f"{n}\n" for n in range(100)).encode()
    assert box.written_bytes == 290
    os.close(reader)


def test_a_full_pipe_blocks_nobody() -> None:
    reader, writer = os.pipe()
    box = Outbox(writer)
    begun = time.monotonic()
    for _ in range(100):
        box.put(b"x" * 65536)
    assert time.monotonic() - begun < 0.5
    assert box.is_busy
    taker = threading.Thread(target=lambda: read_all(reader))
    taker.start()
    box.close(5.0)
    assert not box.is_busy
    os.close(writer)
    taker.join(2.0)
    os.close(reader)


def test_a_reader_that_is_gone_is_noticed() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    box = Outbox(writer)
    box.put(b"x")
    end = time.monotonic() + 2.0
    while not box.is_broken and time.monotonic() < end:
        time.sleep(0.005)
    assert box.is_broken
    box.put(b"dropped")
    assert not box.is_busy
    box.close(1.0)
    os.close(writer)
