"""An instance filled all it may write with links: its next start brings nothing into its sight."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.engine_run import EngineRun
from tests.require import require_program, require_root

Make = Callable[[str], EngineRun]

SECRET = "of-another-tenant"
NAMES = (".venv", "run.sh", "conf.d", "given", "env.txt", "venv/bin/python")

CONFIG = """
[settings]
require_limits = false
[service.app]
command = "sh -c '{script}' x given conf.d/secret"
workdir = "{folder}/app"
env = {{ FILE = "{folder}/files/env.txt", PLACE = "{folder}/app/conf.d" }}
restart = "never"
startup_timeout = 0
{more}
[service.other]
command = "sh -c 'sleep 1000'"
startup_timeout = 0
"""
TRY = (
    "for f in .venv run.sh conf.d given conf.d/secret ../files/env.txt venv/bin/python; do "
    "cat $f/secret $f/api_token $f 2>/dev/null; touch $f/new 2>/dev/null && echo wrote $f; "
    "done; {direct}echo over"
)
LEVELS = {
    "default": "",
    "off is only covered": 'hardening = "off"',
    "sandbox": 'isolation = "sandbox"',
}


def lay_out(folder: Path) -> Path:
    """Make what the service has, and what it is not to see below a hidden home."""
    (folder / "app/venv/bin").mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "files/env.txt").write_text("x\n")
    hidden = Path("/var/tmp") / f"ten-{os.getpid()}"
    hidden.mkdir()
    (hidden / "secret").write_text(SECRET)
    return hidden


@pytest.mark.parametrize("level", LEVELS)
def test_links_left_by_an_instance_bring_nothing_into_its_sight(
    make_engine: Make, tmp_path: Path, level: str
) -> None:
    require_root()
    if level == "sandbox":
        require_program("runsc")
    for each in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        each.chmod(0o711)
    hidden = lay_out(tmp_path)
    try:
        direct = "" if "off" in level else f"cat {hidden}/secret 2>/dev/null; "
        script = TRY.format(direct=direct)
        run = make_engine(CONFIG.format(script=script, folder=tmp_path, more=LEVELS[level]))
        other = run.data_dir / "other" / "bob"
        run.start()
        assert run.spawn("other:bob")[0] == 200
        (other / "secret").write_text(SECRET)
        (run.data_dir / "secret").write_text(SECRET)
        targets = [hidden, other, run.data_dir]
        for target in targets[1:] if "off" in level else targets:
            for name in NAMES:
                where = tmp_path / ("files" if name == "env.txt" else "app") / name
                where.unlink(missing_ok=True)
                # An interpreter brings the folder it lies in.
                where.symlink_to(target / "secret" if name == "venv/bin/python" else target)
            assert run.spawn("app:x")[0] == 200
            run.wait_state("app:x", "stopped", "failed", seconds=40)
            lines = run.lines("app:x")
            assert lines[-1].endswith("over"), lines
            assert not [line for line in lines if SECRET in line or "wrote" in line], lines
            assert not (target / "new").exists()
        run.stop_instance("other:bob")
    finally:
        for each in hidden.iterdir():
            each.unlink()
        hidden.rmdir()


def test_a_source_in_a_folder_of_another_service_is_not_followed_either(
    make_engine: Make, tmp_path: Path
) -> None:
    require_root()
    (tmp_path / "app").mkdir()
    (tmp_path / "files").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "files/env.txt").write_text("x\n")
    more = f'mounts = ["{tmp_path}/theirs/{{id}}:/var/lib/assets"]\nhardening = "strict"'
    text = CONFIG.format(script="echo over", folder=tmp_path, more=more)
    run = make_engine(f'{text}workdir = "{tmp_path}/theirs"\n')
    run.start()
    (tmp_path / "theirs/x").symlink_to("/etc")
    status, answer = run.spawn("app:x")
    assert status != 200
    assert "leads through a link in a folder that instances write to" in str(answer)
    (tmp_path / "theirs/x").unlink()
    (tmp_path / "theirs/x").symlink_to(run.data_dir)
    assert run.spawn("app:x")[0] != 200
    (tmp_path / "theirs/x").unlink()
    (tmp_path / "theirs/x").mkdir()
    assert run.spawn("app:x")[0] == 200
    run.wait_state("app:x", "stopped", seconds=20)


def test_a_source_of_mounts_that_became_a_link_is_refused(
    make_engine: Make, tmp_path: Path
) -> None:
    require_root()
    (tmp_path / "app/assets").mkdir(parents=True)
    (tmp_path / "files").mkdir()
    (tmp_path / "files/env.txt").write_text("x\n")
    more = f'mounts = ["{tmp_path}/app/assets:/var/lib/assets"]'
    script = "ls /var/lib/assets; echo over"
    run = make_engine(CONFIG.format(script=script, folder=tmp_path, more=more))
    run.start()
    (tmp_path / "app/assets/mine").write_text("x\n")
    assert run.spawn("app:x")[0] == 200
    run.wait_state("app:x", "stopped", "failed", seconds=20)
    assert any("mine" in line for line in run.lines("app:x"))
    (tmp_path / "app/assets/mine").unlink()
    (tmp_path / "app/assets").rmdir()
    (tmp_path / "app/assets").symlink_to("/")
    status, answer = run.spawn("app:x")
    assert status != 200
    assert "leads through a link in a folder that instances write to" in str(answer)
