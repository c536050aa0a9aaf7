"""A ring that was begun before there was an access log."""

from pathlib import Path

from engine.core.ring import Header, Join, Stream, Tally, pack_header, pack_record
from engine.daemon.ring import RingStore
from tests.unit.daemon.ring_rig import BOOT, ERR, NAME, NEXT_BOOT, OUT, files

OLD = ((b"one\n", OUT, 100), (b"broken\n", ERR, 200), (b"two\nthr", OUT, 300))


def make_old(root: Path) -> None:
    """Write a segment as it was written before, left in order: with a mark at its end."""
    folder = root / NAME.replace(":", "/")
    folder.mkdir(parents=True)
    index, data = pack_header(Header(0, Tally(), Join.FRESH, BOOT, is_old=True)), b""
    for piece, stream, time_ns in OLD:
        index += pack_record(len(data), stream, time_ns, is_old=True)
        data += piece
    index += pack_record(len(data), OUT, 300, is_old=True)
    assert index.startswith(b"TENRING1")
    (folder / f"{0:020d}.seg").write_bytes(data)
    (folder / f"{0:020d}.idx").write_bytes(index)


def read(store: RingStore) -> list[tuple[int, str, str, int]]:
    lines = store.ring(NAME).window(0, 100).lines
    return [(line.number, line.stream, line.text, line.time_ns) for line in lines]


def test_it_is_read_and_goes_on_in_a_segment_of_the_new_form(tmp_path: Path) -> None:
    make_old(tmp_path)
    store = RingStore(tmp_path, boot=BOOT, clock=lambda: 400)
    kept = [(0, "stdout", "one", 100), (1, "stderr", "broken", 200), (2, "stdout", "two", 300)]
    assert read(store) == [*kept, (3, "stdout", "thr", 300)]
    ring = store.ring(NAME)
    ring.append(b"ee\n", OUT)
    ring.append(b"{}\n", Stream.ACCESS)
    assert len(files(ring, "seg")) == 2
    expected = [*kept, (3, "stdout", "three", 400), (4, "access", "{}", 400)]
    assert read(store) == expected
    store.close()
    # Looked through after the machine was started anew, too: both forms are mended in their own.
    for boot in (BOOT, NEXT_BOOT):
        again = RingStore(tmp_path, boot=boot, clock=lambda: 500)
        assert read(again) == expected
        assert [line.number for line in again.ring(NAME).window(0, 9, stream="access").lines] == [4]
        again.close()
