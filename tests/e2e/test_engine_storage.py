"""An instance that stores more than its quota: told, kept from writing, or stopped."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.engine_run import EngineRun, wait_until

WRITER = f"{sys.executable} -S {Path(__file__).parent / 'writer.py'}"
CONFIG = f"""
[service.told]
command = "{WRITER}"
isolation = "process"
storage_quota_mb = 1
[service.held]
command = "{WRITER}"
storage_quota_mb = 1
storage_action = "readonly"
[service.ended]
command = "{WRITER}"
isolation = "process"
storage_quota_mb = 1
storage_action = "stop"
stop_grace = 1
"""

Make = Callable[[str], EngineRun]


@pytest.fixture
def engine(make_engine: Make) -> EngineRun:
    run = make_engine(CONFIG)
    run.start()
    return run


def start(run: EngineRun, name: str) -> int:
    assert run.spawn(name)[0] == 200
    return int(run.wait_state(name, "healthy")["pid"])


def is_told(run: EngineRun, name: str, text: str) -> bool:
    return any(e.get("instance") == name and text in e["text"] for e in run.events())


def test_a_quota_is_told_when_it_is_near_and_when_it_is_passed(engine: EngineRun) -> None:
    start(engine, "told:x")
    engine.visit("x.told", "/write/a/900")
    wait_until(lambda: is_told(engine, "told:x", "stores 87% of its quota"), "near", 45)
    engine.visit("x.told", "/write/b/900")
    wait_until(lambda: is_told(engine, "told:x", "more than its quota: 1.8 of 1 MiB"), "over", 45)
    assert engine.visit("x.told", "/write/c/1") == (200, "written")
    view = engine.instance("told:x")
    assert view["storage_used_bytes"] >= 1800 << 10


def test_who_passes_its_quota_can_only_read_until_there_is_room(engine: EngineRun) -> None:
    pid = start(engine, "held:x")
    start(engine, "held:y")
    assert engine.visit("x.held", "/write/a/2000") == (200, "written")
    wait_until(lambda: is_told(engine, "held:x", "can only read its folder"), "held", 45)
    assert engine.visit("x.held", "/write/b/1") == (200, "EROFS")
    assert engine.visit("y.held", "/write/b/1") == (200, "written")
    engine.kill_engine()
    wait_until(engine.answers, "the next engine answers")
    (engine.data_dir / "held" / "x" / "a").unlink()
    wait_until(lambda: is_told(engine, "held:x", "can write its folder again"), "let go", 45)
    assert engine.visit("x.held", "/write/b/1") == (200, "written")
    assert engine.instance("held:x")["pid"] == pid


def test_a_hard_quota_is_refused_where_the_file_system_keeps_none(make_engine: Make) -> None:
    text = f"[service.held]\ncommand = '{WRITER}'\nstorage_quota_mb = 1\n"
    run = make_engine(CONFIG)
    run.start()
    run.config.write_text(f"{text}storage_action = 'hard'\n")
    wait_until(lambda: run.get("/api/v1/config").get("error", ""), "it is refused")
    view = run.get("/api/v1/config")
    assert (view["error_line"], view["error_key"]) == (4, "service.held.storage_action")
    assert 'storage_action = "hard" cannot be kept here' in view["error"]
    start(run, "told:x")  # what was in force is still
    run.config.write_text(f"{text}storage_action = 'hard'\n[settings]\nrequire_limits = false\n")
    wait_until(lambda: not run.get("/api/v1/config").get("error", ""), "only a warning now")
    start(run, "held:x")
    assert run.visit("x.held", "/write/a/2000") == (200, "written")


def test_what_is_open_for_writing_does_not_keep_it_writable(engine: EngineRun) -> None:
    start(engine, "held:x")
    engine.visit("x.held", "/hold/log")
    engine.visit("x.held", "/write/a/2000")
    wait_until(lambda: is_told(engine, "held:x", "open for writing it can still write"), "held", 45)
    assert engine.visit("x.held", "/write/b/1") == (200, "EROFS")
    (engine.data_dir / "held" / "x" / "a").unlink()
    wait_until(lambda: is_told(engine, "held:x", "can write its folder again"), "let go", 45)
    assert engine.visit("x.held", "/write/b/1") == (200, "written")


def test_who_passes_its_quota_is_stopped(engine: EngineRun) -> None:
    start(engine, "ended:x")
    engine.visit("x.ended", "/write/a/2000")
    engine.wait_state("ended:x", "stopped", seconds=45)
    assert is_told(engine, "ended:x", "is stopped: it stores more than its quota")
    for _ in range(3):
        assert engine.visit("x.ended", "/write/b/1")[0] == 503
    assert is_told(engine, "ended:x", "are answered 503: it stores more than its quota")
    assert engine.state("ended:x") == "stopped", "no request wakes it"
    assert not (engine.data_dir / "ended/x/b").exists()
    (engine.data_dir / "ended/x/a").unlink()
    wait_until(lambda: engine.visit("x.ended", "/write/b/1")[0] == 200, "there is room", 30)
