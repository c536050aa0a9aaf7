"""Instances that run as users of their own, on a real engine."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.e2e.engine_run import EngineRun, wait_until
from tests.poor import open_the_way
from tests.require import require, require_root

PYTHON = "/usr/bin/python3"

CONFIG = """
[settings]
health_check_interval = 1
user_range = "3000000-3000099"

[service.bare]
command = "{python} -S {folder}/tenant.py"
isolation = "process"
user = "auto"

[service.inner]
command = "{python} -S {folder}/tenant.py"
user = "auto"

[service.named]
command = "{python} -S {folder}/tenant.py"
user = "daemon"

[service.strict]
command = "{python} -S {folder}/tenant.py"
hardening = "strict"

[service.probe]
command = "/bin/sh"
args = ["-c", '''id; umask; echo $HOME $USER; echo again > /dev/stdout; touch $TEN_DATA_DIR/mine
touch $SOCKET_PATH && echo socket; grep -E "^(Cap|Groups)" /proc/self/status
cat {folder}/data/bare/*/kept; cat {folder}/data/ten.db; ls {folder}/data''']
isolation = "{isolation}"
user = "auto"
restart = "never"

[instances]
bare = ["a", "b"]
inner = ["a"]
named = ["a"]
strict = ["a"]
"""

Make = Callable[[str], EngineRun]


@pytest.fixture
def engine(make_engine: Make, tmp_path: Path, request: pytest.FixtureRequest) -> EngineRun:
    require_root()
    require(os.path.exists(PYTHON), "no system Python", "apt-get install python3")
    open_the_way(tmp_path)
    isolation = getattr(request, "param", "namespace")
    run = make_engine("")
    text = CONFIG.replace("{python}", PYTHON).replace("{folder}", str(run.folder))
    run.config.write_text(text.replace("{isolation}", isolation))
    shutil.copy(Path(__file__).parent / "tenant.py", run.folder)
    run.start()
    return run


def uid_of(run: EngineRun, name: str) -> int:
    """Give whom the program runs as: the process itself, or what its PID 1 has below it."""
    process = psutil.Process(run.wait_state(name, "healthy")["pid"])
    return ([process, *process.children()][-1]).uids().real


def test_each_has_its_own_user_and_keeps_it(engine: EngineRun) -> None:
    names = ("bare:a", "bare:b", "inner:a", "strict:a")
    before = {name: uid_of(engine, name) for name in names}
    assert len(set(before.values())) == 4
    assert all(3_000_000 <= uid <= 3_000_099 for uid in before.values())
    assert uid_of(engine, "named:a") == 1
    for name, uid in before.items():
        folder = engine.data_dir / name.replace(":", "/")
        assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (uid, 0o700)
    assert engine.restart("bare:a")[0] == 200
    engine.kill_engine()
    assert engine.restart("inner:a")[0] == 200
    assert {name: uid_of(engine, name) for name in names} == before
    assert engine.visit("a.bare")[0] == 200
    assert engine.visit("a.inner")[0] == 200
    engine.stop()
    engine.start()
    assert {name: uid_of(engine, name) for name in names} == before


@pytest.mark.parametrize("engine", ["process", "namespace"], indirect=True)
def test_it_reaches_its_own_and_nothing_of_others(engine: EngineRun) -> None:
    uid_of(engine, "bare:a")
    kept = engine.data_dir / "bare" / "a" / "kept"
    kept.write_text("a's own")
    engine.spawn("probe:x")
    engine.wait_state("probe:x", "stopped", "failed", "unhealthy")
    text = "\n".join(engine.lines("probe:x"))
    assert re.search(r"uid=30000\d\d gid=30000\d\d groups=30000\d\d$", text, re.MULTILINE), text
    assert f"{engine.data_dir}/probe/x probe-x" in text
    assert "again" in text, "/dev/stdout can be opened again"
    assert (engine.data_dir / "probe" / "x" / "mine").exists()
    assert "a's own" not in text
    assert "SQLite" not in text
    assert not re.search(r"Cap(Eff|Prm|Amb):\t0*[1-9a-f]", text)


def test_what_changes_hands_is_given_to_its_new_user(engine: EngineRun) -> None:
    uid = uid_of(engine, "inner:a")
    folder = engine.data_dir / "inner" / "a"
    secret = engine.folder / "secret"
    secret.write_text("root's")
    (folder / "below").mkdir()
    (folder / "link").symlink_to(secret)
    for path in (folder / "below", folder / "link"):
        os.chown(path, uid, uid, follow_symlinks=False)
    old = engine.instance("inner:a")["pid"]
    text = engine.config.read_text()
    engine.config.write_text(text.replace('user = "auto"', 'user = "daemon"'))
    wait_until(lambda: engine.instance("inner:a").get("pid") not in {0, old}, "a restart")
    assert uid_of(engine, "inner:a") == 1
    assert {path.lstat().st_uid for path in (folder, *folder.iterdir())} == {1}
    assert secret.stat().st_uid == 0


def test_a_way_that_is_closed_is_named(engine: EngineRun) -> None:
    (engine.folder / "closed").mkdir(mode=0o700)
    more = '\n[service.shut]\ncommand = "true"\nuser = "auto"\nworkdir = "closed"\n'
    more += 'isolation = "process"\n'
    text = engine.config.read_text()
    engine.config.write_text(text.replace("[instances]", f"{more}[instances]"))
    wait_until(lambda: engine.spawn("shut:a") and engine.instance("shut:a"), "shut is known")
    summary = engine.wait_state("shut:a", "failed", "backoff")["why"]["summary"]
    assert "chdir" in summary
    assert f"may not enter {engine.folder}/closed: chmod o+x {engine.folder}/closed" in summary


def test_a_user_there_is_not_is_refused_at_load_and_changes_nothing(engine: EngineRun) -> None:
    before = engine.wait_state("bare:a", "healthy")["pid"]
    text = engine.config.read_text()
    engine.config.write_text(text.replace('user = "daemon"', 'user = "no-such-user"'))
    told = wait_until(
        lambda: [e["text"] for e in engine.events() if "no-such-user" in e["text"]], "it is refused"
    )
    assert "there is no such user" in told[-1]
    engine.config.write_text(text.replace("3000000-3000099", "1-99"))
    told = wait_until(
        lambda: [e["text"] for e in engine.events() if "user_range" in e["text"]], "it is refused"
    )
    assert "daemon's" in told[-1]
    assert engine.instance("bare:a")["pid"] == before
    assert uid_of(engine, "named:a") == 1
