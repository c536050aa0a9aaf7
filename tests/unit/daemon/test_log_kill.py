"""SIGKILL at any moment: every line is in the ring once, in order, on its stream.

A process of its own forks pumps and kills them one after the other, while programs write numbered
lines on both streams. It, like the keeper, holds the FIFOs open all the time.
"""

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from engine.daemon.ring import RingStore

MIB = 1024 * 1024
NAME = "api:alice"
KILLS = int(os.environ.get("TEN_KILLS", "60"))


def numbered_line(tag: str, number: int) -> str:
    """Make a line whose length and content follow from its number."""
    check = zlib.crc32(f"{tag}{number}".encode())
    return f"{tag} {number} " + f"{check:08x}" * (check % 23)


KILLER = """
import asyncio, json, mmap, os, random, signal, struct, sys, time
from pathlib import Path
import uvloop
from engine.daemon.log_pump import LogPump
from engine.daemon.ring import RingStore
from tests.unit.daemon.test_log_kill import NAME, numbered_line

folder, seed, kills, limit = Path(sys.argv[1]), *map(int, sys.argv[2:])
shared = mmap.mmap(-1, 24)  # stop writing, stop reading, lines of each stream
chance = random.Random(seed)
paths = [folder / "out", folder / "err"]
for path in paths:
    os.mkfifo(path)
held = [os.open(path, os.O_RDWR | os.O_NONBLOCK) for path in paths]

def write(stream, tag):
    chance = random.Random(seed + stream)
    fd = os.open(paths[stream], os.O_RDWR)
    number = 0
    while not shared[0]:
        burst = range(number, number + chance.choice([1, 1, 3, 200, 1000]))
        data = "".join(numbered_line(tag, n) + "\\n" for n in burst).encode()
        number = burst.stop
        while data:
            piece = chance.choice([len(data), 7, 5000])
            data = data[os.write(fd, data[:piece]):]
        if chance.random() < 0.5:
            time.sleep(0.001)
    struct.pack_into("Q", shared, 8 + 8 * stream, number)

async def pump(is_last):
    store = RingStore(folder / "logs")
    loop = asyncio.get_running_loop()
    logs = LogPump(loop, store)
    fds = [os.open(path, os.O_RDWR | os.O_NONBLOCK) for path in paths]
    logs.attach(NAME, *fds, limit)
    while not (is_last and shared[1]):
        # A reader beside it, so that counting happens at odd moments too.
        store.ring(NAME).window(None, 10)
        await asyncio.sleep(0.003)
    logs.close()
    store.close()

def fork(run):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run()
            code = 0
        finally:
            os._exit(code)
    return pid

writers = [fork(lambda: write(0, "out")), fork(lambda: write(1, "err"))]
for _ in range(kills):
    child = fork(lambda: uvloop.run(pump(False)))
    time.sleep(chance.choice([0.001, 0.004, 0.01, 0.03]) + chance.random() * 0.02)
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
shared[0] = 1
child = fork(lambda: uvloop.run(pump(True)))
for pid in writers:
    assert os.waitpid(pid, 0)[1] == 0
shared[1] = 1
assert os.waitpid(child, 0)[1] == 0
print(json.dumps(struct.unpack_from("QQ", shared, 8)))
"""


def kill_pumps(folder: Path, *, seed: int, limit: int) -> dict[str, int]:
    """Run it all; give how many lines each stream has."""
    command = [sys.executable, "-c", KILLER, str(folder), *map(str, (seed, KILLS, limit))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=55)
    assert done.returncode == 0, done.stderr
    return dict(zip(("stdout", "stderr"), json.loads(done.stdout), strict=True))


TAGS = {"stdout": "out", "stderr": "err"}


@pytest.mark.parametrize("seed", [1, 2])
def test_every_line_is_there_once(tmp_path: Path, seed: int) -> None:
    counts = kill_pumps(tmp_path, seed=seed, limit=1024 * MIB)
    assert min(counts.values()) > 1000
    window = RingStore(tmp_path / "logs").ring(NAME).window(0, 10**8)
    for stream, count in counts.items():
        texts = [line.text for line in window.lines if line.stream == stream]
        assert texts == [numbered_line(TAGS[stream], number) for number in range(count)]
    assert [line.number for line in window.lines] == list(range(sum(counts.values())))


def test_what_is_kept_while_the_oldest_go_is_whole(tmp_path: Path) -> None:
    counts = kill_pumps(tmp_path, seed=3, limit=MIB)
    window = RingStore(tmp_path / "logs").ring(NAME).window(0, 10**8)
    assert window.end == sum(counts.values())
    assert window.oldest > 0
    assert [line.number for line in window.lines] == list(range(window.oldest, window.end))
    for stream, count in counts.items():
        texts = [line.text for line in window.lines if line.stream == stream]
        if texts and texts[0].startswith("…"):
            del texts[0]
        kept = range(count - len(texts), count)
        assert texts == [numbered_line(TAGS[stream], number) for number in kept]
