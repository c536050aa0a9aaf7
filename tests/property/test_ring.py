"""A ring on disk against a model: any writes, kills, reboots, limits and readers in any order."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.core.ring import MIN_LIMIT_BYTES, Stream
from engine.daemon.ring import Ring, RingStore
from tests.rings import ModelLine, RingModel

NAME = "api:alice"
LIMITS = [MIN_LIMIT_BYTES, 2 * MIN_LIMIT_BYTES]
pieces = st.lists(
    st.sampled_from([b"\n", b"a", b"long " * 30, b"line\n", b"\xff\n", b"\0", "é\n".encode()]),
    min_size=1,
    max_size=12,
).map(b"".join)
streams = st.sampled_from(list(Stream))


class RingMachine(RuleBasedStateMachine):
    """The ring keeps what the model says it wrote, but for what is evicted."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ring_machine"))
        self.now = 1_000_000_000_000
        self.boot = 0
        self.limit = LIMITS[0]
        self.model = RingModel()
        self.oldest = 0
        self.store: RingStore
        self.ring: Ring

    @initialize()
    def open(self) -> None:
        boot = self.boot.to_bytes(16, "big")
        self.store = RingStore(self.folder / "logs", boot=boot, clock=lambda: self.now)
        self.ring = self.store.ring(NAME, self.limit)

    @rule(data=pieces, stream=streams, step=st.sampled_from([0, 400_000, 5_000_000]))
    def write(self, data: bytes, stream: Stream, step: int) -> None:
        self.now += step
        self.ring.append(data, stream)
        # Pieces within a millisecond share their first one's time.
        self.model.write(data, stream, self.ring._noted_ns)

    @rule(stream=streams, count=st.integers(100, 3000))
    def write_much(self, stream: Stream, count: int) -> None:
        self.now += 5_000_000
        for start in range(0, count, 500):
            data = b"".join(b"line %d %s\n" % (n, b"y" * 100) for n in range(start, start + 500))
            self.ring.append(data, stream)
            self.model.write(data, stream, self.ring._noted_ns)

    @rule()
    def end_lines(self) -> None:
        is_open = self.ring.tally().is_open
        self.now += 5_000_000
        self.ring.end_lines()
        for stream in (Stream.STDOUT, Stream.STDERR):
            if is_open[stream]:
                self.model.write(b"\n", stream, self.ring._noted_ns)

    @rule()
    def mark(self) -> None:
        self.ring.mark()

    @rule()
    def kill(self) -> None:
        """As SIGKILL does: nothing is closed in order."""
        if self.ring._written is not None:
            self.ring._written.close()
            self.ring._written = None
        self.open()

    @precondition(lambda self: self.model.tail is None)
    @rule()
    def reboot(self) -> None:
        self.store.close()
        self.boot += 1
        self.open()

    @rule(limit=st.sampled_from(LIMITS))
    def set_limit(self, limit: int) -> None:
        self.limit = limit
        self.ring.set_limit(limit)

    @rule(at=st.floats(0, 1), count=st.integers(0, 40))
    def read_anywhere(self, at: float, count: int) -> None:
        first = int(at * len(self.model.lines))
        window = self.ring.window(first, count, has_tail=False)
        self.check(window.lines, window.oldest)
        expected = range(max(first, window.oldest), min(first + count, window.end))
        assert [line.number for line in window.lines] == list(expected)

    @rule(stream=streams, count=st.integers(1, 20))
    def read_stream(self, stream: Stream, count: int) -> None:
        lines = self.ring.window(None, count, stream=stream.label).lines
        kept = self.model.lines[self.ring.oldest :]
        expected = [line.number for line in kept if line.stream == stream.label][-count:]
        assert [line.number for line in lines] == expected

    @invariant()
    def end_is_right(self) -> None:
        window = self.ring.window(None, 5)
        assert window.end == len(self.model.lines)
        assert window.oldest >= self.oldest
        self.oldest = window.oldest
        ended = [line for line in window.lines if line.number < window.end]
        self.check(ended, window.oldest)
        tail = [(line.stream, line.text) for line in window.lines[len(ended) :]]
        if tail and not tail[0][1].startswith("…"):
            assert tail == [self.model.tail]
        assert window.size_bytes <= self.limit + MIN_LIMIT_BYTES // 4

    def check(self, lines: list, oldest: int) -> None:
        for line in lines:
            if line.text.startswith("…"):
                assert line.number > oldest
                continue
            assert (
                ModelLine(line.number, line.stream, line.text, line.time_ns)
                == (self.model.lines[line.number])
            )

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)


TestRing = RingMachine.TestCase
