"""What tests of rings share; `reopen` is in conftest.py."""

from pathlib import Path

from engine.core.ring import Stream
from engine.daemon.ring import Ring

OUT, ERR = Stream.STDOUT, Stream.STDERR
MIB = 1024 * 1024
BOOT, NEXT_BOOT = bytes(16), bytes(range(16))
NAME = "api:alice"


class Clock:
    """A wall clock that goes on by 10 ms whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000_000

    def __call__(self) -> int:
        self.now += 10_000_000
        return self.now


def texts(ring: Ring, **options: object) -> list[str]:
    first = options.pop("first", 0)
    return [line.text for line in ring.window(first, 10**6, **options).lines]


def files(ring: Ring, suffix: str) -> list[Path]:
    return sorted(Path(ring.folder).glob(f"*.{suffix}"))


def numbered(start: int, stop: int) -> bytes:
    return b"".join(b"line %06d %s\n" % (n, b"x" * 80) for n in range(start, stop))


# --- writing and reading ---
