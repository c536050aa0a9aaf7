"""The console's facts as lines, and the table as lines."""

import msgspec

from engine.core.wire import ConsoleView
from ten_tui.store.plain import plain_lines
from ten_tui.store.table import Table
from ten_tui.store.top import top_lines
from ten_tui.store.view import View
from tests.tui.fake import FakeEngine, demo_engine


def view_of(engine: FakeEngine) -> View:
    view = View()
    view.apply(engine.snapshot())
    return view


def test_who_is_not_well_is_said_why_and_what_is_next() -> None:
    engine = demo_engine(is_read_only=True)
    engine.consoles = (ConsoleView(who="root", place="pts/1"), ConsoleView(who="eva"))
    lines = list(plain_lines(view_of(engine)))
    assert lines[0] == "build-7 (production): ten 0.1.0 on http://localhost:8080, read-only"
    assert lines[1].startswith("Instances: 1 failed, 1 backoff, 1 degraded")
    assert lines[3] == "Attached: root pts/1, eva"
    at = next(n for n, line in enumerate(lines) if line.startswith("flaky:default: failed"))
    block = lines[at : lines.index("", at)]
    assert "  why: killed by SIGSEGV" in block
    assert "  next: stays down: its restarts are spent. `ten restart` restarts it" in block
    assert "  | panic: runtime error: invalid memory address" in block
    alice = next(line for line in lines if line.startswith("api:alice: "))
    assert alice.startswith("api:alice: healthy, up 2")
    assert "memory 325M of 512M" in alice
    assert lines[-1].endswith("api:carol is degraded: 503 from /health")


def test_nothing_of_a_hostile_name_is_obeyed() -> None:
    engine = demo_engine()
    one = engine.instances["api:alice"]
    engine.instances["api:alice"] = msgspec.structs.replace(one, version="v\x1b]0;x\x07\u202e1")
    engine.happen("said \x1b[2J\n:\x9b")
    view = view_of(engine)
    lines = [*plain_lines(view), *top_lines(view, Table(is_grouped=False), 200, 0)]
    assert all(line.isprintable() for line in lines)


def test_the_table_is_as_wide_and_as_high_as_there_is_room() -> None:
    view = view_of(demo_engine())
    for width in (20, 60, 80, 200):
        lines = top_lines(view, Table(is_grouped=False), width, 6)
        assert len(lines) == 6
        assert all(len(line) <= width for line in lines), width
        assert lines[-1].startswith("9 instances (")
    assert "5 not shown" in lines[-1]
    assert len(top_lines(view, Table(is_grouped=False), 80, 0)) == 11
    ascii_lines = top_lines(view, Table(is_grouped=False), 120, 0, is_ascii=True)
    assert all(line.isascii() for line in ascii_lines)
    assert any("x failed" in line for line in ascii_lines)
